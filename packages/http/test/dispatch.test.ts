// A handler's async context is its own, on Node 20 (resources) and on Node 24 (frames).
import { AsyncLocalStorage } from "node:async_hooks";
import t from "tap";
import { captureContext, dispatch, runIsolated } from "../src/dispatch.ts";
import type { Exchange, Handler } from "../src/exchange.ts";

const exchange = { path: "/" } as Exchange;
const unexpected = (_: Exchange, error: unknown): void => {
  throw error;
};

t.test("enterWith and run in one handler are not seen by the next", async (t) => {
  const storage = new AsyncLocalStorage<number>();
  const before: (number | undefined)[] = [];
  const after: (number | undefined)[] = [];
  let number = 0;
  const handler: Handler = async () => {
    number += 1;
    const own = number;
    before.push(storage.getStore());
    if (own % 2 === 0) storage.enterWith(own);
    else await storage.run(own, () => Promise.resolve());
    await null;
    after.push(storage.getStore());
  };
  for (let at = 0; at < 4; at += 1) dispatch(handler, exchange, unexpected);
  t.equal(storage.getStore(), undefined, "nor by the caller");
  await new Promise((resolve) => setImmediate(resolve));
  t.same(before, [undefined, undefined, undefined, undefined]);
  t.same(after.sort(), [2, 4, undefined, undefined]);
});

t.test("what a handler has set goes with its timers, promises and captured callbacks", async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  let context: ReturnType<typeof captureContext> | null = null;
  await new Promise<void>((resolve) => {
    runIsolated(() => {
      storage.enterWith("mine");
      context = captureContext();
      setImmediate(() => {
        seen.push(storage.getStore());
        resolve();
      });
    }, null);
  });
  (context as unknown as ReturnType<typeof captureContext>)(() => seen.push(storage.getStore()));
  t.same(seen, ["mine", "mine"]);
  t.equal(storage.getStore(), undefined);
});

t.test("what a handler throws or rejects with is told once, and goes no further", async (t) => {
  const error = new Error("mine");
  const told: unknown[] = [];
  const handlers: Handler[] = [
    () => {
      throw error;
    },
    () => Promise.reject(error),
    async () => {
      await null;
      throw error;
    },
    () => undefined,
    () => Promise.resolve(),
  ];
  for (const handler of handlers) dispatch(handler, exchange, (at, reason) => told.push(at, reason));
  await new Promise((resolve) => setImmediate(resolve));
  t.same(told, [exchange, error, exchange, error, exchange, error]);
});
