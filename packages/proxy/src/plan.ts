// plan.ts — the seam between what is configured and what is done: the configuration makes a ProxyPlan, the forwarder
// carries it out, request by request, and tells a RequestRecord what became of each.
import type { Exchange } from "@percore/http";
import type { ServerAddress } from "./config/address.ts";
import type { Networks } from "./limits/networks.ts";
import type { Template } from "./routing/template.ts";

/** Everything the forwarder goes by. Frozen; a reload makes another one. Durations in milliseconds, 0 is "none". */
export interface ProxyPlan {
  readonly upstreams: ReadonlyMap<string, UpstreamPlan>;
  readonly forwarded: ForwardedPlan;
}

export interface UpstreamPlan {
  readonly name: string;
  readonly servers: readonly ServerPlan[];
  readonly protocol: "auto" | "h1" | "h2";
  readonly tls: UpstreamTlsPlan | null;
  /** Host of requests: the client's, the server's address, or this name. */
  readonly host:
    | { readonly kind: "keep" }
    | { readonly kind: "server" }
    | { readonly kind: "name"; readonly name: string };
  /** Version of the PROXY header to send on new connections. */
  readonly proxyProtocol: 1 | 2 | null;
  readonly balance: BalancePlan;
  readonly health: HealthPlan | null;
  readonly ejection: EjectionPlan | null;
  readonly pool: PoolPlan;
  readonly limits: UpstreamLimits;
  readonly timeouts: UpstreamTimeouts;
  readonly retries: RetryPlan | null;
  readonly dns: { readonly ttlMinMs: number; readonly ttlMaxMs: number };
}

export interface ServerPlan {
  /** As it was written: its name in logs, metrics and the admin API. */
  readonly text: string;
  readonly address: ServerAddress;
  /** 1..256. */
  readonly weight: number;
}

export interface UpstreamTlsPlan {
  /** Null: the address's host. */
  readonly serverName: string | null;
  /** PEM texts; null: the system's authorities. */
  readonly ca: readonly string[] | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly verify: boolean;
}

/** What a request is placed or counted by. */
export type KeyPlan =
  | { readonly kind: "client" | "host" | "path" | "target" | "route" }
  | { readonly kind: "header" | "cookie"; readonly name: string };

export type BalancePlan =
  | { readonly kind: "round-robin" | "least-requests" | "power-of-two" }
  /** No server gets more than `loadMax` times the mean number of requests before its neighbour helps out. */
  | { readonly kind: "hash"; readonly by: KeyPlan; readonly loadMax: number };

export interface HealthPlan {
  /** Null: connecting is all that is tried. */
  readonly path: string | null;
  readonly host: string | null;
  /** Whether a status means healthy. */
  readonly statuses: ReadonlySet<number>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly healthyAfter: number;
  readonly unhealthyAfter: number;
}

export interface EjectionPlan {
  readonly failures: number;
  readonly timeMs: number;
  readonly timeMaxMs: number;
  /** 0..100. */
  readonly ejectedPercentMax: number;
  readonly panicPercent: number;
}

export interface PoolPlan {
  readonly idleMax: number;
  readonly idleTimeoutMs: number;
  readonly ageMs: number;
  /** 0: no limit. */
  readonly requestsMax: number;
}

export interface UpstreamLimits {
  /** Null: no limit. */
  readonly connectionsMax: number | null;
  readonly requestsMax: number | null;
  readonly pendingMax: number;
  readonly pendingTimeoutMs: number;
  readonly responseHeadBytesMax: number | null;
}

export interface UpstreamTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
  readonly tunnelIdleMs: number;
}

export type RetryCondition = "connect" | "reset" | "timeout" | "502" | "503" | "504" | "429";

export interface RetryPlan {
  readonly attempts: number;
  readonly on: ReadonlySet<RetryCondition>;
  readonly methods: ReadonlySet<string>;
  readonly budgetPercent: number;
  readonly bodyBytesMax: number;
}

export interface ForwardedPlan {
  readonly trust: Networks;
  readonly xForwarded: boolean;
  readonly forwarded: boolean;
  /** Our name in Via. */
  readonly via: string;
}

/** One change of a field; a value without names is filled in once. */
export interface FieldChange {
  /** Lower case. */
  readonly name: string;
  readonly value: Template;
}

/** Removed first, then set, then added. */
export interface FieldChanges {
  readonly remove: ReadonlySet<string>;
  readonly set: readonly FieldChange[];
  readonly add: readonly FieldChange[];
}

/** What of a route the forwarder needs. */
export interface ForwardRoute {
  readonly name: string;
  readonly fallback: string | null;
  readonly requestFields: FieldChanges | null;
  readonly responseFields: FieldChanges | null;
  /** Instead of the upstream's total; null: the upstream's. */
  readonly totalMs: number | null;
  readonly bodyBytesMax: number | null;
  readonly allowUpgrade: boolean;
  readonly allowConnect: boolean;
}

/** One request to forward. */
export interface ForwardOrder {
  readonly route: ForwardRoute;
  /** Name in the plan. */
  readonly upstream: string;
  /** Path and query for the upstream, in normal form. */
  readonly target: string;
  /** The client behind trusted proxies. */
  readonly client: string;
  readonly host: string;
  /** Fields that are sent to the upstream instead of the client's of the same names (request id, traceparent). */
  readonly extra: readonly string[];
  /** Fields for the client that are added to the upstream's answer (RateLimit). */
  readonly answerExtra: readonly string[];
  /** What names in the route's field changes stand for. */
  fill(name: string): string;
  /** What requests are placed by; for hashing. */
  keyOf(by: KeyPlan): string;
  /** Filled in by the forwarder. */
  readonly record: RequestRecord;
  /** To be called once, when nothing more happens to the request, with the record complete but for `endedMs`. */
  done(): void;
}

/** Why a request ended as it did: one of REASONS, or "-" for one that was answered whole. */
export type Reason = keyof typeof REASONS | "-";

/** Who broke off, and in which phase; every 5xx of ours has one of these. Two letters as in HAProxy where it has such a state. */
export const REASONS = {
  // The client
  CR: "the client left, or sent something wrong, while its request was being read",
  CQ: "the client left while the request waited for a connection to the upstream",
  CH: "the client left before the upstream's answer began",
  CD: "the client left during the answer",
  cD: "the client took no byte for too long",
  // Refused by the proxy before an upstream was asked
  PB: "the request's path, authority or fields were refused (400)",
  PN: "no route takes the request (404)",
  PA: "the client's network is not allowed (403)",
  PR: "a rate limit was passed (429)",
  PC: "a concurrency limit was passed (429)",
  PL: "the request's body is too large (413)",
  PU: "the route takes no upgrade or CONNECT (501)",
  PH: "a handler of the route failed (500)",
  // No server to be had
  SN: "no server of the upstream can be used (503)",
  SF: "the upstream's queue is full (503)",
  sQ: "the request waited too long for a connection (503)",
  // The upstream
  SC: "connecting failed: refused, unreachable, no such name, TLS refused (502)",
  sC: "connecting took too long (504)",
  SH: "the upstream closed or reset before its answer began (502)",
  sH: "the upstream's answer did not begin in time (504)",
  PP: "the upstream's answer broke the protocol's rules or a limit (502)",
  SD: "the upstream closed or reset during its answer",
  sD: "the upstream was silent for too long during its answer",
  sT: "the request with all its tries took too long (504)",
  // The proxy itself
  KD: "the proxy was told to end before the request was done",
  PI: "the proxy has a fault; standard error says which (500)",
} as const;

/** What is known of a request when it is over: the access log's and the metrics' source. Times in milliseconds. */
export interface RequestRecord {
  /** When its head had come, by the runtime's clock. */
  startedMs: number;
  method: string;
  status: number;
  reason: Reason;
  route: string;
  upstream: string;
  /** Text of the server that answered, or was tried last. */
  server: string;
  /** 0 where no server was asked. */
  tries: number;
  /** Body bytes from and to the client. */
  received: number;
  sent: number;
  /** Since `startedMs`, or -1 where it was not reached: a place in the queue, a connection, the answer's head, its end. */
  queuedMs: number;
  connectedMs: number;
  firstByteMs: number;
  endedMs: number;
}

export const newRecord = (startedMs: number, method: string): RequestRecord => ({
  startedMs,
  method,
  status: 0,
  reason: "-",
  route: "",
  upstream: "",
  server: "",
  tries: 0,
  received: 0,
  sent: 0,
  queuedMs: -1,
  connectedMs: -1,
  firstByteMs: -1,
  endedMs: -1,
});

export type ServerState = "up" | "down" | "ejected" | "draining";

/** What a person may say about a server: "auto" goes by the checks again. */
export type ServerOverride = "auto" | "up" | "down" | "drain";

export interface ServerStatus {
  readonly text: string;
  /** Addresses its name stands for now. */
  readonly addresses: readonly string[];
  readonly state: ServerState;
  readonly override: ServerOverride;
  readonly weight: number;
  readonly active: number;
  readonly connections: number;
  readonly idle: number;
  readonly requests: number;
  readonly failures: number;
}

export interface UpstreamStatus {
  readonly name: string;
  readonly active: number;
  readonly pending: number;
  readonly panic: boolean;
  readonly servers: readonly ServerStatus[];
}

/** Carries a plan out. One for each worker. */
export interface Forwarder {
  /** Answers the exchange, from the upstream or with 502, 503 or 504; calls `order.done` once. Never throws. */
  forward(exchange: Exchange, order: ForwardOrder): void;
  /** Goes over to another plan; requests under way, and connections to servers that are in both, stay. */
  apply(plan: ProxyPlan): void;
  status(): readonly UpstreamStatus[];
  /** @returns false where there is no such server. A weight of null leaves it. */
  adjust(upstream: string, server: string, override: ServerOverride | null, weight: number | null): boolean;
  /** Stops checks and closes idle connections; what is under way goes on. */
  close(): Promise<void>;
}
