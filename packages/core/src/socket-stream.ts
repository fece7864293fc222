// socket-stream.ts — a Stream over a TCP or Unix socket. The kernel owns it too, until the last completion has come.
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";
import type { BufferGroup } from "./buffer-group.ts";
import { CoreError } from "./errors.ts";
import type { FlushDone } from "./flush-marks.ts";
import type { Lease } from "./lease.ts";
import type { FileDone, OutQueue } from "./out-queue.ts";
import type { Runtime } from "./runtime.ts";
import { Socket } from "./socket.ts";
import { SocketInfo } from "./socket-info.ts";
import type { SocketReceiver } from "./socket-receiver.ts";
import type { SocketSender } from "./socket-sender.ts";
import type { Stream, StreamHandler, StreamInfo } from "./stream.ts";

export class SocketStream implements Stream {
  readonly arena: Arena;
  readonly #socket: Socket;
  readonly #receiver: SocketReceiver;
  readonly #sender: SocketSender;
  readonly #out: OutQueue;
  #info: SocketInfo | null = null;

  /**
   * @param fd a connected, non-blocking socket; the stream's from now on.
   * @param group where its receives take their buffers from.
   * @param onGone called once when the descriptor has been closed.
   */
  constructor(runtime: Runtime, fd: number, group: BufferGroup, onGone: (() => void) | null = null) {
    this.arena = runtime.arena;
    this.#socket = new Socket(runtime, fd, group, onGone);
    this.#receiver = this.#socket.receiver;
    this.#sender = this.#socket.sender;
    this.#out = this.#sender.out;
  }

  get info(): StreamInfo {
    this.#info ??= new SocketInfo(this.#socket.fd);
    return this.#info;
  }

  get open(): boolean {
    return this.#socket.open;
  }

  attach(handler: StreamHandler): void {
    this.#socket.attach(handler);
  }

  // — towards the peer —

  /** Flags of every send. Kernel TLS refuses MSG_WAITALL, so they belong to the stream; short sends are continued anyway. */
  get sendFlags(): number {
    return this.#sender.flags;
  }

  set sendFlags(flags: number) {
    this.#sender.flags = flags;
  }

  get highWaterBytes(): number {
    return this.#sender.highWaterBytes;
  }

  set highWaterBytes(bytes: number) {
    this.#sender.highWaterBytes = bytes;
  }

  get queuedBytes(): number {
    return this.#out.queued;
  }

  get needsDrain(): boolean {
    return this.#out.queued > this.#sender.highWaterBytes;
  }

  get ended(): boolean {
    return this.#sender.ended;
  }

  reserve(size: number): number {
    if (this.#writable) return this.#out.reserve(size);
    return this.#socket.runtime.scratch;
  }

  commit(size: number): void {
    if (!this.#writable) return;
    this.#out.commit(size);
    this.#socket.schedule();
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
    this.#socket.schedule();
  }

  writeBytes(bytes: Uint8Array): void {
    if (!this.#writable) return;
    this.#out.writeBytes(bytes);
    this.#socket.schedule();
  }

  sendFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#writable) {
      this.#out.writeFile(fd, offset, length, done);
      this.#socket.schedule();
    } else {
      queueMicrotask(() => done(this.#socket.closedError, 0));
    }
  }

  cork(): void {
    this.#sender.corks += 1;
  }

  uncork(): void {
    assert(this.#sender.corks > 0, "uncork without cork");
    this.#sender.corks -= 1;
    if (this.#sender.corks === 0) this.#socket.schedule();
  }

  flush(): void {
    if (this.#socket.open) this.#sender.pump(true);
  }

  end(): void {
    if (this.#sender.ended) return;
    this.#sender.ended = true;
    this.#socket.schedule();
  }

  /** Sockets carry no code; the peer sees RST (TCP) or ECONNRESET (Unix, where it had sent something). */
  reset(_code?: number): void {
    this.#socket.closeWith(new CoreError("ERR_STREAM_ABANDONED", "the stream was reset by its own side"), true);
  }

  /** Resets it because its owner has thrown `error`. */
  crash(error: unknown): void {
    this.#socket.crash(error);
  }

  onFlushed(done: FlushDone): void {
    if (this.#socket.closed) {
      queueMicrotask(() => done(this.#socket.closedError));
      return;
    }
    this.#sender.onFlushed(done);
    this.#socket.schedule();
  }

  // — from the peer —

  get paused(): boolean {
    return this.#receiver.paused;
  }

  get peerEnded(): boolean {
    return this.#receiver.peerEnded;
  }

  pause(): void {
    if (this.#receiver.paused) return;
    this.#receiver.paused = true;
    this.#socket.schedule();
  }

  resume(): void {
    if (!this.#receiver.paused) return;
    this.#receiver.paused = false;
    this.#socket.schedule();
  }

  unread(lease: Lease): void {
    this.#socket.handler = null;
    if (this.#socket.closed) {
      lease.release();
      return;
    }
    this.#receiver.unread(lease);
    this.#socket.schedule();
  }

  get #writable(): boolean {
    assert(!this.#sender.ended, "written after end()");
    return this.#socket.open && this.#sender.failure === null;
  }
}
