// Runs a load generator against one server and returns what it saw; ours (load/load.c) or wrk for a second opinion.
import { requestFile } from "./cases.mjs";
import { h2loadCommand, parseH2load } from "./h2load.mjs";
import { handshakeCommand, parseHandshakes } from "./handshakes.mjs";
import { LOAD_CPU } from "./machine.mjs";
import { BENCH } from "./paths.mjs";
import { start, stop, waitForLine } from "./processes.mjs";

/** Time that a generator may take beyond what it was asked for. */
const GRACE_MS = 15_000;

/**
 * @typedef {object} LoadResult
 * @property {number} requests @property {number} seconds @property {number} bytes
 * @property {{ mean: number, p50: number, p90: number, p99: number, p999: number, max: number }} latency nanoseconds
 * @property {Record<string, number>} errors
 */

/**
 * Warm-up first, then the measured window; `onBegin` and `onEnd` are called at its two ends.
 *
 * @param {object} options
 * @param {string} options.generator path of our generator, or "wrk"
 * @param {import("./cases.mjs").Case} options.one
 * @param {number} options.port @param {number} options.warmup seconds @param {number} options.seconds
 * @param {string} [options.cpus] where the generator runs; its own processor by default
 * @param {(group: number) => void} options.onBegin @param {(group: number) => void} options.onEnd
 * @returns {Promise<LoadResult>}
 */
export const runLoad = async (options) => {
  const { generator, one, port, warmup, seconds, onBegin, onEnd, cpus = String(LOAD_CPU) } = options;
  const limitMs = (warmup + seconds) * 1000 + GRACE_MS;
  const external = EXTERNAL[generator];
  if (external !== undefined) {
    if (warmup > 0) await run(start(external.command(one, port, warmup), { cpus }), limitMs);
    const started = start(external.command(one, port, seconds), { cpus });
    onBegin(started.group);
    const output = await run(started, limitMs, onEnd);
    return external.parse(output);
  }
  if (generator === "wrk") {
    if (one.mode === "churn") throw new Error("wrk cannot open a connection per request: use our generator");
    if (warmup > 0) await finish(start(wrkCommand(one, port, warmup), { cpus }), limitMs);
    const started = start(wrkCommand(one, port, seconds), { cpus });
    onBegin(started.group);
    return finish(started, limitMs, onEnd);
  }
  const started = start(
    [generator, "--port", String(port), "--connections", String(one.connections), "--pipeline", String(one.pipeline)]
      .concat(["--mode", one.mode, "--length", String(one.body.length), "--request", requestFile(one)])
      .concat(["--warmup", String(warmup), "--seconds", String(seconds)]),
    { cpus },
  );
  await waitForLine(started, "measuring", limitMs);
  onBegin(started.group);
  return finish(started, limitMs, onEnd);
};

const EXTERNAL = {
  h2load: { command: h2loadCommand, parse: parseH2load },
  handshakes: { command: handshakeCommand, parse: parseHandshakes },
};

/** Waits for the program's end; reads the clocks just before it, since a process that is gone has none. */
const run = async (started, limitMs, onEnd) => {
  const { child, output } = started;
  const timer = setTimeout(() => stop(started), limitMs);
  child.stdout.once("end", () => onEnd?.(started.group));
  await started.ended;
  clearTimeout(timer);
  return `${output.out}\n${output.error}`;
};

/** wrk knows whole seconds only. */
const wrkCommand = (one, port, seconds) =>
  ["wrk", "-t1", `-c${one.connections}`, `-d${Math.max(1, Math.round(seconds))}`, "--timeout", "5s"]
    .concat(["-s", `${BENCH}load/wrk.lua`, `http://127.0.0.1:${port}${one.path}`])
    .concat(["--", requestFile(one), String(one.pipeline)]);

/** Waits for the generator's line of JSON; reads the clocks while its process still exists. */
const finish = async (started, limitMs, onEnd) => {
  const { child, output } = started;
  const timer = setTimeout(() => stop(started), limitMs);
  const isJson = (line) => line.startsWith("{") && line.endsWith("}");
  await new Promise((resolve) => {
    const look = () => output.out.split("\n").some(isJson) && resolve();
    child.stdout.on("data", look);
    child.on("close", resolve);
    look();
  });
  onEnd?.(started.group);
  await started.ended;
  clearTimeout(timer);
  const line = output.out.split("\n").find(isJson);
  if (line === undefined) throw new Error(`the load generator failed: ${output.error.trim() || output.out.trim()}`);
  return JSON.parse(line);
};
