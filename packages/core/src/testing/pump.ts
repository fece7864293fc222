// pump.ts — moves bytes between in-memory streams, one step at a time: the tests' network and event loop.
import { assert } from "../assert.ts";

/** Something the pump can move. A step does at most one thing and says whether there was anything to do. */
export interface Pumped {
  /** One step: a take, a delivery or a notification. False where there was nothing to do. */
  step(): boolean;
}

export interface PumpOptions {
  /**
   * Moves by itself, in a `setImmediate` after each write, for programs under test that await. Default false: nothing
   * moves but by `step`, `run` and `settle`, and a test's order of events is the same each time.
   */
  auto?: boolean;
}

/** More steps than any test needs: what is still busy then is two ends that answer each other for ever. */
const STEPS_MAX = 10_000_000;
/** Idle turns of node's event loop after which `settle` believes that nothing more will come. */
const IDLE_TURNS = 4;

export class Pump {
  readonly #auto: boolean;
  readonly #members: Pumped[] = [];
  #next = 0;
  #scheduled = false;

  constructor(options: PumpOptions = {}) {
    this.#auto = options.auto ?? false;
  }

  add(member: Pumped): void {
    this.#members.push(member);
  }

  remove(member: Pumped): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
  }

  /** Does one thing, members taking turns. False where there is nothing to do. */
  step(): boolean {
    for (let tried = this.#members.length; tried > 0; tried -= 1) {
      if (this.#next >= this.#members.length) this.#next = 0;
      const member = this.#members[this.#next] as Pumped;
      this.#next += 1;
      if (member.step()) return true;
    }
    return false;
  }

  /** Steps until there is nothing left to do. Returns the number of steps. */
  run(): number {
    let steps = 0;
    while (this.step()) {
      steps += 1;
      assert(steps < STEPS_MAX, "the pump never comes to rest");
    }
    return steps;
  }

  /** Runs, lets promises and node's event loop go on, and repeats until both are at rest. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < IDLE_TURNS; idle += 1) {
      if (this.run() > 0) idle = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Called by members when there may be something to do. */
  wake(): void {
    if (!this.#auto || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.run();
    });
  }
}
