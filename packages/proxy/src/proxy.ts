// proxy.ts — the proxy as a handler, for programs that serve it themselves: `serve({ handler: proxy(config) })`.
import { currentRuntime } from "@percore/core";
import type { Exchange } from "@percore/http";
import { checkConfig, type LoadedConfig } from "./config/load.ts";
import type { ConfigInput } from "./config/schema.ts";
import { dialSockets } from "./forward/connector.ts";
import { makeEncrypt } from "./forward/encrypt.ts";
import { UpstreamForwarder } from "./forward/forwarder.ts";
import { systemResolve } from "./forward/names.ts";
import { FlightTable } from "./limits/flight-table.ts";
import { monotonicMs, RateTable } from "./limits/rate-table.ts";
import { processLimitMemory } from "./limits/shared-memory.ts";
import { LineSink } from "./log/line-sink.ts";
import { prometheusText } from "./metrics/prometheus.ts";
import { PROXY_METRICS } from "./metrics/proxy-metrics.ts";
import type { UpstreamStatus } from "./plan.ts";
import { Engine } from "./run/engine.ts";

export interface ProxyOptions {
  /** This worker's number, where there are several: it stands in the log, and keeps counts of requests in flight apart. */
  readonly worker?: number;
  /** Told of what handlers throw and of what goes wrong inside. Default: console.error. */
  readonly report?: (error: unknown) => void;
}

/** A handler, with the proxy that is behind it. */
export interface Proxy {
  (exchange: Exchange): void;
  /** Goes over to another configuration; what is under way stays. @throws {ConfigError} */
  apply(config: ConfigInput | LoadedConfig): void;
  upstreams(): readonly UpstreamStatus[];
  /** This worker's metrics, for Prometheus. */
  metrics(): string;
  /** Goes on in a new log file of the same name. */
  reopenLog(): void;
  /** Gives up what is under way and closes connections: after the server has closed. */
  close(): Promise<void>;
}

/**
 * The proxy of one configuration as a handler. `listen`, `workers`, `client` and the like are the program's own affair here: give
 * them to serve().
 *
 * It is set up with the first request, on the thread that serves it. With workers, rate limits hold over all of them where the
 * main thread has called proxy() too, before they start: the program runs in each, so it has.
 * @throws {ConfigError} with every problem of the configuration.
 */
export const proxy = (config: ConfigInput | LoadedConfig, options: ProxyOptions = {}): Proxy => {
  const { worker = 0, report = (error: unknown) => console.error(error) } = options;
  let loaded = loadedOf(config);
  const memory = processLimitMemory();
  let engine: Engine | null = null;
  const start = (): Engine => {
    const runtime = currentRuntime();
    const made = new Engine(loaded, {
      clock: runtime,
      worker,
      tables: { rates: new RateTable(memory), flights: new FlightTable(memory, worker), sharedMs: monotonicMs },
      forwarder: (plan) =>
        new UpstreamForwarder(plan, {
          clock: runtime,
          dial: dialSockets(runtime),
          encrypt: makeEncrypt(runtime),
          resolve: systemResolve,
          random: Math.random,
          report,
        }),
      openLog: (path) => new LineSink(path, report),
      report,
    });
    engine = made;
    return made;
  };
  const handle = (exchange: Exchange): void => void (engine ?? start()).handler(exchange);
  return Object.assign(handle, {
    apply: (next: ConfigInput | LoadedConfig): void => {
      loaded = loadedOf(next);
      engine?.apply(loaded);
    },
    upstreams: () => (engine ?? start()).forwarder.status(),
    metrics: () => prometheusText(PROXY_METRICS, (engine ?? start()).metrics.registry.snapshot()),
    reopenLog: () => engine?.reopenLog(),
    close: async () => engine?.close(),
  });
};

const loadedOf = (config: ConfigInput | LoadedConfig): LoadedConfig =>
  "config" in config && "files" in config ? config : checkConfig(config);
