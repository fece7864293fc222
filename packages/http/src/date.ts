// date.ts — the Date field's value (RFC 9110 §5.6.7), made once per second.

/** "Sun, 06 Nov 1994 08:49:37 GMT" */
export const DATE_BYTES = 29;

let versions = 0;

/** Reads the wall clock at most once per second of the monotonic clock it is shown. */
export class DateCache {
  /** The value to send now. */
  text = "";
  /** Another one each time `text` changes, of no other cache: whoever copied the text knows when to copy again. */
  version = 0;
  #freshUntil = Number.NEGATIVE_INFINITY;
  readonly #wallClock: () => number;

  /** @param wallClock milliseconds since 1970; a test gives its own. */
  constructor(wallClock: () => number = Date.now) {
    this.#wallClock = wallClock;
  }

  /** Brings `text` up to date. @param now a monotonic clock's reading, milliseconds. */
  refresh(now: number): void {
    if (now < this.#freshUntil) return;
    const wall = this.#wallClock();
    this.#freshUntil = now + 1000 - (wall % 1000);
    const text = new Date(wall).toUTCString();
    if (text === this.text) return;
    this.text = text;
    versions += 1;
    this.version = versions;
  }
}
