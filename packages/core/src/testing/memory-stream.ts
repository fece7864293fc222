// memory-stream.ts — one end of an in-memory connection: a Stream with everything a TCP stream does, moved by a Pump.
import type { Arena } from "../arena.ts";
import { assert } from "../assert.ts";
import { CoreError, SystemError } from "../errors.ts";
import type { Lease } from "../lease.ts";
import type { PeerAddress, Stream, StreamHandler, StreamInfo } from "../stream.ts";
import type { MemoryLink } from "./memory-link.ts";
import { type FlushDone, Outgoing, type SendFileDone } from "./outgoing.ts";
import type { Pump } from "./pump.ts";

const HIGH_WATER_BYTES = 65_536;
const ECONNRESET = 104;

export interface MemoryStreamOptions {
  arena: Arena;
  pump: Pump;
  /** The direction this end sends in, and the one it receives from. */
  sending: MemoryLink;
  receiving: MemoryLink;
  info: StreamInfo;
}

type Life =
  | { readonly kind: "open" }
  /** `onClose` is due at the next step. */
  | { readonly kind: "closing"; readonly error: Error | null }
  /** `told` is false where nobody was attached to hear it: the next owner will. */
  | { readonly kind: "closed"; readonly error: Error | null; readonly told: boolean };

export class MemoryStream implements Stream {
  readonly arena: Arena;
  readonly info: StreamInfo;
  highWaterBytes: number = HIGH_WATER_BYTES;
  readonly #pump: Pump;
  readonly #sending: MemoryLink;
  readonly #receiving: MemoryLink;
  readonly #outgoing: Outgoing;
  readonly #unread: Lease[] = [];
  /** Where the next `unread` goes: behind those given back since the last delivery, before what is older. */
  #unreadAt = 0;
  #handler: StreamHandler | null = null;
  #life: Life = { kind: "open" };
  #paused = false;
  #ended = false;
  #finTaken = false;
  #peerEnded = false;
  /** The present owner has heard onEnd. */
  #endTold = false;
  #aboveHighWater = false;

  constructor(options: MemoryStreamOptions) {
    this.arena = options.arena;
    this.info = options.info;
    this.#pump = options.pump;
    this.#sending = options.sending;
    this.#receiving = options.receiving;
    this.#outgoing = new Outgoing(options.arena);
    options.pump.add(this);
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    this.#unreadAt = 0;
    this.#endTold = false;
    if (this.#life.kind === "closed" && !this.#life.told) this.#pump.add(this);
    this.#pump.wake();
  }

  reserve(size: number): number {
    assert(!this.#ended, "reserve after end");
    if (this.open) return this.#outgoing.reserve(size);
    // Nothing will be sent; the caller still needs a place to write to until it commits.
    const scratch = this.arena.lease(size);
    scratch.release();
    return scratch.offset;
  }

  commit(size: number): void {
    if (!this.open) return;
    this.#outgoing.commit(size);
    this.#written();
  }

  write(lease: Lease): void {
    assert(!this.#ended, "write after end");
    if (!this.open) {
      lease.release();
      return;
    }
    this.#outgoing.write(lease);
    this.#written();
  }

  writeBytes(bytes: Uint8Array): void {
    assert(!this.#ended, "write after end");
    if (!this.open) return;
    this.#outgoing.writeBytes(bytes);
    this.#written();
  }

  sendFile(fd: number, offset: number, length: number, done: SendFileDone): void {
    assert(!this.#ended, "sendFile after end");
    if (!this.open) {
      queueMicrotask(() => done(this.#closedError(), 0));
      return;
    }
    this.#outgoing.file(fd, offset, length, done);
    this.#written();
  }

  cork(): void {
    this.#outgoing.cork();
  }

  uncork(): void {
    this.#outgoing.uncork();
    this.#pump.wake();
  }

  flush(): void {
    this.#outgoing.flush();
    this.#pump.wake();
  }

  end(): void {
    if (this.#ended || !this.open) return;
    this.#ended = true;
    this.#outgoing.end();
    this.#pump.wake();
  }

  reset(_code?: number): void {
    if (!this.open) return;
    this.#sending.break();
    this.#close(new CoreError("ERR_STREAM_ABANDONED", "the stream was reset by its own side"));
  }

  get queuedBytes(): number {
    return this.#outgoing.bytes;
  }

  get needsDrain(): boolean {
    return this.#outgoing.bytes > this.highWaterBytes;
  }

  onFlushed(done: FlushDone): void {
    if (!this.open) {
      queueMicrotask(() => done(this.#closedError()));
      return;
    }
    this.#outgoing.mark(done);
    this.#pump.wake();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pump.wake();
  }

  get paused(): boolean {
    return this.#paused;
  }

  get open(): boolean {
    return this.#life.kind === "open";
  }

  get ended(): boolean {
    return this.#ended;
  }

  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  unread(lease: Lease): void {
    if (!this.open) {
      lease.release();
      return;
    }
    this.#unread.splice(this.#unreadAt, 0, lease);
    this.#unreadAt += 1;
    this.#handler = null;
    this.#pump.wake();
  }

  /** The pump's turn for this end: one notification, delivery or take. */
  step(): boolean {
    switch (this.#life.kind) {
      case "closing":
        this.#settleClose(this.#life.error);
        return true;
      case "closed":
        return this.#tellClosed(this.#life.error, this.#life.told);
      case "open":
        return this.#stepReceiving() || this.#stepSending();
    }
  }

  #stepReceiving(): boolean {
    if (this.#receiving.resetDue) this.#receiving.break();
    if (this.#receiving.broken) {
      this.#sending.break();
      this.#close(new SystemError("recv", ECONNRESET));
      return true;
    }
    const handler = this.#handler;
    if (handler === null || this.#paused) return false;
    const unread = this.#unread.shift();
    if (unread !== undefined) {
      this.#unreadAt = 0;
      handler.onData(unread);
      return true;
    }
    if (this.#endTold || (this.#receiving.flight.size === 0 && !this.#receiving.fin)) return false;
    return this.#receiving.holds() || this.#deliver(handler);
  }

  #deliver(handler: StreamHandler): boolean {
    const link = this.#receiving;
    const size = link.nextSize();
    if (size > 0) {
      const lease = this.#receiveLease(size);
      if (lease === null) return false;
      link.flight.shiftInto(this.arena.u8.subarray(lease.offset, lease.offset + size));
      link.delivered += size;
      handler.onData(lease);
      return true;
    }
    this.#peerEnded = true;
    this.#endTold = true;
    handler.onEnd();
    this.#closeIfDone();
    return true;
  }

  /** Null while all of the arena is held by others: that is back-pressure, and the bytes wait where they are. */
  #receiveLease(size: number): Lease | null {
    try {
      return this.arena.lease(size);
    } catch (error) {
      if (error instanceof CoreError && error.code === "ERR_ARENA_EXHAUSTED") return null;
      throw error;
    }
  }

  #stepSending(): boolean {
    if (!this.#outgoing.ready || this.#sending.room <= 0) return false;
    const taken = this.#outgoing.take(this.#sending.room);
    if (taken === "fin") {
      this.#sending.fin = true;
      this.#finTaken = true;
      this.#closeIfDone();
    } else if (taken !== null) {
      this.#sending.flight.push(taken);
    }
    if (this.#aboveHighWater && this.#outgoing.bytes <= this.highWaterBytes / 2) {
      this.#aboveHighWater = false;
      this.#handler?.onDrain();
    }
    this.#pump.wake();
    return true;
  }

  #written(): void {
    if (this.needsDrain) this.#aboveHighWater = true;
    this.#pump.wake();
  }

  #closeIfDone(): void {
    if (this.#finTaken && this.#peerEnded && this.open) this.#close(null);
  }

  // Never calls the owner at once: whoever resets a stream in the middle of its own work is not called back into it.
  #close(error: Error | null): void {
    this.#life = { kind: "closing", error };
    this.#pump.wake();
  }

  #settleClose(error: Error | null): void {
    this.#life = { kind: "closed", error, told: false };
    for (const lease of this.#unread.splice(0)) lease.release();
    this.#receiving.flight.clear();
    // After an orderly close all was taken, and only callbacks can be left.
    this.#outgoing.drop(error);
    if (this.#handler === null) this.#pump.remove(this);
  }

  #tellClosed(error: Error | null, told: boolean): boolean {
    const handler = this.#handler;
    if (told || handler === null) return false;
    this.#life = { kind: "closed", error, told: true };
    this.#handler = null;
    this.#pump.remove(this);
    handler.onClose(error);
    return true;
  }

  #closedError(): Error {
    const error = this.#life.kind === "open" ? null : this.#life.error;
    return error ?? new CoreError("ERR_STREAM_CLOSED", "the stream is closed");
  }
}

export const memoryAddress = (name: string): PeerAddress => ({ family: "memory", address: name, port: 0 });
