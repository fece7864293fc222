// socket-stream.ts — a Stream over a TCP or Unix socket. The kernel owns it too, until the last completion has come.
import { constants, errno, getsockoptInt, setLinger, shutdown } from "@percore/native";
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";
import type { BufferGroup, Starved } from "./buffer-group.ts";
import { CoreError, SystemError } from "./errors.ts";
import { FilePartReader } from "./file-part.ts";
import { sendFileTurn } from "./file-turn.ts";
import { type FlushDone, FlushMarks } from "./flush-marks.ts";
import type { Lease } from "./lease.ts";
import { prepCancel, prepCancelAll } from "./op/cancel.ts";
import { KIND_CANCEL, KIND_CLOSE, KIND_RECV, KIND_SEND, KIND_WATCH, KIND_WRITABLE } from "./op/kinds.ts";
import { prepPoll } from "./op/poll.ts";
import { bufferId, hasBuffer, prepRecv } from "./op/recv.ts";
import { prepSend, prepSendMsg, putPart, SEND_PARTS_MAX, SEND_RECORD_BYTES } from "./op/send.ts";
import { type FileDone, OutQueue, type Segment } from "./out-queue.ts";
import { isFinal, type Ring } from "./ring.ts";
import type { Runtime, Settler } from "./runtime.ts";
import type { RingOwner } from "./slots.ts";
import { SocketInfo } from "./socket-info.ts";
import { STAT } from "./stats.ts";
import type { Stream, StreamHandler, StreamInfo } from "./stream.ts";
import { WheelEntry } from "./wheel.ts";

/** Queued bytes above which a writer should wait, unless the owner says otherwise. */
export const HIGH_WATER_BYTES = 65_536;
/**
 * Bytes handed over in one send. With MSG_WAITALL it completes only when all are taken, so this is also how coarse
 * progress is seen by whoever watches for slow readers.
 */
const SEND_BYTES_MAX = 131_072;
/** How often a stream that cannot poll for a reset (the peer's FIN would answer at once) asks whether there was one. */
const RESET_CHECK_MS = 1000;

//            attach                 pause, cancel queued          cancelled
//   idle ──────────────▶ armed ───────────────────▶ cancelling ───────────▶ idle
//                          │ no buffer           buffers are back
//                          └──────────▶ starved ──────────────▶ armed
const READ_IDLE = 0;
const READ_ARMED = 1;
const READ_CANCELLING = 2;
const READ_STARVED = 3;

// What the sending side waits for: nothing, a send, room in the socket, or a part of a file.
const SEND_IDLE = 0;
const SEND_BUSY = 1;
const SEND_POLLING = 2;
const SEND_READING = 3;

//   open ──── both ended, reset, error ────▶ closing ──── last completion, then CLOSE ────▶ closed
const OPEN = 0;
const CLOSING = 1;
const CLOSED = 2;

export class SocketStream implements Stream, RingOwner, Settler, Starved {
  readonly arena: Arena;
  slot = -1;
  tag = 0;
  highWaterBytes: number = HIGH_WATER_BYTES;
  /** Flags of every send. Kernel TLS refuses MSG_WAITALL, so they belong to the stream; short sends are continued anyway. */
  sendFlags: number = constants.MSG_NOSIGNAL | constants.MSG_WAITALL;
  readonly #runtime: Runtime;
  readonly #ring: Ring;
  readonly #group: BufferGroup;
  readonly #stats: Float64Array;
  readonly #out: OutQueue;
  readonly #onGone: (() => void) | null;
  #fd: number;
  #handler: StreamHandler | null = null;
  #info: SocketInfo | null = null;
  #marks: FlushMarks | null = null;
  #held: Lease[] | null = null;
  #state = OPEN;
  #read = READ_IDLE;
  #send = SEND_IDLE;
  /** Operations whose final completion has not come. */
  #inflight = 0;
  #sending = 0;
  #sendRecord = 0;
  #fileReader: FilePartReader | null = null;
  #corked = 0;
  #scheduled = false;
  #pumping = false;
  #paused = false;
  /** A poll for hang-ups is in flight; the peer's FIN is there, so that another would fire at once. */
  #watching = false;
  #finThere = false;
  #resetCheck: WheelEntry | null = null;
  /** The peer's FIN was received; the owner was told. */
  #sawEnd = false;
  #peerEnded = false;
  #ended = false;
  #finSent = false;
  #aboveHighWater = false;
  /** Sending failed while data may still be there to read (an early answer before a reset). */
  #sendError: Error | null = null;
  #error: Error | null = null;

  /**
   * @param fd a connected, non-blocking socket; the stream's from now on.
   * @param group where its receives take their buffers from.
   * @param onGone called once when the descriptor has been closed.
   */
  constructor(runtime: Runtime, fd: number, group: BufferGroup, onGone: (() => void) | null = null) {
    this.arena = runtime.arena;
    this.#runtime = runtime;
    this.#ring = runtime.ring;
    this.#group = group;
    this.#stats = runtime.counters.values;
    this.#out = new OutQueue(runtime.arena);
    this.#onGone = onGone;
    this.#fd = fd;
    runtime.descriptors.ownStream(fd);
    runtime.ring.slots.add(this);
    this.#stats[STAT.connections] += 1;
  }

  get info(): StreamInfo {
    this.#info ??= new SocketInfo(this.#fd);
    return this.#info;
  }

  get open(): boolean {
    return this.#state === OPEN;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get queuedBytes(): number {
    return this.#out.queued;
  }

  get needsDrain(): boolean {
    return this.#out.queued > this.highWaterBytes;
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    if (this.#state === CLOSED) queueMicrotask(() => this.#tellClosed());
    else this.#schedule();
  }

  // — towards the peer —

  reserve(size: number): number {
    if (this.#writable) return this.#out.reserve(size);
    return this.#runtime.scratch;
  }

  commit(size: number): void {
    if (!this.#writable) return;
    this.#out.commit(size);
    if (!this.#scheduled) this.#schedule();
  }

  write(lease: Lease): void {
    if (!this.#writable) {
      lease.release();
      return;
    }
    // Receive buffers that wait in a slow peer's queue would starve everybody else's receives.
    if (lease.scarce) {
      this.#out.writeBytes(lease.bytes);
      lease.release();
    } else {
      this.#out.writeLease(lease);
    }
    this.#schedule();
  }

  writeBytes(bytes: Uint8Array): void {
    if (!this.#writable) return;
    this.#out.writeBytes(bytes);
    if (!this.#scheduled) this.#schedule();
  }

  sendFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#writable) {
      this.#out.writeFile(fd, offset, length, done);
      this.#schedule();
    } else {
      queueMicrotask(() => done(this.#closedError(), 0));
    }
  }

  cork(): void {
    this.#corked += 1;
  }

  uncork(): void {
    assert(this.#corked > 0, "uncork without cork");
    this.#corked -= 1;
    if (this.#corked === 0) this.#schedule();
  }

  flush(): void {
    if (this.#state === OPEN) this.#pump(true);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#schedule();
  }

  /** Sockets carry no code; the peer sees RST (TCP) or ECONNRESET (Unix, where it had sent something). */
  reset(_code?: number): void {
    this.#closeWith(new CoreError("ERR_STREAM_ABANDONED", "the stream was reset by its own side"), true);
  }

  onFlushed(done: FlushDone): void {
    if (this.#state === CLOSED) {
      queueMicrotask(() => done(this.#closedError()));
      return;
    }
    this.#marks ??= new FlushMarks();
    this.#marks.push(this.#out.written, done);
    this.#schedule();
  }

  // — from the peer —

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#schedule();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#schedule();
  }

  unread(lease: Lease): void {
    this.#handler = null;
    if (this.#state === CLOSED) {
      lease.release();
      return;
    }
    const kept = lease.transient ? lease.copy() : lease;
    if (this.#held === null) this.#held = [kept];
    else this.#held.unshift(kept);
    this.#schedule();
  }

  // — completions —

  complete(kind: number, result: number, flags: number): void {
    switch (kind) {
      case KIND_RECV:
        this.#onRecv(result, flags);
        break;
      case KIND_SEND:
        this.#onSent(result);
        break;
      case KIND_CANCEL:
        this.#inflight -= 1;
        break;
      case KIND_WATCH:
        this.#onWatch(result);
        break;
      case KIND_WRITABLE:
        this.#inflight -= 1;
        this.#send = SEND_IDLE;
        this.#schedule();
        break;
      case KIND_CLOSE:
        this.#onClosed();
        return;
      default:
        assert(false, `socket stream got a completion of kind ${kind}`);
    }
    if (this.#state === CLOSING && this.#inflight === 0) this.#queueClose();
  }

  /** End of the batch: what was held back is delivered, receives are armed or cancelled, one send starts. */
  settle(): void {
    this.#scheduled = false;
    if (this.#state !== OPEN) return;
    if (this.#held !== null) this.#deliverHeld();
    if (this.#sawEnd && !this.#peerEnded) this.#deliverEnd();
    if (this.#state !== OPEN) return;
    this.#settleRead();
    this.#pump(false);
    if (this.#marks !== null) this.#reachMarks();
  }

  /** Its owner threw, or we did: only this connection pays for it. */
  crash(error: unknown): void {
    const cause = new CoreError("ERR_HANDLER_THREW", "the stream's owner threw", { cause: error });
    this.#closeWith(cause, true);
    if (this.#state === CLOSING && this.#inflight === 0) this.#queueClose();
  }

  /** Buffers are back: receives again. */
  rearm(): boolean {
    if (this.#read !== READ_STARVED) return false;
    this.#read = READ_IDLE;
    if (this.#state !== OPEN) return false;
    if (this.#wantsData) {
      this.#armRecv();
      return true;
    }
    this.#schedule();
    return false;
  }

  get #writable(): boolean {
    assert(!this.#ended, "written after end()");
    return this.#state === OPEN && this.#sendError === null;
  }

  get #wantsData(): boolean {
    return this.#handler !== null && !this.#paused && !this.#sawEnd;
  }

  #schedule(): void {
    if (this.#scheduled || this.#state === CLOSED) return;
    this.#scheduled = true;
    this.#runtime.schedule(this);
  }

  // — receiving —

  #onRecv(result: number, flags: number): void {
    const final = isFinal(flags);
    if (final) {
      this.#inflight -= 1;
      this.#read = READ_IDLE;
    }
    if (hasBuffer(flags)) {
      const lease = this.#group.lease(bufferId(flags), Math.max(result, 0));
      if (result <= 0) {
        lease.release();
      } else {
        if (final) this.#schedule();
        this.#stats[STAT.bytesReceived] += result;
        this.#deliver(lease);
        return;
      }
    }
    if (result <= 0) this.#onRecvEnd(result);
  }

  #deliver(lease: Lease): void {
    if (this.#state !== OPEN) lease.release();
    else if (this.#handler !== null && !this.#paused && this.#held === null) this.#handler.onData(lease);
    else this.#hold(lease);
  }

  /** Kept for later, in a block of its own: a paused stream must not pin receive buffers. */
  #hold(lease: Lease): void {
    this.#held ??= [];
    this.#held.push(lease.copy());
    this.#schedule();
  }

  #deliverHeld(): void {
    while (this.#held !== null && this.#handler !== null && !this.#paused && this.#state === OPEN) {
      const lease = this.#held.shift() as Lease;
      if (this.#held.length === 0) this.#held = null;
      this.#handler.onData(lease);
    }
  }

  #deliverEnd(): void {
    if (this.#held !== null || this.#handler === null || this.#paused || this.#state !== OPEN) return;
    this.#peerEnded = true;
    this.#handler.onEnd();
  }

  #onRecvEnd(result: number): void {
    if (this.#state !== OPEN) return;
    switch (-result) {
      case 0:
        if (this.#sendError !== null) this.#closeWith(this.#sendError, false);
        this.#sawEnd = true;
        this.#schedule();
        break;
      case errno.ENOBUFS:
        this.#read = READ_STARVED;
        this.#group.starve(this);
        break;
      case errno.ECANCELED:
      case errno.EAGAIN:
      case errno.EINTR:
        this.#schedule();
        break;
      default:
        this.#closeWith(this.#sendError ?? new SystemError("recv", -result), false);
    }
  }

  #settleRead(): void {
    if (this.#read === READ_ARMED) {
      if (this.#wantsData) return;
      this.#read = READ_CANCELLING;
      prepCancel(this.#ring, this, KIND_RECV);
      this.#inflight += 1;
    } else if (this.#read === READ_IDLE) {
      if (this.#wantsData) this.#armRecv();
      else this.#watch();
    }
  }

  #armRecv(): void {
    prepRecv(this.#ring, this, this.#fd, this.#group.id);
    this.#read = READ_ARMED;
    this.#inflight += 1;
  }

  /** Nothing is being received, yet a reset shall be noticed. */
  #watch(): void {
    if (!this.#waits) return;
    if (this.#finThere || this.#sawEnd) {
      this.#resetCheck ??= new WheelEntry(() => this.#checkReset());
      if (this.#resetCheck.deadline === Number.POSITIVE_INFINITY) this.#checkLater(this.#resetCheck);
    } else if (!this.#watching) {
      this.#watching = true;
      this.#inflight += 1;
      prepPoll(this.#ring, this, KIND_WATCH, this.#fd, 0);
    }
  }

  get #waits(): boolean {
    if (this.#handler === null || this.#state !== OPEN) return false;
    return this.#paused || (this.#sawEnd && !this.#ended && this.#out.head === null);
  }

  #onWatch(result: number): void {
    this.#inflight -= 1;
    this.#watching = false;
    if (result < 0 || this.#state !== OPEN) return;
    this.#finThere = true;
    if (!this.#closeIfReset()) this.#schedule();
  }

  #checkLater(entry: WheelEntry): void {
    this.#runtime.wheel.set(entry, performance.now() + RESET_CHECK_MS);
  }

  #checkReset(): void {
    if (this.#waits && !this.#closeIfReset()) this.#checkLater(this.#resetCheck as WheelEntry);
  }

  #closeIfReset(): boolean {
    const error = getsockoptInt(this.#fd, constants.SOL_SOCKET, constants.SO_ERROR);
    if (typeof error === "number" || error.value === 0) return false;
    this.#closeWith(new SystemError("recv", error.value), false);
    return true;
  }

  // — sending —

  /** Starts the next send, unless one is under way. `now` overrules corks. */
  #pump(now: boolean): void {
    if (this.#send !== SEND_IDLE || this.#pumping) return;
    if (this.#corked > 0 && !now && !this.#ended) return;
    this.#pumping = true;
    try {
      this.#out.seal();
      while (this.#out.head !== null && this.#send === SEND_IDLE && this.#state === OPEN) {
        if (this.#out.head.done === null) this.#startSend(this.#out.head);
        else this.#startFile(this.#out.head);
        this.#out.seal();
      }
    } finally {
      this.#pumping = false;
    }
    if (this.#ended && this.#out.head === null && this.#send === SEND_IDLE && this.#state === OPEN) this.#sendFin();
  }

  #startSend(head: Segment): void {
    let { next } = head;
    this.#send = SEND_BUSY;
    this.#inflight += 1;
    this.#stats[STAT.sends] += 1;
    if (next === null || next.done !== null || head.length >= SEND_BYTES_MAX) {
      const size = Math.min(head.length, SEND_BYTES_MAX);
      const more = next !== null && next.done !== null ? constants.MSG_MORE : 0;
      this.#sending = size;
      prepSend(this.#ring, this, this.#fd, head.offset, size, this.sendFlags | more);
      return;
    }
    const record = this.arena.allocRecord(SEND_RECORD_BYTES);
    let parts = 1;
    let size = head.length;
    putPart(this.#ring, this.arena, record, 0, head.offset, head.length);
    while (next !== null && next.done === null && parts < SEND_PARTS_MAX && size + next.length <= SEND_BYTES_MAX) {
      putPart(this.#ring, this.arena, record, parts, next.offset, next.length);
      size += next.length;
      parts += 1;
      next = next.next;
    }
    this.#sendRecord = record;
    this.#sending = size;
    // The file that follows fills the last packet.
    const more = next !== null && next.done !== null ? constants.MSG_MORE : 0;
    prepSendMsg(this.#ring, this.arena, this, this.#fd, record, parts, this.sendFlags | more);
  }

  #onSent(result: number): void {
    this.#inflight -= 1;
    this.#send = SEND_IDLE;
    if (this.#sendRecord !== 0) {
      this.arena.freeRecord(this.#sendRecord, SEND_RECORD_BYTES);
      this.#sendRecord = 0;
    }
    if (result < 0) {
      if (this.#state === OPEN) this.#onSendError(-result);
      return;
    }
    this.#stats[STAT.bytesSent] += result;
    if (result < this.#sending) this.#stats[STAT.shortSends] += 1;
    this.#took(result, false);
  }

  /** Accounts for bytes that have left, and wakes those who waited for it. */
  #took(size: number, fromFile: boolean): void {
    const out = this.#out;
    // Between completions the queue only grows, so this is when it is longest.
    if (out.queued > this.highWaterBytes) this.#aboveHighWater = true;
    if (fromFile) out.tookFile(size);
    else out.took(size);
    if (this.#state !== OPEN) return;
    if (out.queued > 0 || this.#ended) this.#schedule();
    if (this.#aboveHighWater && out.queued * 2 <= this.highWaterBytes) {
      this.#aboveHighWater = false;
      this.#handler?.onDrain();
    }
    if (this.#marks !== null && this.#marks.size > 0) this.#reachMarks();
  }

  #onSendError(code: number): void {
    if (code === errno.EAGAIN || code === errno.EINTR) {
      this.#pollWritable();
      return;
    }
    const error = new SystemError("send", code);
    const gone = code === errno.EPIPE || code === errno.ECONNRESET;
    // The peer may have answered before it reset the connection; the receive ends soon, with that answer first.
    if (gone && (this.#read === READ_ARMED || this.#read === READ_STARVED)) {
      this.#sendError = error;
      this.#out.drop(error);
    } else {
      this.#closeWith(error, false);
    }
  }

  #pollWritable(): void {
    this.#send = SEND_POLLING;
    this.#inflight += 1;
    prepPoll(this.#ring, this, KIND_WRITABLE, this.#fd, constants.POLLOUT);
  }

  #startFile(head: Segment): void {
    const turn = sendFileTurn(this.#fd, head, (size) => {
      this.#stats[STAT.bytesSent] += size;
      this.#took(size, true);
    });
    if (this.#state !== OPEN || this.#out.head !== head) return;
    switch (turn.kind) {
      case "done":
        this.#out.endFile(null);
        break;
      case "wait":
        this.#pollWritable();
        break;
      case "copy":
        this.#readFile();
        break;
      case "file-failed":
        this.#out.endFile(turn.error);
        break;
      case "socket-failed":
        this.#onSendError(turn.errno);
        break;
    }
    if (this.#out.head === null && this.#marks !== null) this.#schedule();
  }

  #readFile(): void {
    this.#fileReader ??= new FilePartReader(this.#runtime, this.#out, () => {
      this.#send = SEND_IDLE;
      this.#schedule();
    });
    this.#send = SEND_READING;
    this.#fileReader.read();
  }

  /** What was dropped because sending failed has not been taken over by anybody. */
  #reachMarks(): void {
    this.#marks?.reach(this.#out.written - this.#out.queued, this.#sendError);
  }

  #sendFin(): void {
    if (this.#peerEnded) {
      // close() sends the FIN; nothing is left to come, so it cannot turn into a reset.
      this.#closeWith(null, false);
    } else if (!this.#finSent) {
      this.#finSent = true;
      const failed = shutdown(this.#fd, constants.SHUT_WR);
      if (failed < 0) this.#closeWith(new SystemError("shutdown", -failed), false);
    }
  }

  // — end of life —

  /** Begins to close: what is in flight is cancelled, and the descriptor closed after the last of it has completed. */
  #closeWith(error: Error | null, abort: boolean): void {
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    this.#error = error;
    if (error !== null) this.#stats[STAT.connectionsFailed] += 1;
    if (abort) setLinger(this.#fd, 0);
    if (this.#inflight === 0) {
      this.#queueClose();
    } else {
      this.#inflight += 1;
      prepCancelAll(this.#ring, this, this.#fd);
    }
  }

  #queueClose(): void {
    assert(this.#state === CLOSING && this.#inflight === 0, "closed while the kernel still uses it");
    const fd = this.#fd;
    this.#inflight = 1;
    this.#runtime.descriptors.close(this, fd);
  }

  #onClosed(): void {
    this.#state = CLOSED;
    this.#inflight = 0;
    this.#fd = -1;
    this.#ring.slots.remove(this);
    this.#stats[STAT.connections] -= 1;
    this.#stats[STAT.connectionsClosed] += 1;
    if (this.#resetCheck !== null) this.#runtime.wheel.remove(this.#resetCheck);
    const held = this.#held;
    this.#held = null;
    if (held !== null) for (const lease of held) lease.release();
    const error = this.#closedError();
    this.#fileReader?.abandon();
    this.#out.drop(error);
    this.#marks?.reach(Number.POSITIVE_INFINITY, error);
    this.#onGone?.();
    this.#tellClosed();
  }

  #tellClosed(): void {
    const handler = this.#handler;
    this.#handler = null;
    handler?.onClose(this.#error);
  }

  #closedError(): Error {
    return this.#error ?? this.#sendError ?? new CoreError("ERR_STREAM_CLOSED", "the stream has closed");
  }
}
