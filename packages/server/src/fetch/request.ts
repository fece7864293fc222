// request.ts — the Request of the Fetch standard, over an exchange or made by a program. An incoming one is two words
// of memory until somebody asks it something.
// biome-ignore-all lint/complexity/noArguments: the standard counts arguments; a rest parameter would cost an array per call.
import type { Exchange } from "@percore/http";
import { type BodyInit, sourceOf } from "./body-source.ts";
import { BodyState } from "./body-state.ts";
import { Headers, type HeadersInit, headersOfFields } from "./headers.ts";
import { guardNativeState, NativeRequest, showAs, standInFor } from "./native-classes.ts";
import { DEFAULT_OPTIONS, normalMethod, type RequestOptions, readOptions } from "./request-options.ts";
import {
  abortedSignal,
  followSignal,
  onExchangeAbort,
  RequestAbortedError,
  signalOfExchange,
} from "./request-signal.ts";
import { urlOf } from "./request-url.ts";

export interface RequestInit extends Partial<RequestOptions> {
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly body?: BodyInit | null;
  readonly signal?: AbortSignal | null;
  /** Required with a stream as body, as in the standard. */
  readonly duplex?: "half";
  readonly window?: null;
}

/** Second argument where the library itself makes a request. */
const INTERNAL: RequestInit = Object.freeze({});

/** True for objects of this class, not for Node's. */
export let isOwnRequest: (value: unknown) => value is Request;

/** The request an exchange brought. */
export let requestOfExchange: (exchange: Exchange) => Request;

/** The response to this incoming request is out: its signal will not abort any more. */
export let markAnswered: (request: Request) => void;

/** The response is on its way: whoever asks for the signal later still learns whether the client left before its end. */
export let markAnswering: (request: Request) => void;

/** Moves the body into a new state; the request counts as read. */
let moveBody: (from: Request) => BodyState;

export class Request {
  #exchange: Exchange | null = null;
  #method: string | null = null;
  #url: string | null = null;
  #headers: Headers | null = null;
  #body: BodyState | null = null;
  #signal: AbortSignal | null = null;
  #options: RequestOptions | null = null;
  #answered = false;

  constructor(input: Request | globalThis.Request | string | URL, init?: RequestInit) {
    if (init === INTERNAL) {
      this.#exchange = input as unknown as Exchange;
      return;
    }
    if (arguments.length === 0) throw new TypeError("Request: 1 argument required, 0 given");
    this.#init(input, init ?? {});
  }

  get method(): string {
    return this.#method ?? (this.#exchange as Exchange).method;
  }

  get url(): string {
    this.#url ??= urlOf(this.#exchange as Exchange);
    return this.#url;
  }

  get headers(): Headers {
    this.#headers ??= headersOfFields((this.#exchange as Exchange).fields, "immutable");
    return this.#headers;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#state().stream;
  }

  get bodyUsed(): boolean {
    return this.#body?.used === true;
  }

  /** Aborts when the client leaves, or the request fails otherwise, before the response is complete. Never after it. */
  get signal(): AbortSignal {
    this.#signal ??=
      this.#exchange === null || this.#isOver ? new AbortController().signal : signalOfExchange(this.#exchange);
    return this.#signal;
  }

  /** Trailer fields of the request: settles when its body has been read to the end. Not in the Fetch standard yet. */
  get trailers(): Promise<Headers> {
    return this.#state().trailers.then((fields) =>
      fields === null ? new Headers() : headersOfFields(fields, "immutable"),
    );
  }

  get cache(): RequestOptions["cache"] {
    return this.#option().cache;
  }

  get credentials(): RequestOptions["credentials"] {
    return this.#option().credentials;
  }

  get destination(): "" {
    return "";
  }

  get duplex(): "half" {
    return "half";
  }

  get integrity(): string {
    return this.#option().integrity;
  }

  get isHistoryNavigation(): boolean {
    return false;
  }

  get isReloadNavigation(): boolean {
    return false;
  }

  get keepalive(): boolean {
    return this.#option().keepalive;
  }

  get mode(): RequestOptions["mode"] {
    return this.#option().mode;
  }

  get redirect(): RequestOptions["redirect"] {
    return this.#option().redirect;
  }

  get referrer(): string {
    return this.#option().referrer;
  }

  get referrerPolicy(): RequestOptions["referrerPolicy"] {
    return this.#option().referrerPolicy;
  }

  text(): Promise<string> {
    return this.#state().text();
  }

  // biome-ignore lint/suspicious/noExplicitAny: the Fetch standard's json() gives any.
  json(): Promise<any> {
    return this.#state().json();
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#state().bytes();
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#state().arrayBuffer();
  }

  blob(): Promise<Blob> {
    return this.#state().blob(this.headers.get("content-type"));
  }

  formData(): Promise<FormData> {
    return this.#state().formData(this.headers.get("content-type"));
  }

  clone(): Request {
    const body = this.#state().clone();
    const copy = new Request(null as never, INTERNAL);
    copy.#method = this.method;
    copy.#url = this.url;
    copy.#headers = new Headers(this.headers);
    copy.#body = body;
    copy.#signal = followSignal(this.signal);
    copy.#options = this.#options;
    return copy;
  }

  get [Symbol.toStringTag](): string {
    return "Request";
  }

  static {
    isOwnRequest = (value): value is Request => typeof value === "object" && value !== null && #exchange in value;

    requestOfExchange = (exchange) => new Request(exchange as never, INTERNAL);

    markAnswering = (request) => {
      if (request.#exchange === null || request.#signal !== null) return;
      request.#answered = true;
      onExchangeAbort(request.#exchange, (reason) => {
        request.#signal ??= abortedSignal(new RequestAbortedError(reason));
      });
    };

    markAnswered = (request) => {
      request.#answered = true;
    };

    moveBody = (from) => {
      const { kind, source } = from.#state().take();
      return new BodyState(kind, source);
    };
  }

  /** Fetch "new Request(input, init)". */
  #init(input: unknown, init: RequestInit): void {
    if (typeof init !== "object" && typeof init !== "function") throw new TypeError("Request: init is not an object");
    const from = input instanceof NativeRequest ? (input as globalThis.Request | Request) : null;
    this.#url = from === null ? parseUrl(`${input as string}`) : from.url;
    this.#options = readOptions(init, from === null ? DEFAULT_OPTIONS : from);
    this.#method = init.method === undefined ? (from?.method ?? "GET") : normalMethod(init.method);

    const signal = init.signal === undefined ? (from?.signal ?? null) : init.signal;
    if (signal !== null) {
      if (!(signal instanceof AbortSignal)) throw new TypeError("Request: signal is no AbortSignal");
      this.#signal = signal.aborted ? abortedSignal(signal.reason) : followSignal(signal);
    }

    this.#headers = new Headers(init.headers ?? (from?.headers as HeadersInit | undefined));
    this.#body = this.#initBody(init, from);
  }

  #initBody(init: RequestInit, from: Request | globalThis.Request | null): BodyState {
    const given = init.body ?? null;
    const bodiless = this.#method === "GET" || this.#method === "HEAD";
    if (given === null) {
      if (from === null) return new BodyState("none", null);
      if (bodiless && from.body !== null) throw new TypeError(`Request: ${this.#method} has no body`);
      return takeBody(from);
    }
    if (bodiless) throw new TypeError(`Request: ${this.#method} has no body`);
    const source = sourceOf(given);
    if (
      (source.kind === "stream" || source.kind === "iterable") &&
      !(given instanceof FormData) &&
      init.duplex !== "half"
    ) {
      throw new TypeError(`Request: a stream as body needs duplex: "half"`);
    }
    const state = BodyState.of(source);
    if (state.unusable) throw new TypeError("Request: the stream was read already, or is locked");
    const headers = this.#headers as Headers;
    if (source.type !== null && !headers.has("content-type")) headers.append("content-type", source.type);
    return state;
  }

  /** Answered, and whole: what could have aborted it would have. */
  get #isOver(): boolean {
    return this.#answered && !(this.#exchange as Exchange).open;
  }

  #state(): BodyState {
    if (this.#body === null) {
      const exchange = this.#exchange as Exchange;
      this.#body = exchange.bodyLength === 0 ? new BodyState("none", null) : new BodyState("incoming", exchange);
    }
    return this.#body;
  }

  #option(): RequestOptions {
    return this.#options ?? DEFAULT_OPTIONS;
  }
}

const parseUrl = (text: string): string => {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new TypeError(`Request: ${JSON.stringify(text)} is not an absolute URL`, { cause });
  }
  if (url.username !== "" || url.password !== "") throw new TypeError(`Request: ${text} holds credentials`);
  return url.href;
};

const takeBody = (from: Request | globalThis.Request): BodyState => {
  if (isOwnRequest(from)) return moveBody(from);
  const stream = from.body;
  if (stream === null) return new BodyState("none", null);
  if (from.bodyUsed || stream.locked)
    throw new TypeError("Request: the body was read already, or its stream is locked");
  // Node's own request stays unlocked until its new constructor takes it: going through it marks it as used.
  return new BodyState("stream", new NativeRequest(from).body);
};

standInFor(Request, NativeRequest);
guardNativeState(Request.prototype, new NativeRequest("http://localhost/"), "Request");
showAs(Request, "Request", (request) => {
  const { method, url, headers, bodyUsed } = request as Request;
  return { method, url, headers, bodyUsed };
});
