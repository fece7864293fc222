// Three tasks that sleep, on one thread: the one that sleeps shortest is done first, and the program takes as long as
// the longest.
import { run, sleep, spawn } from "@percore/core";

const nap = async (name, ms) => {
  console.log(`${name} sleeps ${ms} ms`);
  await sleep(ms);
  console.log(`${name} is awake`);
};

await run(async () => {
  const tasks = [spawn(() => nap("one", 300)), spawn(() => nap("two", 200)), spawn(() => nap("three", 100))];
  for (const task of tasks) await task;
});
console.log("all are awake");
