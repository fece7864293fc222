// request-body.ts — a request body on its way to its receiver: handed on at once, or copied and kept; the peer's window
// grows only when bytes are let go of, so that what is kept is bounded by it.
import type { Account, Arena, Lease } from "@percore/core";
import { type BodyReceiver, type Context, captureContext, type Fields, HttpError } from "@percore/http";

/** Kept bytes are gathered in blocks of this size. */
const BLOCK_BYTES = 16_384;

export class RequestBody {
  /** Bytes announced, or -1. */
  readonly length: number;
  received = 0;
  complete = false;
  failed = false;
  /** What comes is dropped: nobody will ask for it. */
  discarding = false;
  discardedFrom = 0;
  readonly #arena: Arena;
  readonly #account: Account;
  readonly #receiverFailed: (error: unknown) => void;
  #receiver: BodyReceiver | null = null;
  #context: Context | null = null;
  #paused = false;
  #trailers: Fields | null = null;
  #error: Error | null = null;
  #told = false;
  #kept: Lease[] = [];

  /** @param account told of bytes that were let go of: the peer may send as many more */
  constructor(arena: Arena, length: number, account: Account, receiverFailed: (error: unknown) => void) {
    this.#arena = arena;
    this.length = length;
    this.#account = account;
    this.#receiverFailed = receiverFailed;
  }

  get hasReceiver(): boolean {
    return this.#receiver !== null;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Somebody takes what comes. */
  get flows(): boolean {
    return this.#receiver !== null && !this.#paused;
  }

  /** @throws {HttpError} ERR_BODY_RECEIVED. */
  attach(receiver: BodyReceiver): void {
    if (this.#receiver !== null) throw new HttpError("ERR_BODY_RECEIVED", "this request body has a receiver already");
    this.#receiver = receiver;
    this.#context = captureContext();
    this.flush();
  }

  /** Takes bytes back, and the receiver off (see Stream.unread). */
  unread(lease: Lease): void {
    this.#receiver = null;
    this.#kept.unshift(lease.transient ? lease.copy() : lease);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.flush();
  }

  /** `size` bytes at `at`, part of `lease`. */
  push(lease: Lease, at: number, size: number): void {
    this.received += size;
    if (this.discarding || this.failed) this.#account.credit(size);
    else if (this.flows && this.#kept.length === 0) {
      const part = lease.slice(at - lease.offset, size);
      part.charge(this.#account, size);
      this.#call((receiver) => receiver.onBody(part));
    } else this.#keep(at, size);
  }

  end(trailers: Fields | null): void {
    this.complete = true;
    this.#trailers = trailers;
    this.flush();
  }

  /** It will never be complete. The receiver hears of it unless it has all. */
  fail(error: Error): void {
    if (this.failed || this.#told) return;
    this.failed = true;
    this.#error = error;
    this.#dropKept();
    this.flush();
  }

  /** Its receiver wants no more, and hears no more. */
  abandon(): void {
    this.#receiver = null;
    this.#told = true;
    this.discard();
  }

  /** Nobody will ask for it any more. */
  discard(): void {
    this.discarding = true;
    this.discardedFrom = this.received;
    this.#dropKept();
  }

  /** Tells the receiver all that it may hear now. */
  flush(): void {
    while (this.flows && !this.#told && this.#error === null) {
      const lease = this.#kept.shift();
      if (lease !== undefined) {
        lease.charge(this.#account, lease.length);
        this.#call((receiver) => receiver.onBody(lease));
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

  #dropKept(): void {
    for (const lease of this.#kept) {
      this.#account.credit(lease.length);
      lease.release();
    }
    this.#kept = [];
  }

  #call(what: (receiver: BodyReceiver) => void): void {
    const receiver = this.#receiver;
    if (receiver === null || this.#context === null) return;
    try {
      this.#context(() => what(receiver));
    } catch (error) {
      this.#receiverFailed(error);
    }
  }

  #keep(from: number, size: number): void {
    let at = from;
    let left = size;
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
