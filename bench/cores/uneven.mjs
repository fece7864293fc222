// Five tasks of different length on two workers. A runtime whose threads share nothing leaves each task where it was started;
// one that steals work moves tasks to an idle thread. Each program prints a line of JSON for every slice it has run.
import { availableParallelism } from "node:os";
import { buildHyper } from "../harness/build.mjs";
import { BENCH } from "../harness/paths.mjs";
import { run } from "../harness/processes.mjs";

/**
 * Milliseconds of work of each task: in all 340, so that two workers could be done after 170. Dealt out in turn, the long ones
 * all meet on the first worker: the unlucky case, which nobody who starts tasks in turn can rule out.
 */
export const TASKS = [100, 20, 100, 20, 100];
export const WORKERS = 2;
/** A task works this long, then yields: a runtime may move it then. */
const SLICE_MS = 2;

const PROGRAM = `${BENCH}cores/uneven-percore.mjs`;

/** @returns {Promise<{ name: string, label: string, command: string[] }[]>} */
export const unevenPrograms = async () => [
  { name: "percore", label: "Percore: started on a worker, stays there", command: [process.execPath, PROGRAM] },
  { name: "tokio", label: "Tokio: idle workers steal", command: [`${await buildHyper()}/uneven`] },
];

/**
 * One run.
 *
 * @returns {Promise<{ slices: { task: number, worker: number, start: number, end: number }[], makespan: number, busy: number }>}
 *   milliseconds since the tasks were started
 */
export const runUneven = async (program) => {
  const cpus = `0-${Math.min(WORKERS, availableParallelism()) - 1}`;
  const env = { TASKS: TASKS.join(","), SLICE_MS: String(SLICE_MS), WORKERS: String(WORKERS) };
  const output = await run(program.command, { cpus, env });
  const slices = output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const expected = TASKS.reduce((sum, ms) => sum + ms / SLICE_MS, 0);
  if (slices.length !== expected) throw new Error(`${program.name}: ${slices.length} slices of ${expected}`);
  const origin = Math.min(...slices.map(({ start }) => start));
  const moved = slices.map((slice) => ({ ...slice, start: slice.start - origin, end: slice.end - origin }));
  return {
    slices: moved,
    makespan: Math.max(...moved.map(({ end }) => end)),
    busy: moved.reduce((sum, { start, end }) => sum + end - start, 0),
  };
};

/** The best that any placement of whole tasks could do, and what the two runtimes' rules lead to, milliseconds. */
export const expectations = () => {
  const total = TASKS.reduce((sum, ms) => sum + ms, 0);
  const byWorker = Array.from({ length: WORKERS }, (_, worker) =>
    TASKS.filter((_, task) => task % WORKERS === worker).reduce((sum, ms) => sum + ms, 0),
  );
  return { ideal: total / WORKERS, fixed: Math.max(...byWorker) };
};
