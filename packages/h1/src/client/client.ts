// client.ts — makes the client's end of an HTTP/1.1 connection: options, their defaults, their ranges.
import type { Stream } from "@percore/core";
import {
  type ClientConnection,
  type ClientLimits,
  type ClientTimeouts,
  type Clock,
  checkRange,
  DEFAULT_CLIENT_LIMITS,
  DEFAULT_CLIENT_TIMEOUTS,
} from "@percore/http";
import { FIELDS_MAX_MAX, HEAD_BYTES_MAX_MAX } from "../codec/message-parser.ts";
import { H1ClientConnection } from "./connection.ts";

export interface H1ClientOptions {
  readonly clock: Clock;
  readonly limits?: Partial<ClientLimits>;
  readonly timeouts?: Partial<ClientTimeouts>;
  /** Told what receivers throw; their exchange and connection have failed by then. Default: console.error. */
  readonly report?: (error: unknown) => void;
}

/** Options with everything decided: what the connection goes by. */
export interface H1ClientSettings {
  readonly clock: Clock;
  readonly limits: ClientLimits;
  readonly timeouts: ClientTimeouts;
  readonly report: (error: unknown) => void;
}

/** The same options are given for each connection of a pool: they are looked at once. */
const decided = new WeakMap<H1ClientOptions, H1ClientSettings>();

/**
 * Takes a connected stream, TCP, TLS or any other, and speaks HTTP/1.1 on it as a client. One request at a time, each
 * behind the last one's response; there is no pipelining. The stream is the connection's until it closes.
 * @param options not to be changed afterwards
 * @throws {HttpError} ERR_OPTION_INVALID for a limit outside its range.
 */
export const createH1Client = (stream: Stream, options: H1ClientOptions): ClientConnection =>
  new H1ClientConnection(stream, settingsOf(options));

const settingsOf = (options: H1ClientOptions): H1ClientSettings => {
  let settings = decided.get(options);
  if (settings === undefined) {
    settings = decide(options);
    decided.set(options, settings);
  }
  return settings;
};

const decide = (options: H1ClientOptions): H1ClientSettings => {
  // What is known of one client's responses serves another's of the very same limits.
  const limits = options.limits === undefined ? DEFAULT_CLIENT_LIMITS : { ...DEFAULT_CLIENT_LIMITS, ...options.limits };
  checkRange("limits.headBytesMax", limits.headBytesMax, 1, HEAD_BYTES_MAX_MAX);
  checkRange("limits.fieldsMax", limits.fieldsMax, 1, FIELDS_MAX_MAX);
  checkRange("limits.informsMax", limits.informsMax, 0, Number.MAX_SAFE_INTEGER);
  return {
    clock: options.clock,
    limits,
    timeouts: { ...DEFAULT_CLIENT_TIMEOUTS, ...options.timeouts },
    report: options.report ?? ((error) => console.error(error)),
  };
};
