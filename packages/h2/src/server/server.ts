// server.ts — what the HTTP/2 connections of one thread share: handler, limits, heads, clock, counters.
import type { Arena, Stream, Wheel } from "@percore/core";
import {
  DateCache,
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type Exchange,
  type Handler,
  HttpError,
  type HttpLimits,
  type HttpTimeouts,
} from "@percore/http";
import { WINDOW_DEFAULT, WINDOW_MAX } from "../codec/frame.ts";
import type { HpackCodec } from "../codec/hpack/codec.ts";
import { OWN_CODEC } from "../codec/hpack/own-codec.ts";
import { ResponseHeads } from "../codec/response-heads.ts";
import { DEFAULT_H2_LIMITS, type H2Limits } from "../limits.ts";
import { ServerConnection } from "./connection.ts";

/** The thread's clock: a `Runtime` is one, so is a test's `FakeClock`. */
export interface Clock {
  /** Milliseconds, monotonic, as of this batch. */
  readonly now: number;
  readonly wheel: Wheel;
}

export interface H2ServerOptions {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly handler: Handler;
  readonly limits?: Partial<HttpLimits>;
  readonly h2?: Partial<H2Limits>;
  readonly timeouts?: Partial<HttpTimeouts>;
  /** Send 100 Continue when the handler asks for the body of a client that waits for it. Default true. */
  readonly autoContinue?: boolean;
  /** Goes on answering a client that has closed its sending side. Default false: it has left. */
  readonly allowHalfClose?: boolean;
  /** Header compression. Default: our own. */
  readonly hpack?: HpackCodec;
  /** Told what handlers throw or reject with, and what else went wrong on our side. Default: console.error. */
  readonly report?: (error: unknown, exchange: Exchange | null) => void;
  /** Milliseconds since 1970, for Date. A test gives its own. */
  readonly wallClock?: () => number;
}

/** Counts since the start, but for the `open` ones. */
export interface H2Counters {
  connections: number;
  connectionsOpen: number;
  requests: number;
  exchangesOpen: number;
  /** Requests answered with an error of ours or reset for what is wrong with them. */
  refused: number;
  /** Exchanges that ended before their response was complete. */
  aborted: number;
  handlerErrors: number;
  /** Connections and exchanges a deadline ended. */
  timeouts: number;
  tunnels: number;
  /** Connections ended for an error of the peer's. */
  connectionErrors: number;
  /** Streams we reset for an error of the peer's. */
  streamErrors: number;
  /** Streams above `streamsMax`. */
  streamsRefused: number;
  /** Connections ended by a limit, by the limit's name. */
  readonly floods: Record<string, number>;
}

export class H2Server {
  readonly arena: Arena;
  readonly limits: HttpLimits;
  readonly h2: H2Limits;
  readonly timeouts: HttpTimeouts;
  readonly handler: Handler;
  readonly autoContinue: boolean;
  readonly allowHalfClose: boolean;
  readonly hpack: HpackCodec;
  readonly report: (error: unknown, exchange: Exchange | null) => void;
  readonly clock: Clock;
  readonly date: DateCache;
  readonly heads: ResponseHeads = new ResponseHeads();
  readonly counters: H2Counters = {
    connections: 0,
    connectionsOpen: 0,
    requests: 0,
    exchangesOpen: 0,
    refused: 0,
    aborted: 0,
    handlerErrors: 0,
    timeouts: 0,
    tunnels: 0,
    connectionErrors: 0,
    streamErrors: 0,
    streamsRefused: 0,
    floods: {},
  };
  readonly #connections = new Set<ServerConnection>();
  #draining = false;
  #whenEmpty: (() => void)[] = [];

  /** @throws {HttpError} ERR_OPTION_INVALID for a limit outside its range. */
  constructor(options: H2ServerOptions) {
    this.arena = options.arena;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.h2 = { ...DEFAULT_H2_LIMITS, ...options.h2 };
    this.timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    checkRange("h2.streamsMax", this.h2.streamsMax, 1, WINDOW_MAX);
    checkRange("h2.streamWindowBytes", this.h2.streamWindowBytes, 1, WINDOW_MAX);
    checkRange("h2.streamWindowBytesMax", this.h2.streamWindowBytesMax, this.h2.streamWindowBytes, WINDOW_MAX);
    checkRange("h2.connectionWindowBytes", this.h2.connectionWindowBytes, WINDOW_DEFAULT, WINDOW_MAX);
    checkRange("h2.tableBytesMax", this.h2.tableBytesMax, 0, 65_536);
    this.handler = options.handler;
    this.autoContinue = options.autoContinue ?? true;
    this.allowHalfClose = options.allowHalfClose ?? false;
    this.hpack = options.hpack ?? OWN_CODEC;
    this.report = options.report ?? ((error) => console.error(error));
    this.clock = options.clock;
    this.date = new DateCache(options.wallClock);
  }

  /** Serves a stream from now on; the stream must be of this server's arena, and begin with the client's preface. */
  accept(stream: Stream): ServerConnection {
    const connection = new ServerConnection(this, stream);
    this.#connections.add(connection);
    this.counters.connections += 1;
    this.counters.connectionsOpen += 1;
    if (this.#draining) connection.drain();
    return connection;
  }

  /**
   * Lets every connection finish what it has begun and then close: GOAWAY that names no stream, then, when requests on
   * their way have come, GOAWAY with the last one. Resolves when none is left; `close()` ends it earlier.
   */
  drain(): Promise<void> {
    this.#draining = true;
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Resets every connection. */
  close(): void {
    this.#draining = true;
    const error = new HttpError("ERR_EXCHANGE_ABANDONED", "the server was closed");
    for (const connection of [...this.#connections]) connection.abandon(error);
  }

  /** For connections: this one is gone. */
  removed(connection: ServerConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.counters.connectionsOpen -= 1;
    if (this.#connections.size > 0) return;
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }
}

const checkRange = (name: string, value: number, min: number, max: number): void => {
  if (value >= min && value <= max) return;
  throw new HttpError("ERR_OPTION_INVALID", `${name} is ${value}, must be ${min}..${max}`);
};
