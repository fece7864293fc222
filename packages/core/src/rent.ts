// rent.ts — a promise reader and writer over a Stream, in the rent style: leases come out of `read` and go into `write`.
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";
import type { Lease } from "./lease.ts";
import type { Stream, StreamHandler, StreamInfo } from "./stream.ts";

export interface RentOptions {
  /** Bytes received ahead of `read` before the stream is paused. Default 64 KiB. */
  readAheadBytesMax?: number;
}

export interface RentCallOptions {
  /** Gives the call up. A read that is given up loses nothing: its bytes come with the next one. */
  signal?: AbortSignal;
}

/** What `read` resolves with: bytes that are yours to release or to write on, or null when the peer has sent all. */
export interface RentRead {
  readonly lease: Lease | null;
}

const READ_AHEAD_BYTES_MAX = 65_536;
/** The largest lease of an arena, and so the most that `readExact` can put into one. */
const EXACT_BYTES_MAX = 65_536;

interface Waiter {
  resolve(): void;
  reject(reason: unknown): void;
}

/** Settles when `waiter` is told, or rejects when the signal aborts; `forget` is called in the second case. */
const waitFor = (signal: AbortSignal | undefined, hold: (waiter: Waiter) => void, forget: () => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => {
      forget();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    hold({
      resolve: () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      reject: (reason) => {
        signal?.removeEventListener("abort", onAbort);
        reject(reason);
      },
    });
  });

export class RentStream implements AsyncIterable<Lease> {
  readonly #stream: Stream;
  readonly #readAheadBytesMax: number;
  readonly #received: Lease[] = [];
  #receivedBytes = 0;
  #reader: Waiter | null = null;
  readonly #writers = new Set<Waiter>();
  #peerEnded = false;
  #closed = false;
  #error: Error | null = null;
  readonly #whenClosed: Promise<Error | null>;
  #tellClosed: (error: Error | null) => void = () => {};

  /** Attaches itself to `stream` and receives from now on. */
  constructor(stream: Stream, options: RentOptions = {}) {
    this.#stream = stream;
    this.#readAheadBytesMax = options.readAheadBytesMax ?? READ_AHEAD_BYTES_MAX;
    this.#whenClosed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    const handler: StreamHandler = {
      onData: (lease) => this.#onData(lease),
      onEnd: () => {
        this.#peerEnded = true;
        this.#wakeReader();
      },
      onDrain: () => this.#wakeWriters(null),
      onClose: (error) => this.#onClose(error),
    };
    stream.attach(handler);
  }

  get info(): StreamInfo {
    return this.#stream.info;
  }

  get arena(): Arena {
    return this.#stream.arena;
  }

  /** Resolves when the stream is gone: with null after an orderly close, else with the reason. Never rejects. */
  get closed(): Promise<Error | null> {
    return this.#whenClosed;
  }

  /**
   * The next bytes from the peer. One read at a time.
   * @throws the stream's error when it broke before its end, or the signal's reason.
   */
  async read(options: RentCallOptions = {}): Promise<RentRead> {
    await this.#readable(options.signal);
    const lease = this.#received.shift() ?? null;
    if (lease !== null) {
      this.#receivedBytes -= lease.length;
      this.#resume();
    }
    return { lease };
  }

  /**
   * Exactly `size` bytes (1..64 KiB) in one lease; copied together where they came in parts.
   * @throws {RangeError} where the peer's bytes end before; those that did come stay to be read.
   */
  async readExact(size: number, options: RentCallOptions = {}): Promise<Lease> {
    assert(size >= 1 && size <= EXACT_BYTES_MAX, `readExact of ${size} bytes, allowed are 1..${EXACT_BYTES_MAX}`);
    while (this.#receivedBytes < size) {
      if (this.#peerEnded) throw new RangeError(`the peer's bytes ended before ${size} bytes came`);
      this.#stream.resume();
      await this.#moreReceived(options.signal);
    }
    const lease = this.#takeExact(size);
    this.#resume();
    return lease;
  }

  /** Each lease from the peer, until its end. They are yours: release each, or write it on. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Lease, void, void> {
    for (;;) {
      const { lease } = await this.read();
      if (lease === null) return;
      yield lease;
    }
  }

  /**
   * Sends the lease's range. The lease passes to the stream whatever happens.
   *
   * Resolves when the stream has taken it and would take more: at once below its high water mark, else when it has
   * drained. Wait for it, and a slow peer slows you down.
   */
  write(lease: Lease, options: RentCallOptions = {}): Promise<void> {
    if (!this.#stream.open) {
      lease.release();
      return Promise.reject(this.#failure());
    }
    this.#stream.write(lease);
    return this.#writable(options.signal);
  }

  /** Sends a copy of `bytes`; resolves as `write` does. */
  writeBytes(bytes: Uint8Array, options: RentCallOptions = {}): Promise<void> {
    if (!this.#stream.open) return Promise.reject(this.#failure());
    this.#stream.writeBytes(bytes);
    return this.#writable(options.signal);
  }

  /** Resolves when the kernel has taken over everything written so far. */
  flush(): Promise<void> {
    this.#stream.flush();
    return new Promise((resolve, reject) => {
      this.#stream.onFlushed((error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Sends what is queued, then FIN; resolves when the kernel has it. Reading goes on. */
  end(): Promise<void> {
    const flushed = this.flush();
    this.#stream.end();
    return flushed;
  }

  /** Abandons the stream: the peer sees a reset, waiting calls reject. */
  reset(code?: number): void {
    this.#stream.reset(code);
  }

  /** Gives the bare stream back, with everything received and not read; this object is of no use afterwards. */
  detach(): Stream {
    assert(this.#reader === null && this.#writers.size === 0, "detach while a call is waiting");
    for (const lease of this.#received.splice(0)) this.#stream.unread(lease);
    this.#receivedBytes = 0;
    return this.#stream;
  }

  #onData(lease: Lease): void {
    let kept = lease;
    if (this.#reader === null && lease.length < lease.blockSize) {
      // Nobody waits, so this may lie here long. Receive buffers are few and large; a block of its own size is not.
      kept = this.#stream.arena.lease(lease.length);
      kept.length = lease.length;
      kept.bytes.set(lease.bytes);
      lease.release();
    }
    this.#received.push(kept);
    this.#receivedBytes += kept.length;
    if (this.#receivedBytes >= this.#readAheadBytesMax) this.#stream.pause();
    this.#wakeReader();
  }

  #onClose(error: Error | null): void {
    this.#closed = true;
    this.#error = error;
    if (error !== null) {
      // As with a socket, a broken connection loses what was not read; nobody may come to release it.
      for (const lease of this.#received.splice(0)) lease.release();
      this.#receivedBytes = 0;
    }
    this.#wakeReader();
    this.#wakeWriters(this.#failure());
    this.#tellClosed(error);
  }

  async #readable(signal: AbortSignal | undefined): Promise<void> {
    if (this.#received.length === 0 && !this.#peerEnded) await this.#moreReceived(signal);
  }

  /** Waits for bytes, the end or the close. */
  async #moreReceived(signal: AbortSignal | undefined): Promise<void> {
    assert(this.#reader === null, "one read at a time");
    signal?.throwIfAborted();
    if (!this.#closed) {
      await waitFor(
        signal,
        (waiter) => {
          this.#reader = waiter;
        },
        () => {
          this.#reader = null;
        },
      );
      if (this.#received.length > 0 || this.#peerEnded) return;
    }
    throw this.#failure();
  }

  async #writable(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#stream.needsDrain) return;
    signal?.throwIfAborted();
    let mine: Waiter | null = null;
    await waitFor(
      signal,
      (waiter) => {
        mine = waiter;
        this.#writers.add(waiter);
      },
      () => {
        if (mine !== null) this.#writers.delete(mine);
      },
    );
  }

  #takeExact(size: number): Lease {
    const first = this.#received[0] as Lease;
    this.#receivedBytes -= size;
    if (first.length === size) return this.#received.shift() as Lease;
    const whole = this.#stream.arena.lease(size);
    whole.length = size;
    let filled = 0;
    while (filled < size) {
      const head = this.#received[0] as Lease;
      const part = Math.min(head.length, size - filled);
      whole.bytes.set(head.bytes.subarray(0, part), filled);
      filled += part;
      head.offset += part;
      head.length -= part;
      if (head.length === 0) {
        this.#received.shift();
        head.release();
      }
    }
    return whole;
  }

  #resume(): void {
    if (this.#stream.paused && this.#receivedBytes < this.#readAheadBytesMax) this.#stream.resume();
  }

  #wakeReader(): void {
    const reader = this.#reader;
    this.#reader = null;
    reader?.resolve();
  }

  #wakeWriters(error: Error | null): void {
    for (const writer of this.#writers) {
      if (error === null) writer.resolve();
      else writer.reject(error);
    }
    this.#writers.clear();
  }

  #failure(): Error {
    return this.#error ?? new Error("the stream is closed");
  }
}

/** A promise reader and writer that takes over `stream`. */
export const rent = (stream: Stream, options?: RentOptions): RentStream => new RentStream(stream, options);
