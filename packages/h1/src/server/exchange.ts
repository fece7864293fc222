// exchange.ts — one HTTP/1.1 request and its response: the write state, and the head while somebody may read it.
import type { Lease, Stream } from "@percore/core";
import {
  type Body,
  type BodyReceiver,
  type ConnectionInfo,
  checkField,
  type Exchange,
  type FieldList,
  type Fields,
  HttpError,
  type HttpVersion,
  hasNoContent,
  NO_FIELDS,
  reasonOf,
} from "@percore/http";
import { checkedTrailers, textSize } from "../codec/body-encoder.ts";
import {
  CONNECTION_CLOSE,
  CONNECTION_DEFAULT,
  CONNECTION_KEEP_ALIVE,
  FRAMING_CHUNKED,
  FRAMING_NONE,
  type HeadTemplate,
  TEXT_MAX,
} from "../codec/head-encoder.ts";
import { isSafe, METHOD_CONNECT, METHOD_HEAD, methodName } from "../codec/methods.ts";
import type { TargetParts } from "../codec/request-head.ts";
import { Callbacks } from "./callbacks.ts";
import type { ServerConnection } from "./connection.ts";
import type { HeadView } from "./head-view.ts";
import { HeldWrites } from "./held-writes.ts";
import type { RequestBody } from "./request-body.ts";

// Write state: what of the response has been given.
const FRESH = 0;
const BEGUN = 1;
const ENDED = 2;
/** Answered by the connection, not by the handler: too slow, too large, malformed. */
const REFUSED = 3;
const ABORTED = 4;

const ERROR_FIELDS: FieldList = Object.freeze(["content-type", "text/plain"]);

export class ServerExchange implements Exchange {
  /** The exchange behind this one (pipelining). */
  next: ServerExchange | null = null;
  readonly requestBody: RequestBody | null;
  /** The connection closes behind this response. */
  closes: boolean;
  /** The client waits for 100 Continue before it sends the body. */
  awaitsContinue: boolean;
  /** The request asked for another protocol, or a tunnel. */
  readonly asksUpgrade: boolean;
  /** When the response must be complete; 0 where there is no such limit. */
  deadline = 0;
  /** The head's bytes lie where they were parsed. */
  headHere = true;
  readonly #connection: ServerConnection;
  readonly #method: number;
  readonly #minor: number;
  readonly #parts: TargetParts | null;
  #head: HeadView | null;
  #keepsHead = false;
  // The response.
  #state: number = FRESH;
  /** The framing of a body in the making, and the bytes announced that have not been given. */
  #framing: number = FRAMING_NONE;
  #left = 0;
  #dropsBody = false;
  #wantsDrain = false;
  /** What was given before it was this response's turn. */
  #held: HeldWrites | null = null;
  #callbacks: Callbacks | null = null;

  constructor(
    connection: ServerConnection,
    method: number,
    minor: number,
    closes: boolean,
    awaitsContinue: boolean,
    asksUpgrade: boolean,
    parts: TargetParts | null,
    body: RequestBody | null,
    head: HeadView | null = null,
  ) {
    this.#connection = connection;
    this.#method = method;
    this.#minor = minor;
    this.closes = closes;
    this.awaitsContinue = awaitsContinue;
    this.asksUpgrade = asksUpgrade;
    this.#parts = parts;
    this.requestBody = body;
    if (body !== null) body.exchange = this;
    this.#head = head;
  }

  // — request head —

  get method(): string {
    return methodName(this.#method);
  }

  get target(): string {
    return this.#view().target;
  }

  get path(): string {
    return this.#parts === null ? this.target : this.#parts.path;
  }

  get authority(): string {
    return this.#parts === null ? (this.fields.get("host") ?? "") : this.#parts.authority;
  }

  get scheme(): "http" | "https" {
    return this.#connection.encrypted ? "https" : "http";
  }

  get version(): HttpVersion {
    return this.#minor === 0 ? "1.0" : "1.1";
  }

  get upgrade(): string | null {
    if (!this.asksUpgrade || this.#method === METHOD_CONNECT) return null;
    const protocol = this.fields.get("upgrade") ?? "";
    return protocol === "" || protocol.includes(",") ? null : protocol;
  }

  get fields(): Fields {
    return this.#view().fields;
  }

  get connection(): ConnectionInfo {
    return this.#connection;
  }

  /** For the connection's own code. */
  get owner(): ServerConnection {
    return this.#connection;
  }

  /** Its method asks for nothing to be changed (RFC 9110 §9.2.1). */
  get isSafe(): boolean {
    return isSafe(this.#method);
  }

  retain(): void {
    this.#keepsHead = true;
  }

  /** For the connection: the head's bytes are about to go. They are copied where somebody may still ask. */
  leaveHead(): void {
    if (this.#state < ENDED || this.#keepsHead || this.#callbacks?.onFinish) this.#view().detach();
    else this.#head?.expire();
    this.headHere = false;
  }

  #view(): HeadView {
    this.#head ??= this.#connection.viewHead(this);
    return this.#head;
  }

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
    body.attach(receiver);
    if (this.awaitsContinue && this.#state === FRESH && this.#connection.server.autoContinue) {
      // Bytes that are here already say that the client did not wait (RFC 9110 §10.1.1).
      if (!this.#connection.hasBodyBytes(this)) this.inform(100, NO_FIELDS);
      this.awaitsContinue = false;
    }
    body.flush();
    this.#connection.deliverBody(this);
  }

  pauseBody(): void {
    this.requestBody?.pause();
  }

  resumeBody(): void {
    const body = this.requestBody;
    if (body === null) return;
    body.resume();
    this.#connection.deliverBody(this);
  }

  abandonBody(): void {
    const body = this.requestBody;
    if (body === null) return;
    body.abandon();
    // Before the answer is out, the rest waits within its budget; behind it, it is dropped as it comes.
    if (this.hasEnded) body.discard();
    this.#connection.deliverBody(this);
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
      throw new HttpError("ERR_STATUS_INVALID", `${status} is no interim status; 101 is given by tunnel()`);
    }
    if (status === 100) this.awaitsContinue = false;
    if (this.#minor === 0) return;
    for (let index = 0; index < fields.length; index += 2) checkField(fields[index], fields[index + 1]);
    const { server, stream } = this.#connection;
    this.#emit(() => server.heads.writeInterim(stream, status, fields), 0);
  }

  respond(status: number, fields: FieldList, body: Body): void {
    this.#checkFresh();
    const connection = this.#connection;
    const template = this.#template(status, fields);
    if (connection.first === this) this.#writeWhole(template, status, body);
    else {
      this.#checkWhole(template, status, body);
      const kept = body instanceof Uint8Array ? body.slice() : body;
      const list = fields.slice();
      this.#hold(() => this.#writeWhole(this.#template(status, list), status, kept), body === null ? 0 : body.length);
    }
    this.#end();
  }

  begin(status: number, fields: FieldList, bodyLength: number): void {
    this.#checkFresh();
    const template = this.#template(status, fields);
    if (template.contentLength >= 0 && bodyLength >= 0 && template.contentLength !== bodyLength) {
      throw new HttpError(
        "ERR_BODY_LENGTH",
        `content-length says ${template.contentLength}, the body has ${bodyLength}`,
      );
    }
    const announced = bodyLength >= 0 ? bodyLength : template.contentLength;
    this.#dropsBody = this.#method === METHOD_HEAD || hasNoContent(status);
    if (hasNoContent(status)) this.#framing = FRAMING_NONE;
    else if (announced >= 0) this.#framing = announced;
    else if (this.#minor === 0) {
      // Nothing but the end of the connection tells HTTP/1.0 where the body ends.
      this.#framing = FRAMING_NONE;
      if (!this.#dropsBody) this.closes = true;
    } else this.#framing = FRAMING_CHUNKED;
    this.#left = Math.max(announced, 0);
    if (template.close) this.closes = true;
    this.#state = BEGUN;
    const connection = this.#connection;
    if (connection.first === this) {
      connection.server.heads.write(connection.stream, template, this.#framing, this.#connectionOption());
    } else {
      const list = fields.slice();
      this.#hold(() => {
        const again = this.#template(status, list);
        connection.server.heads.write(connection.stream, again, this.#framing, this.#connectionOption());
      }, 0);
    }
  }

  write(chunk: string | Uint8Array): boolean {
    const isText = typeof chunk === "string";
    const size = isText ? textSize(chunk) : chunk.length;
    if (!this.#takes(size)) return true;
    const { server, stream } = this.#connection;
    const chunked = this.#framing === FRAMING_CHUNKED;
    if (this.#connection.first === this) {
      if (isText) {
        if (chunked) server.bodies.writeTextChunk(stream, chunk, size);
        else server.bodies.writeText(stream, chunk, size);
      } else if (chunked) server.bodies.writeBytesChunk(stream, chunk);
      else server.bodies.writeBytes(stream, chunk);
    } else {
      const kept = isText ? new TextEncoder().encode(chunk) : chunk.slice();
      this.#hold(() => {
        if (chunked) server.bodies.writeBytesChunk(stream, kept);
        else server.bodies.writeBytes(stream, kept);
      }, size);
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
    const { server, stream } = this.#connection;
    const chunked = this.#framing === FRAMING_CHUNKED;
    const send = (): void => {
      if (chunked) server.bodies.writeLeaseChunk(stream, lease);
      else stream.write(lease);
    };
    if (this.#connection.first === this) send();
    else this.#hold(send, lease.length, lease);
    return this.#mayGoOn();
  }

  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    if (!this.#takes(length)) {
      done(null, 0);
      return;
    }
    const connection = this.#connection;
    const { server, stream } = connection;
    const chunked = this.#framing === FRAMING_CHUNKED;
    this.#emit(() => {
      if (chunked) server.bodies.writeSizeLine(stream, length);
      stream.sendFile(fd, offset, length, (error, sent) => {
        // A file that ended early cannot be made good: the length has been announced.
        if (error !== null) connection.fail(error);
        done(error, sent);
      });
      if (chunked) server.bodies.writeChunkEnd(stream);
    }, length);
  }

  end(trailers: FieldList = NO_FIELDS): void {
    if (this.#state !== BEGUN) this.#throwNotBegun();
    const kept = trailers.length > 0 ? checkedTrailers(trailers) : NO_FIELDS;
    if (this.#framing >= 0 && this.#left > 0 && !this.#dropsBody) {
      const error = new HttpError("ERR_BODY_LENGTH", `the body is ${this.#left} bytes short of its content-length`);
      this.#connection.fail(error);
      throw error;
    }
    if (this.#framing === FRAMING_CHUNKED && !this.#dropsBody) {
      const { server, stream } = this.#connection;
      this.#emit(() => server.bodies.writeLastChunk(stream, kept), 0);
    }
    this.#end();
  }

  // — life —

  get onDrain(): (() => void) | null {
    return this.#callbacks === null ? null : this.#callbacks.onDrain;
  }
  set onDrain(callback: (() => void) | null) {
    this.#ownCallbacks().onDrain = callback;
  }

  get onAbort(): ((reason: Error) => void) | null {
    return this.#callbacks === null ? null : this.#callbacks.onAbort;
  }
  set onAbort(callback: ((reason: Error) => void) | null) {
    this.#ownCallbacks().onAbort = callback;
  }

  get onFinish(): ((error: Error | null) => void) | null {
    return this.#callbacks === null ? null : this.#callbacks.onFinish;
  }
  set onFinish(callback: ((error: Error | null) => void) | null) {
    this.#ownCallbacks().onFinish = callback;
  }

  #ownCallbacks(): Callbacks {
    this.#callbacks ??= new Callbacks((error) => this.#connection.handlerFailed(this, error));
    return this.#callbacks;
  }

  tunnel(fields: FieldList): Stream {
    const connection = this.#connection;
    const asked = this.#method === METHOD_CONNECT || this.upgrade !== null;
    const body = this.requestBody;
    if (!asked || this.#state !== FRESH || connection.first !== this || (body !== null && !body.complete)) {
      throw new HttpError("ERR_NO_TUNNEL", "the request asked for no tunnel, or it is too early or too late for one");
    }
    const list = [...fields];
    let status = 200;
    if (this.#method !== METHOD_CONNECT) {
      status = 101;
      const names = new Set(list.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
      if (!names.has("connection")) list.push("connection", "upgrade");
      if (!names.has("upgrade")) list.push("upgrade", this.upgrade ?? "");
    }
    connection.server.date.refresh(connection.server.clock.now);
    const template = connection.server.heads.template(status, list, connection.server.date);
    connection.server.heads.write(connection.stream, template, FRAMING_NONE, CONNECTION_DEFAULT);
    this.#state = ENDED;
    return connection.becomeTunnel(this);
  }

  abort(error?: Error): void {
    if (this.#state >= ENDED) return;
    this.#connection.fail(
      error ?? new HttpError("ERR_EXCHANGE_ABANDONED", "the exchange was given up by its own side"),
    );
  }

  // — for the connection —

  /** It is this response's turn: sends what was held. */
  takeTurn(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    held.run();
    if (this.#state === BEGUN && !this.#connection.stream.needsDrain) this.drained();
  }

  get hasEnded(): boolean {
    return this.#state === ENDED || this.#state === REFUSED;
  }

  get wantsFinish(): boolean {
    return this.#callbacks !== null && this.#callbacks.onFinish !== null;
  }

  /** Answers in the handler's stead, which hears `reason`; the connection closes behind it. */
  refuse(status: number, reason: Error): void {
    this.closes = true;
    const body = `${status} ${reasonOf(status)}\n`;
    this.#state = REFUSED;
    this.#emit(() => this.#writeWhole(this.#template(status, ERROR_FIELDS), status, body), body.length);
    this.#callbacks?.aborted(reason);
    this.#callbacks?.finished(reason);
    this.#connection.responseEnded(this);
  }

  drained(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#callbacks?.drained();
  }

  /** The response is with the kernel, or never will be. */
  finished(error: Error | null): void {
    this.#callbacks?.finished(error);
  }

  /** It can no longer be completed. */
  aborted(reason: Error): void {
    this.#held?.drop();
    this.#held = null;
    const wasOpen = this.#state < ENDED;
    this.#state = ABORTED;
    if (wasOpen) this.#callbacks?.aborted(reason);
    this.#callbacks?.finished(reason);
  }

  #emit(write: () => void, size: number): void {
    if (this.#connection.first === this) write();
    else this.#hold(write, size);
  }

  #hold(write: () => void, size: number, lease: Lease | null = null): void {
    this.#held ??= new HeldWrites();
    this.#held.add(write, size, lease);
  }

  #mayGoOn(): boolean {
    const { stream, server, first } = this.#connection;
    const heldBytes = this.#held === null ? 0 : this.#held.bytes;
    const full = first === this ? stream.needsDrain : heldBytes > server.limits.writeBufferBytes;
    if (full) {
      this.#wantsDrain = true;
      this.#connection.armSend();
    }
    return !full;
  }

  /**
   * Counts body bytes. False where they are not to be sent: HEAD and statuses without content.
   * @throws {HttpError} ERR_RESPONSE_NOT_STARTED, ERR_EXCHANGE_CLOSED, ERR_BODY_LENGTH.
   */
  #takes(size: number): boolean {
    if (this.#state !== BEGUN) this.#throwNotBegun();
    if (this.#dropsBody || size === 0) return false;
    if (this.#framing >= 0) {
      if (size > this.#left) {
        const error = new HttpError(
          "ERR_BODY_LENGTH",
          `the body is ${size - this.#left} bytes longer than its content-length`,
        );
        this.#connection.fail(error);
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

  #template(status: number, fields: FieldList): HeadTemplate {
    if (!Number.isInteger(status) || status < 200 || status > 999) {
      throw new HttpError("ERR_STATUS_INVALID", `${status} is no final status`);
    }
    if (this.#method === METHOD_CONNECT && status < 300) {
      throw new HttpError("ERR_STATUS_INVALID", "a 2xx answer to CONNECT is given by tunnel()");
    }
    const { server } = this.#connection;
    server.date.refresh(server.clock.now);
    return server.heads.template(status, fields, server.date);
  }

  #checkWhole(template: HeadTemplate, status: number, body: Body): number {
    const { bodies } = this.#connection.server;
    const size = body === null ? 0 : typeof body === "string" ? bodies.sizeOf(body) : body.length;
    const announced = template.contentLength;
    const mayDiffer = body === null && (this.#method === METHOD_HEAD || hasNoContent(status));
    if (announced >= 0 && announced !== size && !mayDiffer) {
      throw new HttpError("ERR_BODY_LENGTH", `content-length says ${announced}, the body has ${size}`);
    }
    return size;
  }

  #writeWhole(template: HeadTemplate, status: number, body: Body): void {
    const { server, stream } = this.#connection;
    if (template.close) this.closes = true;
    const isShort = typeof body === "string" && body.length <= TEXT_MAX && template.contentLength < 0;
    if (isShort && this.#method !== METHOD_HEAD && !hasNoContent(status)) {
      if (server.heads.writeText(stream, template, this.#connectionOption(), body)) return;
    }
    const size = this.#checkWhole(template, status, body);
    let framing = size;
    if (hasNoContent(status))
      framing = status === 304 && template.contentLength >= 0 ? template.contentLength : FRAMING_NONE;
    else if (this.#method === METHOD_HEAD && body === null)
      framing = template.contentLength >= 0 ? template.contentLength : FRAMING_NONE;
    server.heads.write(stream, template, framing, this.#connectionOption());
    if (body === null || size === 0 || this.#method === METHOD_HEAD || hasNoContent(status)) return;
    if (typeof body === "string") server.bodies.writeWholeText(stream, body, size);
    else server.bodies.writeBytes(stream, body);
  }

  #connectionOption(): number {
    if (!this.closes && this.#connection.mustCloseBehind(this)) this.closes = true;
    if (this.closes) return CONNECTION_CLOSE;
    return this.#minor === 0 ? CONNECTION_KEEP_ALIVE : CONNECTION_DEFAULT;
  }

  #end(): void {
    this.#state = ENDED;
    this.#connection.responseEnded(this);
  }
}
