import { connect } from "node:net";
import t from "tap";
import {
  acquireListener,
  currentRuntime,
  isSupervised,
  onDrain,
  run,
  shareBuffer,
  sharedBuffers,
  sleep,
} from "../../src/index.ts";
import type { WorkerContext } from "../../src/workers/run.ts";
import { LineClient } from "./client.ts";

const echo = { signals: false } as const;

t.test("one worker: main runs here, after the caller's turn, on this thread's runtime", async (t) => {
  const order: string[] = [];
  let seen: WorkerContext | undefined;
  const running = run(async (context) => {
    order.push("main");
    seen = context;
    await sleep(1);
    order.push("main ends");
  }, echo);
  order.push("caller");
  await running;
  order.push("resolved");
  t.same(order, ["caller", "main", "main ends", "resolved"]);
  t.match(seen, { index: 0, workers: 1 });
  t.equal(seen?.runtime, currentRuntime());
  t.equal(isSupervised(), false, "no thread was started");
  t.match(running.workers(), [{ index: 0, state: "running", up: true, restarts: 0, tid: process.pid }]);
});

t.test("main's failure is the caller's, thrown or rejected", async (t) => {
  await t.rejects(Promise.resolve(run(() => Promise.reject(new Error("rejected")), echo)), { message: "rejected" });
  await t.rejects(
    Promise.resolve(
      run(() => {
        throw new Error("thrown");
      }, echo),
    ),
    { message: "thrown" },
  );
});

t.test("wrong options are refused by the promise", async (t) => {
  for (const options of [
    { workers: 0 },
    { workers: 1, cpus: [99_999] },
    { workers: 1, setuid: "no such user" },
    { workers: 1, driver: "kqueue" as "poll" },
  ]) {
    await t.rejects(Promise.resolve(run(() => {}, { ...echo, ...options })), {
      code: /ERR_OPTION_INVALID|ERR_RUNTIME_EXISTS/,
    });
  }
  const running = run(() => {}, echo);
  await t.rejects(running.scale(2), { code: "ERR_OPTION_INVALID" });
  await t.rejects(running.restart(), { code: "ERR_OPTION_INVALID" });
  await running;
});

t.test("drain closes what listens, calls back, aborts the signal, and waits", async (t) => {
  const order: string[] = [];
  const running = run(async ({ signal }) => {
    signal.addEventListener("abort", () => order.push("aborted"));
    const listener = await acquireListener({ port: 0, hostname: "127.0.0.1" }, (stream) => stream.reset());
    t.equal(listener.connections, 0);
    const forget = onDrain(() => {
      order.push("never");
    });
    forget();
    onDrain(async (deadlineMs) => {
      t.equal(deadlineMs, 5000);
      order.push("draining");
      await sleep(5);
      order.push("drained");
    });
  }, echo);
  await running;
  const [address] = await running.addresses();
  t.match(address, { address: "127.0.0.1", family: "ipv4" });
  await running.drain(5000);
  t.same(order, ["aborted", "draining", "drained"]);
  const refused = await new Promise((resolve) => connect(address.port, "127.0.0.1").once("error", resolve));
  t.match(refused, { code: "ECONNREFUSED" });
});

t.test("an AbortSignal drains, and the next run starts afresh", async (t) => {
  const controller = new AbortController();
  let drained = false;
  const running = run(
    ({ signal }) => {
      t.notOk(signal.aborted);
      onDrain(() => {
        drained = true;
      });
    },
    { ...echo, signal: controller.signal },
  );
  await running;
  controller.abort();
  await running.drain();
  t.ok(drained);
  await run(({ signal }) => t.notOk(signal.aborted), echo);
});

t.test("pause and resume, connection limits and closing, through an acquired listener", async (t) => {
  const listener = await acquireListener({ port: 0, hostname: "127.0.0.1", connectionsMax: 1 }, (stream) => {
    stream.attach({
      onData: (lease) => stream.write(lease),
      onEnd: () => stream.end(),
      onDrain: () => {},
      onClose: () => {},
    });
  });
  t.equal(listener.connectionsMax, 1);
  const target = { host: "127.0.0.1", port: listener.address.port };
  const first = new LineClient(target);
  t.equal(await first.ask("one"), "one");
  const second = new LineClient(target);
  const answer = second.ask("two");
  listener.pause();
  listener.connectionsMax = 2;
  t.equal(await Promise.race([answer, sleep(30).then(() => "waits")]), "waits");
  listener.resume();
  t.equal(await answer, "two");
  t.equal(listener.connections, 2);
  await listener.close();
  await listener.close();
  t.equal(await first.ask("still"), "still");
  t.equal(listener.connections, 2);
  first.close();
  second.close();
});

t.test("two listeners with the same words get a port each where the port is free to choose", async (t) => {
  const options = { port: 0, hostname: "127.0.0.1" };
  const [one, two] = await Promise.all([acquireListener(options, () => {}), acquireListener(options, () => {})]);
  t.not(one.address.port, two.address.port);
  await t.rejects(
    acquireListener({ ...options, port: one.address.port }, () => {}),
    { code: "EADDRINUSE" },
  );
  await Promise.all([one.close(), two.close()]);
});

t.test("shared memory is known by name", async (t) => {
  const buffer = new SharedArrayBuffer(8);
  shareBuffer("mine", buffer);
  t.same(
    sharedBuffers("mine").map(({ worker }) => worker),
    [0],
  );
  t.equal(sharedBuffers("mine")[0].buffer, buffer);
  t.same(sharedBuffers("nobody's"), []);
});
