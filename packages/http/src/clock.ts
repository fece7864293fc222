// clock.ts — what time it is for a connection, and where it leaves its deadlines.
import type { Wheel } from "@percore/core";

/** The thread's clock: a `Runtime` is one, so is a test's `FakeClock`. */
export interface Clock {
  /** Milliseconds, monotonic, as of this batch. */
  readonly now: number;
  readonly wheel: Wheel;
}
