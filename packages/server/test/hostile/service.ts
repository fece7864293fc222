// service.ts — what a server under attack is to the tests: the same few routes, whatever serves them.
import type { MemoryParts } from "./memory-parts.ts";

/** One call of the handler, as the tests compare it: "POST /path 5" when a body of 5 bytes came whole. */
export interface ServiceLog {
  readonly handled: string[];
  /** Calls of the handler, also when the log above is not kept. */
  calls: number;
  /** Floods would fill the memory that is being watched. */
  keep: boolean;
}

export interface Gauges {
  readonly driver: string;
  /** Connections the server has. */
  readonly connections: number;
  /** Calls of the handler since the start. */
  readonly calls: number;
  readonly rssBytes: number;
  /** The same by parts, where they were asked for: reading them takes milliseconds. */
  readonly parts: MemoryParts | null;
  /** Open descriptors of the process. */
  readonly descriptors: number;
  /** Blocks of the arena that somebody holds, and their bytes but for receive buffers. */
  readonly leases: number;
  readonly heldBytes: number;
  /** Bytes after which the kernel ends a multishot receive; 0 = it knows no such cap. */
  readonly receiveCap: number;
  /** Deadlines that are armed. */
  readonly timers: number;
  /** Operations handed to the kernel without a final completion. */
  readonly inflight: number;
}

export interface ServiceOptions {
  /** What serves: the raw handler, the fetch handler, or node:http as a control of the tests themselves. */
  readonly kind: "handler" | "fetch" | "node";
  readonly limits?: Readonly<Record<string, number>>;
  readonly timeouts?: Readonly<Record<string, number>>;
  /** Most connections at once; 0 or absent: the default. */
  readonly connectionsMax?: number;
  /** See ServeOptions. */
  readonly allowHalfClose?: boolean;
}

export interface Service {
  readonly port: number;
  /** Bytes its arena reserves; 0 where it has none. */
  readonly arenaSize: number;
  gauges(): Omit<Gauges, "calls" | "rssBytes" | "parts" | "descriptors">;
  close(): Promise<void>;
}

/**
 * How a request is answered, by its path:
 *
 * - `/ignore…`  200 at once, the body not touched
 * - `/big…`     200 with BIG_BYTES of body
 * - `/stall…`   never
 * - `/hold…`    takes the first bytes of the body, then pauses for good
 * - `/throw…`   the handler throws; `/reject…` its promise rejects
 * - `/field?…`  200 with the decoded query as the value of `x-query`
 * - otherwise   200 when the body is whole: "METHOD target bytes"
 */
export const routeOf = (path: string): "ignore" | "big" | "stall" | "hold" | "throw" | "reject" | "field" | "echo" => {
  const match = /^\/(ignore|big|stall|hold|throw|reject|field)/.exec(path);
  return match === null ? "echo" : (match[1] as "ignore");
};

export const BIG_BYTES = 64 * 1024 * 1024;
export const BIG_CHUNK: Uint8Array = new Uint8Array(65_536).fill(0x61);

export const note = (log: ServiceLog, method: string, target: string, outcome: number | "ignored" | "failed"): void => {
  if (log.keep) log.handled.push(`${method} ${target} ${outcome}`);
};

export const queryValue = (target: string): string => {
  const query = target.slice(target.indexOf("?") + 1);
  try {
    return decodeURIComponent(query);
  } catch {
    return query;
  }
};
