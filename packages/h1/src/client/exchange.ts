// exchange.ts — a request under way on a client's connection: what of it has been given, and who hears the response.
import type { Lease, Stream } from "@percore/core";
import {
  type BodyOwner,
  type ClientExchange,
  type ClientRequest,
  type FieldList,
  HttpError,
  type IncomingBody,
  NO_FIELDS,
  type Processed,
  type ResponseReceiver,
} from "@percore/http";
import { checkedTrailers, textSize } from "../codec/body-encoder.ts";
import type { Codec } from "../codec/codec.ts";
import * as L from "../codec/layout.ts";
import type { TapeFields } from "../codec/tape-fields.ts";
import { beginTurn, presentTurn } from "./handed-over.ts";

/** What an exchange needs of its connection. */
export interface ExchangeOwner {
  readonly codec: Codec;
  readonly stream: Stream;
  /** More of the request has been given. */
  requestGiven(): void;
  /** The writer waits for the peer to take bytes. */
  armSend(): void;
  /** The receiver takes body bytes again. */
  bodyResumed(): void;
  /** The exchange is to fail, and the connection with it. */
  abandon(message: string, cause: unknown): void;
  receiverFailed(error: unknown): void;
}

export class H1ClientExchange implements ClientExchange, BodyOwner {
  readonly receiver: ResponseReceiver;
  readonly method: string;
  /** The protocol asked for by Upgrade. */
  readonly upgrade: string | null;
  /** What the response answers, one of ANSWER_TO_*. */
  readonly answerTo: number;
  /** All of the request has been given. */
  requestComplete: boolean;
  /** The response's body, from its head on. */
  body: IncomingBody | null = null;
  /** The response's fields, from its head on. */
  fields: TapeFields | null = null;
  /** Interim responses so far. */
  informs = 0;
  readonly #owner: ExchangeOwner;
  readonly #chunked: boolean;
  /** Bytes announced that have not been given. */
  #left: number;
  #open = true;
  #bodyPaused = false;
  #wantsDrain = false;
  /** The turn the request was begun in, and the bytes queued since its last part was given. */
  readonly #turn: number;
  #queued: number;
  #taken = false;

  /** Its head has just been written to the stream. */
  constructor(owner: ExchangeOwner, request: ClientRequest, receiver: ResponseReceiver) {
    this.#owner = owner;
    this.receiver = receiver;
    this.method = request.method;
    this.upgrade = request.upgrade;
    this.answerTo = answerTo(request.method);
    this.#chunked = request.bodyLength < 0;
    this.#left = request.bodyLength;
    this.requestComplete = request.bodyLength === 0;
    this.#turn = beginTurn();
    this.#queued = owner.stream.queuedBytes;
  }

  get open(): boolean {
    return this.#open;
  }

  get sent(): boolean {
    return this.#taken || this.#turn !== presentTurn() || this.#owner.stream.queuedBytes !== this.#queued;
  }

  get processed(): Processed {
    return this.sent ? "maybe" : "no";
  }

  // — the request —

  write(chunk: string | Uint8Array): boolean {
    const isText = typeof chunk === "string";
    const size = isText ? textSize(chunk) : chunk.length;
    if (!this.#takes(size)) return true;
    const { codec, stream } = this.#owner;
    this.#noteTaken();
    if (this.#chunked) {
      if (isText) codec.bodies.writeTextChunk(stream, chunk, size);
      else codec.bodies.writeBytesChunk(stream, chunk);
    } else if (isText) codec.bodies.writeText(stream, chunk, size);
    else codec.bodies.writeBytes(stream, chunk);
    return this.#given();
  }

  writeLease(lease: Lease): boolean {
    let takes = false;
    try {
      takes = this.#takes(lease.length);
    } finally {
      if (!takes) lease.release();
    }
    if (!takes) return true;
    const { codec, stream } = this.#owner;
    this.#noteTaken();
    if (this.#chunked) codec.bodies.writeLeaseChunk(stream, lease);
    else stream.write(lease);
    return this.#given();
  }

  end(trailers: FieldList = NO_FIELDS): void {
    if (!this.#open || this.requestComplete) return;
    if (!this.#chunked && this.#left > 0) {
      this.#failLength(`the body is ${this.#left} bytes short of its content-length`);
    }
    const kept = trailers.length > 0 ? checkedTrailers(trailers) : NO_FIELDS;
    this.requestComplete = true;
    if (this.#chunked) {
      this.#noteTaken();
      this.#owner.codec.bodies.writeLastChunk(this.#owner.stream, kept);
      this.#queued = this.#owner.stream.queuedBytes;
    }
    this.#owner.requestGiven();
  }

  /**
   * Counts body bytes. False where they are of no use any more.
   * @throws {HttpError} ERR_BODY_LENGTH; ERR_EXCHANGE_CLOSED behind end().
   */
  #takes(size: number): boolean {
    if (!this.#open) return false;
    if (this.requestComplete) {
      if (size === 0) return false;
      throw new HttpError("ERR_EXCHANGE_CLOSED", "the request is complete");
    }
    if (size === 0) return false;
    if (!this.#chunked) {
      if (size > this.#left) this.#failLength(`the body is ${size - this.#left} bytes longer than its content-length`);
      this.#left -= size;
    }
    return true;
  }

  #failLength(message: string): never {
    const error = new HttpError("ERR_BODY_LENGTH", message);
    this.#owner.abandon(message, error);
    throw error;
  }

  #noteTaken(): void {
    if (this.#owner.stream.queuedBytes !== this.#queued) this.#taken = true;
  }

  #given(): boolean {
    const { stream } = this.#owner;
    this.#queued = stream.queuedBytes;
    this.#owner.requestGiven();
    if (!stream.needsDrain) return true;
    this.#wantsDrain = true;
    this.#owner.armSend();
    return false;
  }

  // — the response —

  pauseBody(): void {
    this.#bodyPaused = true;
    this.body?.pause();
  }

  resumeBody(): void {
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    const { body } = this;
    if (body === null) return;
    body.resume();
    this.#owner.bodyResumed();
  }

  abort(error?: Error): void {
    if (this.#open) this.#owner.abandon("the exchange was given up by its own side", error);
  }

  /** For the connection: the response's head has come. */
  beginResponse(fields: TapeFields, body: IncomingBody): void {
    this.fields = fields;
    this.body = body;
    body.owner = this;
    if (this.#bodyPaused) body.pause();
  }

  /** The stream's queue has drained. */
  drained(): void {
    if (!this.#wantsDrain || !this.#open) return;
    this.#wantsDrain = false;
    if (!this.requestComplete) this.#tell(() => this.receiver.onDrain());
  }

  /** The last call of all: whatever comes from its caller now is ignored. */
  finish(error: Error | null): void {
    if (!this.#open) return;
    if (error !== null) this.body?.fail(error);
    this.#open = false;
    this.#tell(() => this.receiver.onFinish(error));
    this.fields?.expire();
  }

  receiverFailed(error: unknown): void {
    this.#owner.receiverFailed(error);
  }

  #tell(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.#owner.receiverFailed(error);
    }
  }
}

const answerTo = (method: string): number => {
  if (method === "HEAD") return L.ANSWER_TO_HEAD;
  return method === "CONNECT" ? L.ANSWER_TO_CONNECT : L.ANSWER_TO_OTHERS;
};
