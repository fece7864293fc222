// chunk-overhead.ts — bytes of chunk size lines and extensions beyond what a chunk needs (RFC 9112 §7.1.1).
//
// llhttp does not tell where they are, but they are what lies between the body's ranges. Each line is judged by itself
// and the excess only grows, so that it does not matter how the bytes were cut.

/** Allowed for each chunk: a size line, and the CRLF behind the data before it. */
const LINE_BYTES = 18;

export class ChunkOverhead {
  #excess = 0;
  /** Bytes since the last body range: the line that is not complete yet. */
  #line = 0;

  /** Bytes beyond what is allowed, with the present line's so far. */
  get bytes(): number {
    return this.#excess + Math.max(0, this.#line - LINE_BYTES);
  }

  reset(): void {
    this.#excess = 0;
    this.#line = 0;
  }

  /**
   * Counts a step's bytes from `start` to `end`, addresses.
   * @param record index in `i32` of the first of `records` body records (address, size, and two words more)
   */
  count(i32: Int32Array, record: number, records: number, start: number, end: number): void {
    let from = start;
    for (let at = 0; at < records; at += 1) {
      const address = i32[record + at * 4];
      this.#line += address - from;
      // A chunk that goes on where the last step ended has no line before it.
      if (this.#line > 0) {
        this.#excess += Math.max(0, this.#line - LINE_BYTES);
        this.#line = 0;
      }
      from = address + i32[record + at * 4 + 1];
    }
    this.#line += end - from;
  }
}
