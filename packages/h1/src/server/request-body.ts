// request-body.ts — a request body on its way to its receiver: handed on at once, or copied and kept within a budget.
import type { Arena, Lease } from "@percore/core";
import { type BodyReceiver, type Context, captureContext, type Fields, HttpError } from "@percore/http";
import type { ServerExchange } from "./exchange.ts";

/** Kept bytes are gathered in blocks of this size. */
const BLOCK_BYTES = 16_384;

export class RequestBody {
  /** Bytes announced, or -1. */
  readonly length: number;
  /** Whose body it is: what its receiver throws is that handler's failure. */
  exchange: ServerExchange | null = null;
  /** Bytes that have come. */
  received = 0;
  /** Bytes kept because nobody takes them now. */
  keptBytes = 0;
  /** All of it has come. */
  complete = false;
  /** It will never be complete. */
  failed = false;
  /** What comes is dropped: nobody will ask for it. */
  discarding = false;
  /** Bytes that had come when discarding began. */
  discardedFrom = 0;
  readonly #arena: Arena;
  #receiver: BodyReceiver | null = null;
  #context: Context | null = null;
  #paused = false;
  #trailers: Fields | null = null;
  #error: Error | null = null;
  #told = false;
  #abandoned = false;
  #kept: Lease[] = [];

  constructor(arena: Arena, length: number) {
    this.#arena = arena;
    this.length = length;
  }

  get hasReceiver(): boolean {
    return this.#receiver !== null;
  }

  /** Bytes can be handed on as they come. */
  get flows(): boolean {
    return this.#receiver !== null && !this.#paused && this.#kept.length === 0;
  }

  /** @throws {HttpError} ERR_BODY_RECEIVED. */
  attach(receiver: BodyReceiver): void {
    if (this.#receiver !== null || this.#abandoned)
      throw new HttpError("ERR_BODY_RECEIVED", "this request body has a receiver already");
    this.#receiver = receiver;
    this.#context = captureContext();
  }

  pause(): void {
    this.#paused = true;
  }

  /** Hands on what was kept, until the receiver pauses again. */
  resume(): void {
    this.#paused = false;
    this.flush();
  }

  /** `size` bytes at `at`, part of `lease`. */
  push(lease: Lease, at: number, size: number): void {
    this.received += size;
    if (this.discarding) return;
    if (this.flows) this.#give(lease.slice(at - lease.offset, size));
    else this.#keep(at, size);
  }

  /** The whole body has come. */
  end(trailers: Fields | null): void {
    this.complete = true;
    this.#trailers = trailers;
    this.flush();
  }

  /** It will never be complete, or what was kept of it is needed no more. The receiver hears of it unless it has all. */
  fail(error: Error): void {
    if (this.failed || this.#told) return;
    this.failed = true;
    this.#error = error;
    this.dropKept();
    this.flush();
  }

  /** Its receiver has had enough; nobody else may have the rest. */
  abandon(): void {
    this.#receiver = null;
    this.#abandoned = true;
    this.dropKept();
  }

  /** Nobody will ask for it any more. */
  discard(): void {
    this.discarding = true;
    this.discardedFrom = this.received;
    this.dropKept();
  }

  dropKept(): void {
    for (const lease of this.#kept) lease.release();
    this.#kept = [];
    this.keptBytes = 0;
  }

  /** Tells the receiver all that it may hear now. */
  flush(): void {
    while (this.#receiver !== null && !this.#paused && !this.#told && this.#error === null) {
      const lease = this.#kept.shift();
      if (lease !== undefined) {
        this.keptBytes -= lease.length;
        this.#give(lease);
      } else if (this.complete) {
        this.#told = true;
        this.#call((receiver) => receiver.onBodyEnd(this.#trailers));
      } else break;
    }
    // An error is not held back by a pause: nothing will come that a paused receiver could be waiting for.
    const error = this.#error;
    if (this.#receiver !== null && error !== null && !this.#told) {
      this.#told = true;
      this.#call((receiver) => receiver.onBodyError(error));
    }
  }

  #give(lease: Lease): void {
    this.#call((receiver) => receiver.onBody(lease));
  }

  #call(what: (receiver: BodyReceiver) => void): void {
    const receiver = this.#receiver;
    if (receiver === null || this.#context === null) return;
    try {
      this.#context(() => what(receiver));
    } catch (error) {
      const { exchange } = this;
      exchange?.owner.handlerFailed(exchange, error);
    }
  }

  #keep(from: number, size: number): void {
    let at = from;
    let left = size;
    this.keptBytes += size;
    while (left > 0) {
      const tail = this.#kept.at(-1);
      const room = tail === undefined ? 0 : tail.capacity - tail.length;
      if (tail !== undefined && room > 0) {
        const part = Math.min(room, left);
        this.#arena.u8.copyWithin(tail.offset + tail.length, at, at + part);
        tail.length += part;
        at += part;
        left -= part;
        continue;
      }
      const lease = this.#arena.lease(Math.min(left, BLOCK_BYTES));
      lease.length = 0;
      this.#kept.push(lease);
    }
  }
}
