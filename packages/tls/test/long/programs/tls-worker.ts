// tls-worker.ts — a worker that serves TLS until it is terminated; posts its port. For teardown.ts.
import { parentPort, workerData } from "node:worker_threads";
import { listen, openRuntime } from "@percore/core";
import { openTicketRing, serverContext } from "../../../src/context.ts";
import { TlsAcceptor } from "../../../src/stream/acceptor.ts";

const runtime = openRuntime({ driver: workerData.driver, arenaBytes: 32 * 1024 * 1024 });
const context = serverContext({ certificates: [workerData.identity], tickets: openTicketRing("teardown") });
const acceptor = new TlsAcceptor({ clock: runtime, context });
const listener = await listen({ port: 0, hostname: "127.0.0.1", runtime }, (inner) => {
  acceptor.accept(inner, (_error, stream) => {
    stream?.attach({
      onData: (lease) => stream.write(lease),
      onEnd: () => stream.end(),
      onDrain: () => {},
      onClose: () => {},
    });
  });
});
parentPort?.postMessage(listener.address.port);
