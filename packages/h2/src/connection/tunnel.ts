// tunnel.ts — the Stream behind CONNECT and extended CONNECT (RFC 9113 §8.5, RFC 8441): an HTTP/2 stream's DATA both ways.
import {
  type Arena,
  type Lease,
  RESERVE_BYTES_MAX,
  type Stream,
  type StreamHandler,
  type StreamInfo,
} from "@percore/core";
import type { BodyReceiver, Fields } from "@percore/http";

/** What comes from the peer. */
export interface TunnelInput {
  readonly paused: boolean;
  attach(receiver: BodyReceiver): void;
  flush(): void;
  unread(lease: Lease): void;
}

/** The exchange whose stream it is, at either end. */
export interface TunnelOwner {
  readonly incoming: TunnelInput | null;
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
  pauseBody(): void;
  resumeBody(): void;
  tunnelWrite(lease: Lease): void;
  tunnelFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void;
  tunnelEnd(): void;
  tunnelReset(code?: number): void;
  /** Everything of the peer's has been told. */
  tunnelHeard(): void;
  onTransportFlushed(done: (error: Error | null) => void): void;
}

export class TunnelStream implements Stream {
  readonly arena: Arena;
  readonly info: StreamInfo;
  highWaterBytes: number;
  readonly #exchange: TunnelOwner;
  readonly #marks: ((error: Error | null) => void)[] = [];
  #handler: StreamHandler | null = null;
  #open: Lease | null = null;
  #corked = 0;
  #scheduled = false;
  /** More was queued than should be, and the owner has not heard that it is not any more. */
  #full = false;
  /** In the middle of a write: nobody may be called who could write in between. */
  #writing = false;
  #ended = false;
  #peerEnded = false;
  #closed: { readonly error: Error | null } | null = null;
  #told = false;

  constructor(exchange: TunnelOwner, inner: Stream, highWaterBytes: number) {
    this.#exchange = exchange;
    this.arena = inner.arena;
    this.info = { ...infoOf(inner), fd: null, kernelTls: false };
    this.highWaterBytes = highWaterBytes;
  }

  attach(handler: StreamHandler): void {
    const first = this.#handler === null;
    this.#handler = handler;
    if (this.#closed !== null && (this.#closed.error !== null || this.#peerEnded)) {
      queueMicrotask(() => this.#tellClosed());
    } else if (first) {
      this.#exchange.incoming?.attach({
        onBody: (lease) => this.#owner.onData(lease),
        onBodyEnd: (_trailers: Fields | null) => {
          this.#peerEnded = true;
          this.#owner.onEnd();
          this.#exchange.tunnelHeard();
          this.#tellClosed();
        },
        // The exchange tells the end, once for both directions.
        onBodyError: () => undefined,
      });
      this.#exchange.incoming?.flush();
    }
  }

  // — towards the peer —

  reserve(size: number): number {
    if (this.#open !== null && this.#open.capacity - this.#open.length < size) this.#seal();
    if (this.#open === null) {
      this.#open = this.arena.lease(Math.max(size, 4096));
      this.#open.length = 0;
    }
    return this.#open.offset + this.#open.length;
  }

  commit(size: number): void {
    if (this.#open === null) return;
    this.#open.length += size;
    this.#written();
    this.#schedule();
  }

  write(lease: Lease): void {
    this.#writing = true;
    this.#seal();
    this.#exchange.tunnelWrite(lease);
    this.#writing = false;
    this.#written();
  }

  writeBytes(bytes: Uint8Array): void {
    this.#writing = true;
    for (let at = 0; at < bytes.length; at += RESERVE_BYTES_MAX) {
      const part = bytes.subarray(at, at + RESERVE_BYTES_MAX);
      this.arena.u8.set(part, this.reserve(part.length));
      this.commit(part.length);
    }
    this.#writing = false;
    this.#written();
  }

  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    this.#writing = true;
    this.#seal();
    this.#exchange.tunnelFile(fd, offset, length, done);
    this.#writing = false;
    this.#written();
  }

  cork(): void {
    this.#corked += 1;
  }

  uncork(): void {
    this.#corked -= 1;
    if (this.#corked === 0) this.#seal();
  }

  flush(): void {
    this.#seal();
  }

  end(): void {
    if (this.#ended) return;
    this.#seal();
    this.#ended = true;
    this.#exchange.tunnelEnd();
  }

  reset(code?: number): void {
    this.#exchange.tunnelReset(code);
  }

  get queuedBytes(): number {
    return (this.#open?.length ?? 0) + this.#exchange.queuedBytes;
  }

  get needsDrain(): boolean {
    return this.queuedBytes > this.highWaterBytes;
  }

  onFlushed(done: (error: Error | null) => void): void {
    this.#seal();
    if (this.#closed !== null) {
      const { error } = this.#closed;
      queueMicrotask(() => done(error));
    } else if (this.#exchange.queuedBytes === 0) this.#exchange.onTransportFlushed(done);
    else this.#marks.push(done);
  }

  // — from the peer —

  pause(): void {
    this.#exchange.pauseBody();
  }

  resume(): void {
    this.#exchange.resumeBody();
  }

  get paused(): boolean {
    return this.#exchange.incoming?.paused ?? false;
  }

  // — life —

  get open(): boolean {
    return this.#closed === null;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get peerEnded(): boolean {
    return this.#peerEnded;
  }

  unread(lease: Lease): void {
    this.#handler = null;
    this.#exchange.incoming?.unread(lease);
  }

  // — for the exchange —

  /** Some of what was queued has been sent. */
  drained(): void {
    if (this.#exchange.queuedBytes === 0) {
      for (const done of this.#marks.splice(0)) this.#exchange.onTransportFlushed(done);
    }
    // Who is in the middle of a write has not been told to wait.
    if (this.#writing || !this.#full || this.queuedBytes > this.highWaterBytes / 2) return;
    this.#full = false;
    this.#handler?.onDrain();
  }

  /** The stream is gone: in order (null), which is told behind what has come before, or for a reason. */
  closed(error: Error | null): void {
    // An order that nobody has heard of yet can still be overtaken.
    if (this.#closed !== null && (this.#told || error === null)) return;
    this.#closed = { error };
    this.#open?.release();
    this.#open = null;
    for (const done of this.#marks.splice(0)) done(error);
    this.#tellClosed();
  }

  get #owner(): StreamHandler {
    if (this.#handler === null) throw new Error("nothing is received before attach");
    return this.#handler;
  }

  #tellClosed(): void {
    if (this.#closed === null || this.#handler === null || this.#told) return;
    if (this.#closed.error === null && !this.#peerEnded) return;
    this.#told = true;
    this.#handler.onClose(this.#closed.error);
  }

  #written(): void {
    if (!this.#writing) this.#full = this.needsDrain;
  }

  /** Small writes of a turn leave in one frame. */
  #schedule(): void {
    if (this.#scheduled || this.#corked > 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#corked === 0) this.#seal();
    });
  }

  #seal(): void {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    if (open.length === 0) open.release();
    else this.#exchange.tunnelWrite(open);
  }
}

const infoOf = (inner: Stream): StreamInfo => {
  const { encrypted, alpn, remote, local } = inner.info;
  return { fd: null, kernelTls: false, encrypted, alpn, remote, local };
};
