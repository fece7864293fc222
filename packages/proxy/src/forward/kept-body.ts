// kept-body.ts — what of a request's body has been sent, kept as long as it may have to be sent again.
import type { Lease } from "@percore/core";

export class KeptBody {
  readonly #bytesMax: number;
  #parts: Uint8Array[] | null = [];
  #bytes = 0;

  /** @param bytesMax beyond it nothing is kept, and the body cannot be sent again; 0: from the first byte on. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The whole of what has come so far can be sent again. */
  get whole(): boolean {
    return this.#parts !== null;
  }

  /** Copies a part, where it still fits. */
  add(lease: Lease): void {
    if (this.#parts === null) return;
    this.#bytes += lease.length;
    if (this.#bytes > this.#bytesMax) this.#parts = null;
    else this.#parts.push(lease.bytes.slice());
  }

  /** What has come so far, in order. */
  get parts(): readonly Uint8Array[] {
    return this.#parts ?? [];
  }

  /** It will not be sent again. */
  drop(): void {
    this.#parts = null;
  }
}
