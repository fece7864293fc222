// live.ts — a proxy on sockets in this process, for what needs real ones: tunnels between versions, hostile servers.

import { currentRuntime } from "@percore/core";
import { type Server, serve } from "percore";
import type { Test } from "tap";
import { checkConfig } from "../../src/config/load.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { makeForwarder } from "../../src/forward/make-forwarder.ts";
import { FlightTable } from "../../src/limits/flight-table.ts";
import { monotonicMs, RateTable } from "../../src/limits/rate-table.ts";
import { newLimitMemory } from "../../src/limits/shared-memory.ts";
import { LineSink } from "../../src/log/line-sink.ts";
import type { RequestRecord } from "../../src/plan.ts";
import { Engine } from "../../src/run/engine.ts";

export interface LiveProxy {
  readonly port: number;
  readonly server: Server;
  readonly records: RequestRecord[];
  readonly engine: Engine;
}

export const liveProxy = async (t: Test, config: ConfigInput): Promise<LiveProxy> => {
  const records: RequestRecord[] = [];
  const memory = newLimitMemory();
  const runtime = currentRuntime();
  const engine = new Engine(checkConfig(config), {
    clock: runtime,
    worker: 0,
    tables: { rates: new RateTable(memory), flights: new FlightTable(memory, 0), sharedMs: monotonicMs },
    forwarder: (plan) => makeForwarder(plan, { runtime } as never, (error) => t.fail(String(error))),
    openLog: (path) => new LineSink(path, t.fail),
    observe: (record) => records.push(record),
    report: (error) => t.fail(String(error)),
  });
  const server = serve({ port: 0, hostname: "127.0.0.1", signals: false, handler: engine.handler });
  await server.ready;
  t.teardown(async () => {
    await engine.close();
    await server.close(1_000);
  });
  return { port: server.address?.port as number, server, records, engine };
};
