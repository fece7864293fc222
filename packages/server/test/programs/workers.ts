// workers.ts — a program with workers, for tests that watch it from outside: prints a line of JSON when it listens.
import { isMainThread, threadId } from "node:worker_threads";
import { Response, type Server, serve } from "../../src/index.ts";

const workers = Number(process.argv[2] ?? 2);
const server: Server = serve({
  port: 0,
  hostname: "127.0.0.1",
  workers,
  drainMs: 3_000,
  fetch: async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/slow") await new Promise((resolve) => setTimeout(resolve, 400));
    if (pathname === "/die")
      setImmediate(() => {
        throw new Error("told to die");
      });
    return new Response(String(threadId));
  },
  onListen: (listening) => {
    if (isMainThread)
      process.stdout.write(`${JSON.stringify({ url: listening.url, workers: listening.workers().length })}\n`);
  },
});

if (isMainThread) {
  process.stdin.on("data", () => process.stdout.write(`${JSON.stringify(server.stats())}\n`));
  process.stdin.unref();
  await server.closed;
  process.stdout.write("closed\n");
}
