// worker.ts — the proxy of one thread: its engine, its listeners, and what the main thread asks of it.
import { type InheritedSocket, onDrain, type WorkerContext } from "@percore/core";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { FlightTable } from "../limits/flight-table.ts";
import { monotonicMs, RateTable } from "../limits/rate-table.ts";
import { processLimitMemory } from "../limits/shared-memory.ts";
import { LineSink } from "../log/line-sink.ts";
import type { Forwarder, ProxyPlan } from "../plan.ts";
import { Engine } from "./engine.ts";
import { Listeners } from "./listeners.ts";
import type { Answers, Command, ConfigMessage, WorkerStatus } from "./messages.ts";
import type { ProxySeed } from "./seed.ts";
import { answerCommands } from "./thread-channel.ts";

/** Makes a worker's forwarder. */
export type MakeForwarder = (plan: ProxyPlan, context: WorkerContext, report: (error: unknown) => void) => Forwarder;

/** A configuration out of the message it travelled in. @throws {ConfigError} for a program that has problems. */
export const receiveConfig = async (source: ConfigMessage): Promise<LoadedConfig> =>
  source.kind === "code" ? loadConfig(source.file, { folder: source.base }) : source;

export class ProxyWorker {
  readonly #context: WorkerContext;
  readonly #engine: Engine;
  readonly #listeners: Listeners;
  readonly #channel: { close(): void };

  private constructor(engine: Engine, seed: ProxySeed, context: WorkerContext) {
    this.#context = context;
    this.#engine = engine;
    this.#listeners = new Listeners(engine.handler);
    this.#channel = answerCommands(seed.channel, context.index, (command) => this.#obey(command));
  }

  /**
   * Starts the proxy of this thread; resolves when it listens.
   * @param given the configuration, where it is in this thread already.
   * @throws what the configuration, the log's file or an address is refused for.
   */
  static async start(
    seed: ProxySeed,
    context: WorkerContext,
    makeForwarder: MakeForwarder,
    given?: LoadedConfig,
  ): Promise<ProxyWorker> {
    const loaded = given ?? (await receiveConfig(seed.source));
    const report = (error: unknown): void => console.error("percore-proxy:", error);
    const rates = new RateTable(processLimitMemory());
    const engine = new Engine(loaded, {
      clock: context.runtime,
      worker: context.index,
      tables: { rates, flights: new FlightTable(processLimitMemory(), context.index), sharedMs: monotonicMs },
      forwarder: (plan) => makeForwarder(plan, context, report),
      openLog: (path) => new LineSink(path, report),
      report,
    });
    const worker = new ProxyWorker(engine, seed, context);
    worker.#register(rates);
    for (const { upstream, server, override, weight } of seed.adjustments) {
      engine.forwarder.adjust(upstream, server, override, weight);
    }
    await worker.#listeners.apply(loaded, seed.sockets);
    onDrain(() => worker.#drain());
    return worker;
  }

  /** Values that are there to be read, as metrics. */
  #register(rates: RateTable): void {
    const { registry } = this.#engine.metrics;
    registry.gauge("percore_connections", {}, () => this.#listeners.connections);
    registry.gauge("percore_limit_evicted", {}, () => rates.evicted);
    registry.gauge("percore_log_dropped", {}, () => this.#engine.logDropped);
    registry.gauge("percore_config_generation", {}, () => this.#engine.generation);
  }

  #obey(command: Command): Promise<Answers[Command["type"]]> | Answers[Command["type"]] {
    switch (command.type) {
      case "apply":
        return this.#apply(command.source, command.sockets);
      case "status":
        return this.#status();
      case "metrics":
        this.#measure();
        return this.#engine.metrics.registry.snapshot();
      case "adjust":
        return this.#engine.forwarder.adjust(command.upstream, command.server, command.override, command.weight);
      case "reopenLogs":
        this.#engine.reopenLog();
        return null;
    }
  }

  async #apply(source: ConfigMessage, sockets: readonly InheritedSocket[]): Promise<null> {
    const loaded = await receiveConfig(source);
    // Addresses first: they are what may fail, and then nothing has changed.
    await this.#listeners.apply(loaded, sockets);
    this.#engine.apply(loaded);
    return null;
  }

  #status(): WorkerStatus {
    return {
      worker: this.#context.index,
      generation: this.#engine.generation,
      driver: this.#context.runtime.driver.kind,
      connections: this.#listeners.connections,
      requests: this.#listeners.requests,
      listeners: this.#listeners.status,
      upstreams: this.#engine.forwarder.status(),
    };
  }

  /** Makes gauges of what the forwarder says of its upstreams; those of upstreams that are gone go. */
  #measure(): void {
    const { registry } = this.#engine.metrics;
    registry.forgetGauges((_name, labels) => labels.upstream === undefined);
    for (const { name: upstream, active, pending, servers } of this.#engine.forwarder.status()) {
      registry.gauge("percore_upstream_active", { upstream }, () => active);
      registry.gauge("percore_upstream_pending", { upstream }, () => pending);
      for (const { text: server, state, connections } of servers) {
        registry.gauge("percore_server_up", { upstream, server }, () => Number(state === "up"));
        registry.gauge("percore_server_connections", { upstream, server }, () => connections);
      }
    }
  }

  async #drain(): Promise<void> {
    this.#channel.close();
    await this.#listeners.close();
    await this.#engine.close();
  }
}
