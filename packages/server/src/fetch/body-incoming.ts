// body-incoming.ts — a request's body as it comes from the connection: collected straight from the leases, or as a web
// stream whose reader holds the connection back.
import type { Lease } from "@percore/core";
import type { BodyReceiver, Exchange, Fields } from "@percore/http";
import { onExchangeFinish } from "./request-signal.ts";

/** Bytes the web stream holds for its reader before the connection is paused: one receive buffer. */
const STREAM_BUFFER_BYTES = 16_384;
/**
 * Parts below this many bytes are gathered for a microtask: all of one receive buffer's come in one turn. A part that is
 * enqueued costs about 130 bytes of malloc beside its own until a collection, 33 MiB for a body of one-byte chunks.
 */
const SMALL_PART_BYTES = 4_096;
/** Behind the response, nobody has taken a byte of the body for so long: it was forgotten half read, milliseconds. */
const FORGOTTEN_BODY_MS = 5_000;
/** An announced length up to this is allocated at once; above it, memory follows what really comes. */
const ALLOCATE_AT_ONCE_MAX = 262_144;

/** Told when the body is complete, with the trailers, or that it never will be. */
export interface BodyEnd {
  onEnd(trailers: Fields | null): void;
  onError(error: Error): void;
}

const utf8 = new TextDecoder();

/** The whole body as text, decoded from the receive buffer itself where it came in one piece. */
export const collectText = (exchange: Exchange, end: BodyEnd): Promise<string> =>
  new Promise((resolve, reject) => {
    exchange.receive(new TextCollector(exchange.bodyLength, end, resolve, reject));
  });

/** The whole body in one array of its own. */
export const collectBytes = (exchange: Exchange, end: BodyEnd): Promise<Uint8Array<ArrayBuffer>> =>
  new Promise((resolve, reject) => {
    exchange.receive(new BytesCollector(exchange.bodyLength, end, resolve, reject));
  });

class BytesCollector implements BodyReceiver {
  readonly #end: BodyEnd;
  readonly #resolve: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #reject: (error: Error) => void;
  #bytes: Uint8Array<ArrayBuffer>;
  #size = 0;

  constructor(
    length: number,
    end: BodyEnd,
    resolve: (bytes: Uint8Array<ArrayBuffer>) => void,
    reject: (error: Error) => void,
  ) {
    this.#end = end;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#bytes = new Uint8Array(length > 0 ? Math.min(length, ALLOCATE_AT_ONCE_MAX) : 0);
  }

  onBody(lease: Lease): void {
    const needed = this.#size + lease.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(lease.bytes, this.#size);
    this.#size = needed;
    lease.release();
  }

  onBodyEnd(trailers: Fields | null): void {
    this.#end.onEnd(trailers);
    this.#resolve(this.#size === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#size));
  }

  onBodyError(error: Error): void {
    this.#end.onError(error);
    this.#reject(error);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2, 4096));
    bytes.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = bytes;
  }
}

class TextCollector implements BodyReceiver {
  readonly #end: BodyEnd;
  readonly #resolve: (text: string) => void;
  readonly #reject: (error: Error) => void;
  readonly #length: number;
  #text = "";
  /** Used from the second piece on: characters may be cut between pieces. */
  #decoder: InstanceType<typeof TextDecoder> | null = null;

  constructor(length: number, end: BodyEnd, resolve: (text: string) => void, reject: (error: Error) => void) {
    this.#end = end;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#length = length;
  }

  onBody(lease: Lease): void {
    if (this.#decoder === null && lease.length === this.#length) {
      this.#text = utf8.decode(lease.bytes);
    } else {
      this.#decoder ??= new TextDecoder();
      this.#text += this.#decoder.decode(lease.bytes, STREAMING);
    }
    lease.release();
  }

  onBodyEnd(trailers: Fields | null): void {
    if (this.#decoder !== null) this.#text += this.#decoder.decode();
    this.#end.onEnd(trailers);
    this.#resolve(this.#text);
  }

  onBodyError(error: Error): void {
    this.#end.onError(error);
    this.#reject(error);
  }
}

const STREAMING = Object.freeze({ stream: true });

/** The body as a byte stream. Nothing is asked of the connection before the first read. */
export const streamIncoming = (exchange: Exchange, end: BodyEnd): ReadableStream<Uint8Array> => {
  const source = new IncomingSource(exchange, end);
  return new ReadableStream<Uint8Array>(source as unknown as ByteSource, { highWaterMark: 0 });
};

type ByteSource = ConstructorParameters<typeof ReadableStream<Uint8Array>>[0];

class IncomingSource implements BodyReceiver {
  readonly type = "bytes";
  readonly #exchange: Exchange;
  readonly #end: BodyEnd;
  #controller!: ReadableByteStreamController;
  #started = false;
  #done = false;
  /** The response is out. */
  #answered = false;
  /** Runs while a body is left half read behind its response. */
  #patience: NodeJS.Timeout | undefined;
  /** Bytes taken since the last pull: what the stream holds at most. */
  #held = 0;
  /** Small parts of this turn: the first alone, or several in one array, which has room for more. */
  #gathered: Uint8Array<ArrayBuffer> | null = null;
  #gatheredSize = 0;

  constructor(exchange: Exchange, end: BodyEnd) {
    this.#exchange = exchange;
    this.#end = end;
  }

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller;
  }

  pull(): void {
    this.#held = 0;
    clearTimeout(this.#patience);
    if (this.#started) {
      this.#exchange.resumeBody();
      return;
    }
    this.#started = true;
    this.#answered = !this.#exchange.open;
    if (!this.#answered) onExchangeFinish(this.#exchange, () => this.#onAnswered());
    this.#exchange.receive(this);
  }

  cancel(reason: unknown): void {
    if (this.#done) return;
    this.#done = true;
    this.#gathered = null;
    this.#end.onError(reason instanceof Error ? reason : new Error("the body was cancelled"));
    this.#exchange.abandonBody();
  }

  onBody(lease: Lease): void {
    const { length } = lease;
    this.#held += length;
    if (this.#held >= STREAM_BUFFER_BYTES) {
      this.#exchange.pauseBody();
      if (this.#answered) this.#waitForReader();
    }
    if (length >= SMALL_PART_BYTES) {
      this.#passGathered();
      this.#controller.enqueue(lease.bytes.slice());
    } else this.#gather(lease.bytes);
    lease.release();
  }

  onBodyEnd(trailers: Fields | null): void {
    if (this.#done) return;
    this.#passGathered();
    this.#done = true;
    clearTimeout(this.#patience);
    this.#end.onEnd(trailers);
    this.#controller.close();
    // A reader that waits with a buffer of its own hears of the end only by this (Streams §4.7.4).
    this.#controller.byobRequest?.respond(0);
  }

  onBodyError(error: Error): void {
    if (this.#done) return;
    this.#done = true;
    this.#gathered = null;
    clearTimeout(this.#patience);
    this.#end.onError(error);
    this.#controller.error(error);
  }

  #gather(bytes: Uint8Array): void {
    const size = this.#gatheredSize + bytes.length;
    if (this.#gathered !== null && size > STREAM_BUFFER_BYTES) this.#passGathered();
    if (this.#gathered === null) {
      this.#gathered = bytes.slice();
      this.#gatheredSize = bytes.length;
      queueMicrotask(() => this.#passGathered());
      return;
    }
    if (size > this.#gathered.length) {
      const larger = new Uint8Array(STREAM_BUFFER_BYTES);
      larger.set(this.#gathered);
      this.#gathered = larger;
    }
    this.#gathered.set(bytes, this.#gatheredSize);
    this.#gatheredSize = size;
  }

  #passGathered(): void {
    const bytes = this.#gathered;
    if (bytes === null) return;
    this.#gathered = null;
    const size = this.#gatheredSize;
    this.#gatheredSize = 0;
    this.#controller.enqueue(size === bytes.length ? bytes : bytes.slice(0, size));
  }

  #onAnswered(): void {
    this.#answered = true;
    if (!this.#done && this.#held >= STREAM_BUFFER_BYTES) this.#waitForReader();
  }

  /** A handler may well read on behind its response; one that has forgotten the body must not hold the connection. */
  #waitForReader(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      if (this.#done) return;
      this.#done = true;
      this.#gathered = null;
      const error = new Error(`the body was not read for ${FORGOTTEN_BODY_MS} ms after the response was complete`);
      this.#end.onError(error);
      this.#controller.error(error);
      this.#exchange.abandonBody();
    }, FORGOTTEN_BODY_MS).unref();
  }
}
