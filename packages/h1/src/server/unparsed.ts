// unparsed.ts — bytes received that may not be parsed yet, copied out of the receive buffers in order.
import type { Arena, Lease } from "@percore/core";

/** Largest lease they are kept in. */
const BLOCK_BYTES = 65_536;

export class Unparsed {
  readonly #arena: Arena;
  #leases: Lease[] = [];

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get empty(): boolean {
    return this.#leases.length === 0;
  }

  /** Address of the first byte; only where there is one. */
  get first(): number {
    return this.#leases[0].offset;
  }

  /** Copies `size` bytes at `at` behind what is kept. */
  keep(at: number, size: number): void {
    for (let done = 0; done < size; done += BLOCK_BYTES) {
      const part = Math.min(BLOCK_BYTES, size - done);
      const lease = this.#arena.lease(part);
      this.#arena.u8.copyWithin(lease.offset, at + done, at + done + part);
      this.#leases.push(lease);
    }
  }

  /** Everything, oldest first; the caller owns the leases. */
  take(): Lease[] {
    const leases = this.#leases;
    this.#leases = [];
    return leases;
  }

  /** Puts back, behind what is kept, what was taken and not used. */
  putBack(leases: readonly Lease[]): void {
    this.#leases.push(...leases);
  }

  drop(): void {
    for (const lease of this.take()) lease.release();
  }
}
