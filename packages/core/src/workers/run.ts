// run.ts — runs a program on one thread or on several. With N workers the whole program runs N + 1 times: once in each
// worker, where run() calls main, and once in the main thread, where run() supervises and main is not called.
import { isMainThread, workerData } from "node:worker_threads";
import { gettid } from "@percore/native";
import type { DriverOption } from "../driver.ts";
import { openRuntime, type Runtime, type RuntimeOptions } from "../runtime.ts";
import { type CpusOption, countWorkers, placeWorkers } from "./cpu.ts";
import { resolveEntry } from "./entry.ts";
import { LocalRun } from "./local-run.ts";
import { type Member, setMember } from "./member.ts";
import { SEED_KEY, type WorkerSeed } from "./messages.ts";
import { pinNow } from "./pin.ts";
import { type PrivilegeOptions, resolveIdentity } from "./privileges.ts";
import { type Controller, Elsewhere, Running, Unstarted } from "./running.ts";
import { drainOnSignals } from "./signals.ts";
import { Supervised } from "./supervised.ts";
import { type RunEvent, Supervisor } from "./supervisor.ts";

export interface RunOptions extends PrivilegeOptions {
  /**
   * Worker threads. 1 (default) runs main in the calling thread and starts none. "auto": as many as the processors that the
   * affinity mask allows and the cgroup's quota has time for.
   */
  readonly workers?: number | "auto";
  /** Pins workers to processors: "none" (default), one each ("spread"), or the processors of this list in turn. */
  readonly cpus?: CpusOption;
  readonly driver?: DriverOption;
  /** Sizes of each worker's rings and memory. */
  readonly runtime?: Omit<RuntimeOptions, "driver">;
  /** The module that each worker imports. Default: the program's main module. It must call run() too. */
  readonly entry?: string | URL;
  /** What workers see behind `process.argv[1]`. Default: what this process was given. */
  readonly argv?: readonly string[];
  /** Drains on SIGTERM and SIGINT (default). false leaves the signals to you; only the main thread ever sees them. */
  readonly signals?: boolean;
  /** Drains when it aborts. */
  readonly signal?: AbortSignal;
  /** What draining may take before what is left is reset, milliseconds. Default 10 s. */
  readonly drainMs?: number;
  /** Delay before a crashed worker starts again; doubles with each crash in a row. Default 100 ms, at most 10 s. */
  readonly restartDelayMs?: number;
  readonly restartDelayMsMax?: number;
  /** Hears of crashes and deadlines. Default: crashes and deadlines are written to standard error. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** What main is given. */
export interface WorkerContext {
  /** 0..workers-1, and the same again after a restart. */
  readonly index: number;
  readonly workers: number;
  readonly runtime: Runtime;
  /** Aborts when draining starts. */
  readonly signal: AbortSignal;
  /** Says that ports are bound and this worker serves. Needed only by a main that does not return by then. */
  ready(): void;
}

/** The program's part that runs once per worker. What it returns is awaited. */
export type Main = (context: WorkerContext) => unknown;

const DRAIN_MS = 10_000;
const RESTART_DELAY_MS = 100;
const RESTART_DELAY_MS_MAX = 10_000;

/** Calls of run() in this thread so far; a worker finds its own among them. */
let calls = 0;

/**
 * Runs `main` in every worker, and this program again in each of them.
 *
 * What the program does before run() happens in the main thread and in every worker; what it does after `await run()`
 * happens once, where no worker is: inside workers that promise stays pending.
 *
 * Fails with ERR_OPTION_INVALID; ERR_WORKER_ENTRY where workers cannot import the main module; what main failed with
 * before it was up, in any worker; what opening the runtime fails with. A worker that fails later is started again.
 */
export const run = (main: Main, options: RunOptions = {}): Running => {
  calls += 1;
  const seed = (workerData as { [SEED_KEY]?: WorkerSeed } | null)?.[SEED_KEY];
  if (seed !== undefined) return inWorker(seed, calls, main, options);
  try {
    const workers = countWorkers(options.workers ?? 1);
    const cpus = placeWorkers(workers, options.cpus ?? "none");
    return workers === 1 ? runHere(main, options, cpus[0]) : supervise(options, cpus);
  } catch (error) {
    return new Running(new Unstarted(error));
  }
};

const inWorker = (seed: WorkerSeed, call: number, main: Main, options: RunOptions): Running => {
  // Other runs of the same program have workers of their own.
  if (call < seed.run) return new Running(new Elsewhere(Promise.resolve()));
  if (call === seed.run) void work(seed, main, options);
  return new Running(new Elsewhere(new Promise(() => {})));
};

const work = async (seed: WorkerSeed, main: Main, options: RunOptions): Promise<void> => {
  const supervised = new Supervised(seed);
  const { member } = supervised;
  setMember(member);
  try {
    if (seed.cpu !== null) pinNow(seed.cpu);
    const runtime = openRuntime({ ...options.runtime, driver: options.driver });
    supervised.hello(runtime, gettid());
    await main(contextOf(member, runtime, () => supervised.up()));
  } catch (error) {
    supervised.failed(error);
    return;
  }
  await supervised.ended();
};

const runHere = (main: Main, options: RunOptions, cpu: number | null): Running => {
  const local = new LocalRun({
    runtime: { ...options.runtime, driver: options.driver },
    cpu,
    identity: resolveIdentity(options),
    drainMs: options.drainMs ?? DRAIN_MS,
    onEvent: options.onEvent ?? logEvent,
    main: (here, runtime) => main(contextOf(here.member, runtime, () => here.ready())),
  });
  return controlled(local, options);
};

const supervise = (options: RunOptions, cpus: (number | null)[]): Running => {
  const supervisor = new Supervisor({
    // An entry of its own calls run() for the first time, wherever this call stands in the main program.
    run: options.entry === undefined ? calls : 1,
    entry: resolveEntry(options.entry),
    argv: options.argv ?? process.argv.slice(2),
    cpus,
    identity: resolveIdentity(options),
    drainMs: options.drainMs ?? DRAIN_MS,
    restartDelayMs: options.restartDelayMs ?? RESTART_DELAY_MS,
    restartDelayMsMax: options.restartDelayMsMax ?? RESTART_DELAY_MS_MAX,
    onEvent: options.onEvent ?? logEvent,
    placeCpu: (index) => placeWorkers(index + 1, options.cpus ?? "none")[index],
  });
  return controlled(supervisor, options);
};

const contextOf = (member: Member, runtime: Runtime, ready: () => void): WorkerContext => ({
  index: member.index,
  workers: member.workers,
  runtime,
  get signal(): AbortSignal {
    return member.signal;
  },
  ready,
});

/** Connects signals to a program that runs in this process. */
const controlled = (controller: Controller, options: RunOptions): Running => {
  if (options.signals !== false && isMainThread) {
    const stop = drainOnSignals(controller, options.drainMs ?? DRAIN_MS);
    void controller.closed.then(stop);
  }
  const { signal } = options;
  const drain = (): void => {
    void controller.drain(options.drainMs ?? DRAIN_MS);
  };
  if (signal?.aborted) drain();
  else signal?.addEventListener("abort", drain, { once: true });
  return new Running(controller);
};

const logEvent = (event: RunEvent): void => {
  if (event.kind === "crashed") {
    console.error(`percore: worker ${event.worker} crashed, starts again in ${event.restartInMs} ms:`, event.error);
  } else if (event.kind === "drain-deadline") {
    console.error(`percore: worker ${event.worker} was not done by the deadline; its connections are reset`);
  }
};
