// response-reader.ts — received bytes as responses to the exchange under way: heads, bodies, and what is wrong with them.
import type { Lease } from "@percore/core";
import { type ClientLimits, type ClientTimeouts, type Fields, IncomingBody, listHas } from "@percore/http";
import type { Codec } from "../codec/codec.ts";
import { responseHeadBytes, trailersOf } from "../codec/control.ts";
import { responseFailureOf } from "../codec/failure.ts";
import * as L from "../codec/layout.ts";
import { MessageParser, STEP_COMPLETE, STEP_FAILED } from "../codec/message-parser.ts";
import {
  judgeResponse,
  keepsAlive,
  LENGTH_UNTIL_CLOSE,
  responseLengthOf,
  statusOf,
  switchesProtocol,
} from "../codec/response-head.ts";
import { TapeFields } from "../codec/tape-fields.ts";
import type { Deadlines } from "../connection/deadlines.ts";
import { StepBody } from "../connection/step-body.ts";
import type { H1ErrorCode } from "../errors.ts";
import type { H1ClientExchange } from "./exchange.ts";
import { type KnownResponse, KnownResponses } from "./known-responses.ts";

/** What a reader needs of its connection. */
export interface ReaderOwner {
  readonly deadlines: Deadlines;
  /** Whether the exchange still waits for a response, or for the rest of one. */
  isReading(exchange: H1ClientExchange): boolean;
  /** No request may follow this response. */
  leave(): void;
  /** The server broke the rules, or a limit. */
  invalid(code: H1ErrorCode): void;
  /** Calls the receiver; what it throws is dealt with. */
  tell(what: () => void): void;
  /** The whole response is here, but for what its receiver has not taken. */
  responseWhole(exchange: H1ClientExchange, trailers: Fields | null): void;
  /** The connection is no longer HTTP's; `early` bytes (null: none) came behind the head. */
  switched(exchange: H1ClientExchange, status: number, fields: Fields, early: Lease | null): void;
}

export class ResponseReader {
  /** The body of the present response ends with the connection. */
  untilClose = false;
  readonly #owner: ReaderOwner;
  readonly #codec: Codec;
  readonly #limits: ClientLimits;
  readonly #timeouts: ClientTimeouts;
  readonly #parser: MessageParser;
  readonly #step: StepBody;
  readonly #known: KnownResponses;
  /** Bytes to come of the body behind a known head: they are all of them body, and nobody need look at them. */
  #plainLeft = 0;
  /** Behind the present step's message: the address, and how many bytes of the lease are left. */
  #next = 0;
  #rest = 0;

  constructor(owner: ReaderOwner, codec: Codec, limits: ClientLimits, timeouts: ClientTimeouts) {
    this.#owner = owner;
    this.#codec = codec;
    this.#limits = limits;
    this.#timeouts = timeouts;
    this.#parser = new MessageParser(codec.machine, L.TYPE_RESPONSE, limits.fieldsMax, limits.headBytesMax);
    this.#step = new StepBody(codec.machine);
    this.#known = KnownResponses.of(codec);
  }

  /** The next bytes answer this exchange. */
  begin(exchange: H1ClientExchange): void {
    this.untilClose = false;
    this.#plainLeft = 0;
    this.#parser.answerTo = exchange.answerTo;
  }

  release(): void {
    this.#parser.release();
    this.#step.drop();
  }

  /** Reads the lease, which stays the caller's, as far as the exchange is concerned. */
  read(lease: Lease, exchange: H1ClientExchange): void {
    let at = lease.offset;
    const end = at + lease.length;
    this.#step.lease = lease;
    while (at < end && this.#owner.isReading(exchange)) {
      if (this.#plainLeft > 0) at = this.#readPlain(exchange, lease, at, end);
      else at = this.#stepOn(exchange, lease, at, end);
    }
    this.#step.lease = null;
  }

  /** Parses to the end of the message or of the bytes, and lets the receiver have it. Returns where to go on. */
  #stepOn(exchange: H1ClientExchange, lease: Lease, at: number, end: number): number {
    const parser = this.#parser;
    if (exchange.body === null && parser.idle) {
      const known = this.#known.find(at, end - at, exchange.answerTo, this.#limits);
      if (known !== null) return this.#openKnown(exchange, known, lease, at + known.size, end);
    }
    const { machine } = this.#codec;
    const step = parser.step(at, end - at);
    this.#next = at + parser.consumed;
    this.#rest = end - this.#next;
    const next = this.#next;
    const base = machine.tapeBase;
    if (parser.headFresh) {
      this.#openHead(exchange, step);
      if (exchange.open) exchange.fields?.keep();
      parser.forgetHead();
    } else if (exchange.body !== null) this.#readBody(exchange, exchange.body, step, at);
    else if (step === STEP_FAILED) this.#owner.invalid(responseFailureOf(machine, parser));
    else if (parser.carriedBytes > this.#limits.headBytesMax) this.#owner.invalid("ERR_H1_HEAD_TOO_LARGE");
    machine.tapeBase = base;
    return next;
  }

  /** A head is complete, and described by the control block. */
  #openHead(exchange: H1ClientExchange, step: number): void {
    const { machine } = this.#codec;
    const { record } = this.#parser;
    const error = judgeResponse(machine, record, exchange.answerTo) ?? this.#sizeError();
    if (error !== null) {
      this.#owner.invalid(error);
      return;
    }
    const { i32 } = machine.arena;
    const status = statusOf(machine, record);
    const fields = new TapeFields(machine, this.#codec.texts, i32[L.BASE], machine.tapeBase, i32[L.FIELDS]);
    if (status > 199 && !switchesProtocol(status, exchange.answerTo)) {
      this.#openFinal(exchange, status, fields, step);
      return;
    }
    // The receiver may make other connections parse; their tapes go above this one.
    machine.tapeBase = i32[L.TOP];
    if (status > 199 || status === 101) this.#switch(exchange, status, fields);
    else this.#inform(exchange, status, fields);
    fields.expire();
  }

  #sizeError(): H1ErrorCode | null {
    return responseHeadBytes(this.#codec.machine) > this.#limits.headBytesMax ? "ERR_H1_HEAD_TOO_LARGE" : null;
  }

  #inform(exchange: H1ClientExchange, status: number, fields: Fields): void {
    exchange.informs += 1;
    if (exchange.informs > this.#limits.informsMax) {
      this.#owner.invalid("ERR_H1_INFORMS_TOO_MANY");
      return;
    }
    this.#owner.deadlines.setRead(this.#timeouts.responseMs);
    this.#owner.tell(() => exchange.receiver.onInform(status, fields));
  }

  /** 101, or 2xx to CONNECT: what follows is the stream's own. */
  #switch(exchange: H1ClientExchange, status: number, fields: TapeFields): void {
    if (!exchange.requestComplete || (status === 101 && !agreesTo(exchange.upgrade, fields))) {
      this.#owner.invalid("ERR_H1_SWITCH_UNASKED");
      return;
    }
    fields.keep();
    const lease = this.#step.lease as Lease;
    const early = this.#rest > 0 ? lease.slice(this.#next - lease.offset, this.#rest) : null;
    this.#owner.switched(exchange, status, fields, early);
  }

  #openFinal(exchange: H1ClientExchange, status: number, fields: TapeFields, step: number): void {
    const { machine } = this.#codec;
    const { i32 } = machine.arena;
    const { record } = this.#parser;
    const length = responseLengthOf(machine, record, status, exchange.answerTo);
    this.untilClose = length === LENGTH_UNTIL_CLOSE;
    if (this.untilClose || !keepsAlive(machine, record, status)) this.#owner.leave();
    else if (length >= 0 && i32[L.PAUSE_HEAD] === 0) this.#learn(exchange, status, length);
    const body = new IncomingBody(machine.arena, Math.max(length, -1));
    this.#step.begin();
    this.#step.take();
    // A head that came in pieces was a step of its own.
    if (length < 0 && i32[L.PAUSE_HEAD] === 0) {
      this.#countOverhead(i32[L.BASE] + responseHeadBytes(machine));
    }
    const trailers = step === STEP_COMPLETE ? trailersOf(this.#codec) : null;
    machine.tapeBase = i32[L.TOP];
    this.#owner.deadlines.setRead(this.#timeouts.receiveMs);
    exchange.beginResponse(fields, body);
    this.#owner.tell(() => exchange.receiver.onHead(status, fields, body.length));
    if (!this.#owner.isReading(exchange)) return;
    body.attachIn(null, exchange.receiver);
    this.#passBody(exchange, body, step, trailers);
  }

  /** The head that the control block describes is a plain one. */
  #learn(exchange: H1ClientExchange, status: number, length: number): void {
    const { machine } = this.#codec;
    const { i32, u8 } = machine.arena;
    if (u8[this.#parser.record + L.PARSER_MINOR] !== 1) return;
    const { answerTo } = exchange;
    this.#known.learn(i32[L.BASE], responseHeadBytes(machine), machine.tapeBase, i32[L.FIELDS], {
      status,
      length,
      answerTo,
      limits: this.#limits,
    });
  }

  /** A head that came before: nothing of it has to be looked at again. Returns where to go on. */
  #openKnown(exchange: H1ClientExchange, known: KnownResponse, lease: Lease, at: number, end: number): number {
    const { status, length } = known;
    const fields = known.fields as TapeFields;
    const body = new IncomingBody(this.#codec.machine.arena, length);
    this.#owner.deadlines.setRead(this.#timeouts.receiveMs);
    exchange.beginResponse(fields, body);
    this.#owner.tell(() => exchange.receiver.onHead(status, fields, length));
    if (!this.#owner.isReading(exchange)) return at;
    body.attachIn(null, exchange.receiver);
    this.#plainLeft = length;
    if (length > 0 && at === end) return at;
    return this.#readPlain(exchange, lease, at, end);
  }

  // — bodies —

  /** Hands on, or keeps, bytes that are known to be the body's. Returns where to go on. */
  #readPlain(exchange: H1ClientExchange, lease: Lease, at: number, end: number): number {
    const body = exchange.body as IncomingBody;
    const size = Math.min(this.#plainLeft, end - at);
    this.#plainLeft -= size;
    this.#owner.deadlines.setRead(this.#timeouts.receiveMs);
    if (size > 0) body.push(lease, at, size);
    if (this.#plainLeft > 0 || !this.#owner.isReading(exchange)) return at + size;
    if (at + size < end) this.#owner.leave();
    this.#owner.responseWhole(exchange, null);
    return at + size;
  }

  #readBody(exchange: H1ClientExchange, body: IncomingBody, step: number, at: number): void {
    const { machine } = this.#codec;
    this.#step.take();
    if (body.length < 0 && !this.#parser.inCarry) this.#countOverhead(at);
    const trailers = step === STEP_COMPLETE ? trailersOf(this.#codec) : null;
    machine.tapeBase = machine.arena.i32[L.TOP];
    this.#owner.deadlines.setRead(this.#timeouts.receiveMs);
    this.#passBody(exchange, body, step, trailers);
  }

  /** @param from address of the first byte behind the head, or of the step */
  #countOverhead(from: number): void {
    if (!this.untilClose) this.#step.countOverhead(from, this.#next);
  }

  /** Hands on, or keeps, what the present step brought of the body. */
  #passBody(exchange: H1ClientExchange, body: IncomingBody, step: number, trailers: Fields | null): void {
    const owner = this.#owner;
    while (this.#step.pending && owner.isReading(exchange)) this.#step.next(body);
    this.#step.drop();
    if (!owner.isReading(exchange)) return;
    const { headBytesMax, chunkOverheadBytesMax } = this.#limits;
    if (this.#parser.trailerBytes > headBytesMax) owner.invalid("ERR_H1_HEAD_TOO_LARGE");
    else if (this.#step.overheadBytes > chunkOverheadBytesMax) owner.invalid("ERR_H1_CHUNK_OVERHEAD");
    else if (step === STEP_FAILED) owner.invalid(responseFailureOf(this.#codec.machine, this.#parser));
    else if (trailers !== null && FRAMING.some((name) => trailers.has(name))) owner.invalid("ERR_H1_FIELD_INVALID");
    else if (step === STEP_COMPLETE) {
      // Bytes behind a whole response answer nothing that was asked.
      if (this.#rest > 0) owner.leave();
      owner.responseWhole(exchange, trailers);
    }
  }
}

/** RFC 9110 §6.5.1: fields that would frame the message again, behind it. llhttp refuses them in requests only. */
const FRAMING: readonly string[] = ["content-length", "transfer-encoding"];

/** RFC 9110 §7.8: the server says which protocol it switches to, and it is the one that was asked for. */
const agreesTo = (asked: string | null, fields: Fields): boolean =>
  asked !== null && listHas(fields.get("upgrade") ?? "", asked.toLowerCase());
