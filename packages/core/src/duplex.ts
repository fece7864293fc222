// duplex.ts — a node:stream Duplex over a Stream, for code that expects node's: `ws`, tls.connect({ socket }), pipeline.
import { Duplex } from "node:stream";
import type { Lease } from "./lease.ts";
import type { Stream } from "./stream.ts";

export interface DuplexOptions {
  /** Keeps sending possible after the peer's end, as node's Duplex does by default. false ends with the peer. */
  allowHalfOpen?: boolean;
}

type Callback = (error?: Error | null) => void;

/**
 * Bytes are copied both ways: node's chunks may be kept by anybody for any time, leases may not. What is read is a
 * Buffer of its own; what is written may be reused as soon as `write` has returned its callback.
 */
export class StreamDuplex extends Duplex {
  /** Bytes received and handed on, and bytes given to the stream. */
  bytesRead = 0;
  bytesWritten = 0;
  readonly #stream: Stream;
  /** Goes on with the write that waits for the queue to drain. */
  #resumeWrite: ((error: Error | null) => void) | null = null;
  #whenClosed: Callback | null = null;
  #closed = false;

  /** Attaches itself to `stream` and owns it from now on. */
  constructor(stream: Stream, options: DuplexOptions = {}) {
    super({ allowHalfOpen: options.allowHalfOpen ?? true, decodeStrings: true });
    this.#stream = stream;
    stream.attach({
      onData: (lease) => this.#onData(lease),
      onEnd: () => this.push(null),
      onDrain: () => this.#continueWrite(null),
      onClose: (error) => this.#onClose(error),
    });
  }

  // What users of net.Socket look for.
  get remoteAddress(): string {
    return this.#stream.info.remote.address;
  }
  get remotePort(): number {
    return this.#stream.info.remote.port;
  }
  get remoteFamily(): string {
    return familyName(this.#stream.info.remote.family);
  }
  get localAddress(): string {
    return this.#stream.info.local.address;
  }
  get localPort(): number {
    return this.#stream.info.local.port;
  }
  get encrypted(): boolean {
    return this.#stream.info.encrypted;
  }

  override _read(): void {
    if (this.#stream.paused) this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#write(chunk, callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    let at = 0;
    const next: Callback = (error) => {
      if (error || at === chunks.length) {
        callback(error);
        return;
      }
      at += 1;
      this.#write(chunks[at - 1].chunk, next);
    };
    next(null);
  }

  override _final(callback: Callback): void {
    if (!this.#stream.open) {
      callback(null);
      return;
    }
    this.#stream.onFlushed((error) => callback(error));
    this.#stream.end();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (this.#closed) {
      callback(error);
      return;
    }
    this.#whenClosed = () => callback(error);
    // After the peer's end a FIN closes at once and loses nothing, as when node closes a socket; the end of `for await`
    // over a Duplex comes here so. A peer that may still be sending would keep the stream open, so it is abandoned.
    if (this.#stream.peerEnded && this.#stream.queuedBytes === 0) this.#stream.end();
    else this.#stream.reset();
  }

  #onData(lease: Lease): void {
    if (this.destroyed) {
      lease.release();
      return;
    }
    const chunk = Buffer.from(lease.bytes);
    lease.release();
    this.bytesRead += chunk.length;
    if (!this.push(chunk)) this.#stream.pause();
  }

  /** Writes in parts of the stream's high water mark, so that one huge chunk does not fill the arena. */
  #write(chunk: Buffer, callback: Callback): void {
    const stream = this.#stream;
    for (let at = 0; at < chunk.length; ) {
      if (!stream.open) {
        // The close is on its way and says why; a write after it has nothing to add.
        callback(new StreamGoneError());
        return;
      }
      const part = chunk.subarray(at, at + Math.max(1, stream.highWaterBytes));
      stream.writeBytes(part);
      this.bytesWritten += part.length;
      at += part.length;
      if (stream.needsDrain) {
        const rest = chunk.subarray(at);
        this.#resumeWrite = (error) => (error === null ? this.#write(rest, callback) : callback(error));
        return;
      }
    }
    callback(null);
  }

  #continueWrite(error: Error | null): void {
    const resumeWrite = this.#resumeWrite;
    this.#resumeWrite = null;
    resumeWrite?.(error);
  }

  #onClose(error: Error | null): void {
    this.#closed = true;
    const whenClosed = this.#whenClosed;
    this.#whenClosed = null;
    this.#continueWrite(error ?? new StreamGoneError());
    if (whenClosed !== null) whenClosed();
    else if (error !== null) this.destroy(error);
    // After an orderly close node destroys the Duplex itself, when what was received has been read.
  }
}

/** As net.Socket's: what was written can no longer be sent. */
class StreamGoneError extends Error {
  readonly code = "EPIPE";
  constructor() {
    super("write after the stream has closed");
  }
}

const familyName = (family: string): string => (family === "ipv4" ? "IPv4" : family === "ipv6" ? "IPv6" : family);

/** A Duplex that takes over `stream`. */
export const toDuplex = (stream: Stream, options?: DuplexOptions): StreamDuplex => new StreamDuplex(stream, options);
