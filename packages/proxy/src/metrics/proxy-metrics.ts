// proxy-metrics.ts — what the proxy counts, by route and by upstream.
import type { Reason, RequestRecord } from "../plan.ts";
import { type Counter, type Histogram, type MetricInfo, Registry } from "./registry.ts";

/** Every metric of the proxy, with what it means. */
export const PROXY_METRICS: readonly MetricInfo[] = [
  { name: "percore_requests_total", help: "Requests that are over, by route and class of status.", kind: "counter" },
  {
    name: "percore_request_seconds",
    help: "From a request's head to the end of its answer, by route.",
    kind: "histogram",
  },
  {
    name: "percore_ended_total",
    help: "Requests that ended otherwise than with a whole answer, by reason.",
    kind: "counter",
  },
  { name: "percore_received_bytes_total", help: "Body bytes from clients, by route.", kind: "counter" },
  { name: "percore_sent_bytes_total", help: "Body bytes to clients, by route.", kind: "counter" },
  {
    name: "percore_upstream_requests_total",
    help: "Requests answered by or given up on an upstream, by class of status.",
    kind: "counter",
  },
  { name: "percore_upstream_retries_total", help: "Tries after the first.", kind: "counter" },
  {
    name: "percore_upstream_first_byte_seconds",
    help: "From the connection to the head of the answer.",
    kind: "histogram",
  },
  { name: "percore_upstream_active", help: "Requests under way to an upstream.", kind: "gauge" },
  { name: "percore_upstream_pending", help: "Requests that wait for a connection.", kind: "gauge" },
  { name: "percore_server_up", help: "Workers in which the server is used.", kind: "gauge" },
  { name: "percore_server_connections", help: "Connections to a server, idle ones too.", kind: "gauge" },
  { name: "percore_connections", help: "Connections of clients.", kind: "gauge" },
  {
    name: "percore_limit_evicted",
    help: "Rate limit keys that were forgotten before their buckets were full.",
    kind: "gauge",
  },
  { name: "percore_log_dropped", help: "Lines of the access log that were lost.", kind: "gauge" },
  {
    name: "percore_config_generation",
    help: "Configurations that were applied, summed over the workers.",
    kind: "gauge",
  },
];

const CLASSES = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;

const classOf = (status: number): number => {
  const first = Math.floor(status / 100);
  return first >= 1 && first <= 5 ? first : 0;
};

interface RouteCounters {
  readonly classes: readonly Counter[];
  readonly seconds: Histogram;
  readonly received: Counter;
  readonly sent: Counter;
}

interface UpstreamCounters {
  readonly classes: readonly Counter[];
  readonly retries: Counter;
  readonly firstByte: Histogram;
}

export class ProxyMetrics {
  readonly registry: Registry = new Registry(PROXY_METRICS);
  readonly #routes = new Map<string, RouteCounters>();
  readonly #upstreams = new Map<string, UpstreamCounters>();
  readonly #reasons = new Map<Reason, Counter>();

  /** Counts a request that is over. */
  count(record: RequestRecord): void {
    const route = this.#routes.get(record.route) ?? this.#addRoute(record.route);
    const statusClass = classOf(record.status);
    route.classes[statusClass].value += 1;
    route.seconds.observe(record.endedMs / 1_000);
    route.received.value += record.received;
    route.sent.value += record.sent;
    if (record.reason !== "-") this.#countReason(record.reason);
    if (record.upstream === "") return;
    const upstream = this.#upstreams.get(record.upstream) ?? this.#addUpstream(record.upstream);
    upstream.classes[statusClass].value += 1;
    if (record.tries > 1) upstream.retries.value += record.tries - 1;
    if (record.firstByteMs >= 0 && record.connectedMs >= 0) {
      upstream.firstByte.observe((record.firstByteMs - record.connectedMs) / 1_000);
    }
  }

  #countReason(reason: Reason): void {
    let counter = this.#reasons.get(reason);
    if (counter === undefined) {
      counter = this.registry.counter("percore_ended_total", { reason });
      this.#reasons.set(reason, counter);
    }
    counter.value += 1;
  }

  #addRoute(route: string): RouteCounters {
    const { registry } = this;
    const counters: RouteCounters = {
      classes: CLASSES.map((name) => registry.counter("percore_requests_total", { route, class: name })),
      seconds: registry.histogram("percore_request_seconds", { route }),
      received: registry.counter("percore_received_bytes_total", { route }),
      sent: registry.counter("percore_sent_bytes_total", { route }),
    };
    this.#routes.set(route, counters);
    return counters;
  }

  #addUpstream(upstream: string): UpstreamCounters {
    const { registry } = this;
    const counters: UpstreamCounters = {
      classes: CLASSES.map((name) => registry.counter("percore_upstream_requests_total", { upstream, class: name })),
      retries: registry.counter("percore_upstream_retries_total", { upstream }),
      firstByte: registry.histogram("percore_upstream_first_byte_seconds", { upstream }),
    };
    this.#upstreams.set(upstream, counters);
    return counters;
  }
}
