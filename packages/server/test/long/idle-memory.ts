// idle-memory.ts — what an idle kept-alive connection costs the process, at ten thousand of them.
import { readFileSync } from "node:fs";
import { RawClient } from "../hostile/raw-client.ts";
import { Target, type TargetOptions } from "../hostile/target-process.ts";
import { Verdict } from "./verdict.ts";

const CONNECTIONS = 10_000;
const SPARE = 500;
/** Issue 2: resident memory of the process; what the kernel keeps for a socket is not part of it. */
const BYTES_MAX = 3_072;
const SKIPPED = 77;
const TARGETS: readonly TargetOptions[] = [
  { kind: "handler", driver: "uring" },
  { kind: "handler", driver: "poll" },
  { kind: "fetch", driver: "uring" },
];

const measure = async (verdict: Verdict, options: TargetOptions): Promise<void> => {
  const who = `${options.kind}, ${options.driver}`;
  const target = await Target.start(options);
  await target.keepLog(false);
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
  // The first thousand bring in what is there once: compiled code, size classes, slots.
  await open(1_000);
  const few = await target.collect();
  await open(CONNECTIONS - 1_000);
  const many = await target.collect();
  const each = (many.rssBytes - few.rssBytes) / (many.connections - few.connections);
  const sinceStart = (many.rssBytes - target.before.rssBytes) / many.connections;
  verdict.ok(many.connections === CONNECTIONS, `${who}: ${many.connections} connections`);
  verdict.ok(each <= BYTES_MAX, `${who}: ${each.toFixed(0)} bytes a connection, at most ${BYTES_MAX}`);
  verdict.note(`${who}: ${sinceStart.toFixed(0)} bytes when all that came since the start is counted`);
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
