// clock.ts — the thread's clock, and who settles streams at the end of a turn: the runtime, or a microtask where there is none.
import { Runtime, type Settler, type Wheel } from "@percore/core";
import { ROOT } from "./thread.ts";

/** A `Runtime` is one, so is a test's `FakeClock`. */
export interface Clock {
  /** Milliseconds, monotonic; may be coarse. */
  readonly now: number;
  readonly wheel: Wheel;
}

/** Calls each scheduled settler once, soon. */
export interface Turns {
  schedule(settler: Settler): void;
  report(error: unknown): void;
}

export const turnsOf = (clock: Clock): Turns => (clock instanceof Runtime ? clock : MICROTASKS);

class Microtasks implements Turns {
  #settlers: Settler[] = [];

  schedule(settler: Settler): void {
    this.#settlers.push(settler);
    if (this.#settlers.length === 1) queueMicrotask(() => ROOT.runInAsyncScope(() => this.#settle()));
  }

  report(error: unknown): void {
    console.error("percore: a handler threw into a TLS stream; it was reset.", error);
  }

  #settle(): void {
    const settlers = this.#settlers;
    this.#settlers = [];
    for (const settler of settlers) {
      try {
        settler.settle();
      } catch (error) {
        this.report(error);
        settler.crash(error);
      }
    }
  }
}

const MICROTASKS = new Microtasks();
