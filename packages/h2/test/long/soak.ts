// soak.ts — a million streams between our client and our server over sockets, a third of them given up by either side at
// random points, connections replaced all along: memory stays, and nothing is left at the end.
//
//   node --expose-gc build/test/long/soak.js [streams] [seed]
import { Buffer } from "node:buffer";
import { connect, currentRuntime, type Lease, listen } from "@percore/core";
import type { ClientError, ClientRequest, Exchange, Fields, ResponseReceiver } from "@percore/http";
import { createH2Client, type H2ClientOptions } from "../../src/client/client.ts";
import type { H2ClientConnection } from "../../src/client/connection.ts";
import { H2Server } from "../../src/server/server.ts";
import { Choice } from "./choice.ts";

const STREAMS = Number(process.argv[2] ?? 1_000_000);
const SEED = Number(process.argv[3] ?? Date.now() % 1_000_000);
const EARLY_SHARE = 0.2;
const GROWTH_MAX = 0.05;
const LANES = 8;
const SIDE_BY_SIDE = 48;
const STREAMS_PER_CONNECTION = 4000;
const MIB = 1024 * 1024;
const CHUNK = Buffer.alloc(4096, 0x61);
const SIZES = [0, 13, 13, 13, 1000, 1000, 20_000, 100_000];

const runtime = currentRuntime();
const choice = new Choice(SEED);
const reports: unknown[] = [];
const report = (error: unknown): void => void reports.push(error);
/** Who gives up a third of all streams is not to be taken for an attack here. */
const NO_FLOODS = {
  resetsMax: 1e12,
  prioritiesMax: 1e12,
  tinyDataMax: 1e12,
  windowUpdatesMax: 1e12,
  emptyDataMax: 1e12,
};

// — the server —

/** Sends `left` bytes, and gives up at `until` bytes where that is not -1. */
const send = (exchange: Exchange, size: number, until: number): void => {
  exchange.begin(200, [], size);
  let left = size;
  const go = (): void => {
    while (exchange.open) {
      if (until >= 0 && size - left >= until) {
        exchange.abort();
        return;
      }
      if (left === 0) {
        exchange.end(["x-sum", String(size)]);
        return;
      }
      const part = Math.min(left, CHUNK.length);
      left -= part;
      if (!exchange.write(CHUNK.subarray(0, part))) return;
    }
  };
  exchange.onDrain = go;
  go();
};

const echo = (exchange: Exchange): void => {
  exchange.begin(200, [], -1);
  exchange.onDrain = () => exchange.resumeBody();
  exchange.receive({
    onBody: (lease) => {
      if (!exchange.writeLease(lease)) exchange.pauseBody();
    },
    onBodyEnd: () => exchange.end(),
    onBodyError: () => undefined,
  });
};

const server = new H2Server({
  arena: runtime.arena,
  clock: runtime,
  report,
  h2: NO_FLOODS,
  handler: (exchange) => {
    const [, size, until, late] = exchange.path.split("/").map(Number);
    if (exchange.method === "POST" && until < 0) echo(exchange);
    else if (until === 0) exchange.abort();
    else if (late > 0) setImmediate(() => exchange.open && send(exchange, size, until));
    else send(exchange, size, until);
  },
});
const listener = await listen({ port: 0, hostname: "127.0.0.1" }, (stream) => void server.accept(stream));

// — the client —

const sums = { started: 0, finished: 0, whole: 0, byUs: 0, byServer: 0, lost: 0, connections: 0 };
const wrong: string[] = [];
let goal = 0;

class Guest implements ResponseReceiver {
  #bytes = 0;
  readonly #size: number;
  /** We give up when this many bytes have come; -1: never. -2: at the head. */
  readonly #until: number;
  readonly #server: boolean;
  readonly #done: () => void;
  #exchange: ReturnType<H2ClientConnection["request"]> | null = null;

  constructor(connection: H2ClientConnection, done: () => void) {
    const size = choice.one(SIZES);
    // Some of these come too late, so that it is a third in all.
    const fate = choice.number(11);
    const isUpload = choice.rarely(4);
    this.#size = size;
    this.#server = fate < 4 && fate >= 2 && !(isUpload && size === 0);
    this.#until = fate < 2 ? choice.one([-3, -2, choice.number(size + 1)]) : -1;
    this.#done = done;
    const until = this.#server ? choice.one([0, choice.number(size + 1)]) : -1;
    const request: ClientRequest = {
      method: isUpload ? "POST" : "GET",
      scheme: "http",
      authority: "soak",
      path: `/${size}/${until}/${choice.number(2)}`,
      fields: ["user-agent", "soak"],
      upgrade: null,
      bodyLength: isUpload ? size : 0,
    };
    this.#exchange = connection.request(request, this);
    if (isUpload && size > 0) this.#upload(size);
    // Right away, or while the request is on its way.
    if (this.#until === -3) {
      if (choice.rarely(2)) this.#exchange.abort();
      else setImmediate(() => this.#exchange?.abort());
    }
  }

  #left = 0;
  #upload(size: number): void {
    this.#left = size;
    this.onDrain();
  }

  onDrain(): void {
    const exchange = this.#exchange;
    while (exchange?.open && this.#left > 0) {
      const part = Math.min(this.#left, CHUNK.length);
      this.#left -= part;
      const more = exchange.write(CHUNK.subarray(0, part));
      if (this.#left === 0) exchange.end();
      if (!more) return;
    }
  }
  onInform(): void {}
  onTunnel(): void {}
  onHead(status: number): void {
    if (status !== 200) wrong.push(`status ${status}`);
    if (this.#until === -2) this.#exchange?.abort();
  }
  onBody(lease: Lease): void {
    this.#bytes += lease.length;
    lease.release();
    if (this.#until >= 0 && this.#bytes >= this.#until) this.#exchange?.abort();
    else if (choice.rarely(20)) {
      this.#exchange?.pauseBody();
      setImmediate(() => this.#exchange?.resumeBody());
    }
  }
  onBodyEnd(_trailers: Fields | null): void {
    if (this.#bytes !== this.#size) wrong.push(`${this.#bytes} bytes of ${this.#size}`);
  }
  onBodyError(): void {}
  onFinish(error: Error | null): void {
    sums.finished += 1;
    const code = (error as ClientError | null)?.code;
    if (error === null) sums.whole += 1;
    else if (code === "ERR_EXCHANGE_ABANDONED") sums.byUs += 1;
    else if (code === "ERR_CONNECTION_CLOSED" && this.#server) sums.byServer += 1;
    else if (code === "ERR_CONNECTION_CLOSED") sums.lost += 1;
    else wrong.push(`${code}: ${error.message}`);
    this.#done();
  }
}

const options: H2ClientOptions = { clock: runtime, report, h2: NO_FLOODS };

/** One connection after the other, until the goal is reached. */
const lane = async (): Promise<void> => {
  while (sums.started < goal) {
    const stream = await connect({ hostname: "127.0.0.1", port: listener.address.port });
    const connection = createH2Client(stream, options);
    sums.connections += 1;
    const last = STREAMS_PER_CONNECTION - choice.number(STREAMS_PER_CONNECTION / 2);
    const abrupt = choice.rarely(10);
    await new Promise<void>((resolve) => {
      connection.onClose = () => resolve();
      const go = (): void => {
        while (connection.active < SIDE_BY_SIDE && connection.available > 0 && sums.started < goal) {
          if (connection.started >= last) {
            if (abrupt) connection.close();
            else connection.shutdown();
            return;
          }
          sums.started += 1;
          new Guest(connection, () => queueMicrotask(go));
        }
        if (sums.started >= goal) connection.shutdown();
      };
      go();
    });
  }
};

const run = async (streams: number): Promise<number> => {
  goal = streams;
  await Promise.all(Array.from({ length: LANES }, lane));
  // At rest; the least of several looks.
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 5; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    globalThis.gc?.();
    least = Math.min(least, process.memoryUsage.rss());
  }
  return least;
};

// — the verdict —

let count = 0;
let failed = 0;
const ok = (held: boolean, text: string): void => {
  count += 1;
  if (!held) failed += 1;
  console.log(`${held ? "ok" : "not ok"} ${count} - ${text}`);
};

console.log("TAP version 14");
console.log(`# seed ${SEED}, ${STREAMS} streams, driver ${runtime.driver.kind}`);
const began = Date.now();
const early = await run(Math.floor(STREAMS * EARLY_SHARE));
console.log(`# ${JSON.stringify(sums)}, ${(early / MIB).toFixed(1)} MiB after ${(Date.now() - began) / 1000} s`);
const late = await run(STREAMS);
console.log(`# ${JSON.stringify(sums)}, ${(late / MIB).toFixed(1)} MiB after ${(Date.now() - began) / 1000} s`);
void server.drain();
await listener.close();
await server.drain();
await new Promise((resolve) => setTimeout(resolve, 300));
const growth = late / early - 1;
const abandoned = sums.byUs + sums.byServer + sums.lost;
ok(sums.finished === STREAMS, `every stream finished: ${sums.finished}`);
ok(
  abandoned > STREAMS * 0.25 && sums.byUs > 0 && sums.byServer > 0,
  `given up: ${abandoned}, ${sums.byServer} by the server`,
);
ok(wrong.length === 0, `every response was right ${wrong.slice(0, 5).join(", ")}`);
ok(reports.length === 0, `nothing was reported ${reports.slice(0, 3).join(", ")}`);
ok(server.counters.exchangesOpen === 0, `no stream open at the server: ${server.counters.exchangesOpen}`);
ok(server.counters.connectionsOpen === 0, `no connection open: ${server.counters.connectionsOpen}`);
ok(runtime.stats.leases === 0, `no lease outstanding: ${runtime.stats.leases}`);
ok(
  growth <= GROWTH_MAX,
  `memory at rest ${(early / MIB).toFixed(1)} → ${(late / MIB).toFixed(1)} MiB, ${(growth * 100).toFixed(1)} %`,
);
console.log(`1..${count}`);
process.exitCode = failed === 0 ? 0 : 1;
