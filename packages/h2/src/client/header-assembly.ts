// header-assembly.ts — a header block that comes in HEADERS and CONTINUATION frames, put together within limits.
import type { H2Limits } from "../limits.ts";

export class HeaderAssembly {
  /** Whose block is not complete; 0 where there is none. */
  streamId = 0;
  /** HEADERS had END_STREAM. */
  end = false;
  u8: Uint8Array = NOTHING;
  size = 0;
  readonly #limits: H2Limits;
  #continuations = 0;

  constructor(limits: H2Limits) {
    this.#limits = limits;
  }

  begin(streamId: number, end: boolean, u8: Uint8Array, at: number, size: number): void {
    this.streamId = streamId;
    this.end = end;
    this.size = 0;
    this.#continuations = 0;
    this.#append(u8, at, size);
  }

  /** Adds a CONTINUATION's part. Returns the name of a limit that it passes, or null. */
  continue(u8: Uint8Array, at: number, size: number, last: boolean): keyof H2Limits | null {
    this.#continuations += 1;
    // An empty one has no use (RFC 9113 §10.5) but to keep us busy.
    if (this.#continuations > this.#limits.continuationsMax || (size === 0 && !last)) return "continuationsMax";
    if (this.size + size > this.#limits.headerBlockBytesMax) return "headerBlockBytesMax";
    this.#append(u8, at, size);
    return null;
  }

  /** The block has been taken. */
  clear(): void {
    this.streamId = 0;
    this.u8 = NOTHING;
  }

  #append(u8: Uint8Array, at: number, size: number): void {
    const needed = this.size + size;
    if (this.u8.length < needed) {
      const larger = new Uint8Array(Math.max(needed * 2, 1024));
      larger.set(this.u8.subarray(0, this.size));
      this.u8 = larger;
    }
    this.u8.set(u8.subarray(at, at + size), this.size);
    this.size = needed;
  }
}

const NOTHING = new Uint8Array(0);
