// connection.ts — a client's end of a connection: its requests side by side, who may still start one, and the end.
import { type Arena, type Lease, type Stream, type StreamHandler, WheelEntry } from "@percore/core";
import {
  type ClientConnection,
  ClientError,
  type ClientExchange,
  type ClientRequest,
  type Fields,
  HttpError,
  type HttpErrorCode,
  type ResponseReceiver,
} from "@percore/http";
import * as F from "../codec/frame.ts";
import { ErrorCode, H2Error, type H2ErrorCode } from "../errors.ts";
import type { H2ClientSettings } from "./client.ts";
import { type DeadlineOwner, Deadlines } from "./deadlines.ts";
import { type ExchangeOwner, H2ClientExchange } from "./exchange.ts";
import { FrameWriter } from "./frame-writer.ts";
import { Incoming, type IncomingOwner } from "./incoming.ts";
import { PeerSettings } from "./peer-settings.ts";
import { ReceiveWindows } from "./receive-windows.ts";
import { requestList } from "./request-list.ts";
import { ResetStreams } from "./reset-streams.ts";
import type { ResponseHead } from "./response-head.ts";
import { Sender, type SenderOwner } from "./sender.ts";

//          GOAWAY sent, FIN on its way          both FINs, or linger deadline
//   OPEN ─────────────────────────────▶ CLOSING ─────────────────────────────▶ CLOSED
const OPEN = 0;
/** Our FIN is on its way; what comes is dropped. */
const CLOSING = 1;
const CLOSED = 2;

/** A transport this far beyond its high-water mark only carries answers to what the server sends without reading. */
const PAUSE_FACTOR = 4;

/** Why a connection ended; null = orderly. */
interface End {
  readonly error: Error | null;
}

/** A request that cannot go out before the server's SETTINGS are known (RFC 8441 §3). */
interface Held {
  readonly exchange: H2ClientExchange;
  readonly list: string[];
}

export class H2ClientConnection
  implements ClientConnection, DeadlineOwner, ExchangeOwner, IncomingOwner, SenderOwner<H2ClientExchange>
{
  onAvailable: (() => void) | null = null;
  onClose: ((error: Error | null) => void) | null = null;
  readonly arena: Arena;
  readonly stream: Stream;
  readonly settings: H2ClientSettings;
  readonly frames: FrameWriter;
  readonly sender: Sender<H2ClientExchange>;
  readonly windows: ReceiveWindows;
  readonly peer: PeerSettings;
  readonly streams: Map<number, H2ClientExchange> = new Map();
  /** Under way: not finished, or its stream still open. */
  readonly live: Set<H2ClientExchange> = new Set();
  readonly #incoming: Incoming;
  readonly #deadlines: Deadlines;
  readonly #timer: WheelEntry;
  readonly #resets = new ResetStreams();
  #state: number = OPEN;
  /** No request follows those under way. */
  #leaving = false;
  /** The server's limit, as it was told last. */
  #streamsMax = -1;
  /** `available` has been 0, and nobody has been told that it is not any more. */
  #starved = false;
  #nextId = 1;
  #started = 0;
  #held: Held[] = [];
  /** Set where it is our doing that the connection ends. */
  #end: End | null = null;
  /** The stream has closed; `onClose` waits for the last exchange. */
  #closed: End | null = null;

  constructor(stream: Stream, settings: H2ClientSettings) {
    const { limits, h2, hpack, clock } = settings;
    this.stream = stream;
    this.arena = stream.arena;
    this.settings = settings;
    this.frames = new FrameWriter(stream, hpack.encoder(h2.tableBytesMax));
    this.sender = new Sender<H2ClientExchange>(this, stream, this.frames);
    this.windows = new ReceiveWindows(h2, clock);
    this.peer = new PeerSettings(this.frames.encoder, this.streams);
    this.#incoming = new Incoming(this, settings, stream.arena.u8);
    this.#timer = new WheelEntry((now) => this.#onDeadline(now));
    this.#deadlines = new Deadlines(this, clock.now);
    stream.highWaterBytes = limits.writeBufferBytes;
    this.frames.greeting(ownSettings(settings), h2.connectionWindowBytes);
    this.arm(this.#deadlines.first);
    stream.attach(new StreamEvents(this));
  }

  get protocol(): "h2" {
    return "h2";
  }

  get open(): boolean {
    return this.#state === OPEN && !this.#leaving && this.stream.open && this.#nextId <= F.STREAM_ID_MAX;
  }

  get available(): number {
    if (!this.open) return 0;
    return Math.max(0, Math.min(this.peer.streamsMax, this.settings.h2.streamsMax) - this.live.size);
  }

  get active(): number {
    return this.live.size;
  }

  get started(): number {
    return this.#started;
  }

  /** The server takes extended CONNECT (RFC 8441 §3); null until its SETTINGS have come. */
  get extendedConnect(): boolean | null {
    return this.peer.connectProtocol;
  }

  /**
   * Starts a request on a stream of its own. One that asks for another protocol waits for the server's SETTINGS where they
   * are not known yet, and fails with ERR_NO_TUNNEL, not processed, where they do not offer it.
   * @throws {HttpError} ERR_FIELD_INVALID, ERR_CONNECTION_BUSY.
   */
  request(request: ClientRequest, receiver: ResponseReceiver): ClientExchange {
    if (this.available === 0) {
      throw new HttpError("ERR_CONNECTION_BUSY", "the connection is closed, or has as many requests as it may");
    }
    const list = requestList(request);
    const exchange = new H2ClientExchange(this, request, receiver);
    this.#started += 1;
    this.live.add(exchange);
    if (this.available === 0) this.#starved = true;
    if (request.upgrade === null || this.peer.connectProtocol === true) this.#start(exchange, list);
    else {
      this.#held.push({ exchange, list });
      // Receivers are never called from within.
      if (this.peer.connectProtocol === false) queueMicrotask(() => this.#releaseHeld());
    }
    return exchange;
  }

  shutdown(): void {
    this.#leaving = true;
    if (this.live.size === 0) this.#finish();
  }

  close(error?: Error): void {
    if (this.#state === OPEN) {
      this.frames.goaway(ErrorCode.NO_ERROR);
      this.#shut({
        code: "ERR_EXCHANGE_ABANDONED",
        message: "the connection was closed by its own side",
        cause: error,
      });
    }
    // Those whose responses are here are given up too.
    for (const exchange of [...this.live]) {
      this.#failExchange(exchange, new ClientError("ERR_EXCHANGE_ABANDONED", "the connection was closed", "maybe"));
    }
  }

  #start(exchange: H2ClientExchange, list: string[]): void {
    const id = this.#nextId;
    const { clock } = this.settings;
    this.#nextId += 2;
    this.frames.headers(id, list, exchange.hasEnded);
    exchange.begun(id, this.peer.initialWindow, clock.now);
    this.windows.opened(exchange);
    this.streams.set(id, exchange);
    this.arm(this.#deadlines.started());
  }

  #releaseHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const { exchange, list } of held) {
      if (!exchange.open) continue;
      if (this.peer.connectProtocol === true && this.open) this.#start(exchange, list);
      else {
        const message = "the server does not take extended CONNECT, or takes no more requests";
        this.#failExchange(exchange, new ClientError("ERR_NO_TUNNEL", message, "no"));
      }
    }
  }

  // — from the transport —

  received(lease: Lease): void {
    try {
      if (this.#state === OPEN) {
        this.#deadlines.heard(this.settings.clock.now);
        this.#incoming.read(lease);
        if (this.#state === OPEN) this.sender.pump();
      }
    } catch (error) {
      // No receiver's: this connection is lost, the worker goes on.
      this.settings.report(error);
      this.#giveUp("ERR_EXCHANGE_ABANDONED", "the connection failed", error);
    }
    lease.release();
    const { stream } = this;
    if (this.#state === OPEN && stream.queuedBytes > stream.highWaterBytes * PAUSE_FACTOR) {
      stream.pause();
      this.arm(this.#deadlines.queued());
    }
  }

  peerEnded(): void {
    if (this.#state !== OPEN) return;
    this.#shut({ code: "ERR_CONNECTION_CLOSED", message: "the server closed the connection before its response" });
  }

  drained(): void {
    this.#deadlines.moved();
    if (this.#state !== OPEN) return;
    if (this.stream.paused) this.stream.resume();
    this.sender.pump();
    for (const exchange of [...this.streams.values()]) exchange.sentSome();
  }

  closed(error: Error | null): void {
    if (this.#state === CLOSED) return;
    const wasOpen = this.#state === OPEN;
    this.#state = CLOSED;
    this.settings.clock.wheel.remove(this.#timer);
    this.#closed = this.#end ?? { error };
    if (wasOpen) {
      const message = "the connection closed before the response was complete";
      this.#failAll({ code: "ERR_CONNECTION_CLOSED", message, cause: error });
    }
    this.#tellClosed();
  }

  // — for exchanges —

  get writeBufferBytes(): number {
    return this.settings.limits.writeBufferBytes;
  }

  maySend(exchange: H2ClientExchange, size: number): boolean {
    return this.sender.maySend(exchange, size);
  }

  writeNow(exchange: H2ClientExchange, bytes: Uint8Array): boolean {
    return this.#state === OPEN && this.sender.writeNow(exchange, bytes);
  }

  ready(exchange: H2ClientExchange): void {
    if (exchange.closed || this.#state !== OPEN) {
      exchange.outgoing?.drop(new HttpError("ERR_EXCHANGE_CLOSED", "the exchange is over"));
      return;
    }
    const { now } = this.settings.clock;
    exchange.waitingSince = now;
    if (exchange.queuedBytes > 0) exchange.progressAt = now;
    this.sender.ready(exchange);
    if (exchange.queuedBytes > 0) this.arm(this.#deadlines.queued());
  }

  credit(exchange: H2ClientExchange, bytes: number): void {
    this.creditConnection(bytes);
    if (exchange.closed || exchange.peerEnded || this.#state !== OPEN) return;
    const increment = this.windows.creditStream(exchange, bytes);
    if (increment > 0) this.frames.windowUpdate(exchange.id, increment);
  }

  creditConnection(bytes: number): void {
    if (this.#state !== OPEN) return;
    const increment = this.windows.credit(bytes);
    if (increment > 0) this.frames.windowUpdate(0, increment);
  }

  bodyResumed(exchange: H2ClientExchange): void {
    exchange.progressAt = this.settings.clock.now;
    this.#completes(exchange);
  }

  abandon(exchange: H2ClientExchange, cause: unknown, message: string, reason: number = ErrorCode.CANCEL): void {
    this.#failExchange(
      exchange,
      errorOf({ code: "ERR_EXCHANGE_ABANDONED", message, cause }, exchange.processed),
      reason,
    );
  }

  receiverFailed(exchange: H2ClientExchange, error: unknown): void {
    this.settings.report(error);
    this.abandon(exchange, error, "the receiver failed");
  }

  tunnelHeard(exchange: H2ClientExchange): void {
    this.#settle(exchange);
  }

  // — for the sender —

  sentData(exchange: H2ClientExchange): void {
    const { now } = this.settings.clock;
    exchange.progressAt = now;
    exchange.waitingSince = now;
    this.#incoming.sentData();
    exchange.sentSome();
  }

  sentEnd(exchange: H2ClientExchange): void {
    exchange.waitingSince = this.settings.clock.now;
    if (exchange.peerEnded) this.#closeStream(exchange);
  }

  fileFailed(error: Error): void {
    this.#giveUp("ERR_EXCHANGE_ABANDONED", "a file ended before its frame", error);
  }

  // — for the frames —

  get reading(): boolean {
    return this.#state === OPEN;
  }

  fateOf(id: number): "idle" | "reset" | "ended" {
    if ((id & 1) === 0 || id >= this.#nextId) return "idle";
    return this.#resets.has(id) ? "reset" : "ended";
  }

  fail(code: H2ErrorCode, detail = ""): void {
    if (this.#state !== OPEN) return;
    const cause = new H2Error(code, detail);
    this.frames.goaway(cause.reason);
    this.#shut({ code: "ERR_RESPONSE_INVALID", message: cause.message, cause });
  }

  breakStream(exchange: H2ClientExchange, code: H2ErrorCode, detail = ""): void {
    const cause = new H2Error(code, detail);
    const error = new ClientError("ERR_RESPONSE_INVALID", cause.message, "maybe", { cause });
    // A response that is whole stays so: only what comes behind it is wrong.
    if (exchange.peerEnded && exchange.tunnel === null) this.#resetStream(exchange, cause.reason);
    else this.#failExchange(exchange, error, cause.reason);
    this.#incoming.countBroken();
  }

  dropStream(exchange: H2ClientExchange, error: ClientError): void {
    if (exchange.peerEnded && exchange.tunnel === null) {
      // It has answered, and wants no more of the request (RFC 9113 §8.1).
      this.#closeStream(exchange);
      return;
    }
    this.#failExchange(exchange, error);
  }

  settingsRead(): void {
    const first = this.peer.spoken();
    for (const exchange of this.streams.values()) this.sender.opened(exchange);
    if (first) {
      this.#deadlines.settingsRead();
      this.#releaseHeld();
    }
    if (this.peer.streamsMax === this.#streamsMax) return;
    this.#streamsMax = this.peer.streamsMax;
    if (this.available === 0) this.#starved = true;
    else this.#tellAvailable();
  }

  settingsAcknowledged(): void {
    this.#deadlines.settingsAcknowledged();
    this.windows.acknowledged(this.streams.values());
  }

  goneAway(lastId: number, reason: number): void {
    this.#leaving = true;
    const message = `the server takes no more requests (GOAWAY, code ${reason})`;
    const error = new ClientError("ERR_CONNECTION_CLOSED", message, "no");
    for (const exchange of [...this.live]) {
      if (exchange.id === 0 || (exchange.id > lastId && !exchange.closed)) this.#failExchange(exchange, error);
    }
    if (this.live.size === 0) this.#finish();
  }

  endRequest(exchange: H2ClientExchange): void {
    exchange.hasEnded = true;
    this.sender.ready(exchange);
  }

  responseWhole(exchange: H2ClientExchange, trailers: Fields | null): void {
    exchange.peerEnded = true;
    exchange.body?.end(trailers);
    if (exchange.weEnded) this.#closeStream(exchange);
    this.#completes(exchange);
  }

  switched(exchange: H2ClientExchange, head: ResponseHead): void {
    const tunnel = exchange.beginTunnel(head);
    exchange.progressAt = this.settings.clock.now;
    this.arm(this.#deadlines.tunnelBegun());
    this.tell(exchange, () => exchange.receiver.onTunnel(head.status, head.fields, tunnel));
    exchange.finish(null);
  }

  tell(exchange: H2ClientExchange, what: () => void): void {
    try {
      what();
    } catch (error) {
      this.receiverFailed(exchange, error);
    }
  }

  // — ends of exchanges —

  /** The response is whole, and its receiver has had all of it. */
  #completes(exchange: H2ClientExchange): void {
    if (exchange.open && exchange.peerEnded && exchange.body?.told === true) {
      // What is left of the request is of no use to a server that has answered it.
      if (!exchange.hasEnded) this.#resetStream(exchange, ErrorCode.CANCEL);
      exchange.finish(null);
    }
    this.#settle(exchange);
  }

  /** @param reason what the server is told, or null: nothing needs to be said */
  #failExchange(exchange: H2ClientExchange, error: Error, reason: number | null = null): void {
    if (!this.live.has(exchange)) return;
    if (reason === null) this.#closeStream(exchange, error);
    else this.#resetStream(exchange, reason, error);
    exchange.fail(error);
    this.#settle(exchange);
  }

  #resetStream(exchange: H2ClientExchange, reason: number, error?: Error): void {
    if (!exchange.closed && exchange.id !== 0 && this.#state === OPEN) {
      this.frames.reset(exchange.id, reason);
      this.#resets.add(exchange.id);
    }
    this.#closeStream(exchange, error);
  }

  /** The stream is gone; the exchange may still have bytes to tell. */
  #closeStream(exchange: H2ClientExchange, error?: Error): void {
    if (exchange.closed) return;
    exchange.closed = true;
    this.streams.delete(exchange.id);
    this.sender.remove(exchange);
    exchange.outgoing?.drop(error ?? new HttpError("ERR_EXCHANGE_CLOSED", "the server wants no more of the request"));
    if (exchange.tunnel !== null && error === undefined) exchange.tunnel.closed(null);
    this.#settle(exchange);
  }

  /** Lets an exchange go that is over in every way. */
  #settle(exchange: H2ClientExchange): void {
    this.finishing(exchange);
    this.finished();
  }

  finishing(exchange: H2ClientExchange): void {
    if (exchange.open || !exchange.closed || !exchange.isEmpty || !this.live.delete(exchange)) return;
    if (exchange.id !== 0) this.windows.closed(exchange);
  }

  finished(): void {
    if (this.#closed !== null) this.#tellClosed();
    else if (this.#leaving && this.live.size === 0) this.#finish();
    else if (this.#starved && this.available > 0) this.#tellAvailable();
  }

  #tellAvailable(): void {
    this.#starved = false;
    this.onAvailable?.();
  }

  // — the end —

  /** Nothing is under way, and nothing will be. */
  #finish(): void {
    if (this.#state !== OPEN) return;
    this.frames.goaway(ErrorCode.NO_ERROR);
    this.#state = CLOSING;
    this.#end = { error: null };
    this.#linger();
  }

  /** Nothing is read or sent any more; what is under way fails, but for responses that have come whole. */
  #shut(why: Why): void {
    this.#state = CLOSING;
    this.#end = { error: why.code === "ERR_CONNECTION_CLOSED" && this.live.size === 0 ? null : errorOf(why, "maybe") };
    this.#linger();
    this.#failAll(why);
  }

  /** FIN, and the server may take a while to say the same. */
  #linger(): void {
    if (!this.stream.open) return;
    this.stream.end();
    if (this.stream.paused) this.stream.resume();
    this.arm(this.#deadlines.linger());
  }

  /** Drops the transport too. */
  #giveUp(code: HttpErrorCode, message: string, cause?: unknown): void {
    if (this.#state === CLOSED) return;
    if (this.#state === OPEN) this.#shut({ code, message, cause });
    this.stream.reset();
  }

  #failAll(why: Why): void {
    for (const exchange of [...this.live]) {
      if (exchange.closed || (exchange.peerEnded && exchange.open)) this.#closeStream(exchange);
      else this.#failExchange(exchange, errorOf(why, exchange.processed));
    }
    this.#held = [];
  }

  #tellClosed(): void {
    const closed = this.#closed;
    const callback = this.onClose;
    if (this.live.size > 0 || closed === null || callback === null) return;
    this.onClose = null;
    callback(closed.error);
  }

  // — deadlines —

  arm(deadline: number): void {
    if (deadline < this.#timer.deadline) this.settings.clock.wheel.set(this.#timer, deadline);
  }

  #onDeadline(now: number): void {
    if (this.#state === CLOSING) {
      if (this.#deadlines.lingerOver(now)) this.stream.reset();
      else this.arm(this.#deadlines.linger());
      return;
    }
    const next = this.#deadlines.check(now);
    if (this.#state === OPEN) this.arm(next);
  }

  /** A deadline that the whole connection missed. */
  expired(code: HttpErrorCode, message: string, cause?: H2Error): void {
    if (cause !== undefined) this.frames.goaway(cause.reason);
    this.#giveUp(code, message, cause);
  }

  /** A deadline that one exchange missed. */
  exchangeExpired(exchange: H2ClientExchange, code: HttpErrorCode, message: string): void {
    this.#failExchange(exchange, new ClientError(code, message, exchange.processed), ErrorCode.CANCEL);
  }
}

interface Why {
  readonly code: HttpErrorCode;
  readonly message: string;
  readonly cause?: unknown;
}

const errorOf = ({ code, message, cause }: Why, processed: "no" | "maybe"): ClientError =>
  new ClientError(code, message, processed, cause === undefined || cause === null ? undefined : { cause });

/** What the server has to know of us: no pushes, and what differs from the defaults. */
const ownSettings = ({ limits, h2 }: H2ClientSettings): [id: number, value: number][] => {
  const settings: [number, number][] = [
    [F.SETTING_ENABLE_PUSH, 0],
    [F.SETTING_MAX_HEADER_LIST_SIZE, limits.headBytesMax],
  ];
  if (h2.streamWindowBytes !== F.WINDOW_DEFAULT) settings.push([F.SETTING_INITIAL_WINDOW_SIZE, h2.streamWindowBytes]);
  if (h2.tableBytesMax !== 4096) settings.push([F.SETTING_HEADER_TABLE_SIZE, h2.tableBytesMax]);
  return settings;
};

/** The connection as its stream sees it: `onClose` is a ClientConnection's too, and another one. */
class StreamEvents implements StreamHandler {
  readonly #connection: H2ClientConnection;

  constructor(connection: H2ClientConnection) {
    this.#connection = connection;
  }

  onData(lease: Lease): void {
    this.#connection.received(lease);
  }

  onEnd(): void {
    this.#connection.peerEnded();
  }

  onDrain(): void {
    this.#connection.drained();
  }

  onClose(error: Error | null): void {
    this.#connection.closed(error);
  }
}
