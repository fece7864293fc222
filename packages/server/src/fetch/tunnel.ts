// tunnel.ts — a tunnel (Upgrade, CONNECT) as two web streams, over the bare Stream that the exchange became.
import type { Lease, Stream, StreamHandler } from "@percore/core";

/** Bytes of the peer held for a reader before the stream is paused: one receive buffer. */
const READ_BUFFER_BYTES = 16_384;

export class Tunnel implements StreamHandler {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Fulfilled when both sides have ended, rejected when the tunnel broke. */
  readonly closed: Promise<void>;
  readonly #stream: Stream;
  #reading!: ReadableByteStreamController;
  #writing!: WritableStreamDefaultController;
  #readOver = false;
  #writeOver = false;
  #held = 0;
  #drained: (() => void) | null = null;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.closed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.closed.catch(() => undefined);
    this.readable = new ReadableStream<Uint8Array>(
      {
        type: "bytes",
        start: (controller: ReadableByteStreamController) => {
          this.#reading = controller;
        },
        pull: () => {
          this.#held = 0;
          if (stream.paused) stream.resume();
        },
        cancel: (reason: unknown) => this.destroy(reason),
      } as unknown as ConstructorParameters<typeof ReadableStream<Uint8Array>>[0],
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#writing = controller;
      },
      write: (chunk) => this.#write(chunk),
      close: () => {
        this.#writeOver = true;
        stream.end();
      },
      abort: (reason) => this.destroy(reason),
    });
    stream.pause();
    stream.attach(this);
  }

  /** Ends our side; what was written is sent. */
  close(): void {
    if (this.#writeOver) return;
    this.#writeOver = true;
    this.#stream.end();
  }

  /** Breaks the tunnel at once: the peer sees a reset. */
  destroy(error?: unknown): void {
    if (!this.#stream.open) return;
    this.#stream.reset();
    this.#fail(error instanceof Error ? error : new Error("the tunnel was destroyed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed.catch(() => undefined);
  }

  onData(lease: Lease): void {
    if (this.#readOver) {
      lease.release();
      return;
    }
    const bytes = lease.bytes.slice();
    lease.release();
    this.#held += bytes.length;
    if (this.#held >= READ_BUFFER_BYTES) this.#stream.pause();
    this.#reading.enqueue(bytes);
  }

  onEnd(): void {
    if (this.#readOver) return;
    this.#readOver = true;
    this.#reading.close();
    this.#reading.byobRequest?.respond(0);
  }

  onDrain(): void {
    const drained = this.#drained;
    this.#drained = null;
    drained?.();
  }

  onClose(error: Error | null): void {
    if (error !== null) {
      this.#fail(error);
      return;
    }
    this.onEnd();
    this.onDrain();
    this.#resolve();
  }

  #write(chunk: Uint8Array): Promise<void> | void {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a tunnel takes Uint8Array");
    if (!this.#stream.open) throw new Error("the tunnel is closed");
    this.#stream.writeBytes(chunk);
    if (!this.#stream.needsDrain) return undefined;
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  #fail(error: Error): void {
    if (!this.#readOver) {
      this.#readOver = true;
      this.#reading.error(error);
    }
    if (!this.#writeOver) {
      this.#writeOver = true;
      this.#writing.error(error);
    }
    this.onDrain();
    this.#reject(error);
  }
}
