// connection.ts — a client's connection: the read state, the order of answers, and how it all ends.
import type { Lease, PeerAddress, Stream, StreamHandler } from "@percore/core";
import { type ConnectionInfo, dispatch, type Exchange, HttpError, IncomingBody } from "@percore/http";
import { bodyLengthOf, bodyRecords, connectionFlags, headBytes, sizeError, trailersOf } from "../codec/control.ts";
import { failureOf } from "../codec/failure.ts";
import * as L from "../codec/layout.ts";
import { MessageParser, STEP_COMPLETE, STEP_FAILED, STEP_HEAD, STEP_MORE } from "../codec/message-parser.ts";
import { beginsSafe, METHOD_CONNECT, METHOD_GET } from "../codec/methods.ts";
import { judgeHead, type TargetParts } from "../codec/request-head.ts";
import type { TapeFields } from "../codec/tape-fields.ts";
import { ChunkOverhead } from "../connection/chunk-overhead.ts";
import { type DeadlineOwner, Deadlines, NEVER } from "../connection/deadlines.ts";
import { TunnelStream } from "../connection/tunnel.ts";
import { H1Error, type H1ErrorCode } from "../errors.ts";
import { BodyRate } from "./body-rate.ts";
import { ServerExchange } from "./exchange.ts";
import { type HeadPlace, HeadView } from "./head-view.ts";
import type { KnownHead } from "./known-heads.ts";

import type { H1Server } from "./server.ts";
import { Unparsed } from "./unparsed.ts";

// Read state.
//            error, close asked for            answers out            peer's FIN, linger deadline
//   READING ───────────────────────▶ ANSWERING ───────────▶ LINGERING ───────────────────────▶ CLOSED
const READING = 0;
/** No further request is read. What was read is answered; what comes is dropped. */
const ANSWERING = 1;
/** Our FIN is on its way; what comes is dropped until the peer's. */
const LINGERING = 2;
const CLOSED = 3;
/** Somebody else's stream now. */
const TUNNELED = 4;

let connectionIds = 0;

export class ServerConnection implements StreamHandler, ConnectionInfo, DeadlineOwner {
  readonly id: number;
  readonly server: H1Server;
  readonly stream: Stream;
  /** The exchange whose answer is sent next. */
  first: ServerExchange | null = null;
  /** The last of several exchanges; null where there is none or one. */
  #tail: ServerExchange | null = null;
  #count = 0;
  #state: number = READING;
  #requests = 0;
  readonly #parser: MessageParser;
  /** The exchange whose request body is still coming. */
  #reading: ServerExchange | null = null;
  /** Bodies that have come whole and that their receivers have not taken. */
  #leftovers: Set<IncomingBody> | null = null;
  readonly #unparsed: Unparsed;
  #replayDue = false;
  /** Inside of onData: whoever answers now need not start the parser again. */
  #consuming = false;
  /** The lease being parsed, where somebody may want a part of it, and what of it lies behind the present message. */
  #lease: Lease | null = null;
  #restAt = 0;
  #restSize = 0;
  /** Body ranges of the present step that have not been handed on: index of the first one's record, and their number. */
  #record = 0;
  #records = 0;
  readonly #overhead = new ChunkOverhead();
  #draining = false;
  #headBegun = false;
  #tunnel: TunnelStream | null = null;
  readonly #deadlines: Deadlines;
  readonly #rate = new BodyRate();
  /** Where the head of the present step's request lies. */
  readonly #place: HeadPlace = { base: 0, tape: 0, fields: 0, target: 0, targetSize: 0 };

  constructor(server: H1Server, stream: Stream) {
    connectionIds += 1;
    this.id = connectionIds;
    this.server = server;
    this.stream = stream;
    const { limits } = server;
    this.#parser = new MessageParser(server.machine, L.TYPE_REQUEST, limits.fieldsMax, limits.headBytesMax);
    this.#unparsed = new Unparsed(stream.arena);
    this.#deadlines = new Deadlines(this, server.clock, stream, server.timeouts.sendMs);
    stream.highWaterBytes = limits.writeBufferBytes;
    this.#deadlines.setRead(server.timeouts.headersMs);
    stream.attach(this);
  }

  get protocol(): "h1" {
    return "h1";
  }
  get encrypted(): boolean {
    return this.stream.info.encrypted;
  }
  get remote(): PeerAddress {
    return this.stream.info.remote;
  }
  get local(): PeerAddress {
    return this.stream.info.local;
  }
  get alpn(): string | null {
    return this.stream.info.alpn;
  }

  // — from the stream —

  onData(lease: Lease): void {
    if (this.#state === TUNNELED) this.stream.unread(lease);
    else if (!this.#unparsed.empty) {
      this.#unparsed.keep(lease.offset, lease.length);
      lease.release();
    } else this.#consume(lease);
  }

  onEnd(): void {
    if (this.#state >= LINGERING) return;
    const inRequest = this.#reading !== null || !this.#parser.idle;
    if (this.#state === READING && inRequest) this.#cutOff();
    else if (this.first === null) this.#beginClose();
    else if (this.server.allowHalfClose) this.#stopReading();
    else this.fail(new HttpError("ERR_CLIENT_LEFT", "the client closed the connection before it was answered"));
  }

  onDrain(): void {
    this.#deadlines.disarmSend();
    this.first?.drained();
    this.#replaySoon();
  }

  onClose(error: Error | null): void {
    this.#tunnel?.closedEarly(error);
    if (this.#state >= CLOSED) return;
    const options = error === null ? undefined : { cause: error };
    this.#close(new HttpError("ERR_CLIENT_LEFT", "the connection closed before the exchange was complete", options));
  }

  // — reading —

  #consume(lease: Lease): void {
    let at = lease.offset;
    const end = at + lease.length;
    this.#consuming = true;
    try {
      while (at < end && (this.#state === READING || this.#reading !== null)) {
        if (!this.#mayParse(at)) {
          this.#unparsed.keep(at, end - at);
          break;
        }
        at = this.#step(lease, at, end);
      }
    } catch (error) {
      // Not a handler's: this connection is lost, the worker goes on.
      this.server.report(error, null);
      this.fail(new HttpError("ERR_EXCHANGE_ABANDONED", "the connection failed", { cause: error }));
    }
    this.#consuming = false;
    this.#lease = null;
    lease.release();
    if (this.#state < LINGERING) this.#updatePause();
  }

  /** Between messages: whether another, which begins at `next`, may be read. Inside of one always. */
  #mayParse(next: number): boolean {
    if (this.#reading !== null || !this.#parser.idle) return true;
    // Answers that nobody takes: each further request would add one, however many wait for theirs.
    if (this.stream.needsDrain) return false;
    const last = this.#tail ?? this.first;
    if (last === null) return true;
    if (this.#count >= this.server.limits.pipelinedMax) return false;
    // What follows a request for another protocol is no HTTP until the answer says so (CVE-2026-2833).
    if (last.asksUpgrade) return false;
    // RFC 9112 §9.3.2: in parallel only if all are safe. One that is not was begun with none before it, so it is the last.
    if (!last.isSafe || !beginsSafe(this.stream.arena.u8[next])) return false;
    return this.#leftovers === null || this.#leftovers.size === 0;
  }

  /** Parses to the end of the message or of the bytes, and lets the handler have it. Returns where to go on. */
  #step(lease: Lease, at: number, end: number): number {
    const parser = this.#parser;
    if (parser.idle && this.#reading === null) {
      const known = this.server.knownHeads.find(at, end - at, this.server.limits);
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
    else this.#refuse(failureOf(this.server.machine, parser));
    return next;
  }

  /** A head has come in part. */
  #headGoesOn(): void {
    const { limits, machine, timeouts } = this.server;
    const { i32 } = machine.arena;
    const inTarget = i32[L.LAST] === L.LAST_TARGET;
    if (inTarget && i32[L.TARGET_SIZE] > limits.targetBytesMax) this.#refuse("ERR_H1_TARGET_TOO_LONG");
    else if (this.#parser.carriedBytes > limits.headBytesMax) {
      this.#refuse(inTarget ? "ERR_H1_TARGET_TOO_LONG" : "ERR_H1_HEAD_TOO_LARGE");
    } else if (!this.#headBegun) {
      this.#headBegun = true;
      if (this.#requests > 0) this.#deadlines.setRead(timeouts.headersMs);
    }
  }

  /** A head is complete, and described by the control block. */
  #openExchange(lease: Lease, step: number): void {
    const { server } = this;
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
    this.#deadlines.read = NEVER;
    this.#requests += 1;
    const bodyLength = bodyLengthOf(machine, parser.record);
    if (bodyLength > limits.bodyBytesMax) {
      this.#refuse("ERR_H1_BODY_TOO_LARGE");
      return;
    }
    const body = bodyLength === 0 ? null : new IncomingBody(machine.arena, bodyLength);
    const exchange = this.#newExchange(verdict.parts, body);
    this.#append(exchange);
    server.counters.requests += 1;
    const base = machine.tapeBase;
    const top = i32[L.TOP];
    if (body !== null || exchange.asksUpgrade) this.#lease = lease;
    if (body !== null) {
      this.#takeRecords();
      this.#reading = exchange;
      this.#overhead.reset();
      // A head that came in pieces was a step of its own.
      if (body.length < 0 && i32[L.PAUSE_HEAD] === 0) this.#countOverhead(i32[L.BASE] + headBytes(machine));
    }
    const trailers = step === STEP_COMPLETE ? trailersOf(server.codec) : null;
    if (step === STEP_COMPLETE && body === null && i32[L.PAUSE_HEAD] === 0) {
      server.knownHeads.learn(this.#restAt - parser.consumed, parser.consumed, this.#place, parser.record, limits);
    }
    // The handler may make other connections parse; their tapes go above this one.
    machine.tapeBase = top;
    dispatch(server.handler, exchange, HANDLER_FAILED);
    if (body !== null) {
      if (step === STEP_HEAD) this.#beginRate();
      this.#passBody(exchange, body, step, trailers);
    }
    exchange.leaveHead();
    machine.tapeBase = base;
    parser.forgetHead();
  }

  /** A head that came before: nothing of it has to be looked at again. */
  #openKnown(known: KnownHead): void {
    const { server } = this;
    this.#headBegun = false;
    this.#deadlines.read = NEVER;
    this.#requests += 1;
    const closes = this.#requests === server.limits.requestsPerConnectionMax;
    const exchange = new ServerExchange(this, known.method, 1, closes, false, false, null, null, known.view);
    this.#begun(exchange);
    this.#append(exchange);
    server.counters.requests += 1;
    dispatch(server.handler, exchange, HANDLER_FAILED);
  }

  #begun(exchange: ServerExchange): void {
    const { timeouts, clock } = this.server;
    if (exchange.closes) this.#state = ANSWERING;
    if (timeouts.handlerMs === 0) return;
    exchange.deadline = clock.now + timeouts.handlerMs;
    this.#deadlines.arm(exchange.deadline);
  }

  /** llhttp looks at Transfer-Encoding after the head; what it finds is the head's fault. */
  #failedAtHead(step: number): H1ErrorCode | null {
    if (step !== STEP_FAILED || this.#parser.errorCode !== L.HPE_INVALID_TRANSFER_ENCODING) return null;
    return this.server.machine.arena.i32[L.PHASE] === L.PHASE_BODY ? "ERR_H1_CODING_INVALID" : null;
  }

  #newExchange(parts: TargetParts | null, body: IncomingBody | null): ServerExchange {
    const { machine, limits } = this.server;
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
      this,
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
    this.#begun(exchange);
    return exchange;
  }

  /** For an exchange: its head, as long as it is here, or one that says it is gone. */
  viewHead(exchange: ServerExchange): HeadView {
    const view = new HeadView(this.server.codec, this.#place);
    if (!exchange.headHere) view.expire();
    return view;
  }

  #append(exchange: ServerExchange): void {
    if (this.first === null) this.first = exchange;
    else {
      (this.#tail ?? this.first).next = exchange;
      this.#tail = exchange;
    }
    this.#count += 1;
    this.server.counters.exchangesOpen += 1;
  }

  // — request bodies —

  #takeRecords(): void {
    const { machine } = this.server;
    this.#records = machine.arena.i32[L.BODIES];
    this.#record = bodyRecords(machine);
  }

  #readBody(exchange: ServerExchange, step: number, at: number): void {
    const { machine, timeouts, limits, clock } = this.server;
    const { i32 } = machine.arena;
    const body = exchange.requestBody as IncomingBody;
    const base = machine.tapeBase;
    this.#takeRecords();
    if (body.length < 0 && !this.#parser.inCarry) this.#countOverhead(at);
    const trailers = step === STEP_COMPLETE ? trailersOf(this.server.codec) : null;
    machine.tapeBase = i32[L.TOP];
    this.#deadlines.setRead(timeouts.receiveMs);
    if (step === STEP_MORE && this.#rate.isTooSlow(clock.now, timeouts.bodyRateMin))
      this.#bodyFailed(exchange, "ERR_H1_BODY_RATE");
    else if (this.#parser.trailerBytes > limits.headBytesMax) this.#bodyFailed(exchange, "ERR_H1_HEAD_TOO_LARGE");
    else this.#passBody(exchange, body, step, trailers);
    machine.tapeBase = base;
  }

  /** Hands on, or keeps, what the present step brought of the body. */
  #passBody(exchange: ServerExchange, body: IncomingBody, step: number, trailers: TapeFields | null): void {
    const { limits, machine, timeouts } = this.server;
    while (this.#records > 0) this.#pushRecord(body);
    if (this.#reading !== exchange) return;
    if (body.received > limits.bodyBytesMax) this.#bodyFailed(exchange, "ERR_H1_BODY_TOO_LARGE");
    else if (this.#overhead.bytes > limits.chunkOverheadBytesMax) this.#bodyFailed(exchange, "ERR_H1_CHUNK_OVERHEAD");
    else if (step === STEP_COMPLETE) {
      this.#reading = null;
      if (this.first === null) this.#deadlines.setRead(timeouts.idleMs);
      else this.#deadlines.read = NEVER;
      body.end(trailers);
      if (body.keptBytes > limits.bodyBufferBytes) this.#keepLeftover(body);
    } else if (step === STEP_FAILED) this.#bodyFailed(exchange, failureOf(machine, this.#parser));
    else if (body.discarding && body.received - body.discardedFrom > limits.discardBodyBytesMax) this.#beginClose();
  }

  #keepLeftover(body: IncomingBody): void {
    this.#leftovers ??= new Set();
    this.#leftovers.add(body);
  }

  #pushRecord(body: IncomingBody): void {
    const { i32 } = this.server.machine.arena;
    const record = this.#record;
    this.#record += 4;
    this.#records -= 1;
    const size = i32[record + 1];
    this.#rate.bytes += size;
    body.push(this.#lease as Lease, i32[record], size);
  }

  /** The exchange's receiver is ready: what the present step brought goes to it at once. */
  deliverBody(exchange: ServerExchange): void {
    const body = exchange.requestBody as IncomingBody;
    if (this.#reading === exchange && this.#lease !== null) {
      while (this.#records > 0 && body.flows) this.#pushRecord(body);
    } else if (!this.#consuming && this.#state < LINGERING) {
      this.#leftovers?.delete(body);
      this.#updatePause();
      this.#replaySoon();
    }
  }

  /** Some of the exchange's body is here. */
  hasBodyBytes(exchange: ServerExchange): boolean {
    const body = exchange.requestBody;
    return body !== null && (body.received > 0 || body.complete || (this.#reading === exchange && this.#records > 0));
  }

  /** @param from address behind the head, where this step brought it */
  #countOverhead(from: number): void {
    const { i32 } = this.server.machine.arena;
    // Trailers are bounded as a head is; what came of them in pieces is not counted here either.
    const trailers = i32[L.TRAILERS];
    const end = trailers > 0 ? i32[L.BASE] + i32[(i32[L.TOP] - trailers * L.TAPE_RECORD_BYTES) >> 2] : this.#restAt;
    this.#overhead.count(i32, this.#record, this.#records, from, end);
  }

  #beginRate(): void {
    this.#rate.begin(this.server.clock.now);
    this.#deadlines.setRead(this.server.timeouts.receiveMs);
  }

  // — answering —

  /** True where no further request can follow this response. */
  mustCloseBehind(exchange: ServerExchange): boolean {
    const body = exchange.requestBody;
    if (body !== null && !body.complete) {
      // Without 100 Continue it is open whether the body comes at all (RFC 9110 §10.1.1).
      if (exchange.awaitsContinue) return true;
      if (!body.hasReceiver && body.length - body.received > this.server.limits.discardBodyBytesMax) return true;
    }
    return (this.#draining || this.#state !== READING) && exchange.next === null;
  }

  /** The exchange's response has been given whole. */
  responseEnded(exchange: ServerExchange): void {
    if (exchange !== this.first) return;
    this.#advance();
    if (this.#consuming || this.#state >= LINGERING) return;
    this.#updatePause();
    this.#replaySoon();
  }

  /** Goes on to the first response that is not complete. */
  #advance(): void {
    for (let done = this.first; done?.hasEnded; done = this.first) {
      this.first = done.next;
      if (this.first === this.#tail) this.#tail = null;
      this.#count -= 1;
      this.server.counters.exchangesOpen -= 1;
      this.#settle(done);
      if (done.closes) {
        this.#beginClose();
        return;
      }
      this.first?.takeTurn();
    }
    if (this.first !== null) return;
    if (this.#state === ANSWERING) this.#beginClose();
    else if (this.#reading === null && this.#parser.idle)
      this.#deadlines.setRead(this.#draining ? this.server.timeouts.lingerMs : this.server.timeouts.idleMs);
  }

  /** The response is out; what is left is its body's rest and those who want to know. */
  #settle(exchange: ServerExchange): void {
    const body = exchange.requestBody;
    if (body !== null && !body.hasReceiver) {
      this.#leftovers?.delete(body);
      body.discard();
    }
    if (exchange.wantsFinish) this.stream.onFlushed((error) => exchange.finished(error));
    if (this.stream.needsDrain) this.#deadlines.armSend();
  }

  handlerFailed(exchange: ServerExchange, error: unknown): void {
    this.server.counters.handlerErrors += 1;
    this.server.report(error, exchange);
    if (!exchange.open) return;
    if (exchange.responded)
      this.fail(new HttpError("ERR_EXCHANGE_ABANDONED", "the handler failed midway", { cause: error }));
    else exchange.respond(500, ERROR_FIELDS, "500 Internal Server Error\n");
  }

  // — what the client did wrong —

  /** A head that is none: an answer, in its turn, and the end. */
  #refuse(code: H1ErrorCode): void {
    this.server.counters.refused += 1;
    const exchange = new ServerExchange(this, METHOD_GET, 1, true, false, false, null, null);
    this.#append(exchange);
    this.#stopReading();
    this.#parser.reset();
    const error = new H1Error(code);
    exchange.refuse(error.status, error);
  }

  #bodyFailed(exchange: ServerExchange, code: H1ErrorCode): void {
    this.server.counters.refused += 1;
    const error = new H1Error(code);
    this.#reading = null;
    this.#records = 0;
    this.#stopReading();
    exchange.requestBody?.fail(error);
    if (exchange.hasEnded) this.#beginClose();
    else if (exchange.responded) this.fail(error);
    else if (exchange.open) exchange.refuse(error.status, error);
  }

  /** The client has closed its side within a request. */
  #cutOff(): void {
    if (this.#reading !== null) this.#bodyFailed(this.#reading, "ERR_H1_REQUEST_CUT");
    else this.#refuse("ERR_H1_REQUEST_CUT");
  }

  #stopReading(): void {
    if (this.#state === READING) this.#state = ANSWERING;
    this.#deadlines.read = NEVER;
    this.#unparsed.drop();
    if (this.stream.paused) this.stream.resume();
  }

  // — pausing —

  #updatePause(): void {
    const body = this.#reading === null ? null : this.#reading.requestBody;
    const full = body !== null && body.keptBytes > this.server.limits.bodyBufferBytes;
    const pause = full || !this.#unparsed.empty;
    if (pause === this.stream.paused) return;
    if (pause) {
      this.#deadlines.read = NEVER;
      this.stream.pause();
      return;
    }
    if (body !== null) this.#beginRate();
    this.stream.resume();
  }

  /** Parses what was kept, in a microtask: an answer given now must not run the next handler inside of itself. */
  #replaySoon(): void {
    if (this.#replayDue || this.#unparsed.empty || !this.#mayParse(this.#unparsed.first)) return;
    this.#replayDue = true;
    queueMicrotask(() => {
      this.#replayDue = false;
      this.#replay();
    });
  }

  #replay(): void {
    const waiting = this.#unparsed.take();
    for (let lease = waiting.shift(); lease !== undefined; lease = waiting.shift()) {
      if (this.#state >= LINGERING) lease.release();
      else this.#consume(lease);
      if (this.#unparsed.empty) continue;
      this.#unparsed.putBack(waiting);
      break;
    }
    if (this.#state < LINGERING) this.#updatePause();
  }

  // — the end —

  /** The request has become a tunnel: what follows is its owner's. */
  becomeTunnel(exchange: ServerExchange): Stream {
    const { server, stream } = this;
    this.#state = TUNNELED;
    this.first = null;
    this.#tail = null;
    this.#count = 0;
    server.counters.exchangesOpen -= 1;
    server.counters.tunnels += 1;
    this.#settle(exchange);
    this.#tunnel = new TunnelStream(stream, server.clock, server.timeouts.tunnelIdleMs, () => server.removed(this));
    for (const lease of this.#unparsed.take()) stream.unread(lease);
    if (this.#lease !== null && this.#restSize > 0) {
      stream.unread(this.#lease.slice(this.#restAt - this.#lease.offset, this.#restSize));
    }
    this.#parser.release();
    this.#deadlines.stop();
    if (stream.paused) stream.resume();
    return this.#tunnel;
  }

  /** Finishes what has been begun, then closes; see H1Server.drain. */
  drain(): void {
    this.#draining = true;
    if (this.first === null && this.#reading === null && this.#parser.idle && this.#state === READING) {
      this.#deadlines.setRead(this.server.timeouts.lingerMs || 1);
    }
  }

  /** All is answered: FIN, and what comes is dropped for a while so that no RST overtakes the last answer. */
  #beginClose(): void {
    if (this.#state >= LINGERING) return;
    this.#stopReading();
    this.#state = LINGERING;
    this.#reading?.requestBody?.fail(
      new HttpError("ERR_REQUEST_INVALID", "the connection closes behind its last response"),
    );
    this.#reading = null;
    this.#records = 0;
    if (this.first !== null) {
      this.#abortAll(new HttpError("ERR_EXCHANGE_ABANDONED", "an earlier response closed the connection"));
    }
    this.stream.end();
    if (this.stream.queuedBytes > 0) this.#deadlines.armSend();
    this.stream.onFlushed(() => {
      if (this.#state === LINGERING) this.#deadlines.setRead(this.server.timeouts.lingerMs || 1);
    });
  }

  /** Gives the connection up at once. */
  fail(error: Error): void {
    if (this.#state >= CLOSED) return;
    this.#close(error);
    this.stream.reset();
  }

  #close(error: Error): void {
    this.#state = CLOSED;
    this.#parser.release();
    this.#unparsed.drop();
    this.#records = 0;
    this.#deadlines.stop();
    const reading = this.#reading;
    this.#reading = null;
    reading?.requestBody?.fail(error);
    this.#abortAll(error);
    this.server.removed(this);
  }

  #abortAll(error: Error): void {
    for (const body of this.#leftovers ?? []) body.fail(error);
    this.#leftovers = null;
    this.#tail = null;
    const { counters } = this.server;
    for (let exchange = this.first; exchange !== null; exchange = this.first) {
      this.first = exchange.next;
      this.#count -= 1;
      counters.exchangesOpen -= 1;
      if (!exchange.hasEnded) counters.aborted += 1;
      exchange.requestBody?.fail(error);
      exchange.aborted(error);
    }
  }

  // — deadlines —

  /** For an exchange: its writer waits for the peer to take bytes. */
  armSend(): void {
    this.#deadlines.armSend();
  }

  readExpired(): void {
    if (this.#state === LINGERING) this.fail(new HttpError("ERR_CLIENT_LEFT", "the client never closed its side"));
    else if (this.#reading === null && this.#parser.idle && this.stream.queuedBytes > 0) {
      // Not idle: the last answer is still on its way, and sendMs watches over it.
      this.#deadlines.armSend();
      this.#deadlines.setRead(this.server.timeouts.idleMs);
    } else {
      this.server.counters.timeouts += 1;
      if (this.#reading !== null) this.#bodyFailed(this.#reading, "ERR_H1_BODY_TIMEOUT");
      else if (!this.#parser.idle) this.#refuse("ERR_H1_HEAD_TIMEOUT");
      else this.#beginClose();
    }
  }

  sendExpired(): void {
    this.server.counters.timeouts += 1;
    this.fail(new HttpError("ERR_SEND_TIMEOUT", "the client took no byte within timeouts.sendMs"));
  }

  handlersExpired(now: number): number {
    let next = NEVER;
    for (let exchange = this.first; exchange !== null && this.#state < LINGERING; exchange = exchange.next) {
      if (exchange.hasEnded || exchange.deadline === 0) continue;
      if (exchange.deadline > now) {
        next = Math.min(next, exchange.deadline);
        continue;
      }
      exchange.deadline = 0;
      this.server.counters.timeouts += 1;
      const error = new HttpError("ERR_HANDLER_TIMEOUT", "the response was not complete within timeouts.handlerMs");
      if (exchange.responded) this.fail(error);
      else exchange.refuse(503, error);
    }
    return next;
  }
}

/** One function for all connections. */
const HANDLER_FAILED = (exchange: Exchange, error: unknown): void => {
  const failed = exchange as ServerExchange;
  failed.owner.handlerFailed(failed, error);
};

const ERROR_FIELDS = Object.freeze(["content-type", "text/plain"]);
