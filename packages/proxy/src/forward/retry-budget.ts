// retry-budget.ts — retries as a share of requests: where everything fails, trying again must not double the load.

/** Seconds over which the share is taken. */
const WINDOW_S = 10;
/** Retries in the window that are always allowed: few requests must not mean none. */
export const RETRIES_MIN = 10;

/** Counts by whole seconds in a ring: what is older than the window is gone. */
export class RetryBudget {
  readonly #requests = new Uint32Array(WINDOW_S);
  readonly #retries = new Uint32Array(WINDOW_S);
  #second = 0;

  request(nowMs: number): void {
    this.#requests[this.#slot(nowMs)] += 1;
  }

  /** Takes a retry out of the budget, where there is one. */
  retry(nowMs: number, percent: number): boolean {
    const slot = this.#slot(nowMs);
    const allowed = Math.max(RETRIES_MIN, (sum(this.#requests) * percent) / 100);
    if (percent === 0 || sum(this.#retries) >= allowed) return false;
    this.#retries[slot] += 1;
    return true;
  }

  #slot(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    const gone = Math.min(WINDOW_S, second - this.#second);
    for (let back = 0; back < gone; back += 1) {
      this.#requests[(second - back) % WINDOW_S] = 0;
      this.#retries[(second - back) % WINDOW_S] = 0;
    }
    if (gone > 0) this.#second = second;
    return this.#second % WINDOW_S;
  }
}

const sum = (counts: Uint32Array): number => {
  let total = 0;
  for (const count of counts) total += count;
  return total;
};
