// server-stats.ts — a server's counters: of this thread, or summed over the workers through shared memory.
import { type Runtime, shareBuffer, sharedBuffers } from "@percore/core";
import type { H1Counters } from "@percore/h1";
import type { H2Counters } from "@percore/h2";
import type { PrefaceGate } from "./preface.ts";
import type { TlsStage } from "./tls-stage.ts";

export interface ServerStats {
  /** Connections accepted since the start. */
  readonly connections: number;
  readonly connectionsOpen: number;
  readonly requests: number;
  /** Requests whose response is not complete. */
  readonly exchangesOpen: number;
  /** Requests answered with an error of ours: malformed, too large, too slow. */
  readonly refused: number;
  /** Exchanges that ended before their response was complete. */
  readonly aborted: number;
  readonly handlerErrors: number;
  /** Connections that a deadline ended. */
  readonly timeouts: number;
  readonly tunnels: number;
  /** TLS handshakes that were completed, those of them that resumed a session, and those that failed. */
  readonly handshakes: number;
  readonly handshakesResumed: number;
  readonly handshakesFailed: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Blocks of the arena that somebody holds. */
  readonly leases: number;
  /** Times that a receive had to wait for a buffer. */
  readonly receiveStarvations: number;
}

const NAMES: readonly (keyof ServerStats)[] = [
  "connections",
  "connectionsOpen",
  "requests",
  "exchangesOpen",
  "refused",
  "aborted",
  "handlerErrors",
  "timeouts",
  "tunnels",
  "handshakes",
  "handshakesResumed",
  "handshakesFailed",
  "bytesReceived",
  "bytesSent",
  "leases",
  "receiveStarvations",
];

const SHARED_NAME = "percore.server";
const PUBLISH_MS = 500;

/** What the protocols count alike. */
export type ProtocolCounters = Pick<
  ServerStats,
  (keyof ServerStats & keyof H1Counters) | "handshakes" | "handshakesResumed" | "handshakesFailed"
>;

/** Both protocols' counts, and the connections of which it is not known yet what they speak. */
export const sumCounters = (
  h1: H1Counters,
  h2: H2Counters | null,
  gate: PrefaceGate | null,
  tls: TlsStage | null,
): ProtocolCounters => ({
  connections:
    h1.connections +
    (h2?.connections ?? 0) +
    (gate === null ? 0 : gate.size + gate.ended) +
    (tls === null ? 0 : tls.size + tls.stats.failed),
  connectionsOpen: h1.connectionsOpen + (h2?.connectionsOpen ?? 0) + (gate?.size ?? 0) + (tls?.size ?? 0),
  requests: h1.requests + (h2?.requests ?? 0),
  exchangesOpen: h1.exchangesOpen + (h2?.exchangesOpen ?? 0),
  refused: h1.refused + (h2?.refused ?? 0),
  aborted: h1.aborted + (h2?.aborted ?? 0),
  handlerErrors: h1.handlerErrors + (h2?.handlerErrors ?? 0),
  timeouts: h1.timeouts + (h2?.timeouts ?? 0) + (gate?.timeouts ?? 0),
  tunnels: h1.tunnels + (h2?.tunnels ?? 0),
  handshakes: tls?.stats.completed ?? 0,
  handshakesResumed: tls?.stats.resumed ?? 0,
  handshakesFailed: tls?.stats.failed ?? 0,
});

export const readStats = (counters: ProtocolCounters, runtime: Runtime): ServerStats => {
  const { bytesReceived, bytesSent, leases, receiveStarvations } = runtime.stats;
  return { ...counters, bytesReceived, bytesSent, leases, receiveStarvations };
};

/** Writes a worker's counters into shared memory every half second, for the supervisor. */
export const publishStats = (read: () => ServerStats): void => {
  const buffer = new SharedArrayBuffer(NAMES.length * 8);
  const values = new Float64Array(buffer);
  shareBuffer(SHARED_NAME, buffer);
  setInterval(() => {
    const stats = read();
    for (const [at, name] of NAMES.entries()) values[at] = stats[name];
  }, PUBLISH_MS).unref();
};

/** What the workers have published, summed. */
export const sumStats = (): ServerStats => {
  const sum = Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<keyof ServerStats, number>;
  for (const { buffer } of sharedBuffers(SHARED_NAME)) {
    const values = new Float64Array(buffer);
    for (const [at, name] of NAMES.entries()) sum[name] += values[at];
  }
  return sum;
};
