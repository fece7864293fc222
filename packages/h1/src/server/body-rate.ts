// body-rate.ts — how fast a request body comes, averaged over windows.

const WINDOW_MS = 5_000;

export class BodyRate {
  /** Bytes of the present window. */
  bytes = 0;
  #since = 0;

  begin(now: number): void {
    this.#since = now;
    this.bytes = 0;
  }

  /** Judges a window that is over and begins the next. @param min bytes per second, 0 = any */
  isTooSlow(now: number, min: number): boolean {
    const elapsed = now - this.#since;
    if (elapsed < WINDOW_MS) return false;
    const tooSlow = this.bytes * 1000 < min * elapsed;
    this.begin(now);
    return tooSlow;
  }
}
