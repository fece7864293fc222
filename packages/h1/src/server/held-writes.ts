// held-writes.ts — what a response was given before its turn came (pipelining): kept in order, then written or dropped.
import type { Lease } from "@percore/core";

export class HeldWrites {
  /** Body bytes held. */
  bytes = 0;
  #writes: (() => void)[] = [];
  readonly #leases = new Set<Lease>();

  /** @param lease released if the write never comes to pass */
  add(write: () => void, bytes: number, lease: Lease | null): void {
    this.bytes += bytes;
    if (lease === null) {
      this.#writes.push(write);
      return;
    }
    this.#leases.add(lease);
    this.#writes.push(() => {
      this.#leases.delete(lease);
      write();
    });
  }

  run(): void {
    const writes = this.#writes;
    this.#writes = [];
    this.bytes = 0;
    for (const write of writes) write();
  }

  drop(): void {
    for (const lease of this.#leases) lease.release();
    this.#leases.clear();
    this.#writes = [];
    this.bytes = 0;
  }
}
