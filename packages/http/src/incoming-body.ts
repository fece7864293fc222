// incoming-body.ts — a message's body on its way to its receiver: handed on at once, or copied and kept within a budget.
import type { Account, Arena, Lease } from "@percore/core";
import { type Context, captureContext } from "./dispatch.ts";
import { HttpError } from "./errors.ts";
import type { BodyReceiver } from "./exchange.ts";
import type { Fields } from "./fields.ts";

/** Kept bytes are gathered in blocks of this size. */
const BLOCK_BYTES = 16_384;

/** Whose body it is. */
export interface BodyOwner {
  /** Its receiver threw. */
  receiverFailed(error: unknown): void;
}

/**
 * The body of a request (server) or a response (client). Its reader pushes what comes and says how it ends; its receiver
 * hears it in order, when it does not pause. Who bounds `keptBytes` is the reader: by not reading on, or by a window.
 */
export class IncomingBody {
  /** Bytes announced, or -1. */
  readonly length: number;
  /** Bytes that have come. */
  received = 0;
  /** Bytes kept because nobody takes them now. */
  keptBytes = 0;
  /** All of it has come. */
  complete = false;
  /** It will never be complete. */
  failed = false;
  /** The receiver has heard the end, or the error: its last call. */
  told = false;
  /** What comes is dropped: nobody will ask for it. */
  discarding = false;
  /** Bytes that had come when discarding began. */
  discardedFrom = 0;
  /** Whose body it is: what its receiver throws is that exchange's failure. */
  owner: BodyOwner | null = null;
  /** Told of bytes that were let go of, by the receiver or here; null where nobody counts them. */
  account: Account | null = null;
  readonly #arena: Arena;
  #receiver: BodyReceiver | null = null;
  #context: Context | null = null;
  #paused = false;
  #abandoned = false;
  #trailers: Fields | null = null;
  #error: Error | null = null;
  #kept: Lease[] = [];
  /** The last of them where it is a block of our own: only that one may grow. */
  #growing: Lease | null = null;

  /** @param length bytes announced, or -1 */
  constructor(arena: Arena, length: number) {
    this.#arena = arena;
    this.length = length;
  }

  get hasReceiver(): boolean {
    return this.#receiver !== null;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Bytes can be handed on as they come. */
  get flows(): boolean {
    return this.#receiver !== null && !this.#paused && this.#kept.length === 0;
  }

  /**
   * Gives the body its one receiver, which hears everything in the present async context. Nothing is told before `flush`.
   * @throws {HttpError} ERR_BODY_RECEIVED.
   */
  attach(receiver: BodyReceiver): void {
    this.attachIn(captureContext(), receiver);
  }

  /**
   * The same for a receiver whose context is not the present one; null: it has none to keep.
   * @throws {HttpError} ERR_BODY_RECEIVED.
   */
  attachIn(context: Context | null, receiver: BodyReceiver): void {
    if (this.#receiver !== null || this.#abandoned) {
      throw new HttpError("ERR_BODY_RECEIVED", "this body has a receiver already");
    }
    this.#receiver = receiver;
    this.#context = context;
  }

  /** Takes bytes back, and the receiver off (see Stream.unread). */
  unread(lease: Lease): void {
    this.#receiver = null;
    this.keptBytes += lease.length;
    this.#kept.unshift(lease.transient ? lease.copy() : lease);
  }

  pause(): void {
    this.#paused = true;
  }

  /** Hands on what was kept, until the receiver pauses again. */
  resume(): void {
    this.#paused = false;
    this.flush();
  }

  /** `size` bytes at `at`, part of `lease`, which stays the caller's. */
  push(lease: Lease, at: number, size: number): void {
    this.received += size;
    if (this.discarding || this.failed) this.account?.credit(size);
    else if (this.flows) this.#give(lease.slice(at - lease.offset, size));
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
    if (this.failed || this.told) return;
    this.failed = true;
    this.#error = error;
    this.#dropKept();
    this.flush();
  }

  /** Its receiver has had enough and hears no more; nobody else may have the rest. */
  abandon(): void {
    this.#receiver = null;
    this.#abandoned = true;
    this.#dropKept();
  }

  /** Nobody will ask for it any more. */
  discard(): void {
    this.discarding = true;
    this.discardedFrom = this.received;
    this.#dropKept();
  }

  /** Tells the receiver all that it may hear now. */
  flush(): void {
    while (this.#receiver !== null && !this.#paused && !this.told && this.#error === null) {
      const lease = this.#kept.shift();
      if (lease !== undefined) {
        if (lease === this.#growing) this.#growing = null;
        this.keptBytes -= lease.length;
        this.#give(lease);
      } else if (this.complete) {
        this.told = true;
        this.#tell(END, this.#trailers);
      } else break;
    }
    // An error is not held back by a pause: nothing will come that a paused receiver could be waiting for.
    if (this.#receiver !== null && this.#error !== null && !this.told) {
      this.told = true;
      this.#tell(FAILED, this.#error);
    }
  }

  #dropKept(): void {
    for (const lease of this.#kept) {
      this.account?.credit(lease.length);
      lease.release();
    }
    this.#kept = [];
    this.#growing = null;
    this.keptBytes = 0;
  }

  #give(lease: Lease): void {
    if (this.account !== null) lease.charge(this.account, lease.length);
    this.#tell(DATA, lease);
  }

  #tell<Argument>(what: (receiver: BodyReceiver, argument: Argument) => void, argument: Argument): void {
    const receiver = this.#receiver as BodyReceiver;
    const context = this.#context;
    try {
      if (context === null) what(receiver, argument);
      else context(() => what(receiver, argument));
    } catch (error) {
      this.owner?.receiverFailed(error);
    }
  }

  #keep(from: number, size: number): void {
    let at = from;
    let left = size;
    this.keptBytes += size;
    while (left > 0) {
      const tail = this.#growing;
      if (tail !== null && tail.length < tail.capacity) {
        const part = Math.min(tail.capacity - tail.length, left);
        this.#arena.u8.copyWithin(tail.offset + tail.length, at, at + part);
        tail.length += part;
        at += part;
        left -= part;
        continue;
      }
      const lease = this.#arena.lease(Math.min(left, BLOCK_BYTES));
      lease.length = 0;
      this.#kept.push(lease);
      this.#growing = lease;
    }
  }
}

const DATA = (receiver: BodyReceiver, lease: Lease): void => receiver.onBody(lease);
const END = (receiver: BodyReceiver, trailers: Fields | null): void => receiver.onBodyEnd(trailers);
const FAILED = (receiver: BodyReceiver, error: Error): void => receiver.onBodyError(error);
