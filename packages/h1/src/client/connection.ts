// connection.ts — a client's end of a connection: one exchange after the other, whether another may follow, and the end.
import type { Lease, Stream, StreamHandler } from "@percore/core";
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
import { Codec } from "../codec/codec.ts";
import { type DeadlineOwner, Deadlines, NEVER } from "../connection/deadlines.ts";
import { TunnelStream } from "../connection/tunnel.ts";
import { type H1ErrorCode, H1ResponseError } from "../errors.ts";
import type { H1ClientSettings } from "./client.ts";
import { type ExchangeOwner, H1ClientExchange } from "./exchange.ts";
import { type ReaderOwner, ResponseReader } from "./response-reader.ts";

// Life.
//          last exchange over, none to follow          both FINs, or linger deadline
//   OPEN ─────────────────────────────────────▶ CLOSING ─────────────────────────────▶ CLOSED
const OPEN = 0;
/** Our FIN is on its way; nothing more is expected. */
const CLOSING = 1;
/** Nothing is read or written any more; the stream may still have to say so. */
const CLOSED = 2;
/** Somebody else's stream now. */
const TUNNELED = 3;

/** Why a connection ended; null = orderly. */
interface End {
  readonly error: Error | null;
}

export class H1ClientConnection implements ClientConnection, DeadlineOwner, ExchangeOwner, ReaderOwner {
  onAvailable: (() => void) | null = null;
  onClose: ((error: Error | null) => void) | null = null;
  readonly stream: Stream;
  readonly codec: Codec;
  readonly deadlines: Deadlines;
  readonly #settings: H1ClientSettings;
  readonly #reader: ResponseReader;
  #state: number = OPEN;
  /** No request follows the present exchange. */
  #leaving = false;
  #started = 0;
  #exchange: H1ClientExchange | null = null;
  /** The exchange's response has come whole; its receiver may still have to take it. */
  #responded = false;
  #tunnel: TunnelStream | null = null;
  /** Set where it is our doing that the connection ends. */
  #end: End | null = null;
  /** The stream has closed; `onClose` waits for the last exchange. */
  #closed: End | null = null;

  constructor(stream: Stream, settings: H1ClientSettings) {
    const { limits, clock, timeouts } = settings;
    this.stream = stream;
    this.codec = Codec.of(stream.arena);
    this.#settings = settings;
    this.deadlines = new Deadlines(this, clock, stream, timeouts.sendMs);
    this.#reader = new ResponseReader(this, this.codec, limits, timeouts);
    stream.highWaterBytes = limits.writeBufferBytes;
    stream.attach(new StreamEvents(this));
  }

  get protocol(): "h1" {
    return "h1";
  }

  get open(): boolean {
    return this.#state === OPEN && !this.#leaving && this.stream.open;
  }

  get available(): number {
    return this.#exchange === null && this.open ? 1 : 0;
  }

  get active(): number {
    return this.#exchange === null ? 0 : 1;
  }

  get started(): number {
    return this.#started;
  }

  request(request: ClientRequest, receiver: ResponseReceiver): ClientExchange {
    if (this.available === 0) {
      throw new HttpError("ERR_CONNECTION_BUSY", "the connection is closed, or its request is not complete");
    }
    this.codec.requests.write(this.stream, request);
    const exchange = new H1ClientExchange(this, request, receiver);
    this.#started += 1;
    this.#exchange = exchange;
    this.#responded = false;
    this.#reader.begin(exchange);
    this.deadlines.setRead(this.#settings.timeouts.responseMs);
    return exchange;
  }

  shutdown(): void {
    this.#leaving = true;
    if (this.#exchange === null) this.#beginClose();
  }

  close(error?: Error): void {
    if (this.#state === TUNNELED) this.stream.reset();
    else this.#fail("ERR_EXCHANGE_ABANDONED", "the connection was closed by its own side", error);
  }

  // — from the stream —

  received(lease: Lease): void {
    const exchange = this.#exchange;
    if (this.#state === TUNNELED) {
      this.stream.unread(lease);
      return;
    }
    if (exchange === null || this.#responded || !exchange.sent) this.#receivedUnasked(exchange);
    else {
      try {
        this.#reader.read(lease, exchange);
      } catch (error) {
        // No receiver's: this connection is lost, the worker goes on.
        this.receiverFailed(error);
      }
    }
    lease.release();
    this.#updatePause();
  }

  /** Bytes that answer no request: whatever comes next on this connection could be meant for somebody else. */
  #receivedUnasked(exchange: H1ClientExchange | null): void {
    if (this.#state === CLOSING) this.stream.reset();
    else if (exchange === null || !this.#responded) this.invalid("ERR_H1_RESPONSE_EARLY");
    else {
      // The response is here and whole; it is only that its receiver is not done with it.
      this.#finishReading(new H1ResponseError("ERR_H1_RESPONSE_EARLY"));
      this.stream.reset();
    }
  }

  peerEnded(): void {
    const exchange = this.#exchange;
    this.#leaving = true;
    if (exchange === null) this.#beginClose();
    else if (this.#responded) return;
    else if (this.#reader.untilClose) this.responseWhole(exchange, null);
    else this.#fail("ERR_CONNECTION_CLOSED", "the server closed the connection before its response was complete");
  }

  drained(): void {
    this.deadlines.disarmSend();
    this.#exchange?.drained();
  }

  closed(error: Error | null): void {
    this.#tunnel?.closedEarly(error);
    if (this.#state === TUNNELED) return;
    this.#closed = this.#end ?? { error };
    if (this.#state !== CLOSED) this.#finishReading(error);
    if (this.#exchange !== null && !this.#responded) {
      const message = "the connection closed before the response was complete";
      this.#failExchange(new ClientError("ERR_CONNECTION_CLOSED", message, "maybe", { cause: error }));
    }
    this.#tellClosed();
  }

  // — for the exchange —

  requestGiven(): void {
    if (this.#exchange !== null && this.#exchange.body === null) {
      this.deadlines.setRead(this.#settings.timeouts.responseMs);
    }
  }

  armSend(): void {
    this.deadlines.armSend();
  }

  bodyResumed(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (!this.#responded) this.#updatePause();
    else if (exchange.body?.told) this.#complete(exchange);
  }

  abandon(message: string, cause: unknown): void {
    this.#fail("ERR_EXCHANGE_ABANDONED", message, cause);
  }

  receiverFailed(error: unknown): void {
    this.#settings.report(error);
    this.#fail("ERR_EXCHANGE_ABANDONED", "the receiver failed", error);
  }

  // — for the reader —

  isReading(exchange: H1ClientExchange): boolean {
    return this.#exchange === exchange && !this.#responded && this.#state === OPEN;
  }

  leave(): void {
    this.#leaving = true;
  }

  invalid(code: H1ErrorCode): void {
    const cause = new H1ResponseError(code);
    this.#fail("ERR_RESPONSE_INVALID", cause.message, cause);
  }

  tell(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.receiverFailed(error);
    }
  }

  responseWhole(exchange: H1ClientExchange, trailers: Fields | null): void {
    this.#responded = true;
    this.deadlines.read = NEVER;
    exchange.body?.end(trailers);
    if (this.#exchange === exchange && exchange.body?.told) this.#complete(exchange);
  }

  switched(exchange: H1ClientExchange, status: number, fields: Fields, early: Lease | null): void {
    const { clock, timeouts } = this.#settings;
    const { stream } = this;
    this.#finishReading(null);
    this.#state = TUNNELED;
    this.#exchange = null;
    const tunnel = new TunnelStream(stream, clock, timeouts.tunnelIdleMs, (error) => {
      this.#closed = { error };
      this.#tellClosed();
    });
    this.#tunnel = tunnel;
    if (early !== null) stream.unread(early);
    this.tell(() => exchange.receiver.onTunnel(status, fields, tunnel));
    exchange.finish(null);
  }

  // — pausing —

  /** The server is read from as long as the receiver keeps up, but for what one step may bring. */
  #updatePause(): void {
    if (this.#state !== OPEN) return;
    const body = this.#exchange === null || this.#responded ? null : this.#exchange.body;
    const pause = body !== null && body.keptBytes > this.#settings.limits.bodyBufferBytes;
    if (pause === this.stream.paused) return;
    if (pause) {
      this.deadlines.read = NEVER;
      this.stream.pause();
      return;
    }
    if (body !== null) this.deadlines.setRead(this.#settings.timeouts.receiveMs);
    this.stream.resume();
  }

  // — the end —

  /** The response is whole and its receiver has had all of it. */
  #complete(exchange: H1ClientExchange): void {
    this.#exchange = null;
    // What is left of the request is of no use to a server that has answered it (RFC 9112 §9.3).
    const cutOff = !exchange.requestComplete;
    if (cutOff) this.#leaving = true;
    exchange.finish(null);
    if (this.#closed !== null) this.#tellClosed();
    else if (this.#state !== OPEN || this.#exchange !== null) return;
    else if (cutOff) {
      this.#finishReading(null);
      this.stream.reset();
    } else if (this.#leaving) this.#beginClose();
    else this.onAvailable?.();
  }

  /** FIN, and the server may take a while to say the same. */
  #beginClose(): void {
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    this.#end = { error: null };
    this.stream.end();
    this.deadlines.setRead(this.#settings.timeouts.lingerMs || 1);
    if (this.stream.paused) this.stream.resume();
  }

  /** Gives the connection up at once, and the exchange with it. */
  #fail(code: HttpErrorCode, message: string, cause?: unknown): void {
    if (this.#state === TUNNELED) return;
    const processed = this.#exchange?.processed ?? "no";
    const error = new ClientError(code, message, processed, cause === undefined ? undefined : { cause });
    if (this.#state !== CLOSED) {
      this.#finishReading(error);
      this.stream.reset();
    }
    if (this.#exchange === null) return;
    this.#failExchange(error);
    if (this.#closed !== null) this.#tellClosed();
  }

  #failExchange(error: ClientError): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.finish(error);
  }

  /** Nothing is read any more. @param error why, for onClose; null = nobody's fault */
  #finishReading(error: Error | null): void {
    this.#state = CLOSED;
    this.#end ??= { error };
    this.#reader.release();
    this.deadlines.stop();
  }

  #tellClosed(): void {
    const closed = this.#closed;
    const callback = this.onClose;
    if (this.#exchange !== null || closed === null || callback === null) return;
    this.onClose = null;
    callback(closed.error);
  }

  // — deadlines —

  readExpired(): void {
    const { timeouts } = this.#settings;
    if (this.#state === CLOSING) this.stream.reset();
    else if (this.#exchange === null || this.#responded) return;
    else if (this.#exchange.body !== null) {
      this.#fail("ERR_RESPONSE_TIMEOUT", "the response body paused for longer than timeouts.receiveMs");
    } else if (this.stream.queuedBytes > 0) {
      // The request is still on its way, and sendMs watches over it.
      this.deadlines.armSend();
      this.deadlines.setRead(timeouts.responseMs);
    } else this.#fail("ERR_RESPONSE_TIMEOUT", "no response head came within timeouts.responseMs");
  }

  sendExpired(): void {
    this.#fail("ERR_SEND_TIMEOUT", "the server took no byte within timeouts.sendMs");
  }

  handlersExpired(): number {
    return NEVER;
  }
}

/** The connection as its stream sees it: `onClose` is a ClientConnection's too, and another one. */
class StreamEvents implements StreamHandler {
  readonly #connection: H1ClientConnection;

  constructor(connection: H1ClientConnection) {
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
