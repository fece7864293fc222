// stream-ids.ts — what became of streams that are no more: opened and closed, closed by us just now, or never opened.

/** Streams we reset whose frames may still be on their way (RFC 9113 §5.1, closed). */
const GRACE_MAX = 256;
/** Ranges that were skipped; older ones count as opened. */
const SKIPPED_MAX = 64;

export class StreamIds {
  /** The highest the peer has opened. */
  last = 0;
  readonly #grace = new Set<number>();
  readonly #skipped: [from: number, to: number][] = [];

  open(id: number): void {
    if (id > this.last + 2) {
      this.#skipped.push([this.last + 1, id - 1]);
      if (this.#skipped.length > SKIPPED_MAX) this.#skipped.shift();
    }
    this.last = id;
  }

  /** We have reset it: what still comes on it is no fault. */
  forgive(id: number): void {
    this.#grace.add(id);
    if (this.#grace.size <= GRACE_MAX) return;
    for (const oldest of this.#grace) {
      this.#grace.delete(oldest);
      break;
    }
  }

  isForgiven(id: number): boolean {
    return this.#grace.has(id);
  }

  /** Below the last one, and never opened: it can never be (RFC 9113 §5.1.1). */
  wasSkipped(id: number): boolean {
    return this.#skipped.some(([from, to]) => id >= from && id <= to);
  }
}
