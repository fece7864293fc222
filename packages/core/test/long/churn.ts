// churn.ts — 200,000 connections that end in every way; afterwards every counter is zero and memory has not grown.
// Run as `node --expose-gc churn.js [connections] [driver …]`; prints a line per driver and exits with 1 when one fails.
import { fork } from "node:child_process";
import { once } from "node:events";
import { memoryUsage } from "node:process";
import { fileURLToPath } from "node:url";
import type { DriverOption } from "../../src/driver.ts";
import type { Lease } from "../../src/lease.ts";
import { listen } from "../../src/listener.ts";
import { openRuntime, type Runtime } from "../../src/runtime.ts";
import type { SocketStream } from "../../src/socket-stream.ts";
import type { StreamHandler } from "../../src/stream.ts";
import { fillYoung } from "./young.ts";

const CONNECTIONS = 200_000;
/** Memory is compared with what it was here: by then everything that is kept for reuse has been made. */
const MARK = 0.2;
const GROWTH_MAX = 0.05;
const REST_MS = 10_000;
const LOOKS = 10;
const LOOK_EVERY_MS = 100;
const LOAD = fileURLToPath(new URL("./churn-load.js", import.meta.url));

/** One for all: made anew for each it would be the program's own garbage that memory is measured by. */
const LARGE = new Uint8Array(300_000);

/** Answers by the first byte of what it is sent: how this connection shall end. */
class Ending implements StreamHandler {
  readonly #stream: SocketStream;
  #first = true;

  constructor(stream: SocketStream) {
    this.#stream = stream;
  }

  onData(lease: Lease): void {
    const kind = this.#first ? lease.bytes[0] : -1;
    this.#first = false;
    this.#stream.write(lease);
    if (kind === 1) this.#stream.end();
    else if (kind === 2) this.#stream.reset();
    else if (kind === 3) this.#stream.writeBytes(LARGE);
    else if (kind === 4) this.#stream.pause();
  }

  onEnd(): void {
    this.#stream.end();
  }

  onDrain(): void {}

  onClose(): void {}
}

/** V8 gives pages back some time after a collection, so one look says little: the least of several is what is in use. */
const rss = async (): Promise<number> => {
  fillYoung();
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS; look += 1) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    least = Math.min(least, memoryUsage().rss);
  }
  return least;
};

const rest = async (runtime: Runtime): Promise<void> => {
  const end = performance.now() + REST_MS;
  while (runtime.stats.owners > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
};

const churn = async (driver: DriverOption, connections: number): Promise<boolean> => {
  const runtime = openRuntime({ driver });
  let atMark: Promise<number> | null = null;
  const mark = Math.floor(connections * MARK);
  let accepted = 0;
  const listener = await listen({ port: 0, hostname: "0.0.0.0", runtime }, (stream) => {
    accepted += 1;
    stream.attach(new Ending(stream));
    if (accepted === mark) atMark = rss();
  });
  const started = performance.now();
  const load = fork(LOAD, [String(listener.address.port), String(connections), driver]);
  const [loadStats] = (await once(load, "message")) as [Record<string, number>];
  await once(load, "exit");
  const seconds = (performance.now() - started) / 1000;
  await listener.close();
  await rest(runtime);
  const { leases, descriptors, timers, owners, stale, connections: open } = runtime.stats;
  const left = { leases, descriptors, timers, owners, stale, connections: open, records: runtime.arena.stats.records };
  const before = (await atMark) ?? 0;
  const growth = (await rss()) / before - 1;
  runtime.close();
  const zero = (counters: Record<string, number>): boolean => Object.values(counters).every((value) => value === 0);
  const passed = zero(left) && zero(loadStats) && growth <= GROWTH_MAX && accepted === connections;
  console.log(
    `${passed ? "ok" : "FAILED"} ${driver}: ${accepted} connections in ${seconds.toFixed(1)} s, ` +
      `rss ${(before / 1e6).toFixed(1)} MB at ${MARK * 100} %, ${(growth * 100).toFixed(1)} % more at the end; ` +
      `left here ${JSON.stringify(left)}, there ${JSON.stringify(loadStats)}`,
  );
  return passed;
};

const [count, ...drivers] = process.argv.slice(2);
let passed = true;
for (const driver of drivers.length > 0 ? (drivers as DriverOption[]) : (["uring", "poll"] as const)) {
  passed = (await churn(driver, count === undefined ? CONNECTIONS : Number(count))) && passed;
}
process.exitCode = passed ? 0 : 1;
