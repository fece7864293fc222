// response.ts — the Response of the Fetch standard, made so that building one and sending it costs next to nothing:
// what the constructor was given is kept as it is until somebody asks for headers, streams or clones.

import { type BodyInit, type BodyKind, sourceOf, TEXT_TYPE } from "./body-source.ts";
import { BodyState, isUnusable } from "./body-state.ts";
import { blockOfInit, blockOfList, blockOfType, type FieldBlock, NO_BLOCK } from "./field-block.ts";
import { type Headers, type HeadersInit, headersOfList, listOfHeaders } from "./headers.ts";
import { guardNativeState, NativeResponse, showAs, standInFor } from "./native-classes.ts";
import { fieldsOfNative } from "./native-fields.ts";

export interface ResponseInit {
  /** 200..599, default 200. */
  readonly status?: number;
  readonly statusText?: string;
  readonly headers?: HeadersInit;
  /** Trailer fields, sent after the body where the framing has a place for them. Not in the Fetch standard. */
  readonly trailers?: HeadersInit | Promise<HeadersInit>;
}

export type ResponseType = "default" | "error" | "basic" | "cors" | "opaque" | "opaqueredirect";

/** Second argument where the library itself makes a response: nothing is set up. */
const INTERNAL: ResponseInit = Object.freeze({});
const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What a sender takes out of a Response. */
export interface ResponseParts {
  readonly status: number;
  readonly block: FieldBlock;
  readonly kind: BodyKind;
  readonly source: unknown;
  readonly trailers: HeadersInit | Promise<HeadersInit> | null;
}

/** True for objects of this class, not for Node's. */
export let isOwnResponse: (value: unknown) => value is Response;

/** A response of one of Node's own: status, headers and body are taken over. */
export let fromNativeResponse: (native: globalThis.Response) => Response;

/**
 * Takes a response apart for sending; it counts as read afterwards.
 *
 * @throws {TypeError} where its body was read already or its stream is locked.
 */
export let takeResponse: (response: Response) => ResponseParts;

/**
 * Body of a response that can be sent in one call: a string, bytes or null; undefined where it takes more. The response
 * is left as it is, so that one constant response may be sent again and again.
 */
export let simpleBodyOf: (response: Response) => string | Uint8Array | null | undefined;

/** Headers of a response whose body `simpleBodyOf` gave. */
export let simpleBlockOf: (response: Response) => FieldBlock;

export class Response {
  #status = 200;
  #kind: BodyKind = "none";
  #source: unknown = null;
  #block: FieldBlock = NO_BLOCK;
  #headers: Headers | null = null;
  #state: BodyState | null = null;
  /** What few responses have. */
  #rare: Rare | null = null;

  constructor(body?: BodyInit | null, init?: ResponseInit | null) {
    if (typeof body === "string") {
      this.#kind = "text";
      this.#source = body;
      if (init === undefined) {
        this.#block = TEXT_BLOCK;
        return;
      }
    }
    if ((init as unknown) === INTERNAL) return;
    this.#init(body, init ?? {});
  }

  get status(): number {
    return this.#status;
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }

  get statusText(): string {
    return this.#rare?.statusText ?? "";
  }

  get headers(): Headers {
    this.#headers ??= headersOfList(this.#block.all.slice(), this.#rare?.immutable === true ? "immutable" : "none");
    return this.#headers;
  }

  get type(): ResponseType {
    return this.#rare?.type ?? "default";
  }

  get url(): string {
    return "";
  }

  get redirected(): boolean {
    return false;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#kind === "none" ? null : this.#body().stream;
  }

  get bodyUsed(): boolean {
    return this.#state?.used === true || (this.#kind === "stream" && this.#body().used);
  }

  text(): Promise<string> {
    return this.#body().text();
  }

  // biome-ignore lint/suspicious/noExplicitAny: the Fetch standard's json() gives any.
  json(): Promise<any> {
    return this.#body().json();
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#body().bytes();
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#body().arrayBuffer();
  }

  blob(): Promise<Blob> {
    return this.#body().blob(this.headers.get("content-type"));
  }

  formData(): Promise<FormData> {
    return this.#body().formData(this.headers.get("content-type"));
  }

  clone(): Response {
    const state = this.#body().clone();
    const copy = blank();
    copy.#status = this.#status;
    copy.#kind = state.kind;
    copy.#state = state;
    copy.#block = this.#currentBlock();
    copy.#rare = this.#rare;
    return copy;
  }

  get [Symbol.toStringTag](): string {
    return "Response";
  }

  /** A response whose body is `data` as JSON (Fetch `Response.json`). */
  static json(data: unknown, init: ResponseInit = {}): Response {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Response.json: this value has no JSON form");
    const response = blank();
    response.#start(init, "application/json");
    if (isNullBodyStatus(response.#status)) throw nullBodyError(response.#status);
    response.#kind = "text";
    response.#source = text;
    return response;
  }

  static redirect(url: string | URL, status = 302): Response {
    let target: string;
    try {
      target = new URL(`${url as string}`).href;
    } catch (cause) {
      throw new TypeError(`Response.redirect: ${String(url)} is not an absolute URL`, { cause });
    }
    if (status !== 301 && status !== 302 && status !== 303 && status !== 307 && status !== 308) {
      throw new RangeError(`Response.redirect: ${status} is not a redirect status (301, 302, 303, 307, 308)`);
    }
    const response = blank();
    response.#status = status;
    response.#block = blockOfList(["location", target]);
    response.#rare = { ...PLAIN, immutable: true };
    return response;
  }

  static error(): Response {
    const response = blank();
    response.#status = 0;
    response.#rare = { ...PLAIN, type: "error", immutable: true };
    return response;
  }

  static {
    isOwnResponse = (value): value is Response => typeof value === "object" && value !== null && #kind in value;

    fromNativeResponse = (native) => {
      const response = blank();
      response.#status = native.status;
      response.#block = blockOfList(fieldsOfNative(native));
      if (native.body !== null) {
        if (native.bodyUsed) throw new TypeError("Body is unusable: it was read already");
        response.#kind = "stream";
        response.#source = native.body;
      }
      if (native.statusText !== "") response.#rare = { ...PLAIN, statusText: native.statusText };
      return response;
    };

    takeResponse = (response) => {
      const block = response.#currentBlock();
      const trailers = response.#rare?.trailers ?? null;
      if (response.#kind === "none") return { status: response.#status, block, kind: "none", source: null, trailers };
      const { kind, source } = response.#body().take();
      return { status: response.#status, block, kind, source, trailers };
    };

    simpleBodyOf = (response) => {
      if (response.#rare !== null || response.#state !== null) return undefined;
      const kind = response.#kind;
      if (kind !== "text" && kind !== "bytes" && kind !== "none") return undefined;
      return response.#source as string | Uint8Array | null;
    };

    simpleBlockOf = (response) => (response.#headers === null ? response.#block : response.#currentBlock());
  }

  #init(body: unknown, init: ResponseInit): void {
    if (typeof init !== "object" && typeof init !== "function") throw new TypeError("Response: init is not an object");
    const source = sourceOf(body);
    if (source.kind === "stream" && source.type === null && isUnusable(source.source as ReadableStream)) {
      throw new TypeError("Response: the stream was read already, or is locked");
    }
    this.#start(init, source.type);
    if (source.kind !== "none" && isNullBodyStatus(this.#status)) throw nullBodyError(this.#status);
    this.#kind = source.kind;
    this.#source = source.source;
  }

  #start(init: ResponseInit, type: string | null): void {
    const { status, statusText, headers, trailers } = init;
    if (status !== undefined) {
      const code = Number(status);
      if (!(code >= 200 && code <= 599)) throw new RangeError(`Response: status ${String(status)} is not in 200..599`);
      this.#status = Math.trunc(code);
    }
    if (statusText !== undefined || trailers !== undefined) {
      const text = statusText === undefined ? "" : `${statusText}`;
      if (!REASON_PHRASE.test(text)) throw new TypeError(`Response: ${JSON.stringify(text)} is not a reason phrase`);
      this.#rare = { ...PLAIN, statusText: text, trailers: trailers ?? null };
    }
    this.#block = headers === undefined ? blockOfType(type) : blockOfInit(headers, type);
  }

  #body(): BodyState {
    this.#state ??= new BodyState(this.#kind, this.#source);
    return this.#state;
  }

  #currentBlock(): FieldBlock {
    if (this.#headers === null) return this.#block;
    return blockOfList(listOfHeaders(this.#headers).slice());
  }
}

const blank = (): Response => new Response(null, INTERNAL);

const TEXT_BLOCK: FieldBlock = blockOfType(TEXT_TYPE);

interface Rare {
  readonly statusText: string;
  readonly type: ResponseType;
  readonly immutable: boolean;
  readonly trailers: HeadersInit | Promise<HeadersInit> | null;
}

const PLAIN: Rare = Object.freeze({ statusText: "", type: "default", immutable: false, trailers: null });

const isNullBodyStatus = (status: number): boolean => status === 204 || status === 205 || status === 304;

const nullBodyError = (status: number): TypeError => new TypeError(`Response: status ${status} has no body`);

standInFor(Response, NativeResponse);
guardNativeState(Response.prototype, new NativeResponse(), "Response");
showAs(Response, "Response", (response) => {
  const { status, statusText, ok, headers, bodyUsed } = response as Response;
  return { status, statusText, ok, headers, bodyUsed };
});
