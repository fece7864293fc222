// The same on two workers: this whole program runs three times, here and once in each worker, and run() calls its
// function in the workers only. What stands behind it runs once, when both have returned.
import { run, sleep, spawn } from "@percore/core";

const nap = async (worker, name, ms) => {
  console.log(`worker ${worker}: ${name} sleeps ${ms} ms`);
  await sleep(ms);
  console.log(`worker ${worker}: ${name} is awake`);
};

await run(
  async ({ index }) => {
    const tasks = [
      spawn(() => nap(index, "one", 300)),
      spawn(() => nap(index, "two", 200)),
      spawn(() => nap(index, "three", 100)),
    ];
    for (const task of tasks) await task;
  },
  { workers: 2 },
);
console.log("all are awake");
