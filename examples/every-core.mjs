// The same on every processor this process may use, each worker pinned to one of them; main waits for all.
import { run, sleep, spawn } from "@percore/core";

const nap = async (worker, name, ms) => {
  await sleep(ms);
  console.log(`worker ${worker}: ${name} is awake`);
};

let started = 0;
const running = run(
  async ({ index, workers }) => {
    console.log(`worker ${index} of ${workers} starts`);
    const tasks = [
      spawn(() => nap(index, "one", 300)),
      spawn(() => nap(index, "two", 200)),
      spawn(() => nap(index, "three", 100)),
    ];
    for (const task of tasks) await task;
    started += tasks.length;
    console.log(`worker ${index}: ${started} tasks done`);
  },
  { workers: "auto", cpus: "spread" },
);
await running;
console.log("main: every worker has ended");
