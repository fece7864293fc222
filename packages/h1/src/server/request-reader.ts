// request-reader.ts — received bytes as requests: heads that become exchanges, bodies on their way to them, and what is
// wrong with either.
import type { Lease } from "@percore/core";
import { dispatch, type Exchange, IncomingBody } from "@percore/http";
import { bodyLengthOf, connectionFlags, headBytes, sizeError, trailersOf } from "../codec/control.ts";
import { failureOf } from "../codec/failure.ts";
import * as L from "../codec/layout.ts";
import { MessageParser, STEP_COMPLETE, STEP_FAILED, STEP_HEAD, STEP_MORE } from "../codec/message-parser.ts";
import { METHOD_CONNECT } from "../codec/methods.ts";
import { judgeHead, type TargetParts } from "../codec/request-head.ts";
import type { TapeFields } from "../codec/tape-fields.ts";
import { NEVER } from "../connection/deadlines.ts";
import { StepBody } from "../connection/step-body.ts";
import { H1Error, type H1ErrorCode } from "../errors.ts";
import { BodyRate } from "./body-rate.ts";
import type { ServerConnection } from "./connection.ts";
import { ServerExchange } from "./exchange.ts";
import { type HeadPlace, HeadView } from "./head-view.ts";
import type { KnownHead } from "./known-heads.ts";
import type { H1Server } from "./server.ts";

export class RequestReader {
  readonly #connection: ServerConnection;
  readonly #server: H1Server;
  readonly #parser: MessageParser;
  #requests = 0;
  #headBegun = false;
  /** The exchange whose request body is still coming. */
  #reading: ServerExchange | null = null;
  /** Made at the connection's first body: most connections never see one. */
  #step: StepBody | null = null;
  #rate: BodyRate | null = null;
  /** The lease being parsed, where somebody may want a part of it, and what of it lies behind the present message. */
  #lease: Lease | null = null;
  #restAt = 0;
  #restSize = 0;
  /** Where the head of the present step's request lies. */
  readonly #place: HeadPlace = { base: 0, tape: 0, fields: 0, target: 0, targetSize: 0 };

  constructor(connection: ServerConnection) {
    const { machine, limits } = connection.server;
    this.#connection = connection;
    this.#server = connection.server;
    this.#parser = new MessageParser(machine, L.TYPE_REQUEST, limits.fieldsMax, limits.headBytesMax);
  }

  /** Between messages: nothing of the next one has come. */
  get idle(): boolean {
    return this.#reading === null && this.#parser.idle;
  }

  /** The body that is still coming. */
  get body(): IncomingBody | null {
    return this.#reading === null ? null : this.#reading.requestBody;
  }

  /** Parses to the end of the message or of the bytes, and lets the handler have it. Returns where to go on. */
  step(lease: Lease, at: number, end: number): number {
    const parser = this.#parser;
    if (parser.idle && this.#reading === null) {
      const server = this.#server;
      const known = server.knownHeads.find(at, end - at, server.limits);
      if (known !== null) {
        this.#openKnown(known);
        return at + known.size;
      }
    }
    const step = parser.step(at, end - at);
    const next = at + parser.consumed;
    this.#restAt = next;
    this.#restSize = end - next;
    if (parser.headFresh) this.#openExchange(lease, step);
    else if (this.#reading !== null) {
      this.#lease = lease;
      this.#readBody(this.#reading, step, at);
    } else if (step === STEP_MORE) this.#headGoesOn();
    else this.#refuse(failureOf(this.#server.machine, parser));
    return next;
  }

  /** The lease is not here any more. */
  leaveLease(): void {
    this.#lease = null;
  }

  /** What of the present lease lies behind the present message: a lease of its own, or null where nothing does. */
  takeRest(): Lease | null {
    const lease = this.#lease;
    if (lease === null || this.#restSize === 0) return null;
    return lease.slice(this.#restAt - lease.offset, this.#restSize);
  }

  // — heads —

  /** A head has come in part. */
  #headGoesOn(): void {
    const server = this.#server;
    const { deadlines } = this.#connection;
    const { limits, machine, timeouts } = server;
    const { i32 } = machine.arena;
    const inTarget = i32[L.LAST] === L.LAST_TARGET;
    if (inTarget && i32[L.TARGET_SIZE] > limits.targetBytesMax) this.#refuse("ERR_H1_TARGET_TOO_LONG");
    else if (this.#parser.carriedBytes > limits.headBytesMax) {
      this.#refuse(inTarget ? "ERR_H1_TARGET_TOO_LONG" : "ERR_H1_HEAD_TOO_LARGE");
    } else if (!this.#headBegun) {
      this.#headBegun = true;
      if (this.#requests > 0) deadlines.setRead(timeouts.headersMs);
    }
  }

  /** A head is complete, and described by the control block. */
  #openExchange(lease: Lease, step: number): void {
    const server = this.#server;
    const { machine, limits } = server;
    const { i32 } = machine.arena;
    const parser = this.#parser;
    const verdict = judgeHead(machine, parser.record);
    const error = verdict.error ?? sizeError(machine, limits) ?? this.#failedAtHead(step);
    if (error !== null) {
      this.#refuse(error);
      return;
    }
    this.#headBegun = false;
    this.#connection.deadlines.read = NEVER;
    this.#requests += 1;
    const bodyLength = bodyLengthOf(machine, parser.record);
    if (bodyLength > limits.bodyBytesMax) {
      this.#refuse("ERR_H1_BODY_TOO_LARGE");
      return;
    }
    const body = bodyLength === 0 ? null : new IncomingBody(machine.arena, bodyLength);
    const exchange = this.#newExchange(verdict.parts, body);
    this.#connection.begin(exchange);
    const base = machine.tapeBase;
    const top = i32[L.TOP];
    if (body !== null || exchange.asksUpgrade) this.#lease = lease;
    if (body !== null) this.#beginBody(exchange, body, lease);
    const trailers = step === STEP_COMPLETE ? trailersOf(server.codec) : null;
    if (step === STEP_COMPLETE && body === null && i32[L.PAUSE_HEAD] === 0) {
      server.knownHeads.learn(this.#restAt - parser.consumed, parser.consumed, this.#place, parser.record, limits);
    }
    // The handler may make other connections parse; their tapes go above this one.
    machine.tapeBase = top;
    dispatch(server.handler, exchange, HANDLER_FAILED);
    if (body !== null) {
      if (step === STEP_HEAD) this.beginRate();
      this.#passBody(exchange, body, step, trailers);
    }
    exchange.leaveHead();
    machine.tapeBase = base;
    parser.forgetHead();
  }

  /** A head that came before: nothing of it has to be looked at again. */
  #openKnown(known: KnownHead): void {
    const connection = this.#connection;
    const server = this.#server;
    this.#headBegun = false;
    connection.deadlines.read = NEVER;
    this.#requests += 1;
    const closes = this.#requests === server.limits.requestsPerConnectionMax;
    const exchange = new ServerExchange(connection, known.method, 1, closes, false, false, null, null, known.view);
    connection.begin(exchange);
    dispatch(server.handler, exchange, HANDLER_FAILED);
  }

  /** llhttp looks at Transfer-Encoding after the head; what it finds is the head's fault. */
  #failedAtHead(step: number): H1ErrorCode | null {
    if (step !== STEP_FAILED || this.#parser.errorCode !== L.HPE_INVALID_TRANSFER_ENCODING) return null;
    const { i32 } = this.#server.machine.arena;
    return i32[L.PHASE] === L.PHASE_BODY ? "ERR_H1_CODING_INVALID" : null;
  }

  #newExchange(parts: TargetParts | null, body: IncomingBody | null): ServerExchange {
    const { machine, limits } = this.#server;
    const { i32, u8 } = machine.arena;
    const { record } = this.#parser;
    const seen = i32[L.SEEN];
    const flags = connectionFlags(machine);
    const method = u8[record + L.PARSER_METHOD];
    const minor = u8[record + L.PARSER_MINOR];
    const closes =
      (flags & L.FLAG_CLOSE) !== 0 ||
      (minor === 0 && (flags & L.FLAG_KEEP_ALIVE) === 0) ||
      method === METHOD_CONNECT ||
      this.#requests === limits.requestsPerConnectionMax;
    const exchange = new ServerExchange(
      this.#connection,
      method,
      minor,
      closes,
      body !== null && minor === 1 && (seen & L.SEEN_EXPECT) !== 0,
      method === METHOD_CONNECT || ((seen & L.SEEN_UPGRADE_ASKED) !== 0 && minor === 1),
      parts,
      body,
    );
    const place = this.#place;
    place.base = i32[L.BASE];
    place.tape = machine.tapeBase;
    place.fields = i32[L.FIELDS];
    place.target = i32[L.TARGET];
    place.targetSize = i32[L.TARGET_SIZE];
    return exchange;
  }

  /** For an exchange: its head, as long as it is here, or one that says it is gone. */
  viewHead(exchange: ServerExchange): HeadView {
    const view = new HeadView(this.#server.codec, this.#place);
    if (!exchange.headHere) view.expire();
    return view;
  }

  // — bodies —

  #beginBody(exchange: ServerExchange, body: IncomingBody, lease: Lease): void {
    const { machine } = this.#server;
    const { i32 } = machine.arena;
    this.#reading = exchange;
    this.#step ??= new StepBody(machine);
    const step = this.#step;
    step.lease = lease;
    step.begin();
    step.take();
    // A head that came in pieces was a step of its own.
    if (body.length < 0 && i32[L.PAUSE_HEAD] === 0) {
      step.countOverhead(i32[L.BASE] + headBytes(machine), this.#restAt);
    }
  }

  #readBody(exchange: ServerExchange, step: number, at: number): void {
    const server = this.#server;
    const { deadlines } = this.#connection;
    const { machine, timeouts, limits, clock, codec } = server;
    const body = exchange.requestBody as IncomingBody;
    const part = this.#step as StepBody;
    const base = machine.tapeBase;
    part.lease = this.#lease;
    part.take();
    if (body.length < 0 && !this.#parser.inCarry) part.countOverhead(at, this.#restAt);
    const trailers = step === STEP_COMPLETE ? trailersOf(codec) : null;
    machine.tapeBase = machine.arena.i32[L.TOP];
    deadlines.setRead(timeouts.receiveMs);
    if (step === STEP_MORE && this.#rate?.isTooSlow(clock.now, timeouts.bodyRateMin)) {
      this.#bodyFailed(exchange, "ERR_H1_BODY_RATE");
    } else if (this.#parser.trailerBytes > limits.headBytesMax) this.#bodyFailed(exchange, "ERR_H1_HEAD_TOO_LARGE");
    else this.#passBody(exchange, body, step, trailers);
    machine.tapeBase = base;
  }

  /** Hands on, or keeps, what the present step brought of the body. */
  #passBody(exchange: ServerExchange, body: IncomingBody, step: number, trailers: TapeFields | null): void {
    const { limits, machine } = this.#server;
    const part = this.#step as StepBody;
    while (part.pending) this.#pass(part, body);
    if (this.#reading !== exchange) return;
    if (body.received > limits.bodyBytesMax) this.#bodyFailed(exchange, "ERR_H1_BODY_TOO_LARGE");
    else if (part.overheadBytes > limits.chunkOverheadBytesMax) this.#bodyFailed(exchange, "ERR_H1_CHUNK_OVERHEAD");
    else if (step === STEP_COMPLETE) {
      this.#reading = null;
      this.#connection.bodyWhole(body, trailers);
    } else if (step === STEP_FAILED) this.#bodyFailed(exchange, failureOf(machine, this.#parser));
    else if (body.discarding && body.received - body.discardedFrom > limits.discardBodyBytesMax) {
      this.#connection.beginClose();
    }
  }

  #pass(part: StepBody, body: IncomingBody): void {
    const size = part.next(body);
    if (this.#rate !== null) this.#rate.bytes += size;
  }

  /**
   * The exchange's receiver is ready: what the present step brought goes to it at once.
   * @returns false where no step is being made with its body
   */
  deliver(exchange: ServerExchange): boolean {
    const part = this.#step;
    const body = exchange.requestBody;
    if (this.#reading !== exchange || this.#lease === null || part === null || body === null) return false;
    while (part.pending && body.flows) this.#pass(part, body);
    return true;
  }

  /** Some of the exchange's body is here. */
  hasBodyBytes(exchange: ServerExchange): boolean {
    const body = exchange.requestBody;
    if (body === null) return false;
    return body.received > 0 || body.complete || (this.#reading === exchange && this.#step?.pending === true);
  }

  /** The body's rate is counted from now, and its silence. */
  beginRate(): void {
    const server = this.#server;
    const { deadlines } = this.#connection;
    this.#rate ??= new BodyRate();
    this.#rate.begin(server.clock.now);
    deadlines.setRead(server.timeouts.receiveMs);
  }

  // — what the client did wrong —

  /** A head that is none. */
  #refuse(code: H1ErrorCode): void {
    this.#parser.reset();
    this.#connection.refuse(new H1Error(code));
  }

  #bodyFailed(exchange: ServerExchange, code: H1ErrorCode): void {
    this.#reading = null;
    this.#step?.drop();
    this.#connection.refuseBody(exchange, new H1Error(code));
  }

  /** The client has closed its side within a request. */
  cutOff(): void {
    if (this.#reading !== null) this.#bodyFailed(this.#reading, "ERR_H1_REQUEST_CUT");
    else this.#refuse("ERR_H1_REQUEST_CUT");
  }

  /** The client has not sent in time what was to come. */
  expire(): void {
    if (this.#reading !== null) this.#bodyFailed(this.#reading, "ERR_H1_BODY_TIMEOUT");
    else this.#refuse("ERR_H1_HEAD_TIMEOUT");
  }

  /** Nothing more is read; a body under way will never be whole. */
  stop(error: Error): void {
    const reading = this.#reading;
    this.#reading = null;
    this.#step?.drop();
    reading?.requestBody?.fail(error);
  }

  release(): void {
    this.#parser.release();
  }
}

/** One function for all connections. */
const HANDLER_FAILED = (exchange: Exchange, error: unknown): void => {
  const failed = exchange as ServerExchange;
  failed.owner.handlerFailed(failed, error);
};
