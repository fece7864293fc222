// tls-stream.ts — a Stream whose bytes are encrypted on their way through the stream below.
import { type Arena, assert, type Lease, type Stream, type StreamHandler, type StreamInfo } from "@percore/core";
import type { Connection } from "./connection.ts";
import { type TlsDetails, TlsInfo } from "./details.ts";
import type { Opener } from "./opener.ts";
import type { Sealer } from "./sealer.ts";

type FlushDone = (error: Error | null) => void;
type FileDone = (error: Error | null, sent: number) => void;

/** Made when its handshake is complete; see `TlsAcceptor` and `connectTls`. */
export class TlsStream implements Stream {
  readonly arena: Arena;
  readonly info: StreamInfo;
  /** What was agreed on, and who the peer is. */
  readonly tls: TlsDetails;
  readonly #connection: Connection;
  readonly #sealer: Sealer;
  readonly #opener: Opener;

  constructor(connection: Connection, details: TlsDetails, alpn: string | null) {
    this.arena = connection.inner.arena;
    this.info = new TlsInfo(connection.inner, alpn);
    this.tls = details;
    this.#connection = connection;
    this.#sealer = connection.sealer;
    this.#opener = connection.opener;
  }

  /** DER, the peer's own certificate first; empty where it has shown none, or the stream has closed. */
  get peerCertificates(): Uint8Array[] {
    return this.#connection.closed ? [] : this.#connection.thread.engine.peerCertificates(this.#connection.handle);
  }

  attach(handler: StreamHandler): void {
    this.#connection.attach(handler);
  }

  // — towards the peer —

  reserve(size: number): number {
    return this.#writable ? this.#sealer.out.reserve(size) : this.#connection.thread.scratch;
  }

  commit(size: number): void {
    if (!this.#writable) return;
    this.#sealer.out.commit(size);
    this.#wrote();
  }

  write(lease: Lease): void {
    if (!this.#writable) {
      lease.release();
      return;
    }
    // It may wait here for a slow peer; receive buffers must not.
    if (lease.scarce) {
      this.#sealer.out.writeBytes(lease.bytes);
      lease.release();
    } else {
      this.#sealer.out.writeLease(lease);
    }
    this.#wrote();
  }

  writeBytes(bytes: Uint8Array): void {
    if (!this.#writable) return;
    this.#sealer.out.writeBytes(bytes);
    this.#wrote();
  }

  sendFile(fd: number, offset: number, length: number, done: FileDone): void {
    if (this.#writable) {
      this.#sealer.out.writeFile(fd, offset, length, done);
      this.#wrote();
    } else {
      queueMicrotask(() => done(this.#connection.closedError, 0));
    }
  }

  cork(): void {
    this.#sealer.corks += 1;
  }

  uncork(): void {
    assert(this.#sealer.corks > 0, "uncork without cork");
    this.#sealer.corks -= 1;
    if (this.#sealer.corks === 0) this.#connection.schedule();
  }

  flush(): void {
    if (this.#connection.writable) this.#sealer.pump(true);
  }

  /** close_notify, then the stream below's end. Receiving goes on until the peer's close_notify. */
  end(): void {
    this.#connection.end();
  }

  reset(_code?: number): void {
    this.#connection.reset();
  }

  /** Plaintext that waits, and ciphertext that the stream below has not handed over yet. */
  get queuedBytes(): number {
    return this.#sealer.queuedBytes;
  }

  get highWaterBytes(): number {
    return this.#sealer.highWaterBytes;
  }

  /** The stream below gets the same: beyond it plaintext waits unencrypted. */
  set highWaterBytes(bytes: number) {
    this.#sealer.highWaterBytes = bytes;
    this.#connection.inner.highWaterBytes = bytes;
  }

  get needsDrain(): boolean {
    return this.#sealer.queuedBytes > this.#sealer.highWaterBytes;
  }

  onFlushed(done: FlushDone): void {
    if (this.#connection.open) this.#sealer.onFlushed(done);
    else queueMicrotask(() => done(this.#connection.closedError));
  }

  // — from the peer —

  get paused(): boolean {
    return this.#opener.paused;
  }

  get peerEnded(): boolean {
    return this.#opener.peerEnded;
  }

  pause(): void {
    if (this.#opener.paused) return;
    this.#opener.paused = true;
    this.#connection.schedule();
  }

  resume(): void {
    if (!this.#opener.paused) return;
    this.#opener.paused = false;
    this.#connection.schedule();
  }

  unread(lease: Lease): void {
    this.#connection.handler = null;
    if (!this.#connection.open) {
      lease.release();
      return;
    }
    this.#opener.unread(lease);
    this.#connection.schedule();
  }

  // — life —

  get open(): boolean {
    return this.#connection.open;
  }

  get ended(): boolean {
    return this.#sealer.ended;
  }

  get #writable(): boolean {
    assert(!this.#sealer.ended, "written after end()");
    return this.#connection.writable;
  }

  #wrote(): void {
    this.#sealer.wrote();
    this.#connection.schedule();
  }
}
