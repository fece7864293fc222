import t from "tap";
import { interval, sleep, spawn, timeout } from "../src/tasks.ts";

t.test("spawn starts after the caller's turn, and awaiting joins", async (t) => {
  const order: string[] = [];
  const task = spawn(async () => {
    order.push("task");
    await sleep(1);
    return 42;
  });
  order.push("caller");
  t.notOk(task.finished);
  t.equal(await task, 42);
  t.ok(task.finished);
  t.same(order, ["caller", "task"]);
});

t.test("a task's failure is its joiner's", async (t) => {
  await t.rejects(
    Promise.resolve(
      spawn(() => {
        throw new Error("no");
      }),
    ),
    { message: "no" },
  );
});

t.test("abort reaches the task by its signal; one that has not started never does", async (t) => {
  const task = spawn((signal) => sleep(10_000, { signal }));
  await sleep(1);
  task.abort(new Error("enough"));
  await t.rejects(Promise.resolve(task), { message: "enough" });
  let ran = false;
  const controller = new AbortController();
  const early = spawn(
    () => {
      ran = true;
    },
    { signal: controller.signal },
  );
  controller.abort(new Error("before"));
  await t.rejects(Promise.resolve(early), { message: "before" });
  await t.rejects(Promise.resolve(spawn(() => {}, { signal: controller.signal })), { message: "before" });
  t.notOk(ran);
});

t.test("sleep ends early with the signal's reason and leaves no timer behind", async (t) => {
  const controller = new AbortController();
  const sleeping = sleep(60_000, { signal: controller.signal });
  controller.abort(new Error("woken"));
  await t.rejects(sleeping, { message: "woken" });
  await t.rejects(sleep(1, { signal: controller.signal }), { message: "woken" });
});

t.test("interval counts ticks, skips those nobody waited for, and ends with its signal", async (t) => {
  const controller = new AbortController();
  const ticks: number[] = [];
  for await (const tick of interval(5, { signal: controller.signal })) {
    ticks.push(tick);
    if (tick === 1) await sleep(18);
    if (ticks.length === 3) controller.abort();
  }
  t.equal(ticks[0], 1);
  t.ok(ticks[1] >= 4, `the second tick after 18 ms of work was number ${ticks[1]}`);
  t.ok(ticks[2] > ticks[1]);
  t.throws(() => interval(0), { code: "ERR_ASSERTION" });
});

t.test("timeout gives its function a signal and rejects with TimeoutError", async (t) => {
  t.equal(await timeout(1000, () => 7), 7);
  let reason: unknown;
  await t.rejects(
    timeout(5, (signal) => {
      signal.addEventListener("abort", () => {
        reason = signal.reason;
      });
      return sleep(10_000, { signal });
    }),
    { name: "TimeoutError" },
  );
  t.match(reason, { name: "TimeoutError" });
  const aborted = AbortSignal.abort(new Error("outer"));
  await t.rejects(
    timeout(5, () => sleep(1), { signal: aborted }),
    { message: "outer" },
  );
  await t.rejects(
    timeout(1000, () => {
      throw new Error("inner");
    }),
    { message: "inner" },
  );
});
