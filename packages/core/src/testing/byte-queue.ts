// byte-queue.ts — bytes in order, put in by pieces and taken out by any size. Plays the kernel's socket buffer.

export class ByteQueue {
  readonly #pieces: Uint8Array[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes over `bytes`; the caller must not change them any more. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#size += bytes.length;
  }

  /** Moves the first `target.length` bytes into `target`. There must be as many. */
  shiftInto(target: Uint8Array): void {
    let filled = 0;
    while (filled < target.length) {
      const piece = this.#pieces[0] as Uint8Array;
      const part = piece.subarray(this.#head, this.#head + target.length - filled);
      target.set(part, filled);
      filled += part.length;
      this.#head += part.length;
      if (this.#head === piece.length) {
        this.#pieces.shift();
        this.#head = 0;
      }
    }
    this.#size -= filled;
  }

  /** Removes and returns everything. */
  drain(): Uint8Array {
    const all = new Uint8Array(this.#size);
    this.shiftInto(all);
    return all;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#head = 0;
    this.#size = 0;
  }
}
