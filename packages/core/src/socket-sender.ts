// socket-sender.ts — the sending side of a socket: one send in flight, files between sends, the FIN after the last.
import { constants, errno, shutdown } from "@percore/native";
import { SystemError } from "./errors.ts";
import { FilePartReader } from "./file-part.ts";
import { sendFileTurn } from "./file-turn.ts";
import { type FlushDone, FlushMarks } from "./flush-marks.ts";
import { KIND_WRITABLE } from "./op/kinds.ts";
import { prepPoll } from "./op/poll.ts";
import { prepSend, prepSendMsg, putPart, SEND_PARTS_MAX, SEND_RECORD_BYTES } from "./op/send.ts";
import { OutQueue, type Segment } from "./out-queue.ts";
import type { Socket } from "./socket.ts";
import { STAT } from "./stats.ts";

/** Queued bytes above which a writer should wait, unless the owner says otherwise. */
export const HIGH_WATER_BYTES = 65_536;
/**
 * Bytes handed over in one send. With MSG_WAITALL it completes only when all are taken, so this is also how coarse
 * progress is seen by whoever watches for slow readers.
 */
const SEND_BYTES_MAX = 131_072;

// What the sending side waits for: nothing, a send, room in the socket, or a part of a file.
const IDLE = 0;
const SENDING = 1;
const POLLING = 2;
const READING = 3;

export class SocketSender {
  highWaterBytes: number = HIGH_WATER_BYTES;
  flags: number = constants.MSG_NOSIGNAL | constants.MSG_WAITALL;
  corks = 0;
  ended = false;
  /** Sending failed while data may still be there to read (an early answer before a reset). */
  failure: Error | null = null;
  readonly out: OutQueue;
  readonly #socket: Socket;
  #marks: FlushMarks | null = null;
  #files: FilePartReader | null = null;
  #state = IDLE;
  /** Bytes of the send in flight, and the record its ranges lie in (0 = none). */
  #sending = 0;
  #record = 0;
  #pumping = false;
  #finSent = false;
  #aboveHighWater = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.out = new OutQueue(socket.runtime.arena);
  }

  /** Nothing to send, though there may be later. */
  get quiet(): boolean {
    return !this.ended && this.out.head === null;
  }

  onFlushed(done: FlushDone): void {
    this.#marks ??= new FlushMarks();
    this.#marks.push(this.out.written, done);
  }

  settle(): void {
    this.pump(false);
    if (this.#marks !== null) this.#reachMarks();
  }

  /** Starts the next send, unless one is under way. `now` overrules corks. */
  pump(now: boolean): void {
    if (this.#state !== IDLE || this.#pumping) return;
    if (this.corks > 0 && !now && !this.ended) return;
    const { out } = this;
    this.#pumping = true;
    try {
      out.seal();
      while (out.head !== null && this.#state === IDLE && this.#socket.open) {
        if (out.head.done === null) this.#startSend(out.head);
        else this.#startFile(out.head);
        out.seal();
      }
    } finally {
      this.#pumping = false;
    }
    if (this.ended && out.head === null && this.#state === IDLE && this.#socket.open) this.#sendFin();
  }

  onSent(result: number): void {
    const socket = this.#socket;
    socket.inflight -= 1;
    this.#state = IDLE;
    if (this.#record !== 0) {
      socket.runtime.arena.freeRecord(this.#record, SEND_RECORD_BYTES);
      this.#record = 0;
    }
    if (result < 0) {
      if (socket.open) this.#onError(-result);
      return;
    }
    socket.stats[STAT.bytesSent] += result;
    if (result < this.#sending) socket.stats[STAT.shortSends] += 1;
    this.#noteMark();
    this.out.took(result);
    this.#afterTaken();
  }

  /** There is room in the socket again. */
  onWritable(): void {
    this.#socket.inflight -= 1;
    this.#state = IDLE;
    this.#socket.schedule();
  }

  /** The socket has closed: what is queued goes back, and everybody who waits for it is told. */
  dispose(error: Error): void {
    this.#files?.abandon();
    this.out.drop(error);
    this.#marks?.reach(Number.POSITIVE_INFINITY, error);
  }

  #startSend(head: Segment): void {
    const socket = this.#socket;
    const { next } = head;
    this.#state = SENDING;
    socket.inflight += 1;
    socket.stats[STAT.sends] += 1;
    if (next === null || next.done !== null || head.length >= SEND_BYTES_MAX) {
      this.#sending = Math.min(head.length, SEND_BYTES_MAX);
      prepSend(socket.ring, socket, socket.fd, head.offset, this.#sending, this.flags | moreBefore(next));
    } else {
      this.#startGathered(head);
    }
  }

  #startGathered(head: Segment): void {
    const { fd, ring, runtime } = this.#socket;
    const record = runtime.arena.allocRecord(SEND_RECORD_BYTES);
    let parts = 0;
    let size = 0;
    let at: Segment | null = head;
    while (at !== null && at.done === null && parts < SEND_PARTS_MAX && size + at.length <= SEND_BYTES_MAX) {
      putPart(ring, runtime.arena, record, parts, at.offset, at.length);
      size += at.length;
      parts += 1;
      at = at.next;
    }
    this.#record = record;
    this.#sending = size;
    prepSendMsg(ring, runtime.arena, this.#socket, fd, record, parts, this.flags | moreBefore(at));
  }

  /** Between completions the queue only grows, so this is when it is longest. */
  #noteMark(): void {
    if (this.out.queued > this.highWaterBytes) this.#aboveHighWater = true;
  }

  /** Bytes have left: wakes those who waited for it. */
  #afterTaken(): void {
    const socket = this.#socket;
    if (!socket.open) return;
    if (this.out.queued > 0 || this.ended) socket.schedule();
    if (this.#aboveHighWater && this.out.queued * 2 <= this.highWaterBytes) {
      this.#aboveHighWater = false;
      socket.handler?.onDrain();
    }
    if (this.#marks !== null && this.#marks.size > 0) this.#reachMarks();
  }

  #onError(code: number): void {
    if (code === errno.EAGAIN || code === errno.EINTR) {
      this.#pollWritable();
      return;
    }
    const error = new SystemError("send", code);
    const gone = code === errno.EPIPE || code === errno.ECONNRESET;
    // The peer may have answered before it reset the connection; the receive ends soon, with that answer first.
    if (gone && this.#socket.receiver.receiving) {
      this.failure = error;
      this.out.drop(error);
    } else {
      this.#socket.closeWith(error, false);
    }
  }

  #pollWritable(): void {
    this.#state = POLLING;
    this.#socket.inflight += 1;
    prepPoll(this.#socket.ring, this.#socket, KIND_WRITABLE, this.#socket.fd, constants.POLLOUT);
  }

  #startFile(file: Segment): void {
    const turn = sendFileTurn(this.#socket.fd, file, (size) => this.#tookFile(size));
    if (!this.#socket.open || this.out.head !== file) return;
    switch (turn.kind) {
      case "done":
        this.out.endFile(null);
        break;
      case "wait":
        this.#pollWritable();
        break;
      case "copy":
        this.#readFile();
        break;
      case "file-failed":
        this.out.endFile(turn.error);
        break;
      case "socket-failed":
        this.#onError(turn.errno);
        break;
    }
    if (this.out.head === null && this.#marks !== null) this.#socket.schedule();
  }

  #tookFile(size: number): void {
    this.#socket.stats[STAT.bytesSent] += size;
    this.#noteMark();
    this.out.tookFile(size);
    this.#afterTaken();
  }

  #readFile(): void {
    this.#files ??= new FilePartReader(this.#socket.runtime, this.out, () => {
      this.#state = IDLE;
      this.#socket.schedule();
    });
    this.#state = READING;
    this.#files.read();
  }

  /** What was dropped because sending failed has not been taken over by anybody. */
  #reachMarks(): void {
    this.#marks?.reach(this.out.written - this.out.queued, this.failure);
  }

  #sendFin(): void {
    if (this.#socket.receiver.peerEnded) {
      // close() sends the FIN; nothing is left to come, so it cannot turn into a reset.
      this.#socket.closeWith(null, false);
    } else if (!this.#finSent) {
      this.#finSent = true;
      const failed = -shutdown(this.#socket.fd, constants.SHUT_WR);
      if (failed > 0) this.#onFinFailed(failed);
    }
  }

  /** The peer has reset the connection before our FIN: where a receive is under way, that one says so, and how. */
  #onFinFailed(code: number): void {
    const reset = code === errno.ENOTCONN;
    if (reset && this.#socket.receiver.receiving) return;
    this.#socket.closeWith(new SystemError("shutdown", reset ? errno.ECONNRESET : code), false);
  }
}

/** The file that follows fills the last packet. */
const moreBefore = (next: Segment | null): number => (next !== null && next.done !== null ? constants.MSG_MORE : 0);
