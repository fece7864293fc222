// reset-streams.ts — streams that we reset, whose frames may still be on their way (RFC 9113 §5.1, closed).

/** How many are known. A server is told of a reset within one round trip, and that many in one are many. */
const KNOWN_MAX = 4096;

export class ResetStreams {
  readonly #ids = new Set<number>();

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= KNOWN_MAX) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
