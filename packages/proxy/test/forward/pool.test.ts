// Connections to one server, where there are fewer of them than requests: nobody is forgotten, nobody waits for ever.
import { FakeClock } from "@percore/core/testing";
import t from "tap";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { Connected } from "../../src/forward/connector.ts";
import { ServerPool, type Waiter } from "../../src/forward/server-pool.ts";
import { testProxy } from "../../src/testing/index.ts";

t.test("a connection that cannot be made fails one request; the next has a try of its own", async (t) => {
  // 1. Two requests, one connection allowed: the first has it made, the second waits for it.
  // 2. The server refuses, and the first gives up. Once, nothing was left then that the second could have heard from.
  const failing: ((error: Error) => void)[] = [];
  const pool = new ServerPool({
    clock: new FakeClock(),
    plan: { idleMax: 8, idleTimeoutMs: 1_000, ageMs: 0, requestsMax: 0 },
    connectionsMax: 1,
    perClient: false,
    connect: () => new Promise<Connected>((_resolve, reject) => failing.push(reject)),
  });
  const told: string[] = [];
  const waiter = (name: string): Waiter => ({
    onConnection: () => t.fail("there is none"),
    onConnectFailed: () => told.push(name),
  });
  const whom = {
    remote: { family: "unix", address: "", port: 0 },
    local: { family: "unix", address: "", port: 0 },
  } as const;
  t.equal(pool.acquire(waiter("first"), whom), true, "one is being made for it");
  t.equal(pool.acquire(waiter("second"), whom), false, "it waits for another's");
  failing[0](new Error("refused"));
  await Promise.resolve().then(() => undefined);
  t.same(told, ["first"]);
  t.equal(failing.length, 2);
  failing[1](new Error("refused"));
  await Promise.resolve().then(() => undefined);
  t.same(told, ["first", "second"]);
  t.match(pool, { connections: 0, waiting: 0 });
  t.equal(failing.length, 2, "nobody waits, nothing is tried");
});

t.test("pendingTimeout holds for connections as for requests", async (t) => {
  const config = {
    upstreams: { api: { servers: "a:1", limits: { connections: 1, pendingTimeout: "3s" }, retries: false } },
    routes: [{ upstream: "api" }],
  } as ConfigInput;
  const proxy = testProxy(config, { servers: { "a:1": () => "silent" } });
  t.teardown(() => proxy.close());
  const first = proxy.fetch("/1");
  await proxy.advance(0);
  const second = proxy.fetch("/2");
  await proxy.advance(2_700);
  t.equal(proxy.upstreams()[0].pending, 1, "still in time");
  await proxy.advance(300);
  const late = await second;
  t.match(late.record, { status: 503, reason: "sQ" });
  t.equal(late.response.headers.get("retry-after"), "1");
  t.match(proxy.upstreams()[0], { active: 1, pending: 0 });
  await proxy.advance(61_000);
  t.equal((await first).response.status, 504, "the one that has the connection is not concerned");
  t.same(
    proxy.records.map(({ reason }) => reason),
    ["sQ", "sH"],
  );
});
