// socket.ts — a connected socket as the kernel sees it: what is in flight on it, its receiving and its sending side, its end.
import { setLinger } from "@percore/native";
import { assert } from "./assert.ts";
import type { BufferGroup } from "./buffer-group.ts";
import { CoreError } from "./errors.ts";
import { prepCancelAll } from "./op/cancel.ts";
import { KIND_CANCEL, KIND_CLOSE, KIND_RECV, KIND_SEND, KIND_WATCH, KIND_WRITABLE } from "./op/kinds.ts";
import type { Ring } from "./ring.ts";
import type { Runtime, Settler } from "./runtime.ts";
import type { RingOwner } from "./slots.ts";
import { SocketReceiver } from "./socket-receiver.ts";
import { SocketSender } from "./socket-sender.ts";
import { STAT } from "./stats.ts";
import type { StreamHandler } from "./stream.ts";

//   open ──── both ended, reset, error ────▶ closing ──── last completion, then CLOSE ────▶ closed
const OPEN = 0;
const CLOSING = 1;
const CLOSED = 2;

export class Socket implements RingOwner, Settler {
  slot = -1;
  tag = 0;
  readonly runtime: Runtime;
  readonly ring: Ring;
  readonly stats: Float64Array;
  readonly receiver: SocketReceiver;
  readonly sender: SocketSender;
  fd: number;
  handler: StreamHandler | null = null;
  /** Operations whose final completion has not come. Whoever submits one adds it, whoever sees it complete takes it off. */
  inflight = 0;
  readonly #onGone: (() => void) | null;
  #state = OPEN;
  #scheduled = false;
  #error: Error | null = null;

  constructor(runtime: Runtime, fd: number, group: BufferGroup, onGone: (() => void) | null) {
    this.runtime = runtime;
    this.ring = runtime.ring;
    this.stats = runtime.counters.values;
    this.fd = fd;
    this.#onGone = onGone;
    this.receiver = new SocketReceiver(this, group);
    this.sender = new SocketSender(this);
    runtime.descriptors.ownStream(fd);
    runtime.ring.slots.add(this);
    this.stats[STAT.connections] += 1;
  }

  get open(): boolean {
    return this.#state === OPEN;
  }

  get closed(): boolean {
    return this.#state === CLOSED;
  }

  attach(handler: StreamHandler): void {
    this.handler = handler;
    if (this.#state === CLOSED) queueMicrotask(() => this.#tellClosed());
    else this.schedule();
  }

  /** Has `settle` called at the end of this batch. */
  schedule(): void {
    if (this.#scheduled || this.#state === CLOSED) return;
    this.#scheduled = true;
    this.runtime.schedule(this);
  }

  complete(kind: number, result: number, flags: number): void {
    switch (kind) {
      case KIND_RECV:
        this.receiver.onRecv(result, flags);
        break;
      case KIND_SEND:
        this.sender.onSent(result);
        break;
      case KIND_CANCEL:
        this.inflight -= 1;
        break;
      case KIND_WATCH:
        this.receiver.onWatch(result);
        break;
      case KIND_WRITABLE:
        this.sender.onWritable();
        break;
      case KIND_CLOSE:
        this.#onClosed();
        return;
      default:
        assert(false, `socket got a completion of kind ${kind}`);
    }
    this.#closeWhenIdle();
  }

  /** End of the batch: what was held back is delivered, receives are armed or cancelled, one send starts. */
  settle(): void {
    this.#scheduled = false;
    if (this.#state === OPEN) this.receiver.deliverPending();
    if (this.#state !== OPEN) return;
    this.receiver.settle();
    this.sender.settle();
  }

  /** The owner threw, or we did: only this connection pays for it. */
  crash(error: unknown): void {
    this.closeWith(new CoreError("ERR_HANDLER_THREW", "the stream's owner threw", { cause: error }), true);
    this.#closeWhenIdle();
  }

  /**
   * Begins to close: what is in flight is cancelled, and the descriptor closed after the last of it has completed.
   * @param abort the peer shall see a reset.
   */
  closeWith(error: Error | null, abort: boolean): void {
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    this.#error = error;
    if (error !== null) this.stats[STAT.connectionsFailed] += 1;
    if (abort) setLinger(this.fd, 0);
    if (this.inflight === 0) {
      this.#queueClose();
    } else {
      this.inflight += 1;
      prepCancelAll(this.ring, this, this.fd);
    }
  }

  /** Why nothing can be done with it any more. */
  get closedError(): Error {
    return this.#error ?? this.sender.failure ?? new CoreError("ERR_STREAM_CLOSED", "the stream has closed");
  }

  #closeWhenIdle(): void {
    if (this.#state === CLOSING && this.inflight === 0) this.#queueClose();
  }

  #queueClose(): void {
    assert(this.#state === CLOSING && this.inflight === 0, "closed while the kernel still uses it");
    this.inflight = 1;
    this.runtime.descriptors.close(this, this.fd);
  }

  #onClosed(): void {
    this.#state = CLOSED;
    this.inflight = 0;
    this.fd = -1;
    this.ring.slots.remove(this);
    this.stats[STAT.connections] -= 1;
    this.stats[STAT.connectionsClosed] += 1;
    this.receiver.dispose();
    this.sender.dispose(this.closedError);
    this.#onGone?.();
    this.#tellClosed();
  }

  #tellClosed(): void {
    const { handler } = this;
    this.handler = null;
    handler?.onClose(this.#error);
  }
}
