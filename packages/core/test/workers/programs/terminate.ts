// Starts workers of its own with createRuntime(), loads them with connections, and terminates each in the middle of it.
import { connect } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createRuntime, listen, sleep } from "../../../src/index.ts";
import { descriptorCheck } from "../../../src/testing/leak-check.ts";

const ROUNDS = Number(process.argv[2] ?? 100);
const CONNECTIONS = 8;

const serve = async (): Promise<void> => {
  createRuntime({ arenaBytes: 32 * 1024 * 1024 });
  const listener = await listen({ port: 0, hostname: "127.0.0.1" }, (stream) => {
    stream.attach({
      onData: (lease) => stream.write(lease),
      onEnd: () => stream.end(),
      onDrain: () => {},
      onClose: () => {},
    });
  });
  parentPort?.postMessage(listener.address.port);
};

/** Resolves with how the connection ended; the server answers until it is gone. */
const load = (port: number): Promise<string> =>
  new Promise((resolve) => {
    let outcome = "end";
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.alloc(1000)));
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      outcome = error.code ?? "error";
    });
    socket.on("close", () => resolve(outcome));
  });

const round = async (wait: number, outcomes: Map<string, number>): Promise<void> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: "serve" });
  worker.on("error", (error) => console.log(`worker failed: ${error.stack}`));
  const port = await new Promise<number>((resolve) => worker.once("message", resolve));
  const loads = Array.from({ length: CONNECTIONS }, () => load(port));
  await sleep(wait);
  await worker.terminate();
  for (const outcome of await Promise.all(loads)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
};

if (isMainThread) {
  const outcomes = new Map<string, number>();
  await round(20, outcomes);
  const descriptors = descriptorCheck();
  for (let at = 0; at < ROUNDS; at += 1) await round(at % 20, outcomes);
  descriptors.assertNone();
  console.log(`terminated ${ROUNDS} times: ${[...outcomes.keys()].sort().join(" ")}`);
} else if (workerData === "serve") {
  await serve();
}
