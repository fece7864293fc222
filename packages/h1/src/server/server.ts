// server.ts — what the HTTP/1.1 connections of one thread share: handler, limits, encoders, clock, counters.
import type { Arena, Stream } from "@percore/core";
import {
  type Clock,
  ConnectionSet,
  checkRange,
  DateCache,
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type Exchange,
  type Handler,
  HttpError,
  type HttpLimits,
  type HttpTimeouts,
  type ServerCounters,
  zeroCounters,
} from "@percore/http";
import type { BodyEncoder } from "../codec/body-encoder.ts";
import { Codec } from "../codec/codec.ts";
import type { HeadEncoder } from "../codec/head-encoder.ts";
import type { Machine } from "../codec/machine.ts";
import { FIELDS_MAX_MAX, HEAD_BYTES_MAX_MAX } from "../codec/message-parser.ts";
import type { TextCache } from "../codec/text.ts";
import { ServerConnection } from "./connection.ts";
import { KnownHeads } from "./known-heads.ts";

export interface H1ServerOptions {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly handler: Handler;
  readonly limits?: Partial<HttpLimits>;
  readonly timeouts?: Partial<HttpTimeouts>;
  /** Send 100 Continue when the handler asks for the body of a client that waits for it. Default true. */
  readonly autoContinue?: boolean;
  /**
   * A client that has closed its sending side while its request was being answered: false (default) takes it for a client
   * that has left, true goes on answering. No browser or library leaves a connection half open; `nc -N` does.
   */
  readonly allowHalfClose?: boolean;
  /** Told what handlers throw or reject with, and what else went wrong on our side. Default: console.error. */
  readonly report?: (error: unknown, exchange: Exchange | null) => void;
  /** Milliseconds since 1970, for Date. A test gives its own. */
  readonly wallClock?: () => number;
}

/** What a server counts. */
export type H1Counters = ServerCounters;

export class H1Server {
  readonly limits: HttpLimits;
  readonly timeouts: HttpTimeouts;
  readonly handler: Handler;
  readonly autoContinue: boolean;
  readonly allowHalfClose: boolean;
  readonly report: (error: unknown, exchange: Exchange | null) => void;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly knownHeads: KnownHeads;
  readonly machine: Machine;
  readonly texts: TextCache;
  readonly date: DateCache;
  readonly heads: HeadEncoder;
  readonly bodies: BodyEncoder;
  readonly counters: H1Counters = zeroCounters();
  readonly #connections = new ConnectionSet<ServerConnection>(this.counters);

  /** @throws {HttpError} ERR_OPTION_INVALID for a limit outside its range. */
  constructor(options: H1ServerOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    checkRange("limits.headBytesMax", this.limits.headBytesMax, 1, HEAD_BYTES_MAX_MAX);
    checkRange("limits.fieldsMax", this.limits.fieldsMax, 1, FIELDS_MAX_MAX);
    checkRange("limits.pipelinedMax", this.limits.pipelinedMax, 1, Number.MAX_SAFE_INTEGER);
    this.handler = options.handler;
    this.autoContinue = options.autoContinue ?? true;
    this.allowHalfClose = options.allowHalfClose ?? false;
    this.report = options.report ?? ((error) => console.error(error));
    this.clock = options.clock;
    const codec = Codec.of(options.arena);
    this.codec = codec;
    this.knownHeads = KnownHeads.of(options.arena);
    this.machine = codec.machine;
    this.texts = codec.texts;
    this.heads = codec.heads;
    this.bodies = codec.bodies;
    this.date = new DateCache(options.wallClock);
  }

  /** Serves a stream from now on; the stream must be of this server's arena. */
  accept(stream: Stream): ServerConnection {
    const connection = new ServerConnection(this, stream);
    this.#connections.add(connection);
    return connection;
  }

  /**
   * Lets every connection finish what it has begun and then close: answers say connection: close, idle connections get
   * `timeouts.lingerMs` for a request that is on its way. Resolves when none is left; `close()` ends it earlier.
   */
  drain(): Promise<void> {
    return this.#connections.drain();
  }

  get draining(): boolean {
    return this.#connections.draining;
  }

  /** Resets every connection. */
  close(): void {
    const error = new HttpError("ERR_EXCHANGE_ABANDONED", "the server was closed");
    this.#connections.close((connection) => connection.fail(error));
  }

  /** For connections: this one is gone. */
  removed(connection: ServerConnection): void {
    this.#connections.remove(connection);
  }
}
