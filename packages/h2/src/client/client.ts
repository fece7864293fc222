// client.ts — makes the client's end of an HTTP/2 connection: options, their defaults, their ranges.
import type { Stream } from "@percore/core";
import {
  type ClientLimits,
  type ClientTimeouts,
  type Clock,
  checkRange,
  DEFAULT_CLIENT_LIMITS,
  DEFAULT_CLIENT_TIMEOUTS,
} from "@percore/http";
import { WINDOW_DEFAULT, WINDOW_MAX } from "../codec/frame.ts";
import type { HpackCodec } from "../codec/hpack/codec.ts";
import { OWN_CODEC } from "../codec/hpack/own-codec.ts";
import { DEFAULT_H2_LIMITS, type H2Limits } from "../limits.ts";
import { H2ClientConnection } from "./connection.ts";

/** Those of a client's limits that concern HTTP/2: what a paused body may hold is said by windows (`h2`). */
export type H2ClientLimits = Pick<ClientLimits, "headBytesMax" | "fieldsMax" | "informsMax" | "writeBufferBytes">;

/** Milliseconds. 0 switches a deadline off. */
export interface H2ClientTimeouts extends ClientTimeouts {
  /** Silence of a server that owes an answer, or holds a tunnel, before it is asked by PING whether it is there. */
  readonly pingMs: number;
  /** How long the answer to that PING may take; then the connection is given up. */
  readonly pingAnswerMs: number;
}

export interface H2ClientOptions {
  readonly clock: Clock;
  readonly limits?: Partial<H2ClientLimits>;
  /**
   * Limits of the protocol. Here `streamsMax` is what we have under way at most whatever the server allows, and
   * `resetsMax` counts streams that the server broke.
   */
  readonly h2?: Partial<H2Limits>;
  readonly timeouts?: Partial<H2ClientTimeouts>;
  /** Header compression. Default: our own. */
  readonly hpack?: HpackCodec;
  /** Told what receivers throw; their exchange has failed by then. Default: console.error. */
  readonly report?: (error: unknown) => void;
}

/** Options with everything decided: what the connection goes by. */
export interface H2ClientSettings {
  readonly clock: Clock;
  readonly limits: H2ClientLimits;
  readonly h2: H2Limits;
  readonly timeouts: H2ClientTimeouts;
  readonly hpack: HpackCodec;
  readonly report: (error: unknown) => void;
}

/**
 * As the server's, but for the connection's window: bodies that their receivers hold back take no more than half of it,
 * so that one slow reader never stops the others (see windows.ts).
 */
export const DEFAULT_H2_CLIENT_LIMITS: H2Limits = Object.freeze({
  ...DEFAULT_H2_LIMITS,
  connectionWindowBytes: 16 * 1024 * 1024,
});

export const DEFAULT_H2_CLIENT_TIMEOUTS: H2ClientTimeouts = Object.freeze({
  ...DEFAULT_CLIENT_TIMEOUTS,
  pingMs: 30_000,
  pingAnswerMs: 10_000,
});

/** The same options are given for each connection of a pool: they are looked at once. */
const decided = new WeakMap<H2ClientOptions, H2ClientSettings>();

/**
 * Takes a connected stream, TCP, TLS or any other, and speaks HTTP/2 on it as a client, by prior knowledge or behind ALPN:
 * the preface goes out at once, and requests may follow it before the server's SETTINGS are known. The stream is the
 * connection's until it closes.
 * @param options not to be changed afterwards
 * @throws {HttpError} ERR_OPTION_INVALID for a limit outside its range.
 */
export const createH2Client = (stream: Stream, options: H2ClientOptions): H2ClientConnection =>
  new H2ClientConnection(stream, settingsOf(options));

const settingsOf = (options: H2ClientOptions): H2ClientSettings => {
  let settings = decided.get(options);
  if (settings === undefined) {
    settings = decide(options);
    decided.set(options, settings);
  }
  return settings;
};

const decide = (options: H2ClientOptions): H2ClientSettings => {
  const limits = { ...DEFAULT_CLIENT_LIMITS, ...options.limits };
  const h2 = { ...DEFAULT_H2_CLIENT_LIMITS, ...options.h2 };
  checkRange("limits.headBytesMax", limits.headBytesMax, 1, WINDOW_MAX);
  checkRange("limits.fieldsMax", limits.fieldsMax, 1, WINDOW_MAX);
  checkRange("limits.informsMax", limits.informsMax, 0, Number.MAX_SAFE_INTEGER);
  checkRange("h2.streamWindowBytes", h2.streamWindowBytes, 1, WINDOW_MAX);
  checkRange("h2.streamWindowBytesMax", h2.streamWindowBytesMax, h2.streamWindowBytes, WINDOW_MAX);
  checkRange("h2.connectionWindowBytes", h2.connectionWindowBytes, WINDOW_DEFAULT, WINDOW_MAX);
  checkRange("h2.streamsMax", h2.streamsMax, 1, Math.floor(h2.connectionWindowBytes / 2 / h2.streamWindowBytes));
  checkRange("h2.tableBytesMax", h2.tableBytesMax, 0, 65_536);
  return {
    clock: options.clock,
    limits,
    h2,
    timeouts: { ...DEFAULT_H2_CLIENT_TIMEOUTS, ...options.timeouts },
    hpack: options.hpack ?? OWN_CODEC,
    report: options.report ?? ((error) => console.error(error)),
  };
};
