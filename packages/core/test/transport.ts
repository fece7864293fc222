// transport.ts — what the socket tests share: a table of drivers, handlers that record, and the look at zero at the end.
import { once } from "node:events";
import net from "node:net";
import t, { type Test } from "tap";
import type { DriverOption } from "../src/driver.ts";
import type { Lease } from "../src/lease.ts";
import { type Listener, type ListenOptions, listen } from "../src/listener.ts";
import { openRuntime, type Runtime, type RuntimeOptions } from "../src/runtime.ts";
import type { SocketStream } from "../src/socket-stream.ts";
import type { Stream, StreamHandler } from "../src/stream.ts";

const DRIVERS: readonly DriverOption[] = ["uring", "poll"];
/** A test whose transport has not come to rest by then has lost something. */
const REST_MS = 5000;
/** Small arenas: most tests open two runtimes, and address space is all they cost. */
const ARENA_BYTES = 256 * 1024 * 1024;

export type TransportTest = (t: Test, runtime: Runtime) => Promise<void>;

/** Runs `body` on each driver, and then finds every counter at zero. */
export const overDrivers = (name: string, options: RuntimeOptions, body: TransportTest): void => {
  for (const driver of DRIVERS) {
    t.test(`${name} [${driver}]`, async (t) => {
      let runtime: Runtime;
      try {
        runtime = openRuntime({ arenaBytes: ARENA_BYTES, ...options, driver });
      } catch (error) {
        if (driver === "poll") throw error;
        t.plan(0, `no io_uring here: ${(error as Error).message}`);
        return;
      }
      try {
        await body(t, runtime);
        await expectRest(t, runtime);
      } finally {
        runtime.close();
      }
    });
  }
};

/** Waits until nothing is open any more, and says what is left if something is. */
export const expectRest = async (t: Test, runtime: Runtime): Promise<void> => {
  await until(() => runtime.stats.owners === 0 && runtime.stats.leases === 0, REST_MS);
  const { leases, descriptors, timers, owners, connections, files, listeners, stale } = runtime.stats;
  t.same(
    { leases, descriptors, timers, owners, connections, files, listeners, stale, records: runtime.arena.stats.records },
    { leases: 0, descriptors: 0, timers: 0, owners: 0, connections: 0, files: 0, listeners: 0, stale: 0, records: 0 },
    "everything was given back",
  );
};

/** Lets the loop turn until `condition` holds. Resolves also when it does not within `ms`: the assertion after it tells. */
export const until = async (condition: () => boolean, ms: number = REST_MS): Promise<void> => {
  const end = performance.now() + ms;
  while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1));
};

/** Lets the kernel be entered at least once. A short timer does not: it may fire before the loop gets there. */
export const turn = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
};

/** Records what a stream tells it; `received` holds copies, so no lease is kept. */
export class Recorder implements StreamHandler {
  readonly stream: Stream;
  readonly received: Uint8Array[] = [];
  bytes = 0;
  ends = 0;
  drains = 0;
  closes = 0;
  error: Error | null = null;
  readonly closed: Promise<Error | null>;
  #resolveClosed: (error: Error | null) => void = () => {};

  constructor(stream: Stream) {
    this.stream = stream;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get text(): string {
    return Buffer.concat(this.received).toString("latin1");
  }

  onData(lease: Lease): void {
    this.bytes += lease.length;
    this.received.push(lease.bytes.slice());
    lease.release();
  }

  onEnd(): void {
    this.ends += 1;
  }

  onDrain(): void {
    this.drains += 1;
  }

  onClose(error: Error | null): void {
    this.closes += 1;
    this.error = error;
    this.#resolveClosed(error);
  }

  get code(): string | null {
    return this.error === null ? null : (this.error as Error & { code: string }).code;
  }
}

/** Sends back what it gets, without a copy, and ends when the peer does. */
export class Echo extends Recorder {
  override onData(lease: Lease): void {
    this.bytes += lease.length;
    this.stream.write(lease);
  }

  override onEnd(): void {
    super.onEnd();
    this.stream.end();
  }
}

/** A listener on a free port of the loopback that gives each stream the handler `make` returns. */
export const serve = async <H extends StreamHandler>(
  runtime: Runtime,
  make: (stream: SocketStream) => H,
  options: Partial<ListenOptions> = {},
): Promise<{ listener: Listener; port: number; handlers: H[] }> => {
  const handlers: H[] = [];
  const where = options.unix === undefined && options.fd === undefined ? { port: 0, hostname: "127.0.0.1" } : {};
  const listener = await listen({ ...where, ...options, runtime }, (stream) => {
    const handler = make(stream);
    handlers.push(handler);
    stream.attach(handler);
  });
  return { listener, port: listener.address.port, handlers };
};

/** A connected client of node's own. Errors are expected by most tests; what matters is what ours says. */
export const client = async (target: number | string): Promise<net.Socket> => {
  const where = typeof target === "number" ? { port: target, host: "127.0.0.1" } : { path: target };
  const socket = net.connect({ ...where, allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
};

/** Everything the socket receives until it ends or closes. */
export const readAll = async (socket: net.Socket): Promise<Buffer> => {
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("end", resolve);
    socket.once("close", () => resolve());
  });
  return Buffer.concat(parts);
};

/** `size` bytes that show when two of them change places. */
export const pattern = (size: number, seed = 1): Buffer => {
  const bytes = Buffer.allocUnsafe(size);
  let state = seed >>> 0;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
};
