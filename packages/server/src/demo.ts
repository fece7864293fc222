// demo.ts — the server behind `npm start`: a page of things to try, and lines that say what is running.
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import type { Request } from "./fetch/request.ts";
import { Response } from "./fetch/response.ts";
import { file } from "./files/file-body.ts";
import type { ServeOptions } from "./options.ts";
import { serve } from "./serve.ts";
import type { Server } from "./server.ts";

export type DemoOptions = Pick<ServeOptions, "port" | "hostname" | "unix" | "workers" | "cpus" | "driver" | "entry">;

const MENU = `percore is running.

  GET  /           this page
  GET  /json       a JSON answer
  POST /echo       your body back, as it comes
  GET  /ticks      ten lines, one every half second
  GET  /source     the source of this demo, a file with ranges and conditions
  GET  /stats      counters
`;

/**
 * Starts the demo and prints where it is, on which driver and why, with how many workers, and what to try.
 *
 * @param write takes the lines.
 */
export const demo = (
  options: DemoOptions = {},
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Server => {
  const server: Server = serve({
    ...options,
    fetch: (request) => answer(request, server),
    onListen: (listening) => write(greeting(listening)),
  });
  server.ready.catch((error: Error) => {
    if (!isMainThread) return;
    process.stderr.write(`percore: ${error.message}\n${hintFor(error)}`);
    process.exitCode = 1;
  });
  return server;
};

const answer = (request: Request, server: Server): Response => {
  switch (`${request.method} ${new URL(request.url).pathname}`) {
    case "GET /":
      return new Response(MENU);
    case "GET /json":
      return Response.json({ hello: "world", server: "percore" });
    case "POST /echo":
      return new Response(request.body, {
        headers: { "content-type": request.headers.get("content-type") ?? "text/plain" },
      });
    case "GET /ticks":
      return new Response(ticks(), { headers: { "content-type": "text/plain;charset=UTF-8" } });
    case "GET /source":
      return new Response(file(fileURLToPath(import.meta.url), { type: "text/plain;charset=utf-8" }));
    case "GET /stats":
      return Response.json(server.stats());
    default:
      return new Response("not found; GET / says what there is\n", { status: 404 });
  }
};

async function* ticks(): AsyncGenerator<string> {
  for (let count = 1; count <= 10; count += 1) {
    yield `tick ${count}\n`;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const greeting = (server: Server): string => {
  const workers = server.workers();
  const { address, url, driver } = server;
  const where = url ?? `the Unix socket ${address?.address}`;
  const curl = url === null ? `curl --unix-socket ${address?.address} http://localhost/` : `curl -i ${url}/`;
  const how = driver === null ? `driver ${workers[0]?.driver}` : `driver ${driver.kind}: ${driver.reason}`;
  const many = workers.length === 0 ? "1 worker, in this thread" : `${workers.length} workers`;
  return `Percore listens on ${where}\n  ${how}\n  ${many}\n  try: ${curl}\n  Ctrl-C ends it\n`;
};

const hintFor = (error: Error & { code?: string }): string => {
  if (error.code === "EADDRINUSE") return "  another program listens there; choose another with --port\n";
  if (error.code === "EACCES") return "  ports below 1024 need privileges; choose another with --port\n";
  return "";
};
