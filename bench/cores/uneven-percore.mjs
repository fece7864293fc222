// The five tasks on Percore's workers, as a program on @percore/core would be written: each worker takes its own share of the
// tasks, runs them side by side on its one thread, and nothing moves to another one. Environment as for peers/hyper's `uneven`.
import { run, spawn } from "@percore/core";

const lengths = process.env.TASKS.split(",").map(Number);
const sliceMs = Number(process.env.SLICE_MS);
const workers = Number(process.env.WORKERS);

/** Its result is printed, so that no compiler leaves the work out. */
const churn = (rounds) => {
  let x = 0x9e3779b9 | 0;
  for (let i = 0; i < rounds; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x;
};

/** Rounds per millisecond: the best of several tries, so that a busy neighbour does not make the work shorter. */
const calibrate = () => {
  const ROUNDS = 2_000_000;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const begin = performance.now();
    churn(ROUNDS);
    best = Math.min(best, performance.now() - begin);
  }
  return ROUNDS / best;
};

/** The same clock in all threads: milliseconds since the system started. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

const work = async (task, worker, rounds, seen) => {
  for (let slice = 0; slice < lengths[task] / sliceMs; slice++) {
    const start = now();
    const checksum = churn(rounds);
    seen.push(JSON.stringify({ task, slice, worker, start, end: now(), checksum }));
    await new Promise(setImmediate); // to the loop, so that the worker's other tasks get their turn
  }
};

/** Workers begin together: at the next whole half second, by which all of them have started and calibrated. */
const gather = () => new Promise((resolve) => setTimeout(resolve, 500 - (now() % 500)));

await run(
  async ({ index }) => {
    const rounds = Math.round(calibrate() * sliceMs);
    const seen = [];
    await gather();
    const mine = lengths.map((_, task) => task).filter((task) => task % workers === index);
    await Promise.all(mine.map((task) => spawn(() => work(task, index, rounds, seen))));
    process.stdout.write(`${seen.join("\n")}\n`);
  },
  { workers },
);
