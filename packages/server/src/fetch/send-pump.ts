// send-pump.ts — moves a streamed body onto an exchange: one part at a time, and none while the client is behind.
import type { Exchange } from "@percore/http";
import { toChunk } from "./body-stream.ts";
import { type Finish, type Report, toError } from "./outcome.ts";
import { onExchangeAbort } from "./request-signal.ts";

/** What readers of web streams and iterators both give. */
interface Step {
  readonly done?: boolean;
  readonly value?: unknown;
}

interface PartSource {
  next(): PromiseLike<Step> | Step;
}

/** Parts of an iterable that gives them without waiting are taken so many in a row before the loop gets its turn. */
const PARTS_IN_A_ROW = 64;

export class BodyPump {
  readonly #exchange: Exchange;
  readonly #source: PartSource;
  readonly #stop: (reason: unknown) => void;
  readonly #finish: Finish;
  readonly #report: Report;
  #over = false;

  /**
   * @param stop tells the source that nobody will take more of it.
   * @param finish completes the response behind the last part.
   */
  constructor(exchange: Exchange, source: PartSource, stop: (reason: unknown) => void, finish: Finish, report: Report) {
    this.#exchange = exchange;
    this.#source = source;
    this.#stop = stop;
    this.#finish = finish;
    this.#report = report;
  }

  start(): void {
    onExchangeAbort(this.#exchange, (reason) => {
      if (this.#over) return;
      this.#over = true;
      this.#stop(reason);
    });
    this.#pull();
  }

  readonly #pull = (): void => {
    if (this.#over) return;
    this.#exchange.onDrain = null;
    try {
      for (let row = 0; row < PARTS_IN_A_ROW; row += 1) {
        const step = this.#source.next();
        if (isPromise(step)) {
          step.then(this.#onStep, this.#onError);
          return;
        }
        if (!this.#take(step)) return;
      }
    } catch (error) {
      this.#onError(error);
      return;
    }
    setImmediate(this.#pull);
  };

  readonly #onStep = (step: Step): void => {
    if (this.#over) return;
    try {
      if (this.#take(step)) this.#pull();
    } catch (error) {
      this.#onError(error);
    }
  };

  readonly #onError = (error: unknown): void => {
    if (this.#over) return;
    this.#over = true;
    this.#stop(error);
    this.#exchange.abort(toError(error));
    this.#report(error);
  };

  /** Writes one part. True where the next may follow at once. */
  #take(step: Step): boolean {
    if (step.done === true) {
      this.#over = true;
      this.#finish(this.#exchange);
      return false;
    }
    const { value } = step;
    const chunk = typeof value === "string" ? value : toChunk(value);
    if (chunk.length === 0 || this.#exchange.write(chunk)) return true;
    this.#exchange.onDrain = this.#pull;
    return false;
  }
}

const isPromise = (step: PromiseLike<Step> | Step): step is PromiseLike<Step> =>
  typeof (step as PromiseLike<Step>).then === "function";
