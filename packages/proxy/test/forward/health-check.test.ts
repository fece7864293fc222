// A server that is asked whether it is well: whatever comes of asking is an answer, and never the end of the worker.
import { FakeClock } from "@percore/core/testing";
import type { ClientConnection } from "@percore/http";
import t from "tap";
import { HealthCheck } from "../../src/forward/health-check.ts";
import { ServerPool } from "../../src/forward/server-pool.ts";
import { UpstreamServer } from "../../src/forward/upstream-server.ts";

t.test("a connection that takes no request is a failed check", async (t) => {
  const clock = new FakeClock();
  const connect = async (): Promise<never> => {
    throw new Error("only checks connect here");
  };
  const plan = { text: "a:1", address: { kind: "tcp", host: "a", port: 1, tls: false }, weight: 1 } as const;
  const pool = new ServerPool({
    clock,
    plan: { idleMax: 1, idleTimeoutMs: 1_000, ageMs: 0, requestsMax: 0 },
    connectionsMax: null,
    perClient: false,
    connect,
  });
  const server = new UpstreamServer(plan, pool, null);
  let closed = 0;
  const connection = {
    request: () => {
      throw new Error("closed by its server");
    },
    close: () => {
      closed += 1;
    },
  };
  const check = new HealthCheck(server, {
    clock,
    host: "a",
    scheme: "http",
    random: () => 0,
    plan: {
      path: "/",
      host: null,
      statuses: new Set([200]),
      intervalMs: 1_000,
      timeoutMs: 500,
      healthyAfter: 1,
      unhealthyAfter: 2,
    },
    connect: async () => ({ connection: connection as unknown as ClientConnection, address: "192.0.2.1" }),
  });
  t.teardown(() => check.close());
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  clock.pass(1);
  await settled();
  t.equal(server.healthy, true, "once is not enough by this plan");
  clock.pass(1_000);
  await settled();
  t.equal(server.healthy, false);
  t.equal(closed, 2, "each check's connection is closed");
});
