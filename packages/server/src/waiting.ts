// waiting.ts — promises given to waitUntil(): kept until they settle, waited for when the server closes.
import type { Report } from "./fetch/outcome.ts";

export class Waiting {
  readonly #report: Report;
  readonly #promises = new Set<Promise<void>>();

  /** @param report told what a promise rejected with. */
  constructor(report: Report) {
    this.#report = report;
  }

  get size(): number {
    return this.#promises.size;
  }

  add(promise: PromiseLike<unknown>): void {
    const settled = Promise.resolve(promise).then(
      () => undefined,
      (error: unknown) => this.#report(error),
    );
    this.#promises.add(settled);
    void settled.then(() => this.#promises.delete(settled));
  }

  /** Resolves when all have settled, those included that come meanwhile, or after `timeoutMs`. */
  async settle(timeoutMs: number): Promise<void> {
    if (this.#promises.size === 0) return;
    const deadline = Date.now() + timeoutMs;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    while (this.#promises.size > 0 && Date.now() < deadline) await Promise.race([Promise.all(this.#promises), late]);
    clearTimeout(timer);
  }
}
