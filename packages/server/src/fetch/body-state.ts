// body-state.ts — the body of a Request or Response once somebody asks for it: read whole without a stream where that
// is possible, as a web stream where one is asked for, and never twice.
import * as nodeStream from "node:stream";
import type { Exchange, Fields } from "@percore/http";
import type { FileBody } from "../files/file-body.ts";
import { type BodyEnd, collectBytes, collectText, streamIncoming } from "./body-incoming.ts";
import type { BodyKind, BodySource } from "./body-source.ts";
import { readBytes, readText, streamOf } from "./body-stream.ts";
import { lazyStream, openerOf, type StreamOpener } from "./lazy-stream.ts";
import { NativeResponse } from "./native-classes.ts";

/** Tells whether anybody has read from a web stream or cancelled it; the types for Node 20 leave it out. */
const isDisturbed = (nodeStream as unknown as { isDisturbed: (stream: ReadableStream) => boolean }).isDisturbed;

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** Nothing can be made of the stream any more: it was read from, or somebody holds it. */
export const isUnusable = (stream: ReadableStream): boolean => {
  const opener = openerOf(stream);
  if (opener !== null) return (opener as BodyState).unusable;
  return isDisturbed(stream) || stream.locked;
};

export class BodyState implements BodyEnd, StreamOpener {
  #kind: BodyKind;
  #source: unknown;
  #used = false;
  #stream: ReadableStream<Uint8Array> | null = null;
  /** How an incoming body ended; null while it has not. */
  #ended: Ended | null = null;
  #trailers: Promise<Fields | null> | null = null;
  #settle: ((ended: Ended) => void) | null = null;

  constructor(kind: BodyKind, source: unknown) {
    this.#kind = kind;
    this.#source = source;
    if (kind === "stream") this.#stream = source as ReadableStream<Uint8Array>;
  }

  static of(source: BodySource): BodyState {
    return new BodyState(source.kind, source.source);
  }

  get kind(): BodyKind {
    return this.#kind;
  }

  /** Fetch `bodyUsed`: somebody has read from it. */
  get used(): boolean {
    if (this.#used || this.#stream === null) return this.#used;
    const opener = openerOf(this.#stream);
    return opener === null ? isDisturbed(this.#stream) : opener !== this && (opener as BodyState).used;
  }

  /** Used, or somebody else holds the stream: nothing can be made of it any more. */
  get unusable(): boolean {
    if (this.used || this.#stream === null) return this.used;
    const opener = openerOf(this.#stream);
    return opener === null ? this.#stream.locked : opener !== this && (opener as BodyState).unusable;
  }

  get stream(): ReadableStream<Uint8Array> | null {
    if (this.#stream !== null) return this.#stream;
    if (this.#kind === "none") return null;
    if (this.#kind === "incoming") {
      this.#stream = lazyStream(this);
      return this.#stream;
    }
    this.#stream = streamOf(this.#kind, this.#source);
    // Taken before anybody asked for the stream: it shows as a stream that is read by someone.
    if (this.#used) this.#stream.getReader();
    return this.#stream;
  }

  /** The stream of an incoming body, once somebody does something with it. */
  openStream(): ReadableStream<Uint8Array> {
    const stream = streamIncoming(this.#source as Exchange, this);
    // Relayed, or read whole: whoever kept the stream sees that it is being read.
    if (this.#used) stream.getReader();
    return stream;
  }

  /**
   * Hands the source over to whoever sends it. Afterwards the body counts as used.
   *
   * @throws {TypeError} where it was read from, or its stream is locked.
   */
  take(): { kind: BodyKind; source: unknown } {
    this.#claim();
    const stream = this.#stream;
    if (stream === null) return { kind: this.#kind, source: this.#source };
    const incoming = openerOf(stream) as BodyState | null;
    if (incoming !== null) {
      incoming.#used = true;
      return { kind: "incoming", source: new TakenIncoming(incoming.#source as Exchange, incoming) };
    }
    if (this.#kind === "stream" || this.#kind === "iterable") return { kind: "stream", source: stream };
    stream.getReader();
    return { kind: this.#kind, source: this.#source };
  }

  /** Two bodies out of one (Fetch "clone a body"). Memory is shared, streams are split. */
  clone(): BodyState {
    if (this.unusable) throw new TypeError("the body was read already, or its stream is locked: it cannot be cloned");
    if (this.#kind === "incoming" || this.#kind === "iterable" || this.#kind === "stream") {
      const [mine, other] = (this.stream as ReadableStream<Uint8Array>).tee();
      this.#kind = "stream";
      this.#source = mine;
      this.#stream = mine;
      const state = new BodyState("stream", other);
      state.#trailers = this.trailers;
      return state;
    }
    return new BodyState(this.#kind, this.#source);
  }

  text(): Promise<string> {
    if (this.#kind !== "incoming" || this.#isOpened || this.#used) return this.#text();
    this.#used = true;
    return collectText(this.#source as Exchange, this);
  }

  async #text(): Promise<string> {
    this.#claim();
    if (this.#isOpened) return readText(this.stream as ReadableStream<Uint8Array>);
    switch (this.#kind) {
      case "none":
        return "";
      case "text":
        // Through bytes and back: lone surrogates are replaced and a byte order mark is dropped, as on the wire.
        return utf8.decode(encoder.encode(this.#source as string));
      case "bytes":
        return utf8.decode(this.#source as Uint8Array);
      case "blob":
        return (this.#source as Blob).text();
      default:
        return readText(streamOf(this.#kind, this.#source));
    }
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    this.#claim();
    if (this.#isOpened) return readBytes(this.stream as ReadableStream<Uint8Array>);
    switch (this.#kind) {
      case "none":
        return new Uint8Array(0);
      case "text":
        return encoder.encode(this.#source as string);
      case "bytes":
        return (this.#source as Uint8Array).slice() as Uint8Array<ArrayBuffer>;
      case "blob":
        return new Uint8Array(await (this.#source as Blob).arrayBuffer());
      case "incoming":
        return collectBytes(this.#source as Exchange, this);
      case "file":
        return (this.#source as FileBody).read();
      default:
        return readBytes(streamOf(this.#kind, this.#source));
    }
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = await this.bytes();
    return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }

  async blob(type: string | null): Promise<Blob> {
    return new Blob([await this.bytes()], { type: type ?? "" });
  }

  /** Multipart and form-encoded bodies are parsed by Node's own Response. */
  async formData(type: string | null): Promise<FormData> {
    const native = new NativeResponse(await this.bytes(), type === null ? {} : { headers: { "content-type": type } });
    return native.formData();
  }

  /** Trailer fields of an incoming body: settles when the body has been read to its end. */
  get trailers(): Promise<Fields | null> {
    if (this.#trailers !== null) return this.#trailers;
    this.#trailers = new Promise((resolve, reject) => {
      this.#settle = (ended) => (ended.error === null ? resolve(ended.trailers) : reject(ended.error));
    });
    // Whoever asks hears of the error; that nobody asked is no fault.
    this.#trailers.catch(() => undefined);
    if (this.#kind !== "incoming" && this.#kind !== "stream") this.#ended = NOTHING_FOLLOWS;
    if (this.#ended !== null) this.#settle?.(this.#ended);
    return this.#trailers;
  }

  onEnd(trailers: Fields | null): void {
    this.#ended = trailers === null ? NOTHING_FOLLOWS : { trailers, error: null };
    this.#settle?.(this.#ended);
  }

  onError(error: Error): void {
    this.#ended = { trailers: null, error };
    this.#settle?.(this.#ended);
  }

  /** There is a stream, and more than a stand-in for one. */
  get #isOpened(): boolean {
    return this.#stream !== null && openerOf(this.#stream) !== this;
  }

  #claim(): void {
    if (this.#kind === "none") return;
    if (this.unusable) throw new TypeError("Body is unusable: it was read already, or its stream is locked");
    this.#used = true;
  }
}

/** An incoming body taken over by a sender: the exchange that has it, and who wants to know of its end. */
export class TakenIncoming {
  readonly exchange: Exchange;
  readonly end: BodyEnd;

  constructor(exchange: Exchange, end: BodyEnd) {
    this.exchange = exchange;
    this.end = end;
  }
}

interface Ended {
  readonly trailers: Fields | null;
  readonly error: Error | null;
}

const NOTHING_FOLLOWS: Ended = Object.freeze({ trailers: null, error: null });
