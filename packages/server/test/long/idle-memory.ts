// idle-memory.ts — what an idle kept-alive connection costs the process, at ten thousand of them.
import { readFileSync } from "node:fs";
import { RawClient } from "../hostile/raw-client.ts";
import { Target, type TargetOptions } from "../hostile/target-process.ts";
import { Verdict } from "./verdict.ts";

const CONNECTIONS = 10_000;
/** So few that what they leave in V8's heap for the others to use counts for nothing. */
const WARM_CONNECTIONS = 100;
const WARM_REQUESTS = 100;
const SPARE = 500;
/** Issue 2: resident memory of the process; what the kernel keeps for a socket is not part of it. */
const BYTES_MAX = 3_072;
const SKIPPED = 77;
const TARGETS: readonly TargetOptions[] = [
  { kind: "handler", driver: "uring" },
  { kind: "handler", driver: "poll" },
  { kind: "fetch", driver: "uring" },
];

/** Brings in what is there once, by few connections: compiled code, first size classes, slots. */
const warm = async (target: Target): Promise<void> => {
  await Promise.all(
    Array.from({ length: WARM_CONNECTIONS }, async () => {
      const client = await RawClient.open(target.port);
      for (let at = 1; at <= WARM_REQUESTS; at += 1) {
        await client.send("GET /warm HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.answered(at, 10_000);
      }
      await client.dispose();
    }),
  );
  await target.idle();
};

const measure = async (verdict: Verdict, options: TargetOptions): Promise<void> => {
  const who = `${options.kind}, ${options.driver}`;
  const target = await Target.start(options);
  await target.keepLog(false);
  await warm(target);
  const clients: RawClient[] = [];
  const open = async (count: number): Promise<void> => {
    for (let from = 0; from < count; from += 200) {
      const more = Array.from({ length: Math.min(200, count - from) }, async () => {
        const client = await RawClient.open(target.port);
        await client.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.answered(1, 10_000);
        return client;
      });
      clients.push(...(await Promise.all(more)));
    }
  };
  const empty = await target.weigh();
  verdict.parts(`${who}: no connection`, empty);
  await open(CONNECTIONS);
  const full = await target.weigh();
  verdict.parts(`${who}: ${CONNECTIONS} connections`, full);
  const each = (full.rssBytes - empty.rssBytes) / CONNECTIONS;
  verdict.ok(full.connections === CONNECTIONS, `${who}: ${full.connections} connections`);
  verdict.ok(each <= BYTES_MAX, `${who}: ${each.toFixed(0)} bytes a connection, at most ${BYTES_MAX}`);
  for (const client of clients) client.reset();
  await Promise.all(clients.map((client) => client.dispose()));
  await verdict.settled(target, who);
  await target.stop();
};

const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0);
if (limit < CONNECTIONS + SPARE) {
  process.stdout.write(`needs ${CONNECTIONS + SPARE} descriptors, ulimit -n is ${limit}\n`);
  process.exitCode = SKIPPED;
} else {
  const verdict = new Verdict();
  for (const options of TARGETS) await measure(verdict, options);
  verdict.end();
}
