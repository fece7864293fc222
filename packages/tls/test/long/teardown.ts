// teardown.ts — npm run test:long -- tls:teardown: a worker that serves TLS is terminated under handshake load, PERCORE_ROUNDS
// times (default 100), on each driver. The process must live, and its descriptors and memory not grow.
import { once } from "node:events";
import { readdirSync } from "node:fs";
import tls from "node:tls";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Random } from "@percore/core/testing";
import { identity } from "../stream/harness.ts";

const ROUNDS = Number(process.env.PERCORE_ROUNDS ?? 100);
const CLIENTS = 20;
const random = new Random(Date.now() % 1_000_000);
const program = fileURLToPath(new URL("./programs/tls-worker.js", import.meta.url));
const descriptors = (): number => readdirSync("/proc/self/fd").length;

let shaken = 0;
const client = (port: number, stopped: () => boolean): void => {
  const socket = tls.connect({ host: "127.0.0.1", port, servername: "localhost", rejectUnauthorized: false }, () => {
    shaken += 1;
    socket.end("x");
  });
  socket.on("error", () => {});
  socket.resume();
  socket.on("close", () => {
    if (!stopped()) client(port, stopped);
  });
};

const round = async (driver: string): Promise<void> => {
  const worker = new Worker(program, { workerData: { driver, identity } });
  const failed = once(worker, "error").then(([error]) => Promise.reject(error));
  const [port] = (await Promise.race([once(worker, "message"), failed])) as [number];
  let stopped = false;
  for (let at = 0; at < CLIENTS; at += 1) client(port, () => stopped);
  await new Promise((resolve) => setTimeout(resolve, random.integer(1, 60)));
  const exited = once(worker, "exit");
  void worker.terminate();
  await exited;
  stopped = true;
};

let before = 0;
for (const driver of ["uring", "poll"]) {
  for (let at = 0; at < ROUNDS; at += 1) {
    await round(driver).catch((error: unknown) => {
      console.log(`round ${at} on ${driver}: ${String(error)}`);
      process.exit(1);
    });
    if (at === 4 && before === 0) before = descriptors();
  }
}
await new Promise((resolve) => setTimeout(resolve, 500));
const more = descriptors() - before;
console.log(
  `2 × ${ROUNDS} workers terminated under load, ${shaken} handshakes; ${more} descriptors more than after five`,
);
process.exit(more <= 5 && shaken > ROUNDS ? 0 : 1);
