// The seam (g): while the transport is saturated, timers are on time, and promises, fs, DNS and MessagePort go on.
import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import { gettid } from "@percore/native";
import { Echo, overDrivers, serve } from "./transport.ts";

const SECONDS = 1.5;
const INTERVAL_MS = 10;
const LATE_MS_MAX = 20;
/** The best of so many rounds is ours: a pause of the whole machine is not. */
const ROUNDS_MAX = 4;

/** Load from a thread of its own: connections that always have a message under way. */
const LOAD = fileURLToPath(new URL("./saturation-load.js", import.meta.url));

interface Round {
  readonly lateP99Ms: number;
  /** By the clock, whoever had the processor: a wait that ignores the timer would show here. */
  readonly lateP50ByClockMs: number;
  readonly ticks: number;
  /** What went on meanwhile, times. */
  readonly counts: Readonly<Record<"promises" | "files" | "names" | "messages", number>>;
}

const percentile = (values: number[], share: number): number =>
  values.sort((a, b) => a - b)[Math.floor(values.length * share)];

/** Processor time of this thread, milliseconds. */
const processorMs = (): number =>
  Number(readFileSync(`/proc/self/task/${gettid()}/schedstat`, "latin1").split(" ")[0]) / 1e6;

const measure = async (): Promise<Round> => {
  const late: number[] = [];
  const lateByClock: number[] = [];
  let due = performance.now() + INTERVAL_MS;
  let ran = processorMs();
  const interval = setInterval(() => {
    const now = performance.now();
    const running = processorMs();
    // Late by the clock, but for the time in which other programs had the processor: this thread did not hold itself up then.
    late.push(Math.max(0, Math.min(now - due, running - ran - INTERVAL_MS)));
    lateByClock.push(Math.max(0, now - due));
    due = now + INTERVAL_MS;
    ran = running;
  }, INTERVAL_MS);
  const counts = { promises: 0, files: 0, names: 0, messages: 0 };
  const end = performance.now() + SECONDS * 1000;
  const repeat = async (name: keyof typeof counts, work: () => Promise<unknown>): Promise<void> => {
    while (performance.now() < end) {
      await work();
      counts[name] += 1;
    }
  };
  const { port1, port2 } = new MessageChannel();
  port2.on("message", (value) => port2.postMessage(value));
  await Promise.all([
    repeat("promises", () => new Promise((resolve) => setImmediate(resolve))),
    repeat("files", () => readFile(LOAD)),
    repeat("names", () => lookup("localhost")),
    repeat("messages", () => {
      const answered = new Promise((resolve) => port1.once("message", resolve));
      port1.postMessage("ping");
      return answered;
    }),
  ]);
  clearInterval(interval);
  port1.close();
  return {
    lateP99Ms: percentile(late, 0.99),
    lateP50ByClockMs: percentile(lateByClock, 0.5),
    ticks: late.length,
    counts,
  };
};

overDrivers("(g) at saturation a 10 ms interval is on time, and everything else goes on", {}, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  const load = new Worker(LOAD, { workerData: { port, connections: 64, messageBytes: 2000 } });
  await new Promise((resolve) => load.once("message", resolve));
  const rounds: Round[] = [];
  while (rounds.length < ROUNDS_MAX && rounds.every((round) => round.lateP99Ms > LATE_MS_MAX))
    rounds.push(await measure());
  const echoed = runtime.stats.bytesReceived;
  await load.terminate();
  const best = rounds.at(-1) as Round;
  t.ok(echoed > 1_000_000, `${Math.round(echoed / 1e6)} MB echoed meanwhile`);
  t.ok(best.ticks > 50, `${best.ticks} ticks`);
  t.ok(best.lateP99Ms <= LATE_MS_MAX, `p99 is ${best.lateP99Ms.toFixed(1)} ms late, round ${rounds.length}`);
  t.ok(best.lateP50ByClockMs <= LATE_MS_MAX, `the median is ${best.lateP50ByClockMs.toFixed(1)} ms late by the clock`);
  for (const [name, count] of Object.entries(best.counts)) t.ok(count > 20, `${name}: ${count} times`);
  await listener.close();
});
