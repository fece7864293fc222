// control.ts — the main thread of a running proxy: reloads, upgrades, drains it, and asks its workers how they are.
import type { InheritedSocket, Running } from "@percore/core";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { planOf } from "../config/plan-of.ts";
import { ConfigError } from "../config/problem.ts";
import { routesOf } from "../config/routes-of.ts";
import { type SeriesSnapshot, sumSnapshots } from "../metrics/registry.ts";
import { diffConfigs } from "./config-diff.ts";
import { FileWatch } from "./file-watch.ts";
import type { Adjustment, ConfigMessage, WorkerStatus } from "./messages.ts";
import { leaveSeed, type ProxySeed } from "./seed.ts";
import { ControlChannel } from "./thread-channel.ts";
import { bindUnixSockets, dropUnixSockets } from "./unix-sockets.ts";
import { startSuccessor, type UpgradeOptions } from "./upgrade.ts";

/** What became of a reload, in words for whoever asked. */
export interface ReloadReport {
  readonly ok: boolean;
  readonly message: string;
}

export interface ControlOptions {
  readonly running: Running;
  readonly loaded: LoadedConfig;
  readonly seed: ProxySeed;
  /** Lines for the operator. */
  readonly say: (line: string) => void;
  /** Environment that the configuration is filled in with. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A configuration for another thread. One that was made by an object in the program itself has no way there. */
export const messageOf = (loaded: LoadedConfig): ConfigMessage =>
  loaded.kind === "code" ? { kind: "code", file: loaded.file, base: loaded.base } : { ...loaded, kind: "data" };

export class Control {
  readonly startedMs: number = Date.now();
  readonly #options: ControlOptions;
  readonly #channel: ControlChannel;
  readonly #watch: FileWatch;
  readonly #snapshots = new Map<string, readonly SeriesSnapshot[]>();
  #loaded: LoadedConfig;
  #sockets: readonly InheritedSocket[];
  #adjustments: readonly Adjustment[] = [];
  /** Reloads, adjustments and upgrades go one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #handedOver = false;
  #draining = false;
  /** Called before a successor starts, to give up what cannot be shared; and again where it failed. */
  onHandOver: ((phase: "before" | "failed") => Promise<void>) | null = null;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#loaded = options.loaded;
    this.#sockets = options.seed.sockets;
    this.#channel = new ControlChannel(options.seed.channel);
    this.#watch = new FileWatch(() => void this.reload("the file has changed"));
    if (options.loaded.config.watch) this.#watch.set(options.loaded.files);
    void options.running.closed.then(() => this.#end());
  }

  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Reads the configuration again and goes over to it. What is wrong with it is said, and nothing changes. */
  reload(why: string): Promise<ReloadReport> {
    return this.#inTurn(async () => {
      const report = await this.#reload();
      this.#options.say(`reload (${why}): ${report.message}`);
      return report;
    });
  }

  /** @returns whether there is such a server; then every worker, also one that starts later, does as it was told. */
  adjust(adjustment: Adjustment): Promise<boolean> {
    return this.#inTurn(async () => {
      const answers = await this.#channel.ask({ type: "adjust", ...adjustment }, this.#workers());
      if (!answers.some((answer) => answer.ok && answer.value)) return false;
      const { upstream, server } = adjustment;
      const earlier = this.#adjustments.find((one) => one.upstream === upstream && one.server === server);
      const merged: Adjustment = {
        ...adjustment,
        override: adjustment.override ?? earlier?.override ?? null,
        weight: adjustment.weight ?? earlier?.weight ?? null,
      };
      this.#adjustments = [...this.#adjustments.filter((one) => one !== earlier), merged];
      this.#leaveSeed();
      return true;
    });
  }

  async status(): Promise<{ readonly workers: readonly WorkerStatus[]; readonly silent: readonly number[] }> {
    const answers = await this.#channel.ask({ type: "status" }, this.#workers());
    return {
      workers: answers.flatMap((answer) => (answer.ok ? [answer.value] : [])),
      silent: answers.flatMap((answer) => (answer.ok ? [] : [answer.worker])),
    };
  }

  /** The sum over all workers, and what those had counted that are gone. */
  async metrics(): Promise<SeriesSnapshot[]> {
    const reports = this.#options.running.workers();
    const answers = await this.#channel.ask({ type: "metrics" }, this.#workers());
    const present = new Set<string>();
    for (const answer of answers) {
      const key = `${answer.worker}.${reports.find(({ index }) => index === answer.worker)?.restarts ?? 0}`;
      present.add(key);
      if (answer.ok) this.#snapshots.set(key, answer.value);
    }
    return sumSnapshots(
      [...this.#snapshots].map(([key, series]) => (present.has(key) ? series : series.filter(isCount))),
    );
  }

  async reopenLogs(): Promise<void> {
    await this.#channel.ask({ type: "reopenLogs" }, this.#workers());
    this.#options.say("logs reopened");
  }

  /** Hands over to a new process and drains this one. Failing, this one goes on. */
  upgrade(options: UpgradeOptions = {}): Promise<ReloadReport> {
    return this.#inTurn(async () => {
      const report = await this.#upgrade(options);
      this.#options.say(`upgrade: ${report.message}`);
      return report;
    });
  }

  /** Lets everybody finish, and ends. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#watch.close();
    await this.#options.running.drain(this.#loaded.config.drain);
  }

  async #reload(): Promise<ReloadReport> {
    if (this.#loaded.files.length === 0) return { ok: false, message: "the configuration is no file" };
    let loaded: LoadedConfig;
    try {
      loaded = await loadConfig(this.#loaded.file, {
        folder: this.#loaded.base,
        environment: this.#options.environment,
      });
      // What can fail in a worker fails here first.
      routesOf(loaded);
      planOf(loaded);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { ok: false, message: `the old configuration stays, for the new one has problems\n${error.message}` };
    }
    const diff = diffConfigs(this.#loaded.config, loaded.config);
    if (loaded.config.watch) this.#watch.set(loaded.files);
    if (loaded.kind === "data" && diff.changes.length + diff.later.length === 0) {
      this.#loaded = loaded;
      return { ok: true, message: "nothing has changed" };
    }
    return this.#apply(loaded, diff.changes, diff.later);
  }

  async #apply(loaded: LoadedConfig, changes: readonly string[], later: readonly string[]): Promise<ReloadReport> {
    const { running } = this.#options;
    let sockets = this.#sockets;
    try {
      ({ sockets } = await bindUnixSockets(loaded.config, this.#sockets));
    } catch (error) {
      return { ok: false, message: `the old configuration stays: ${(error as Error).message}` };
    }
    const before = this.#loaded;
    this.#loaded = loaded;
    this.#sockets = sockets;
    this.#leaveSeed();
    const waits = later.length === 0 ? "" : `; from the next start or upgrade on: ${later.join(", ")}`;
    // Functions do not cross threads, and a module that was loaded stays loaded: new code runs in new workers.
    const workers = this.#workers();
    if (loaded.kind === "code" && workers.length > 1) {
      await running.restart();
      this.#sockets = dropUnixSockets(loaded.config, before.config, sockets);
      return { ok: true, message: `workers run the new program; ${changes.join("; ")}${waits}` };
    }
    const answers = await this.#channel.ask({ type: "apply", source: messageOf(loaded), sockets }, workers);
    const failed = answers.flatMap((answer) => (answer.ok ? [] : [`worker ${answer.worker}: ${answer.error}`]));
    if (failed.length > 0) return this.#takeBack(before, failed);
    this.#sockets = dropUnixSockets(loaded.config, before.config, sockets);
    const what = changes.length === 0 ? "applied" : changes.join("; ");
    return { ok: true, message: what + waits };
  }

  /** Some workers could not go over: those that have go back, so that all do the same. */
  async #takeBack(before: LoadedConfig, failed: readonly string[]): Promise<ReloadReport> {
    const abandoned = this.#loaded;
    this.#loaded = before;
    await this.#channel.ask({ type: "apply", source: messageOf(before), sockets: this.#sockets }, this.#workers());
    this.#sockets = dropUnixSockets(before.config, abandoned.config, this.#sockets);
    this.#leaveSeed();
    return { ok: false, message: `the old configuration stays: ${failed.join("; ")}` };
  }

  async #upgrade(options: UpgradeOptions): Promise<ReloadReport> {
    const { workers } = await this.status();
    const listeners = workers[0]?.listeners;
    if (listeners === undefined) return { ok: false, message: "no worker answers" };
    try {
      await this.onHandOver?.("before");
      const pid = await startSuccessor(listeners, options);
      this.#handedOver = true;
      void this.drain();
      return { ok: true, message: `process ${pid} serves; this one drains` };
    } catch (error) {
      await this.onHandOver?.("failed");
      return { ok: false, message: `this process goes on: ${(error as Error).message}` };
    }
  }

  #leaveSeed(): void {
    const { channel } = this.#options.seed;
    leaveSeed({ channel, source: messageOf(this.#loaded), sockets: this.#sockets, adjustments: this.#adjustments });
  }

  #workers(): number[] {
    return this.#options.running
      .workers()
      .filter(({ state }) => state === "running")
      .map(({ index }) => index);
  }

  #inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #end(): void {
    this.#watch.close();
    this.#channel.close();
    // A successor has the same files.
    if (!this.#handedOver) dropUnixSockets(null, this.#loaded.config, this.#sockets);
  }
}

/** Counts go on; a gauge says what is, and of a worker that is gone nothing is. */
const isCount = ({ name, values }: SeriesSnapshot): boolean => values.length > 1 || name.endsWith("_total");
