// flood-gauge.ts — how often a peer did what is allowed now and then. Counts start anew after each span.
import type { H2Limits } from "../limits.ts";

/** Limits of H2Limits that are counted over a span. */
export type FloodLimit =
  | "resetsMax"
  | "settingsMax"
  | "pingsMax"
  | "prioritiesMax"
  | "emptyDataMax"
  | "tinyDataMax"
  | "windowUpdatesMax";

export class FloodGauge {
  readonly #limits: H2Limits;
  #since = 0;
  resetsMax = 0;
  settingsMax = 0;
  pingsMax = 0;
  prioritiesMax = 0;
  emptyDataMax = 0;
  tinyDataMax = 0;
  windowUpdatesMax = 0;

  constructor(limits: H2Limits, now: number) {
    this.#limits = limits;
    this.#since = now;
  }

  /** Counts one; true when that is one too many. */
  passes(limit: FloodLimit, now: number): boolean {
    if (now - this.#since > this.#limits.floodWindowMs) this.#restart(now);
    this[limit] += 1;
    return this[limit] > this.#limits[limit];
  }

  #restart(now: number): void {
    this.#since = now;
    this.resetsMax = 0;
    this.settingsMax = 0;
    this.pingsMax = 0;
    this.prioritiesMax = 0;
    this.emptyDataMax = 0;
    this.tinyDataMax = 0;
    // Those that sent DATA has earned stay earned.
    this.windowUpdatesMax = Math.min(this.windowUpdatesMax, 0);
  }
}
