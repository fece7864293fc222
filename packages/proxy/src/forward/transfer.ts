// transfer.ts — one request on its way to an upstream and its answer on the way back: tries, retries, and who gives up when.
//
//   entering ──room──▶ connecting ──connection──▶ asking ──head──▶ answering ──end──▶ over
//       ▲                  │ failed                  │ failed, or a status that is tried again
//       └──────────────────┴───── retry ─────────────┘                     (everything may end in "over")
import { type Lease, type Stream, WheelEntry } from "@percore/core";
import {
  type ClientConnection,
  type ClientExchange,
  type Clock,
  type Exchange,
  type FieldList,
  type Fields,
  hasNoContent,
  type ResponseReceiver,
  reasonOf,
} from "@percore/http";
import type { ForwardedPlan, ForwardOrder, Reason, RetryCondition } from "../plan.ts";
import { Attempt } from "./attempt.ts";
import { bodyFailureReason, connectFailure, type Failure, requestFailure } from "./failure.ts";
import { answerFields, requestFields, trailerFields, without } from "./message-fields.ts";
import { RequestBody } from "./request-body.ts";
import type { Waiter } from "./server-pool.ts";
import { TunnelRelay } from "./tunnel-relay.ts";
import { authorityOf, type Turn, type Upstream } from "./upstream.ts";
import type { UpstreamServer } from "./upstream-server.ts";
import { acceptOf, newKey } from "./websocket-key.ts";

export interface TransferOptions {
  readonly clock: Clock;
  readonly forwarded: ForwardedPlan;
  /** The upstream that a name stands for. */
  readonly find: (name: string) => Upstream | undefined;
  readonly report: (error: unknown) => void;
  /** Told once, when the transfer is over. */
  readonly over: (transfer: Transfer) => void;
}

export class Transfer implements Turn, Waiter, ResponseReceiver {
  readonly #exchange: Exchange;
  readonly #order: ForwardOrder;
  readonly #options: TransferOptions;
  #upstream: Upstream;
  #server: UpstreamServer | null = null;
  #tried: UpstreamServer[] = NONE;
  #up: ClientExchange | null = null;
  #attempt: Attempt | null = null;
  #protocol: "h1" | "h2" = "h1";
  #state: "entering" | "connecting" | "asking" | "answering" | "over" = "entering";
  /** A place among the upstream's requests is ours. */
  #entered = false;
  #body: RequestBody | null = null;
  #total: WheelEntry | null = null;
  /** Until when a connection that others have is waited for. */
  #wait: WheelEntry | null = null;
  #relay: TunnelRelay | null = null;
  /** The key we made up for a WebSocket whose client has none. */
  #key: string | null = null;
  #fellBack = false;

  constructor(exchange: Exchange, order: ForwardOrder, upstream: Upstream, options: TransferOptions) {
    this.#exchange = exchange;
    this.#order = order;
    this.#upstream = upstream;
    this.#options = options;
  }

  start(): void {
    const { route, record } = this.#order;
    record.upstream = this.#order.upstream;
    if (this.#isConnect ? !route.allowConnect : this.#exchange.upgrade !== null && !route.allowUpgrade) {
      this.#refuse(501, "PU");
      return;
    }
    if (route.bodyBytesMax !== null && this.#exchange.bodyLength > route.bodyBytesMax) {
      this.#refuse(413, "PL");
      return;
    }
    this.#exchange.onAbort = (error) => this.#clientLeft(error);
    this.#armTotal();
    this.#enter();
  }

  /** The proxy ends: whatever is under way is given up. */
  abort(): void {
    this.#fail("KD", 503);
  }

  get #isConnect(): boolean {
    return this.#exchange.method === "CONNECT" && this.#exchange.upgrade === null;
  }

  get #elapsed(): number {
    return this.#options.clock.now - this.#order.record.startedMs;
  }

  #armTotal(): void {
    const totalMs = this.#order.route.totalMs ?? this.#upstream.plan.timeouts.totalMs;
    if (totalMs === 0) return;
    this.#total = new WheelEntry(() => this.#fail("sT", 504));
    this.#options.clock.wheel.set(this.#total, this.#order.record.startedMs + totalMs);
  }

  // — a place, a server, a connection —

  #enter(): void {
    this.#state = "entering";
    this.#upstream.budget.request(this.#options.clock.now);
    const place = this.#upstream.enter(this);
    if (place === "taken") this.onTurn();
    else if (place === "full") this.#giveUp({ reason: "SF", status: 503, condition: null, unsent: true });
  }

  onTurn(): void {
    this.#entered = true;
    this.#tryServer();
  }

  onTurnLate(): void {
    this.#giveUp({ reason: "sQ", status: 503, condition: null, unsent: true });
  }

  #tryServer(): void {
    const { balance } = this.#upstream.plan;
    const { record } = this.#order;
    const server = this.#upstream.pick(
      this.#tried,
      balance.kind === "hash" ? () => this.#order.keyOf(balance.by) : NO_KEY,
    );
    if (server === null) {
      this.#giveUp({ reason: "SN", status: 503, condition: null, unsent: true });
      return;
    }
    this.#server = server;
    this.#state = "connecting";
    record.server = server.text;
    record.tries += 1;
    record.queuedMs = this.#elapsed;
    server.began();
    const isServed = server.pool.acquire(this, this.#exchange.connection);
    // It may have a connection by now, or even an answer. Who has none waits; too many who do are turned away.
    if (this.#state === "connecting" && this.#upstream.pending > this.#upstream.plan.limits.pendingMax) {
      this.#leaveServer();
      this.#giveUp({ reason: "SF", status: 503, condition: null, unsent: true });
    } else if (this.#state === "connecting" && !isServed) this.#armWait();
  }

  /** A connection being made has its own deadline; one that others have may be theirs for ever. */
  #armWait(): void {
    this.#wait = new WheelEntry(() => {
      this.#wait = null;
      this.#leaveServer();
      this.onTurnLate();
    });
    const { clock } = this.#options;
    clock.wheel.set(this.#wait, clock.now + this.#upstream.plan.limits.pendingTimeoutMs);
  }

  #disarmWait(): void {
    if (this.#wait === null) return;
    this.#options.clock.wheel.remove(this.#wait);
    this.#wait = null;
  }

  onConnectFailed(error: unknown): void {
    this.#failedHere(connectFailure(error));
  }

  onConnection(connection: ClientConnection): void {
    this.#disarmWait();
    this.#order.record.connectedMs = this.#elapsed;
    this.#state = "asking";
    this.#protocol = connection.protocol;
    const isUpgrade = this.#exchange.upgrade !== null;
    const { bodyLength } = this.#exchange;
    const attempt = new Attempt(this);
    this.#attempt = attempt;
    try {
      this.#up = connection.request(
        {
          method: isUpgrade ? "GET" : this.#exchange.method,
          scheme: this.#isTls ? "https" : "http",
          authority: this.#authority,
          path: this.#order.target,
          fields: this.#requestFields(connection.protocol),
          upgrade: this.#exchange.upgrade,
          bodyLength: isUpgrade ? 0 : bodyLength,
        },
        attempt,
      );
    } catch (error) {
      // What a client sent passes one protocol's rules and not the other's; or the configuration's own fields do not.
      this.#options.report(error);
      this.#giveUp({ reason: "PI", status: 502, condition: null, unsent: true });
      return;
    }
    if (bodyLength !== 0 && !isUpgrade) {
      this.#body ??= this.#makeBody(connection.protocol);
      this.#body.sendTo(this.#up);
    }
  }

  get #isTls(): boolean {
    return (this.#server as UpstreamServer).plan.address.tls || this.#upstream.plan.tls !== null;
  }

  get #authority(): string {
    const { host } = this.#upstream.plan;
    if (this.#isConnect) return this.#exchange.authority;
    if (host.kind === "name") return host.name;
    // HTTP/1.0 need not have one.
    const kept = host.kind === "keep" ? this.#exchange.authority : "";
    return kept === "" ? authorityOf((this.#server as UpstreamServer).plan) : kept;
  }

  #requestFields(protocol: "h1" | "h2"): FieldList {
    const fields = requestFields(this.#exchange, this.#order, this.#options.forwarded);
    if (this.#exchange.upgrade?.toLowerCase() !== "websocket") return fields;
    if (protocol === "h2") return without(fields, "sec-websocket-key");
    if (this.#exchange.fields.has("sec-websocket-key")) return fields;
    this.#key = newKey();
    return [...fields, "sec-websocket-key", this.#key];
  }

  /** A copy is worth its price only where the request may be sent twice; HTTP/2 says of some that they were not touched. */
  #makeBody(protocol: "h1" | "h2"): RequestBody {
    const { retries } = this.#upstream.plan;
    const mayRepeat = retries !== null && (protocol === "h2" || retries.methods.has(this.#exchange.method));
    return new RequestBody({
      exchange: this.#exchange,
      keptBytesMax: mayRepeat ? retries.bodyBytesMax : 0,
      bytesMax: this.#order.route.bodyBytesMax,
      onTooLarge: () => this.#fail("PL", 413),
      onBroken: (error) => this.#clientLeft(error),
    });
  }

  // — the answer —

  onInform(status: number, fields: Fields): void {
    // 100 is between two neighbours: the client is told to go on when its body is asked for.
    if (this.#state === "asking" && status !== 100 && this.#exchange.open) {
      this.#exchange.inform(status, this.#answerFields(fields, false));
    }
  }

  onHead(status: number, fields: Fields, bodyLength: number): void {
    if (this.#state !== "asking") return;
    const condition = String(status) as RetryCondition;
    if (status >= 429 && this.#mayRetry({ reason: "-", status: 502, condition, unsent: false })) {
      this.#serverFailed();
      this.#leaveUp();
      this.#retry();
      return;
    }
    const { record } = this.#order;
    record.firstByteMs = this.#elapsed;
    record.status = status;
    this.#state = "answering";
    this.#body?.settle();
    if (status >= 500) this.#upstream.failed(this.#server as UpstreamServer);
    else (this.#server as UpstreamServer).succeeded();
    const list = this.#answerFields(fields, false);
    if (hasNoContent(status)) {
      // The end of the body that is none is told next.
      this.#exchange.respond(status, list, null);
    } else {
      // To HEAD the length is what GET would get.
      const announced = this.#exchange.method === "HEAD" ? Number(fields.get("content-length") ?? -1) : bodyLength;
      this.#exchange.begin(status, list, announced);
      this.#exchange.onDrain = this.#onClientDrain;
    }
  }

  onBody(lease: Lease): void {
    if (this.#state !== "answering" || !this.#exchange.open) {
      lease.release();
      return;
    }
    this.#order.record.sent += lease.length;
    if (!this.#exchange.writeLease(lease)) this.#up?.pauseBody();
  }

  readonly #onClientDrain = (): void => this.#up?.resumeBody();

  onBodyEnd(trailers: Fields | null): void {
    if (this.#state !== "answering") return;
    if (!hasNoContent(this.#order.record.status)) this.#exchange.end(trailerFields(trailers));
    // Both messages are whole: the connection goes back to its pool. A server that answered without reading all is left.
    if (this.#body === null || this.#body.complete) this.#up = null;
    this.#end();
  }

  onBodyError(error: Error): void {
    if (this.#state !== "answering") return;
    this.#serverFailed();
    this.#broken(bodyFailureReason(error));
  }

  /** Of the request's body. */
  onDrain(): void {
    this.#body?.onUpstreamDrain();
  }

  onFinish(error: Error | null): void {
    if (error !== null && this.#state === "asking") this.#failedHere(requestFailure(error));
    else if (error !== null && this.#state === "answering" && this.#relay === null)
      this.#broken(bodyFailureReason(error));
  }

  onTunnel(status: number, fields: Fields, stream: Stream): void {
    const { record } = this.#order;
    if (this.#state !== "asking" || !this.#exchange.open) {
      stream.reset();
      return;
    }
    if (this.#key !== null && fields.get("sec-websocket-accept") !== acceptOf(this.#key)) {
      stream.reset();
      this.#failedHere({ reason: "PP", status: 502, condition: null, unsent: false });
      return;
    }
    this.#state = "answering";
    record.firstByteMs = this.#elapsed;
    record.status = this.#exchange.version === "2" || this.#isConnect ? 200 : 101;
    (this.#server as UpstreamServer).succeeded();
    this.#disarm();
    const client = this.#exchange.tunnel(this.#tunnelFields(status, fields));
    this.#relay = new TunnelRelay(client, stream, (received, sent, brokenBy) => {
      record.received = received;
      record.sent = sent;
      if (brokenBy !== null) record.reason = brokenBy === "client" ? "CD" : "SD";
      this.#end();
    });
  }

  /** The proof that an HTTP/1.1 client waits for, where the server speaks HTTP/2 and gives none. */
  #tunnelFields(status: number, fields: Fields): FieldList {
    const list = this.#answerFields(fields, this.#exchange.version === "2");
    const key = this.#exchange.fields.get("sec-websocket-key");
    if (status === 101 || this.#exchange.version === "2" || key === undefined) return list;
    return [...list, "sec-websocket-accept", acceptOf(key)];
  }

  #answerFields(fields: Fields, isUpgrade: boolean): FieldList {
    return answerFields(fields, this.#order, this.#options.forwarded, this.#protocol, isUpgrade);
  }

  // — failures —

  /** The server at hand has failed before an answer: another try, or the end. */
  #failedHere(failure: Failure): void {
    this.#serverFailed();
    if (this.#mayRetry(failure)) {
      this.#leaveUp();
      this.#retry();
    } else this.#giveUp(failure);
  }

  #serverFailed(): void {
    const server = this.#server as UpstreamServer;
    this.#upstream.failed(server);
    if (!this.#tried.includes(server)) this.#tried = [...this.#tried, server];
  }

  #mayRetry({ condition, unsent }: Failure): boolean {
    const { retries } = this.#upstream.plan;
    if (retries === null || condition === null || !retries.on.has(condition)) return false;
    if (this.#order.record.tries >= retries.attempts || this.#exchange.responded) return false;
    if (!unsent && !retries.methods.has(this.#exchange.method)) return false;
    if (this.#body !== null && !this.#body.repeatable) return false;
    return this.#upstream.budget.retry(this.#options.clock.now, retries.budgetPercent);
  }

  #retry(): void {
    this.#state = "entering";
    this.#tryServer();
  }

  /** No try is left: the fallback's turn, or the answer that says what happened. */
  #giveUp(failure: Failure): void {
    const { fallback } = this.#order.route;
    const next = fallback === null || this.#fellBack ? undefined : this.#options.find(fallback);
    const mayRepeat = failure.unsent || this.#upstream.plan.retries?.methods.has(this.#exchange.method) === true;
    if (next === undefined || !mayRepeat || this.#exchange.responded || this.#body?.repeatable === false) {
      this.#fail(failure.reason, failure.status);
      return;
    }
    this.#fellBack = true;
    this.#leaveUp();
    this.#leaveUpstream();
    this.#upstream = next;
    this.#order.record.upstream = next.plan.name;
    this.#tried = NONE;
    this.#enter();
  }

  #refuse(status: 413 | 501, reason: Reason): void {
    this.#answer(reason, status);
    this.#end();
  }

  /** Ends it with an answer of ours, or a reset where another's has begun. */
  #fail(reason: Reason, status: number): void {
    if (this.#state === "over") return;
    if (this.#exchange.responded) {
      this.#broken(reason);
      return;
    }
    this.#answer(reason, status);
    this.#end();
  }

  #answer(reason: Reason, status: number): void {
    const { record, answerExtra } = this.#order;
    record.reason = reason;
    record.status = status;
    if (!this.#exchange.open || this.#exchange.responded) return;
    const body = `${status} ${reasonOf(status)}\n`;
    record.sent = body.length;
    const retryAfter = status === 503 ? ["retry-after", "1"] : [];
    this.#exchange.respond(status, ["content-type", "text/plain;charset=utf-8", ...retryAfter, ...answerExtra], body);
  }

  /** An answer that has begun cannot be finished: the client must see that it is not whole. */
  #broken(reason: Reason): void {
    if (this.#state === "over") return;
    this.#order.record.reason = reason;
    this.#exchange.onAbort = null;
    if (this.#relay !== null) this.#relay.reset();
    else if (this.#exchange.open) this.#exchange.abort();
    this.#end();
  }

  #clientLeft(error: Error): void {
    if (this.#state === "over") return;
    const { record } = this.#order;
    const late = (error as { code?: string }).code === "ERR_SEND_TIMEOUT";
    const reasons = {
      entering: "CQ",
      connecting: "CQ",
      asking: this.#body === null || this.#body.complete ? "CH" : "CR",
      answering: late ? "cD" : "CD",
      over: "-",
    } as const;
    record.reason = reasons[this.#state];
    if (record.status === 0) record.status = CLIENT_LEFT_STATUS;
    this.#end();
  }

  // — the end —

  #end(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#disarm();
    this.#body?.giveUp();
    this.#leaveUp();
    this.#leaveUpstream();
    if (this.#body !== null && this.#relay === null) this.#order.record.received = this.#body.received;
    this.#exchange.onDrain = null;
    this.#order.done();
    this.#options.over(this);
  }

  #disarm(): void {
    if (this.#total !== null) this.#options.clock.wheel.remove(this.#total);
  }

  /** Lets go of the connection, whatever state it is in. */
  #leaveUp(): void {
    const up = this.#up;
    this.#up = null;
    this.#attempt?.leave();
    this.#attempt = null;
    this.#body?.hold();
    if (up?.open === true && this.#relay === null) up.abort();
    this.#leaveServer();
  }

  #leaveServer(): void {
    const server = this.#server;
    if (server === null) return;
    this.#disarmWait();
    this.#server = null;
    server.pool.cancel(this);
    server.ended();
  }

  #leaveUpstream(): void {
    if (this.#entered) {
      this.#entered = false;
      this.#upstream.leave();
    } else this.#upstream.cancel(this);
  }
}

/** As nginx logs a request whose client has left before an answer. It is sent to nobody. */
const CLIENT_LEFT_STATUS = 499;
const NONE: UpstreamServer[] = [];
const NO_KEY = (): string => "";
