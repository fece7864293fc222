// listener.ts — accepts connections: pauses when descriptors or the connection limit run out, loses none when it closes.
import { unlinkSync } from "node:fs";
import { acceptQueue, constants, errno, setsockoptInt } from "@percore/native";
import { adoptSocket, type BindOptions, type BoundSocket, bindSocket } from "./bind.ts";
import { SystemError } from "./errors.ts";
import { prepAccept } from "./op/accept.ts";
import { prepCancel } from "./op/cancel.ts";
import { KIND_ACCEPT, KIND_CANCEL, KIND_CLOSE } from "./op/kinds.ts";
import { checkRange } from "./option-range.ts";
import { isFinal } from "./ring.ts";
import { currentRuntime, type Runtime, type Settler } from "./runtime.ts";
import type { RingOwner } from "./slots.ts";
import { SocketStream } from "./socket-stream.ts";
import { STAT } from "./stats.ts";
import type { PeerAddress } from "./stream.ts";
import { WheelEntry } from "./wheel.ts";

export interface ListenOptions extends BindOptions {
  /** A descriptor that listens already, instead of port or path: LISTEN_FDS, or a supervisor's. */
  readonly fd?: number;
  /**
   * Who closes the adopted descriptor: false leaves it open, with what is queued on it, to whoever owns it. Default true.
   */
  readonly ownsFd?: boolean;
  /** Connections at a time; more wait in the kernel's queue. Default: no limit. */
  readonly connectionsMax?: number;
  /** Sends small writes at once (TCP_NODELAY). Default true: the stream gathers writes itself. */
  readonly noDelay?: boolean;
  /** Closes the listener when it fires, as `close()` does. */
  readonly signal?: AbortSignal;
  /** Runtime to accept on; default: this thread's. */
  readonly runtime?: Runtime;
}

/** Out of descriptors or memory: nothing tells us when there are some again, so we look after this long. */
const RETRY_MS = 100;
/** What listen(2) takes. */
const BACKLOG_MAX = 2_147_483_647;
const CONNECTIONS_MAX: number = Number.MAX_SAFE_INTEGER;
/** Rounds of accepting what is queued before a closing listener gives up on a flood of new connections. */
const CLOSE_ROUNDS_MAX = 64;

/** @throws {CoreError} ERR_OPTION_INVALID. */
export const checkListenOptions = (options: ListenOptions): void => {
  checkRange("connectionsMax", options.connectionsMax, 1, CONNECTIONS_MAX);
  checkRange("backlog", options.backlog, 1, BACKLOG_MAX);
};

/**
 * Opens a listener. `onStream` is called in the turn of the completion; it attaches a handler to the stream, which is
 * its own from then on.
 * @throws what bindSocket and adoptSocket throw; the signal's reason when it has fired before.
 */
export const listen = async (options: ListenOptions, onStream: (stream: SocketStream) => void): Promise<Listener> => {
  checkListenOptions(options);
  const runtime = options.runtime ?? currentRuntime();
  options.signal?.throwIfAborted();
  const bound = options.fd === undefined ? await bindSocket(options) : adoptSocket(options.fd);
  const listener = new Listener(runtime, bound, options, onStream);
  if (options.signal !== undefined) closeWith(listener, options.signal);
  return listener;
};

export class Listener implements RingOwner, Settler {
  slot = -1;
  tag = 0;
  /** Where it listens; the port is the real one where 0 was asked for. */
  readonly address: PeerAddress;
  readonly #runtime: Runtime;
  readonly #fd: number;
  readonly #ownsFd: boolean;
  readonly #path: string | null;
  readonly #onStream: (stream: SocketStream) => void;
  readonly #retry: WheelEntry;
  /** Accepted beyond the limit while the cancel was under way; they are served before the kernel's queue. */
  readonly #parked: number[] = [];
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #connections = 0;
  #connectionsMax: number;
  #inflight = 0;
  #armed = false;
  #cancelling = false;
  #paused = false;
  #waiting = false;
  #closing = false;
  #closeRounds = 0;
  #acceptedInRound = 0;

  constructor(runtime: Runtime, bound: BoundSocket, options: ListenOptions, onStream: (stream: SocketStream) => void) {
    this.#runtime = runtime;
    this.#fd = bound.fd;
    this.#ownsFd = options.fd === undefined || options.ownsFd !== false;
    this.#path = options.unix ?? null;
    this.#onStream = onStream;
    this.address = bound.address;
    this.#connectionsMax = options.connectionsMax ?? Number.POSITIVE_INFINITY;
    this.#retry = new WheelEntry(() => {
      this.#waiting = false;
      this.settle();
    });
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    if (bound.address.family !== "unix" && options.noDelay !== false) {
      // Accepted sockets inherit it, which saves a system call for each.
      setsockoptInt(bound.fd, constants.IPPROTO_TCP, constants.TCP_NODELAY, 1);
    }
    if (this.#ownsFd) runtime.descriptors.ownOther(bound.fd);
    runtime.ring.slots.add(this);
    runtime.counters.values[STAT.listeners] += 1;
    runtime.schedule(this);
  }

  /** The listening descriptor. */
  get fd(): number {
    return this.#fd;
  }

  /** Connections accepted here that are still open. */
  get connections(): number {
    return this.#connections;
  }

  /** See ListenOptions; may be changed at any time. Connections beyond a lower limit live on. */
  get connectionsMax(): number {
    return this.#connectionsMax;
  }

  set connectionsMax(connections: number) {
    this.#connectionsMax = connections;
    this.#takeParked();
    this.#runtime.schedule(this);
  }

  /** Stops accepting; connections wait in the kernel's queue. */
  pause(): void {
    this.#paused = true;
    this.#runtime.schedule(this);
  }

  resume(): void {
    this.#paused = false;
    this.#runtime.schedule(this);
  }

  /**
   * Accepts what is queued and closes. Connections that were accepted live on. Resolves when the descriptor is closed (or,
   * where it is somebody else's, when nothing is accepted from it any more).
   */
  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#runtime.wheel.remove(this.#retry);
      this.#runtime.schedule(this);
    }
    return this.#closed;
  }

  complete(kind: number, result: number, flags: number): void {
    switch (kind) {
      case KIND_ACCEPT:
        this.#onAccept(result, flags);
        break;
      case KIND_CANCEL:
        this.#inflight -= 1;
        break;
      case KIND_CLOSE:
        this.#inflight -= 1;
        this.#gone();
        return;
    }
    if (!this.#armed && this.#inflight === 0) this.#runtime.schedule(this);
  }

  /** End of the batch: accepts, or stops to, as things stand. */
  settle(): void {
    if (this.slot < 0) return;
    if (this.#closing) this.#settleClose();
    else if (this.#wantsMore) this.#arm();
    else this.#cancel();
  }

  crash(error: unknown): void {
    // Handlers that throw are caught where they are called; this would be our own mistake, and accepting goes on.
    this.#runtime.report(error);
    this.#runtime.schedule(this);
  }

  get #wantsMore(): boolean {
    return !this.#paused && !this.#waiting && this.#connections < this.connectionsMax;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#inflight += 1;
    prepAccept(this.#runtime.ring, this, this.#fd);
  }

  #cancel(): void {
    if (!this.#armed || this.#cancelling) return;
    this.#cancelling = true;
    this.#inflight += 1;
    prepCancel(this.#runtime.ring, this, KIND_ACCEPT);
  }

  #onAccept(result: number, flags: number): void {
    if (isFinal(flags)) {
      this.#armed = false;
      this.#cancelling = false;
      this.#inflight -= 1;
    }
    if (result >= 0) this.#take(result);
    else this.#onAcceptError(-result);
  }

  #onAcceptError(code: number): void {
    switch (code) {
      case errno.ECANCELED:
      case errno.EINTR:
      case errno.EAGAIN:
      case errno.ECONNABORTED:
      case errno.EPROTO:
        // accept(2): the connection died in the queue; the next may be well.
        break;
      case errno.EMFILE:
      case errno.ENFILE:
      case errno.ENOBUFS:
      case errno.ENOMEM:
        this.#waitForRoom();
        break;
      default:
        this.#runtime.report(new SystemError("accept", code));
        this.#waitForRoom();
    }
  }

  #waitForRoom(): void {
    this.#runtime.counters.values[STAT.acceptPauses] += 1;
    this.#waiting = true;
    if (!this.#closing) this.#runtime.wheel.set(this.#retry, performance.now() + RETRY_MS);
  }

  #take(fd: number): void {
    this.#acceptedInRound += 1;
    if (this.#connections >= this.connectionsMax) {
      this.#runtime.descriptors.ownStream(fd);
      this.#parked.push(fd);
      this.#runtime.schedule(this);
      return;
    }
    this.#connections += 1;
    this.#runtime.counters.values[STAT.connectionsAccepted] += 1;
    const stream = new SocketStream(this.#runtime, fd, this.#runtime.downstream, this.#onStreamGone);
    try {
      this.#onStream(stream);
    } catch (error) {
      this.#runtime.report(error);
      stream.crash(error);
    }
    if (this.#connections >= this.connectionsMax) this.#runtime.schedule(this);
  }

  #takeParked(): void {
    while (this.#parked.length > 0 && this.#connections < this.#connectionsMax)
      this.#take(this.#parked.shift() as number);
  }

  readonly #onStreamGone = (): void => {
    this.#connections -= 1;
    this.#takeParked();
    // A descriptor is free again, and there is room below the limit.
    if (this.slot >= 0 && !this.#armed) {
      if (this.#waiting) this.#runtime.wheel.remove(this.#retry);
      this.#waiting = false;
      this.#runtime.schedule(this);
    }
  };

  /**
   * A listening socket that is closed resets what waits in its queue. So what is queued is accepted first, until a look
   * finds the queue empty. Where the descriptor is shared, the others go on with it; but the kernel wakes one of all that
   * wait for a connection, and if that was our accept and it was cancelled then, nobody else hears of that connection
   * before the next one comes. So we look here too.
   */
  #settleClose(): void {
    if (this.#armed && this.#closeRounds === 0) this.#cancel();
    if (this.#inflight > 0) return;
    const accepts = this.#ownsFd || !this.#paused;
    if (accepts && this.#closeRounds < CLOSE_ROUNDS_MAX && this.#mayHaveQueued()) {
      this.#closeRounds += 1;
      this.#acceptedInRound = 0;
      this.#arm();
      // By then the kernel has been entered once: what was queued has been accepted.
      setImmediate(() => this.#cancel());
      return;
    }
    if (!this.#ownsFd) {
      this.#gone();
      return;
    }
    if (this.#path !== null) removeSocketFile(this.#path);
    this.#inflight += 1;
    this.#runtime.descriptors.close(this, this.#fd);
  }

  #mayHaveQueued(): boolean {
    const queue = acceptQueue(this.#fd);
    if (typeof queue !== "number") return queue.length > 0;
    // A Unix socket does not tell; rounds go on until one finds nothing.
    return this.#closeRounds === 0 || this.#acceptedInRound > 0;
  }

  #gone(): void {
    this.#runtime.ring.slots.remove(this);
    this.slot = -1;
    this.#runtime.counters.values[STAT.listeners] -= 1;
    this.#resolveClosed();
  }
}

const closeWith = (listener: Listener, signal: AbortSignal): void => {
  const close = (): void => void listener.close();
  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });
};

const removeSocketFile = (path: string): void => {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed or replaced it; it is not ours any more.
  }
};
