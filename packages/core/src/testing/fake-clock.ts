// fake-clock.ts — a clock that moves when told to, with a timer wheel on it: deadlines without real time.
import { WHEEL_STEP_MS, Wheel } from "../wheel.ts";

export class FakeClock {
  readonly wheel: Wheel;
  #now: number;

  /** @param start the first reading, milliseconds. */
  constructor(start = 0) {
    this.#now = start;
    this.wheel = new Wheel(start);
  }

  get now(): number {
    return this.#now;
  }

  /**
   * Moves the clock on and fires what is due, step by step, so that a deadline set by another one fires in its turn.
   * @throws what an `onDeadline` threw first, after the others have run.
   */
  advance(ms: number): void {
    const thrown: unknown[] = [];
    const end = this.#now + ms;
    while (this.#now < end) {
      this.#now = Math.min(end, this.#now + WHEEL_STEP_MS);
      this.wheel.advance(this.#now, (error) => thrown.push(error));
    }
    if (thrown.length > 0) throw thrown[0];
  }

  /** As far as it takes for a deadline that is `ms` away to have fired: deadlines are late by up to one wheel step. */
  pass(ms: number): void {
    this.advance(ms + WHEEL_STEP_MS);
  }
}
