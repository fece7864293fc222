// start.ts — a proxy as a program: in the main thread its control, in each worker (or here, where there is one) the proxy itself.
import { randomUUID } from "node:crypto";
import { isMainThread } from "node:worker_threads";
import { inheritedSockets, type RunOptions, run } from "@percore/core";
import { AdminServer } from "../admin/server.ts";
import type { LoadedConfig } from "../config/load.ts";
import { processLimitMemory } from "../limits/shared-memory.ts";
import { Control, messageOf } from "./control.ts";
import { leaveSeed, type ProxySeed, takeSeed } from "./seed.ts";
import { bindUnixSockets } from "./unix-sockets.ts";
import { tellReady } from "./upgrade.ts";
import { type MakeForwarder, ProxyWorker } from "./worker.ts";

export interface StartOptions {
  readonly makeForwarder: MakeForwarder;
  /** Lines for the operator. Default: standard error. */
  readonly say?: (line: string) => void;
  /** Module that workers run; default: the program's main module, which must call startProxy() or joinProxy() too. */
  readonly entry?: string | URL;
  /** Reload, reopening and upgrade by SIGHUP, SIGUSR1 and SIGUSR2. Default true. */
  readonly signals?: boolean;
}

/** A proxy that runs. */
export interface RunningProxy {
  readonly control: Control;
  /** Where the admin API listens; null where there is none. */
  readonly adminAddress: string | null;
  /** Resolves when nothing of it is left. */
  readonly closed: Promise<void>;
}

/** In a worker thread: true where a proxy has started it. Then it has to call joinProxy(), and nothing else. */
export const isProxyWorker = (): boolean => !isMainThread && takeSeed() !== null;

/** A worker's part of the program. */
export const joinProxy = (makeForwarder: MakeForwarder): void => {
  const seed = takeSeed();
  if (seed === null) throw new Error("no proxy has started this thread");
  run(async (context) => {
    await ProxyWorker.start(seed, context, makeForwarder);
  });
};

/**
 * Starts the proxy; resolves when it listens, in every worker.
 * @throws what an address, the log's file or a worker is refused for.
 */
export const startProxy = async (loaded: LoadedConfig, options: StartOptions): Promise<RunningProxy> => {
  const { say = (line) => void process.stderr.write(`percore-proxy: ${line}\n`) } = options;
  const { config } = loaded;
  if (loaded.files.length === 0 && loaded.kind === "code" && config.workers !== 1) {
    throw new RangeError(
      "workers: a configuration with functions reaches other threads as a file only; give one, or 1 worker",
    );
  }
  // Before anything else opens descriptors.
  const inherited = inheritedSockets();
  const { sockets } = await bindUnixSockets(config, inherited);
  const seed: ProxySeed = {
    channel: `percore.proxy.${randomUUID()}`,
    source: messageOf(loaded),
    sockets,
    adjustments: [],
  };
  // Workers that start now or later find both.
  processLimitMemory();
  leaveSeed(seed);
  const { makeForwarder, entry, signals } = options;
  const runOptions: RunOptions = {
    workers: config.workers,
    cpus: config.cpus as RunOptions["cpus"],
    // "auto" is also what PERCORE_DRIVER may decide, which an option would overrule.
    driver: config.driver === "auto" ? undefined : config.driver,
    drainMs: config.drain,
    setuid: config.user,
    entry,
  };
  const running = run(async (context) => {
    await ProxyWorker.start(seed, context, makeForwarder, loaded);
  }, runOptions);
  await running;
  const control = new Control({ running, loaded, seed, say });
  const admin = config.admin === undefined ? null : new AdminServer(control, config.admin);
  await admin?.open();
  control.onHandOver = async (phase) => (phase === "before" ? admin?.close() : admin?.open());
  const forget = signals === false ? null : onSignals(control);
  tellReady();
  const closed = running.closed.then(async () => {
    forget?.();
    await admin?.close();
  });
  return { control, adminAddress: admin?.address ?? null, closed };
};

/** As nginx has them: HUP reads the configuration again, USR1 reopens the logs, USR2 hands over to a new process. */
const onSignals = (control: Control): (() => void) => {
  const handlers: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ["SIGHUP", () => void control.reload("SIGHUP")],
    ["SIGUSR1", () => void control.reopenLogs()],
    ["SIGUSR2", () => void control.upgrade()],
  ];
  for (const [signal, act] of handlers) process.on(signal, act);
  return () => {
    for (const [signal, act] of handlers) process.off(signal, act);
  };
};
