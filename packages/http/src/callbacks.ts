// callbacks.ts — what an exchange's owner wants to be told, and the async context it wants to hear it in.
import { type Context, captureContext } from "./dispatch.ts";

export class Callbacks {
  onDrain: (() => void) | null = null;
  onAbort: ((reason: Error) => void) | null = null;
  onFinish: ((error: Error | null) => void) | null = null;
  /** The context the first callback was set in. */
  readonly #context: Context = captureContext();
  readonly #failed: (error: unknown) => void;

  /** @param failed told what the callbacks throw */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  drained(): void {
    const callback = this.onDrain;
    if (callback !== null) this.#call(callback);
  }

  aborted(reason: Error): void {
    const callback = this.onAbort;
    this.onAbort = null;
    if (callback !== null) this.#call(() => callback(reason));
  }

  finished(error: Error | null): void {
    const callback = this.onFinish;
    this.onFinish = null;
    if (callback !== null) this.#call(() => callback(error));
  }

  #call(callback: () => void): void {
    try {
      this.#context(callback);
    } catch (error) {
      this.#failed(error);
    }
  }
}
