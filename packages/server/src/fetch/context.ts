// context.ts — what a handler is told besides the request, and what it can do besides returning a response. Names and
// behaviour follow the WinterTC draft "Fetch Server API" (ServerContext, ConnectContext).
import type { PeerAddress, Stream } from "@percore/core";
import type { ConnectionInfo, Exchange, FieldList } from "@percore/http";
import { type TlsInfo, tlsOf } from "../tls-info.ts";
import { appendInit, type HeadersInit } from "./headers.ts";
import type { Request } from "./request.ts";
import { onExchangeAbort, onExchangeFinish, RequestAbortedError } from "./request-signal.ts";
import { Tunnel } from "./tunnel.ts";

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
  readonly family: "IPv4" | "IPv6" | "unix" | "memory";
}

/** RFC 9218: 0 is most urgent, 3 the default. */
export interface RequestPriority {
  readonly urgency: number;
  readonly incremental: boolean;
}

/** The part of a server that its contexts speak to. */
export interface ContextHost {
  readonly autoContinue: boolean;
  /** Keeps the server from closing before the promise has settled; a rejection is reported. */
  waitUntil(promise: PromiseLike<unknown>): void;
}

/** `deny()` with it lets an Upgrade request go on to `fetch` as an ordinary request. */
export const FALL_THROUGH: symbol = Symbol.for("wintertc.server.fallthrough");

const FAMILIES = { ipv4: "IPv4", ipv6: "IPv6", unix: "unix", memory: "memory" } as const;

export class ServerContext {
  readonly #exchange: Exchange;
  readonly #host: ContextHost;
  readonly #request: Request;
  #state: "open" | "informational" | "denied" | "accepted" | "fallen-through" = "open";
  #continued = false;
  #completed: Promise<void> | null = null;
  #serverPriority: RequestPriority | null = null;

  constructor(exchange: Exchange, host: ContextHost, request: Request) {
    this.#exchange = exchange;
    this.#host = host;
    this.#request = request;
  }

  get request(): Request {
    return this.#request;
  }

  /** The exchange below: for what the Fetch API has no place for. Not in the draft. */
  get exchange(): Exchange {
    return this.#exchange;
  }

  /** What the connection's exchanges share. Not in the draft. */
  get connection(): ConnectionInfo {
    return this.#exchange.connection;
  }

  get remoteAddress(): SocketAddress {
    return socketAddress(this.#exchange.connection.remote);
  }

  get localAddress(): SocketAddress {
    return socketAddress(this.#exchange.connection.local);
  }

  get alpnProtocol(): string {
    const { alpn, protocol } = this.#exchange.connection;
    return alpn ?? (protocol === "h2" ? "h2" : "http/1.1");
  }

  get encrypted(): boolean {
    return this.#exchange.connection.encrypted;
  }

  /** What was agreed on in the handshake, and the client's certificate; null on a connection in the clear. Not in the draft. */
  get tls(): TlsInfo | null {
    return tlsOf(this.#exchange.connection);
  }

  /** What the client asks for in its Priority field (RFC 9218 §5). */
  get clientPriority(): RequestPriority {
    return parsePriority(this.#exchange.fields.get("priority"));
  }

  /** Advisory, as the draft allows: HTTP/1.1 has one response at a time and nothing to schedule. */
  get serverPriority(): RequestPriority | null {
    return this.#serverPriority;
  }

  set serverPriority(priority: RequestPriority | null) {
    this.#serverPriority = priority;
  }

  get autoContinue(): boolean {
    return this.#host.autoContinue;
  }

  /** The protocol an Upgrade field or an extended CONNECT asks for; null for plain CONNECT and ordinary requests. */
  get connectProtocol(): string | null {
    return this.#exchange.upgrade;
  }

  /** Fulfilled when the response was handed over whole, rejected when the exchange was aborted. */
  get completed(): Promise<void> {
    this.#completed ??= completionOf(this.#exchange, this.#request);
    return this.#completed;
  }

  /** True when nothing more is to be answered: the exchange was denied or became a tunnel. */
  get settled(): boolean {
    return this.#state === "denied" || this.#state === "accepted";
  }

  get fellThrough(): boolean {
    return this.#state === "fallen-through";
  }

  /**
   * Sends an interim response: 103 Early Hints, or 100 Continue where the client waits for it.
   *
   * @throws {RangeError} for 101 and what is no 1xx. @throws {DOMException} InvalidStateError after the response began.
   */
  sendInformational(status: number, headers?: HeadersInit): void {
    if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) {
      throw new RangeError(`sendInformational: ${status} is not an interim status (100..199 without 101)`);
    }
    const exchange = this.#exchange;
    if (!exchange.open && this.#request.signal.aborted) return;
    if (this.settled || exchange.responded) throw invalidState("the response has begun");
    const list: string[] = [];
    if (headers !== undefined) appendInit(list, headers);
    const waits = this.#waitsForContinue();
    if (status === 100) {
      if (!waits) throw invalidState("the client waits for no 100 Continue, or has it already");
    } else if (waits && this.#host.autoContinue) {
      exchange.inform(100, []);
      this.#continued = true;
    }
    if (status === 100) this.#continued = true;
    exchange.inform(status, list);
    this.#state = "informational";
  }

  /**
   * Declines the request: HTTP/1.1 answers 503 and closes, HTTP/2 resets the stream. Return undefined afterwards.
   *
   * @param error FALL_THROUGH lets an Upgrade request go on to `fetch`.
   * @throws {DOMException} InvalidStateError once anything was sent.
   */
  deny(error?: unknown): void {
    const exchange = this.#exchange;
    if (!exchange.open && this.#request.signal.aborted) return;
    if (this.#state !== "open" || exchange.responded) throw invalidState("something was sent or decided already");
    if (error === FALL_THROUGH) {
      if (exchange.upgrade === null || exchange.method === "CONNECT") throw invalidState("this request is no upgrade");
      this.#state = "fallen-through";
      return;
    }
    this.#state = "denied";
    if (exchange.connection.protocol === "h1") exchange.respond(503, DENIED_FIELDS, "Service Unavailable\n");
    else exchange.abort(error instanceof Error ? error : undefined);
  }

  /** Accepts the tunnel that was asked for, as two web streams. */
  async accept(init: { readonly headers?: HeadersInit } = {}): Promise<Tunnel> {
    return new Tunnel(this.acceptStream(init));
  }

  /**
   * Accepts the tunnel as a bare Stream, at once: HTTP/1.1 answers 101 or (CONNECT) 200. Not in the draft.
   *
   * @throws {DOMException} InvalidStateError where the response began, or no tunnel was asked for.
   */
  acceptStream(init: { readonly headers?: HeadersInit } = {}): Stream {
    const exchange = this.#exchange;
    if (exchange.responded || (this.#state !== "open" && this.#state !== "informational")) {
      throw invalidState("something was decided already");
    }
    if (exchange.upgrade === null && exchange.method !== "CONNECT")
      throw invalidState("the client asked for no tunnel");
    const list: string[] = [];
    if (init.headers !== undefined) appendInit(list, init.headers);
    const stream = exchange.tunnel(list);
    this.#state = "accepted";
    return stream;
  }

  /** Work that goes on behind the response: `close()` waits for it, up to `timeouts.waitUntilMs`. */
  waitUntil(promise: PromiseLike<unknown>): void {
    this.#host.waitUntil(promise);
  }

  #waitsForContinue(): boolean {
    if (this.#continued || this.#exchange.bodyLength === 0) return false;
    if (this.#request.bodyUsed) return false;
    return this.#exchange.fields.get("expect")?.toLowerCase() === "100-continue";
  }
}

const DENIED_FIELDS: FieldList = Object.freeze(["connection", "close", "content-type", "text/plain;charset=UTF-8"]);

const invalidState = (why: string): DOMException => new DOMException(why, "InvalidStateError");

const socketAddress = (peer: PeerAddress): SocketAddress => ({
  address: peer.address,
  port: peer.port,
  family: FAMILIES[peer.family],
});

const completionOf = (exchange: Exchange, request: Request): Promise<void> => {
  if (!exchange.open) {
    const { signal } = request;
    if (!signal.aborted) return Promise.resolve();
    const gone = Promise.reject(signal.reason);
    gone.catch(() => undefined);
    return gone;
  }
  const completed = new Promise<void>((resolve, reject) => {
    onExchangeFinish(exchange, (error) => (error === null ? resolve() : reject(new RequestAbortedError(error))));
    onExchangeAbort(exchange, (reason) => reject(new RequestAbortedError(reason)));
  });
  completed.catch(() => undefined);
  return completed;
};

/** RFC 9218 §4: `u=1, i`. What is not understood is left at its default. */
const parsePriority = (value: string | undefined): RequestPriority => {
  if (value === undefined) return DEFAULT_PRIORITY;
  const urgency = /(?:^|,)\s*u=([0-7])\s*(?:[,;]|$)/.exec(value)?.[1];
  const incremental = /(?:^|,)\s*i(?:=\?([01]))?\s*(?:[,;]|$)/.exec(value);
  return {
    urgency: urgency === undefined ? DEFAULT_PRIORITY.urgency : Number(urgency),
    incremental: incremental !== null && incremental[1] !== "0",
  };
};

const DEFAULT_PRIORITY: RequestPriority = Object.freeze({ urgency: 3, incremental: false });
