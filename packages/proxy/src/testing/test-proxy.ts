// test-proxy.ts — a configuration under test: the real proxy, in this process, on a clock that moves when told to.
import { currentRuntime } from "@percore/core";
import { FakeClock } from "@percore/core/testing";
import { type Request, type RequestInit, type Response, type Server, serve } from "percore";
import { checkConfig, type LoadedConfig, type LoadOptions } from "../config/load.ts";
import type { ConfigInput } from "../config/schema.ts";
import { UpstreamForwarder } from "../forward/forwarder.ts";
import { FlightTable } from "../limits/flight-table.ts";
import { RateTable } from "../limits/rate-table.ts";
import { newLimitMemory } from "../limits/shared-memory.ts";
import { LineSink } from "../log/line-sink.ts";
import type { RequestRecord, UpstreamStatus } from "../plan.ts";
import { Engine } from "../run/engine.ts";
import { type FakeServer, FakeUpstreams } from "./fake-upstreams.ts";

export interface TestProxyOptions extends LoadOptions {
  /** What the servers do, by their addresses as the configuration has them. A server that is not named refuses connections. */
  readonly servers?: Readonly<Record<string, FakeServer>>;
  /** 0..1, for weighted splits and balancing. Default: 0, 0.25, 0.5, 0.75 and again. */
  readonly random?: () => number;
  /** Told of what handlers throw. Default: console.error. */
  readonly report?: (error: unknown) => void;
}

/** Turns of the event loop after which everything has happened that happens without time passing. */
const SETTLE_TURNS = 40;
/** Longest real time for a request to get as far as the proxy: Node's client, which sends it, has a pace of its own. */
const ARRIVE_MS = 5_000;

/** An answer, and what the log would say of the request. */
export interface TestAnswer {
  readonly response: Response;
  /** Complete when the answer's body has been read. */
  readonly record: RequestRecord;
}

/**
 * Runs a configuration in this process. Routes, limits, balancing, retries and timeouts are the real ones; servers are functions,
 * and time is `clock`.
 *
 * @param config as for defineConfig(), or one that loadConfig() has read.
 * @throws {ConfigError} for a configuration with problems.
 */
export const testProxy = (config: ConfigInput | LoadedConfig, options: TestProxyOptions = {}): TestProxy =>
  new TestProxy("config" in config && "files" in config ? config : checkConfig(config, options), options);

export class TestProxy {
  readonly clock: FakeClock = new FakeClock(1_000);
  readonly servers: FakeUpstreams;
  /** One for each request that is over. */
  readonly records: RequestRecord[] = [];
  readonly #engine: Engine;
  readonly #server: Server;
  /** Requests given to `fetch`, those of them that have reached the proxy, and those that are over. */
  #started = 0;
  #arrived = 0;
  #over = 0;

  /** Use testProxy(). */
  constructor(loaded: LoadedConfig, options: TestProxyOptions) {
    const { arena } = currentRuntime();
    const { random = quarters(), report = (error: unknown) => console.error(error) } = options;
    const memory = newLimitMemory();
    this.servers = new FakeUpstreams(options.servers ?? {}, arena, this.clock);
    this.#engine = new Engine(loaded, {
      clock: this.clock,
      worker: 0,
      tables: { rates: new RateTable(memory), flights: new FlightTable(memory, 0), sharedMs: () => this.clock.now },
      forwarder: (plan) =>
        new UpstreamForwarder(plan, {
          clock: this.clock,
          dial: this.servers.dialWith((text) => this.#protocolOf(text)),
          encrypt: async (stream) => stream,
          resolve: async () => ({ addresses: ["192.0.2.1"], ttlS: null }),
          random,
          report,
        }),
      openLog: (path) => new LineSink(path, report),
      observe: (record) => this.records.push(record),
      random,
      report,
    });
    const { handler } = this.#engine;
    this.#server = serve({
      listen: false,
      handler: (exchange) => {
        this.#arrived += 1;
        return handler(exchange);
      },
    });
  }

  /** Sends a request through the proxy. "/path" is of the host "localhost". */
  async fetch(input: string | URL | Request | globalThis.Request, init?: RequestInit): Promise<TestAnswer> {
    const before = this.records.length;
    this.#started += 1;
    const response = await this.#server.fetch(input, init).finally(() => {
      this.#over += 1;
    });
    // What is answered in one piece is over by now; what streams will be.
    await turns(2);
    const record = this.records[before] ?? (null as unknown as RequestRecord);
    return { response, record };
  }

  /** Lets everything happen that is due, then moves the clock on, a wheel step beyond `ms`, and again. */
  async advance(ms: number): Promise<void> {
    await this.#settle();
    this.clock.pass(ms);
    await this.#settle();
  }

  /** Goes over to another configuration, as a reload does. */
  apply(config: ConfigInput): void {
    this.#engine.apply(checkConfig(config));
  }

  upstreams(): readonly UpstreamStatus[] {
    return this.#engine.forwarder.status();
  }

  async close(): Promise<void> {
    await this.#engine.close();
    await this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #settle(): Promise<void> {
    const end = performance.now() + ARRIVE_MS;
    while (this.#arrived < this.#started && this.#over < this.#started && performance.now() < end) await turns(1);
    await turns(SETTLE_TURNS);
  }

  /** Streams in memory have no ALPN: what the upstream says is spoken. */
  #protocolOf(text: string): "h1" | "h2" {
    const { upstreams } = this.#engine.loaded.config;
    const isH2 = Object.values(upstreams).some(
      (upstream) =>
        typeof upstream === "object" &&
        !Array.isArray(upstream) &&
        upstream.protocol === "h2" &&
        JSON.stringify(upstream.servers).includes(JSON.stringify(text)),
    );
    return isH2 ? "h2" : "h1";
  }
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const quarters = (): (() => number) => {
  let at = 0.75;
  return () => {
    at = (at + 0.25) % 1;
    return at;
  };
};
