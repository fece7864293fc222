// sockets.ts — TLS on real sockets: a runtime per driver, an acceptor on a free port, and the look at zero at the end.
import { type DriverOption, listen, openRuntime, type Runtime, type Stream } from "@percore/core";
import t, { type Test } from "tap";
import { TlsAcceptor, type TlsAcceptorOptions } from "../../src/stream/acceptor.ts";
import { TlsThread } from "../../src/stream/thread.ts";
import type { TlsStream } from "../../src/stream/tls-stream.ts";
import { type Recorder, serverOf } from "./harness.ts";

const ARENA_BYTES = 256 * 1024 * 1024;
const REST_MS = 5000;
const DRIVERS: readonly DriverOption[] = ["uring", "poll"];

/** Lets the loop turn until `condition` holds, or 5 s are over: the assertion after it tells. */
export const until = async (condition: () => boolean): Promise<void> => {
  const end = performance.now() + REST_MS;
  while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1));
};

/** Runs `body` on each driver, and then finds every counter at zero. */
export const overDrivers = (name: string, body: (t: Test, runtime: Runtime) => Promise<void>): void => {
  for (const driver of DRIVERS) {
    t.test(`${name} [${driver}]`, async (t) => {
      let runtime: Runtime;
      try {
        runtime = openRuntime({ arenaBytes: ARENA_BYTES, driver });
      } catch (error) {
        if (driver === "poll") throw error;
        t.plan(0, `no io_uring here: ${(error as Error).message}`);
        return;
      }
      try {
        await body(t, runtime);
        await until(() => runtime.stats.owners === 0 && runtime.stats.leases === 0 && runtime.stats.timers === 0);
        const { leases, connections, timers, owners } = runtime.stats;
        const sessions = TlsThread.of(runtime.arena).engine.sessions();
        t.same(
          { leases, connections, timers, owners, sessions },
          { leases: 0, connections: 0, timers: 0, owners: 0, sessions: 0 },
        );
      } finally {
        runtime.close();
      }
    });
  }
};

export interface TlsServer {
  readonly port: number;
  readonly acceptor: TlsAcceptor;
  readonly handlers: Recorder[];
  readonly streams: TlsStream[];
  readonly errors: Error[];
  close(): Promise<void>;
}

/** Listens on a free port of the loopback; each connection's stream gets the handler that `make` returns. */
export const serveTls = async (
  runtime: Runtime,
  make: (stream: Stream) => Recorder,
  options: Partial<TlsAcceptorOptions> = {},
): Promise<TlsServer> => {
  const acceptor = new TlsAcceptor({ clock: runtime, context: serverOf(), ...options });
  const server = { handlers: [] as Recorder[], streams: [] as TlsStream[], errors: [] as Error[] };
  const listener = await listen({ port: 0, hostname: "127.0.0.1", runtime }, (stream) => {
    acceptor.accept(stream, (error, secure) => {
      if (error !== null) server.errors.push(error);
      if (secure === null) return;
      const handler = make(secure);
      server.handlers.push(handler);
      server.streams.push(secure);
      secure.attach(handler);
    });
  });
  return { ...server, acceptor, port: listener.address.port, close: () => listener.close() };
};
