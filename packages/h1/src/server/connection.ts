// connection.ts — a client's connection: the read state, the order of answers, and how it all ends.
import type { Lease, PeerAddress, Stream, StreamHandler } from "@percore/core";
import { type ConnectionInfo, type Fields, HttpError, type IncomingBody } from "@percore/http";
import { beginsSafe, METHOD_GET } from "../codec/methods.ts";
import { type DeadlineOwner, Deadlines, NEVER } from "../connection/deadlines.ts";
import { TunnelStream } from "../connection/tunnel.ts";
import type { H1Error } from "../errors.ts";
import { ServerExchange } from "./exchange.ts";
import type { HeadView } from "./head-view.ts";
import { RequestReader } from "./request-reader.ts";
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
  readonly deadlines: Deadlines;
  readonly #reader: RequestReader;
  /** Bodies that have come whole and that their receivers have not taken. */
  #leftovers: Set<IncomingBody> | null = null;
  readonly #unparsed: Unparsed;
  #replayDue = false;
  /** Inside of onData: whoever answers now need not start the parser again. */
  #consuming = false;
  #draining = false;
  #tunnel: TunnelStream | null = null;

  constructor(server: H1Server, stream: Stream) {
    connectionIds += 1;
    this.id = connectionIds;
    this.server = server;
    this.stream = stream;
    this.#unparsed = new Unparsed(stream.arena);
    this.deadlines = new Deadlines(this, server.clock, stream, server.timeouts.sendMs);
    stream.highWaterBytes = server.limits.writeBufferBytes;
    this.deadlines.setRead(server.timeouts.headersMs);
    this.#reader = new RequestReader(this);
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
    if (this.#state === READING && !this.#reader.idle) this.#reader.cutOff();
    else if (this.first === null) this.beginClose();
    else if (this.server.allowHalfClose) this.#stopReading();
    else this.fail(new HttpError("ERR_CLIENT_LEFT", "the client closed the connection before it was answered"));
  }

  onDrain(): void {
    this.deadlines.disarmSend();
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
      while (at < end && (this.#state === READING || this.#reader.body !== null)) {
        if (!this.#mayParse(at)) {
          this.#unparsed.keep(at, end - at);
          break;
        }
        at = this.#reader.step(lease, at, end);
      }
    } catch (error) {
      // Not a handler's: this connection is lost, the worker goes on.
      this.server.report(error, null);
      this.fail(new HttpError("ERR_EXCHANGE_ABANDONED", "the connection failed", { cause: error }));
    }
    this.#consuming = false;
    this.#reader.leaveLease();
    lease.release();
    if (this.#state < LINGERING) this.#updatePause();
  }

  /** Between messages: whether another, which begins at `next`, may be read. Inside of one always. */
  #mayParse(next: number): boolean {
    if (!this.#reader.idle) return true;
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

  /** For the reader: a request has come. */
  begin(exchange: ServerExchange): void {
    const { timeouts, clock, counters } = this.server;
    if (exchange.closes) this.#state = ANSWERING;
    if (timeouts.handlerMs > 0) {
      exchange.deadline = clock.now + timeouts.handlerMs;
      this.deadlines.arm(exchange.deadline);
    }
    this.#append(exchange);
    counters.requests += 1;
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

  /** For an exchange: its head, as long as it is here, or one that says it is gone. */
  viewHead(exchange: ServerExchange): HeadView {
    return this.#reader.viewHead(exchange);
  }

  // — request bodies —

  /** For the reader: a body has come whole. */
  bodyWhole(body: IncomingBody, trailers: Fields | null): void {
    if (this.first === null) this.deadlines.setRead(this.server.timeouts.idleMs);
    else this.deadlines.read = NEVER;
    body.end(trailers);
    if (body.keptBytes <= this.server.limits.bodyBufferBytes) return;
    this.#leftovers ??= new Set();
    this.#leftovers.add(body);
  }

  /** For an exchange: its body's receiver is ready, or has had enough. */
  deliverBody(exchange: ServerExchange): void {
    if (this.#reader.deliver(exchange) || this.#consuming || this.#state >= LINGERING) return;
    if (exchange.requestBody !== null) this.#leftovers?.delete(exchange.requestBody);
    this.#updatePause();
    this.#replaySoon();
  }

  /** For an exchange: some of its body is here. */
  hasBodyBytes(exchange: ServerExchange): boolean {
    return this.#reader.hasBodyBytes(exchange);
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
        this.beginClose();
        return;
      }
      this.first?.takeTurn();
    }
    if (this.first !== null) return;
    if (this.#state === ANSWERING) this.beginClose();
    else if (this.#reader.idle)
      this.deadlines.setRead(this.#draining ? this.server.timeouts.lingerMs : this.server.timeouts.idleMs);
  }

  /** The response is out; what is left is its body's rest and those who want to know. */
  #settle(exchange: ServerExchange): void {
    const body = exchange.requestBody;
    if (body !== null && !body.hasReceiver) {
      this.#leftovers?.delete(body);
      body.discard();
    }
    if (exchange.wantsFinish) this.stream.onFlushed((error) => exchange.finished(error));
    if (this.stream.needsDrain) this.deadlines.armSend();
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

  /** For the reader: a head that is none. An answer, in its turn, and the end. */
  refuse(error: H1Error): void {
    this.server.counters.refused += 1;
    const exchange = new ServerExchange(this, METHOD_GET, 1, true, false, false, null, null);
    this.#append(exchange);
    this.#stopReading();
    exchange.refuse(error.status, error);
  }

  /** For the reader: a body that is none. */
  refuseBody(exchange: ServerExchange, error: H1Error): void {
    this.server.counters.refused += 1;
    this.#stopReading();
    exchange.requestBody?.fail(error);
    if (exchange.hasEnded) this.beginClose();
    else if (exchange.responded) this.fail(error);
    else if (exchange.open) exchange.refuse(error.status, error);
  }

  #stopReading(): void {
    if (this.#state === READING) this.#state = ANSWERING;
    this.deadlines.read = NEVER;
    this.#unparsed.drop();
    if (this.stream.paused) this.stream.resume();
  }

  // — pausing —

  #updatePause(): void {
    const { body } = this.#reader;
    const full = body !== null && body.keptBytes > this.server.limits.bodyBufferBytes;
    const pause = full || !this.#unparsed.empty;
    if (pause === this.stream.paused) return;
    if (pause) {
      this.deadlines.read = NEVER;
      this.stream.pause();
      return;
    }
    if (body !== null) this.#reader.beginRate();
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
    const rest = this.#reader.takeRest();
    if (rest !== null) stream.unread(rest);
    this.#reader.release();
    this.deadlines.stop();
    if (stream.paused) stream.resume();
    return this.#tunnel;
  }

  /** Finishes what has been begun, then closes; see H1Server.drain. */
  drain(): void {
    this.#draining = true;
    if (this.first === null && this.#reader.idle && this.#state === READING) {
      this.deadlines.setRead(this.server.timeouts.lingerMs || 1);
    }
  }

  /** All is answered: FIN, and what comes is dropped for a while so that no RST overtakes the last answer. */
  beginClose(): void {
    if (this.#state >= LINGERING) return;
    this.#stopReading();
    this.#state = LINGERING;
    this.#reader.stop(new HttpError("ERR_REQUEST_INVALID", "the connection closes behind its last response"));
    if (this.first !== null) {
      this.#abortAll(new HttpError("ERR_EXCHANGE_ABANDONED", "an earlier response closed the connection"));
    }
    this.stream.end();
    if (this.stream.queuedBytes > 0) this.deadlines.armSend();
    this.stream.onFlushed(() => {
      if (this.#state === LINGERING) this.deadlines.setRead(this.server.timeouts.lingerMs || 1);
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
    this.#reader.release();
    this.#unparsed.drop();
    this.deadlines.stop();
    this.#reader.stop(error);
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
    this.deadlines.armSend();
  }

  readExpired(): void {
    if (this.#state === LINGERING) this.fail(new HttpError("ERR_CLIENT_LEFT", "the client never closed its side"));
    else if (this.#reader.idle && this.stream.queuedBytes > 0) {
      // Not idle: the last answer is still on its way, and sendMs watches over it.
      this.deadlines.armSend();
      this.deadlines.setRead(this.server.timeouts.idleMs);
    } else {
      this.server.counters.timeouts += 1;
      if (this.#reader.idle) this.beginClose();
      else this.#reader.expire();
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

const ERROR_FIELDS = Object.freeze(["content-type", "text/plain"]);
