// retry-budget.ts — retries as a share of requests: where everything fails, trying again must not double the load.

/** Seconds over which the share is taken. */
const WINDOW_S = 10;
/** Retries in the window that are always allowed: few requests must not mean none. */
export const RETRIES_MIN = 10;

/** Counts by whole seconds in a ring: what is older than the window is gone. */
export class RetryBudget {
  readonly #requests: number[] = new Array<number>(WINDOW_S).fill(0);
  readonly #retries: number[] = new Array<number>(WINDOW_S).fill(0);
  #second = 0;
  #slot = 0;
  /** The second at hand is over. */
  #untilMs = 1_000;

  request(nowMs: number): void {
    if (nowMs >= this.#untilMs) this.#turnOver(nowMs);
    this.#requests[this.#slot] += 1;
  }

  /** Takes a retry out of the budget, where there is one. */
  retry(nowMs: number, percent: number): boolean {
    if (nowMs >= this.#untilMs) this.#turnOver(nowMs);
    const allowed = Math.max(RETRIES_MIN, (sum(this.#requests) * percent) / 100);
    if (percent === 0 || sum(this.#retries) >= allowed) return false;
    this.#retries[this.#slot] += 1;
    return true;
  }

  #turnOver(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const gone = Math.min(WINDOW_S, second - this.#second);
    for (let back = 0; back < gone; back += 1) {
      this.#requests[(second - back) % WINDOW_S] = 0;
      this.#retries[(second - back) % WINDOW_S] = 0;
    }
    this.#second = second;
    this.#slot = second % WINDOW_S;
    this.#untilMs = (second + 1) * 1_000;
  }
}

const sum = (counts: readonly number[]): number => {
  let total = 0;
  for (const count of counts) total += count;
  return total;
};
