// exchange.ts — one HTTP/2 request and its response: a stream as a handler sees it.
import type { Account, Lease, Stream } from "@percore/core";
import {
  type Body,
  type BodyOwner,
  type BodyReceiver,
  type ConnectionInfo,
  type Context,
  captureContext,
  type Exchange,
  type FieldList,
  type Fields,
  HttpError,
  type HttpVersion,
  hasNoContent,
  IncomingBody,
  NO_FIELDS,
  reasonOf,
} from "@percore/http";
import type { RequestHead } from "../codec/request-head.ts";
import { plainList, type ResponseHead } from "../codec/response-heads.ts";
import { Outgoing } from "../connection/outgoing.ts";
import type { Scheduled } from "../connection/schedule.ts";
import { type TunnelOwner, TunnelStream } from "../connection/tunnel.ts";
import { ErrorCode } from "../errors.ts";
import type { ServerConnection } from "./connection.ts";

// What of the response has been given.
const FRESH = 0;
const BEGUN = 1;
const ENDED = 2;
const ABORTED = 3;

const ERROR_FIELDS: FieldList = Object.freeze(["content-type", "text/plain"]);

export class ServerExchange implements Exchange, Scheduled, Account, BodyOwner, TunnelOwner {
  readonly id: number;
  readonly head: RequestHead;
  readonly requestBody: IncomingBody | null;
  // The stream (RFC 9113 §5.1): who has ended his side, and whether it is gone.
  peerEnded: boolean;
  weEnded = false;
  closed = false;
  // Windows.
  sendWindow: number;
  /** Bytes the peer may still send, what its window is to be, and bytes let go of and not told yet. */
  receiveWindow: number;
  windowTarget: number;
  credited = 0;
  windowSince = 0;
  // RFC 9218.
  urgency: number;
  incremental: boolean;
  scheduled = false;
  /** When the peer last took or sent something that was due. */
  progressAt = 0;
  bodyRateFrom = 0;
  deadline: number = Number.POSITIVE_INFINITY;
  readonly #connection: ServerConnection;
  #out: Outgoing | null = null;
  #trailers: string[] | null = null;
  #state: number = FRESH;
  #awaitsContinue: boolean;
  #tunnel: TunnelStream | null = null;
  /** Bytes announced and not given yet; -1 where the length is open. */
  #left = -1;
  #dropsBody = false;
  #wantsDrain = false;
  #onDrain: (() => void) | null = null;
  #onAbort: ((reason: Error) => void) | null = null;
  #onFinish: ((error: Error | null) => void) | null = null;
  #context: Context | null = null;

  constructor(connection: ServerConnection, id: number, head: RequestHead, peerEnded: boolean, sendWindow: number) {
    this.#connection = connection;
    this.id = id;
    this.head = head;
    this.peerEnded = peerEnded;
    this.sendWindow = sendWindow;
    this.receiveWindow = connection.server.h2.streamWindowBytes;
    this.windowTarget = this.receiveWindow;
    this.urgency = head.priority.urgency;
    this.incremental = head.priority.incremental;
    this.#awaitsContinue = head.expectsContinue && !peerEnded;
    if (peerEnded && head.method !== "CONNECT") this.requestBody = null;
    else {
      const body = new IncomingBody(connection.server.arena, head.contentLength);
      body.owner = this;
      body.account = this;
      this.requestBody = body;
      if (peerEnded) body.end(null);
    }
  }

  // — request head —

  get method(): string {
    return this.head.method;
  }
  get target(): string {
    return this.head.path === "" ? this.head.authority : this.head.path;
  }
  get path(): string {
    return this.head.path;
  }
  get authority(): string {
    return this.head.authority;
  }
  get scheme(): "http" | "https" {
    return this.#connection.encrypted ? "https" : "http";
  }
  get version(): HttpVersion {
    return "2";
  }
  get upgrade(): string | null {
    return this.head.protocol;
  }
  get fields(): Fields {
    return this.head.fields;
  }
  get connection(): ConnectionInfo {
    return this.#connection;
  }

  /** Heads are strings here, which stay. */
  retain(): void {}

  // — request body —

  get bodyLength(): number {
    return this.requestBody === null ? 0 : this.requestBody.length;
  }

  receive(receiver: BodyReceiver): void {
    const body = this.requestBody;
    if (body === null) {
      receiver.onBodyEnd(null);
      return;
    }
    if (this.#awaitsContinue && this.#state === FRESH && this.#connection.server.autoContinue) {
      // Bytes that are here already say that the client did not wait (RFC 9110 §10.1.1).
      if (body.received === 0 && !body.complete && !body.failed) this.inform(100, NO_FIELDS);
    }
    this.#awaitsContinue = false;
    body.attach(receiver);
    body.flush();
  }

  pauseBody(): void {
    this.requestBody?.pause();
  }

  resumeBody(): void {
    this.requestBody?.resume();
  }

  abandonBody(): void {
    this.requestBody?.abandon();
    this.requestBody?.discard();
  }

  /** Bytes of the body were let go of: the peer may send as many more. */
  credit(bytes: number): void {
    this.#connection.credit(this, bytes);
  }

  /** What the body's receiver throws is the handler's failure. */
  receiverFailed(error: unknown): void {
    this.#connection.handlerFailed(this, error);
  }

  // — response —

  get responded(): boolean {
    return this.#state !== FRESH;
  }

  get open(): boolean {
    return this.#state < ENDED;
  }

  inform(status: number, fields: FieldList): void {
    this.#checkFresh();
    if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) {
      throw new HttpError("ERR_STATUS_INVALID", `${status} is no interim status, or not one of HTTP/2`);
    }
    if (status === 100) this.#awaitsContinue = false;
    this.#connection.writeHeaders(this, plainList([":status", String(status)], fields), 0, -1, false);
  }

  respond(status: number, fields: FieldList, body: Body): void {
    this.#checkFresh();
    const head = this.#responseHead(status, fields);
    const noContent = hasNoContent(status);
    const isHead = this.head.method === "HEAD";
    const size = body === null ? 0 : typeof body === "string" ? textSize(body) : body.length;
    const mayDiffer = body === null && (isHead || noContent);
    if (head.contentLength >= 0 && head.contentLength !== size && !mayDiffer) {
      throw new HttpError("ERR_BODY_LENGTH", `content-length says ${head.contentLength}, the body has ${size}`);
    }
    let length = size;
    if (noContent) length = status === 304 ? head.contentLength : -1;
    else if (isHead && body === null) length = head.contentLength;
    this.#state = ENDED;
    const connection = this.#connection;
    if (size === 0 || body === null || noContent || isHead)
      connection.writeHeaders(this, head.list, head.key, length, true);
    else if (!connection.writeWhole(this, head.list, head.key, length, body, size)) {
      connection.writeHeaders(this, head.list, head.key, length, false);
      this.#queue.pushBytes(connection.server.arena, typeof body === "string" ? ENCODER.encode(body) : body);
      connection.ready(this);
    }
    connection.responseEnded(this);
  }

  begin(status: number, fields: FieldList, bodyLength: number): void {
    this.#checkFresh();
    const head = this.#responseHead(status, fields);
    if (head.contentLength >= 0 && bodyLength >= 0 && head.contentLength !== bodyLength) {
      throw new HttpError("ERR_BODY_LENGTH", `content-length says ${head.contentLength}, the body has ${bodyLength}`);
    }
    const announced = bodyLength >= 0 ? bodyLength : head.contentLength;
    this.#dropsBody = this.head.method === "HEAD" || hasNoContent(status);
    this.#left = announced;
    this.#state = BEGUN;
    const length = hasNoContent(status) ? -1 : announced;
    this.#connection.writeHeaders(this, head.list, head.key, length, this.#dropsBody);
  }

  write(chunk: string | Uint8Array): boolean {
    const size = typeof chunk === "string" ? textSize(chunk) : chunk.length;
    if (!this.#takes(size)) return true;
    const bytes = typeof chunk === "string" ? ENCODER.encode(chunk) : chunk;
    if (!this.#connection.writeData(this, bytes)) {
      this.#queue.pushBytes(this.#connection.server.arena, bytes);
      this.#connection.ready(this);
    }
    return this.#mayGoOn();
  }

  writeLease(lease: Lease): boolean {
    let takes = false;
    try {
      takes = this.#takes(lease.length);
    } finally {
      if (!takes) lease.release();
    }
    if (!takes) return true;
    this.#pushLease(lease);
    return this.#mayGoOn();
  }

  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    if (!this.#takes(length)) {
      done(null, 0);
      return;
    }
    this.#queue.pushFile(fd, offset, length, done);
    this.#connection.ready(this);
  }

  end(trailers: FieldList = NO_FIELDS): void {
    if (this.#state !== BEGUN) this.#throwNotBegun();
    const list = trailers.length > 0 ? plainList([], trailers) : null;
    if (list?.some((name, at) => at % 2 === 0 && (name.startsWith(":") || name === "content-length"))) {
      throw new HttpError("ERR_FIELD_INVALID", "trailers have no fields of framing");
    }
    if (this.#left > 0 && !this.#dropsBody) {
      const error = new HttpError("ERR_BODY_LENGTH", `the body is ${this.#left} bytes short of its content-length`);
      this.#connection.reset(this, ErrorCode.INTERNAL_ERROR, error);
      throw error;
    }
    this.#state = ENDED;
    this.#trailers = list;
    if (!this.weEnded) this.#connection.ready(this);
    this.#connection.responseEnded(this);
  }

  // — life —

  get onDrain(): (() => void) | null {
    return this.#onDrain;
  }
  set onDrain(callback: (() => void) | null) {
    this.#onDrain = callback;
    this.#context ??= captureContext();
  }

  get onAbort(): ((reason: Error) => void) | null {
    return this.#onAbort;
  }
  set onAbort(callback: ((reason: Error) => void) | null) {
    this.#onAbort = callback;
    this.#context ??= captureContext();
  }

  get onFinish(): ((error: Error | null) => void) | null {
    return this.#onFinish;
  }
  set onFinish(callback: ((error: Error | null) => void) | null) {
    this.#onFinish = callback;
    this.#context ??= captureContext();
  }

  tunnel(fields: FieldList): Stream {
    if (this.head.method !== "CONNECT" || this.#state !== FRESH || this.closed) {
      throw new HttpError("ERR_NO_TUNNEL", "the request asked for no tunnel, or its response has been started");
    }
    const connection = this.#connection;
    const list = plainList([":status", "200"], fields);
    this.#state = BEGUN;
    this.#tunnel = new TunnelStream(this, connection.stream, connection.server.limits.writeBufferBytes);
    connection.server.counters.tunnels += 1;
    connection.writeHeaders(this, list, 0, -1, false);
    return this.#tunnel;
  }

  abort(error?: Error): void {
    if (this.#state >= ENDED) return;
    const reason = error ?? new HttpError("ERR_EXCHANGE_ABANDONED", "the exchange was given up by its own side");
    // Not CANCEL, which some clients take for a body that is complete.
    this.#connection.reset(this, ErrorCode.INTERNAL_ERROR, reason);
  }

  // — for the tunnel —

  get incoming(): IncomingBody | null {
    return this.requestBody;
  }

  /** Its account is settled as bytes are let go of. */
  tunnelHeard(): void {}

  tunnelWrite(lease: Lease): void {
    if (this.#state === BEGUN) this.#pushLease(lease);
    else lease.release();
  }

  tunnelFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    if (this.closed || this.#state !== BEGUN) {
      done(new HttpError("ERR_EXCHANGE_CLOSED", "the tunnel's own side has ended"), 0);
      return;
    }
    this.#queue.pushFile(fd, offset, length, done);
    this.#connection.ready(this);
  }

  tunnelEnd(): void {
    if (this.#state === BEGUN) this.end();
  }

  tunnelReset(code: number = ErrorCode.CANCEL): void {
    if (this.closed) return;
    this.#connection.reset(this, code, new HttpError("ERR_EXCHANGE_ABANDONED", "the tunnel was reset by its own side"));
  }

  onTransportFlushed(done: (error: Error | null) => void): void {
    this.#connection.stream.onFlushed(done);
  }

  // — for the connection —

  /** The client sends its body only when it is told to. */
  get awaitsContinue(): boolean {
    return this.#awaitsContinue;
  }

  get isTunnel(): boolean {
    return this.#tunnel !== null;
  }

  get queuedBytes(): number {
    return this.#out === null ? 0 : this.#out.bytes;
  }

  /** DATA that waits; null where there never was any. */
  get outgoing(): Outgoing | null {
    return this.#out;
  }

  /** Nothing more will be given: the last frame carries END_STREAM, or the trailers do. */
  get hasEnded(): boolean {
    return this.#state === ENDED;
  }

  get trailers(): string[] | null {
    return this.#trailers;
  }

  get wantsFinish(): boolean {
    return this.#onFinish !== null;
  }

  /** Some of what was queued has left. */
  sent(): void {
    const most = this.#connection.server.limits.writeBufferBytes / 2;
    this.#tunnel?.drained();
    if (!this.#wantsDrain || this.queuedBytes > most || this.#connection.stream.needsDrain) return;
    this.#wantsDrain = false;
    const callback = this.#onDrain;
    if (callback !== null) this.#call(callback);
  }

  /** Answers in the handler's stead, which hears `reason`. */
  refuse(status: number, reason: Error): void {
    const callback = this.#onAbort;
    this.respond(status, ERROR_FIELDS, `${status} ${reasonOf(status)}\n`);
    if (callback !== null) this.#call(() => callback(reason));
  }

  /** The stream is gone before its time. */
  aborted(reason: Error): void {
    const wasOpen = this.#state < ENDED;
    this.#state = ABORTED;
    this.#out?.drop(reason);
    this.requestBody?.fail(reason);
    const callback = this.#onAbort;
    if (wasOpen && callback !== null && this.#tunnel === null) this.#call(() => callback(reason));
    this.#tunnel?.closed(reason);
    this.finished(reason);
  }

  /** Both sides have ended. */
  completed(): void {
    this.#tunnel?.closed(null);
  }

  finished(error: Error | null): void {
    const callback = this.#onFinish;
    if (callback === null) return;
    this.#onFinish = null;
    this.#call(() => callback(error));
  }

  get #queue(): Outgoing {
    this.#out ??= new Outgoing();
    return this.#out;
  }

  #pushLease(lease: Lease): void {
    if (lease.length === 0) {
      lease.release();
      return;
    }
    // What cannot leave now would hold a receive buffer that others wait for.
    const kept = lease.transient && !this.#connection.maySend(this, lease.length) ? lease.copy() : lease;
    this.#queue.pushLease(kept);
    this.#connection.ready(this);
  }

  #call(callback: () => void): void {
    try {
      (this.#context ?? captureContext())(callback);
    } catch (error) {
      this.#connection.handlerFailed(this, error);
    }
  }

  #mayGoOn(): boolean {
    const { stream, server } = this.#connection;
    const full = stream.needsDrain || this.queuedBytes > server.limits.writeBufferBytes;
    if (full) this.#wantsDrain = true;
    return !full;
  }

  #takes(size: number): boolean {
    if (this.#state !== BEGUN) this.#throwNotBegun();
    if (this.#dropsBody || size === 0) return false;
    if (this.#left >= 0) {
      if (size > this.#left) {
        const more = size - this.#left;
        const error = new HttpError("ERR_BODY_LENGTH", `the body is ${more} bytes longer than its content-length`);
        this.#connection.reset(this, ErrorCode.INTERNAL_ERROR, error);
        throw error;
      }
      this.#left -= size;
    }
    return true;
  }

  #throwNotBegun(): never {
    if (this.#state === FRESH) throw new HttpError("ERR_RESPONSE_NOT_STARTED", "begin() comes before the body");
    throw new HttpError("ERR_EXCHANGE_CLOSED", "the exchange is complete or aborted");
  }

  #checkFresh(): void {
    if (this.#state === FRESH) return;
    if (this.#state > ENDED) throw new HttpError("ERR_EXCHANGE_CLOSED", "the exchange was aborted");
    throw new HttpError("ERR_RESPONSE_STARTED", "a final response was given before");
  }

  #responseHead(status: number, fields: FieldList): ResponseHead {
    if (!Number.isInteger(status) || status < 200 || status > 999) {
      throw new HttpError("ERR_STATUS_INVALID", `${status} is no final status`);
    }
    if (this.head.method === "CONNECT" && status < 300) {
      throw new HttpError("ERR_STATUS_INVALID", "a 2xx answer to CONNECT is given by tunnel()");
    }
    const { server } = this.#connection;
    server.date.refresh(server.clock.now);
    return server.heads.get(status, fields, server.date);
  }
}

const ENCODER = new TextEncoder();

/** Bytes of a text in UTF-8. */
const textSize = (text: string): number => (text.length === 0 ? 0 : Buffer.byteLength(text));
