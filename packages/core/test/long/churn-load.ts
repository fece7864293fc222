// churn-load.ts — the other side of churn.ts, in a process of its own: connects, speaks, ends in one of many ways, again.
import { connect } from "../../src/connect.ts";
import type { DriverOption } from "../../src/driver.ts";
import type { Lease } from "../../src/lease.ts";
import { openRuntime } from "../../src/runtime.ts";
import type { SocketStream } from "../../src/socket-stream.ts";
import type { StreamHandler } from "../../src/stream.ts";

const AT_A_TIME = 64;
/** Each address of the loopback has ports of its own; one would run out of them in TIME_WAIT. */
const ADDRESSES = 64;
const REST_MS = 10_000;

const [port, connections, driver] = process.argv.slice(2);
const runtime = openRuntime({ driver: driver as DriverOption });

/** Says what the first byte asks for, and ends as `way` says. */
class Speaker implements StreamHandler {
  readonly #stream: SocketStream;
  readonly #way: number;
  readonly #done: () => void;

  constructor(stream: SocketStream, way: number, done: () => void) {
    this.#stream = stream;
    this.#way = way;
    this.#done = done;
    const bytes = new Uint8Array(100 + way);
    bytes[0] = way;
    stream.attach(this);
    stream.writeBytes(bytes);
    // A paused server never answers: it shall notice our reset all the same.
    if (way === 4) setTimeout(() => stream.reset(), 20);
    else if (way === 5) stream.end();
    else if (way === 6) queueMicrotask(() => stream.reset());
  }

  onData(lease: Lease): void {
    lease.release();
    if (this.#way === 0) this.#stream.end();
    else if (this.#way === 3) this.#stream.reset();
  }

  onEnd(): void {
    this.#stream.end();
  }

  onDrain(): void {}

  onClose(): void {
    this.#done();
  }
}

let started = 0;
const worker = async (): Promise<void> => {
  while (started < Number(connections)) {
    const at = started;
    started += 1;
    const stream = await connect({ hostname: `127.0.0.${1 + (at % ADDRESSES)}`, port: Number(port), runtime });
    await new Promise<void>((resolve) => void new Speaker(stream, at % 7, resolve));
  }
};

await Promise.all(Array.from({ length: AT_A_TIME }, worker));
const end = performance.now() + REST_MS;
while (runtime.stats.owners > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
const { leases, descriptors, timers, owners, stale, connections: open } = runtime.stats;
process.send?.({ leases, descriptors, timers, owners, stale, connections: open }, () => {
  runtime.close();
  process.disconnect();
});
