// tasks.ts — spawn, sleep, interval and timeout on this thread's loop, each ended early by an AbortSignal.
import { assert } from "./assert.ts";

export interface TaskOptions {
  /** Ends it early; what was waiting rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * A running function and its result, as `spawn` returns it. Await it to join. A task that fails and that nobody joins is
 * an unhandled rejection, as with any promise.
 */
export class Task<T> implements PromiseLike<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  #finished = false;

  constructor(run: (signal: AbortSignal) => T | PromiseLike<T>, outer: AbortSignal | undefined) {
    const { signal } = this.#controller;
    const follow = (): void => this.#controller.abort(outer?.reason);
    if (outer?.aborted) follow();
    else outer?.addEventListener("abort", follow, { once: true });
    // The function starts after the caller's turn, never inside `spawn`; one aborted before that never starts.
    this.#result = Promise.resolve()
      .then(() => {
        signal.throwIfAborted();
        return run(signal);
      })
      .finally(() => {
        this.#finished = true;
        outer?.removeEventListener("abort", follow);
      });
  }

  /** True when the function has returned or thrown. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Aborts the signal that the function was given. What it does about it is the function's business. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  // biome-ignore lint/suspicious/noThenProperty: a task is awaited like the promise it holds
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected);
  }
}

/**
 * Runs a function beside the caller, on the same thread.
 *
 * @param run is given a signal that aborts with `options.signal` or with `task.abort()`.
 */
export const spawn = <T>(run: (signal: AbortSignal) => T | PromiseLike<T>, options: TaskOptions = {}): Task<T> =>
  new Task(run, options.signal);

/** Resolves after `ms` milliseconds, or rejects with the signal's reason as soon as it aborts. */
export const sleep = (ms: number, options: TaskOptions = {}): Promise<void> =>
  new Promise((resolve, reject) => {
    const { signal } = options;
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });

/** Ticks in equal steps, as `interval` returns it. */
export class Interval implements AsyncIterable<number> {
  readonly #ms: number;
  readonly #signal: AbortSignal | undefined;
  readonly #start: number;
  #steps = 0;

  constructor(ms: number, signal: AbortSignal | undefined) {
    assert(ms > 0, "an interval needs a period above 0 ms");
    this.#ms = ms;
    this.#signal = signal;
    this.#start = performance.now();
  }

  /**
   * Waits for the next tick and tells its number, counted from 1. Ticks are due at whole multiples of the period from
   * the start, so they do not drift; those that nobody waited for are skipped, never made up for in a burst.
   */
  async tick(): Promise<number> {
    const elapsed = performance.now() - this.#start;
    this.#steps = Math.max(this.#steps, Math.floor(elapsed / this.#ms)) + 1;
    await sleep(this.#steps * this.#ms - elapsed, { signal: this.#signal });
    return this.#steps;
  }

  /** Ticks until the signal aborts, then ends without an error. */
  async *[Symbol.asyncIterator](): AsyncGenerator<number, void, void> {
    while (!this.#signal?.aborted) {
      try {
        yield await this.tick();
      } catch (error) {
        if (this.#signal?.aborted) return;
        throw error;
      }
    }
  }
}

/** Ticks every `ms` milliseconds: `for await (const tick of interval(100)) …`. The first is due after `ms`. */
export const interval = (ms: number, options: TaskOptions = {}): Interval => new Interval(ms, options.signal);

/**
 * Gives `run` at most `ms` milliseconds.
 *
 * @param run is given a signal that aborts when the time is over, or with `options.signal`.
 * @throws a DOMException named TimeoutError when the time is over first. `run` goes on until it looks at its signal.
 */
export const timeout = async <T>(
  ms: number,
  run: (signal: AbortSignal) => T | PromiseLike<T>,
  options: TaskOptions = {},
): Promise<T> => {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`not done within ${ms} ms`, "TimeoutError"));
  }, ms);
  const follow = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted) follow();
  else options.signal?.addEventListener("abort", follow, { once: true });
  try {
    return await new Promise<T>((resolve, reject) => {
      const { signal } = controller;
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      Promise.resolve(run(signal)).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", follow);
  }
};
