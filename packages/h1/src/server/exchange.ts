// exchange.ts — one HTTP/1.1 request and its response: the write state, and the head while somebody may read it.
import type { Lease, Stream } from "@percore/core";
import {
  type Body,
  type BodyOwner,
  type BodyReceiver,
  Callbacks,
  type ConnectionInfo,
  checkAnnounced,
  checkBegun,
  checkField,
  checkFinalStatus,
  checkFresh,
  checkInterimStatus,
  type Exchange,
  type FieldList,
  type Fields,
  HttpError,
  type HttpVersion,
  hasNoContent,
  type IncomingBody,
  NO_FIELDS,
  RESPONSE_ABORTED,
  RESPONSE_BEGUN,
  RESPONSE_ENDED,
  RESPONSE_FRESH,
  RESPONSE_REFUSED,
  reasonOf,
} from "@percore/http";
import { checkedTrailers } from "../codec/body-encoder.ts";
import {
  CONNECTION_CLOSE,
  CONNECTION_DEFAULT,
  CONNECTION_KEEP_ALIVE,
  FRAMING_CHUNKED,
  FRAMING_NONE,
  type HeadTemplate,
} from "../codec/head-encoder.ts";
import { isSafe, METHOD_CONNECT, METHOD_HEAD, methodName } from "../codec/methods.ts";
import type { TargetParts } from "../codec/request-head.ts";
import type { ServerConnection } from "./connection.ts";
import type { HeadView } from "./head-view.ts";
import { HeldWrites } from "./held-writes.ts";
import { type BodyOutlet, ResponseBody } from "./response-body.ts";
import { checkWhole, writeWhole } from "./whole-response.ts";

const ERROR_FIELDS: FieldList = Object.freeze(["content-type", "text/plain"]);

export class ServerExchange implements Exchange, BodyOwner, BodyOutlet {
  /** The exchange behind this one (pipelining). */
  next: ServerExchange | null = null;
  readonly requestBody: IncomingBody | null;
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
  #state: number = RESPONSE_FRESH;
  /** Its body, where it is given in parts. */
  #body: ResponseBody | null = null;
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
    body: IncomingBody | null,
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
    if (body !== null) body.owner = this;
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
    if (this.#state < RESPONSE_ENDED || this.#keepsHead || this.#callbacks?.onFinish) this.#view().detach();
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
    if (this.awaitsContinue && this.#state === RESPONSE_FRESH && this.#connection.server.autoContinue) {
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
    return this.#state !== RESPONSE_FRESH;
  }

  get open(): boolean {
    return this.#state < RESPONSE_ENDED;
  }

  inform(status: number, fields: FieldList): void {
    checkFresh(this.#state);
    checkInterimStatus(status);
    if (status === 100) this.awaitsContinue = false;
    if (this.#minor === 0) return;
    for (let index = 0; index < fields.length; index += 2) checkField(fields[index], fields[index + 1]);
    const { server, stream } = this.#connection;
    this.#emit(() => server.heads.writeInterim(stream, status, fields), 0);
  }

  respond(status: number, fields: FieldList, body: Body): void {
    checkFresh(this.#state);
    const connection = this.#connection;
    const template = this.#template(status, fields);
    if (this.inTurn) this.#writeWhole(template, status, body);
    else {
      checkWhole(connection, template, status, this.#method === METHOD_HEAD, body);
      const kept = body instanceof Uint8Array ? body.slice() : body;
      const list = fields.slice();
      this.hold(() => this.#writeWhole(this.#template(status, list), status, kept), body === null ? 0 : body.length);
    }
    this.#end();
  }

  begin(status: number, fields: FieldList, bodyLength: number): void {
    checkFresh(this.#state);
    const template = this.#template(status, fields);
    if (bodyLength >= 0) checkAnnounced(template.contentLength, bodyLength);
    const announced = bodyLength >= 0 ? bodyLength : template.contentLength;
    const dropped = this.#method === METHOD_HEAD || hasNoContent(status);
    let framing = announced;
    if (hasNoContent(status)) framing = FRAMING_NONE;
    else if (announced < 0 && this.#minor === 1) framing = FRAMING_CHUNKED;
    else if (announced < 0) {
      // Nothing but the end of the connection tells HTTP/1.0 where the body ends.
      framing = FRAMING_NONE;
      if (!dropped) this.closes = true;
    }
    if (template.close) this.closes = true;
    this.#state = RESPONSE_BEGUN;
    const connection = this.#connection;
    this.#body = new ResponseBody(connection, this, framing, dropped);
    if (this.inTurn) connection.server.heads.write(connection.stream, template, framing, this.#connectionOption());
    else {
      const list = fields.slice();
      this.hold(() => {
        const again = this.#template(status, list);
        connection.server.heads.write(connection.stream, again, framing, this.#connectionOption());
      }, 0);
    }
  }

  write(chunk: string | Uint8Array): boolean {
    this.#begunBody().write(chunk);
    return this.#mayGoOn();
  }

  writeLease(lease: Lease): boolean {
    let body: ResponseBody | null = null;
    try {
      body = this.#begunBody();
    } finally {
      if (body === null) lease.release();
    }
    body.writeLease(lease);
    return this.#mayGoOn();
  }

  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    this.#begunBody().sendFile(fd, offset, length, done);
  }

  end(trailers: FieldList = NO_FIELDS): void {
    const body = this.#begunBody();
    body.end(trailers.length > 0 ? checkedTrailers(trailers) : NO_FIELDS);
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
    this.#callbacks ??= new Callbacks((error) => this.receiverFailed(error));
    return this.#callbacks;
  }

  tunnel(fields: FieldList): Stream {
    const connection = this.#connection;
    const asked = this.#method === METHOD_CONNECT || this.upgrade !== null;
    const body = this.requestBody;
    if (!asked || this.#state !== RESPONSE_FRESH || connection.first !== this || (body !== null && !body.complete)) {
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
    this.#state = RESPONSE_ENDED;
    return connection.becomeTunnel(this);
  }

  abort(error?: Error): void {
    if (this.#state >= RESPONSE_ENDED) return;
    this.#connection.fail(
      error ?? new HttpError("ERR_EXCHANGE_ABANDONED", "the exchange was given up by its own side"),
    );
  }

  // — for the connection —

  /** The body's receiver, or a callback, threw. */
  receiverFailed(error: unknown): void {
    this.#connection.handlerFailed(this, error);
  }

  /** It is this response's turn (pipelining): what is written now is sent now. */
  get inTurn(): boolean {
    return this.#connection.first === this;
  }

  /** It has become this response's turn: sends what was held. */
  takeTurn(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    held.run();
    if (this.#state === RESPONSE_BEGUN && !this.#connection.stream.needsDrain) this.drained();
  }

  get hasEnded(): boolean {
    return this.#state === RESPONSE_ENDED || this.#state === RESPONSE_REFUSED;
  }

  get wantsFinish(): boolean {
    return this.#callbacks !== null && this.#callbacks.onFinish !== null;
  }

  /** Answers in the handler's stead, which hears `reason`; the connection closes behind it. */
  refuse(status: number, reason: Error): void {
    this.closes = true;
    const body = `${status} ${reasonOf(status)}\n`;
    this.#state = RESPONSE_REFUSED;
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
    const wasOpen = this.#state < RESPONSE_ENDED;
    this.#state = RESPONSE_ABORTED;
    if (wasOpen) this.#callbacks?.aborted(reason);
    this.#callbacks?.finished(reason);
  }

  #emit(write: () => void, size: number): void {
    if (this.inTurn) write();
    else this.hold(write, size);
  }

  /** For the response's body: keeps a write for later. */
  hold(write: () => void, size: number, lease: Lease | null = null): void {
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

  /** @throws {HttpError} ERR_RESPONSE_NOT_STARTED, ERR_EXCHANGE_CLOSED. */
  #begunBody(): ResponseBody {
    checkBegun(this.#state);
    return this.#body as ResponseBody;
  }

  #template(status: number, fields: FieldList): HeadTemplate {
    checkFinalStatus(status, this.#method === METHOD_CONNECT);
    const { server } = this.#connection;
    server.date.refresh(server.clock.now);
    return server.heads.template(status, fields, server.date);
  }

  #writeWhole(template: HeadTemplate, status: number, body: Body): void {
    if (template.close) this.closes = true;
    writeWhole(this.#connection, template, this.#connectionOption(), status, this.#method === METHOD_HEAD, body);
  }

  #connectionOption(): number {
    if (!this.closes && this.#connection.mustCloseBehind(this)) this.closes = true;
    if (this.closes) return CONNECTION_CLOSE;
    return this.#minor === 0 ? CONNECTION_KEEP_ALIVE : CONNECTION_DEFAULT;
  }

  #end(): void {
    this.#state = RESPONSE_ENDED;
    this.#connection.responseEnded(this);
  }
}
