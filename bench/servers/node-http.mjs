// The peers node:http, node:https and node:http2 (PROTO, TLS), written as their documentation does: writeHead, end. HTTP/2 is
// answered through its compatibility API. WORKERS > 1 uses node:cluster.
import cluster from "node:cluster";
import { createReadStream, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";

const port = Number(process.env.PORT);
const workers = Number(process.env.WORKERS ?? 1);
const www = process.env.WWW ?? "";
const body = (text) => Buffer.from(text);
const memory = new Map([
  ["/", body("Hello, World!")],
  ["/1k", body("x".repeat(1024))],
  ["/64k", body("x".repeat(65_536))],
  ["/1m", body("x".repeat(1_048_576))],
]);

const answer = async (request, response) => {
  const found = memory.get(request.url);
  if (found !== undefined) {
    response.writeHead(200, { "content-type": "text/plain", "content-length": found.length }).end(found);
  } else if (request.url === "/echo") {
    response.writeHead(200, { "content-length": request.headers["content-length"] });
    request.pipe(response);
  } else if (request.url.startsWith("/file/")) {
    const path = `${www}${request.url.slice(1)}`;
    const { size } = await stat(path);
    response.writeHead(200, { "content-type": "text/plain", "content-length": size });
    createReadStream(path).pipe(response);
  } else {
    response.writeHead(404, { "content-length": 0 }).end();
  }
};

if (workers > 1 && cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
  process.on("SIGTERM", () => process.exit(0));
} else {
  const { PROTO = "h1", TLS = "0", CERT, KEY } = process.env;
  const identity = TLS === "1" ? { cert: readFileSync(CERT), key: readFileSync(KEY) } : {};
  const options = { keepAliveTimeout: 3_600_000, ...identity };
  const make =
    PROTO === "h2"
      ? TLS === "1"
        ? http2.createSecureServer
        : http2.createServer
      : TLS === "1"
        ? https.createServer
        : createServer;
  const server = make(options, answer);
  server.listen(port, "127.0.0.1", 4096);
  process.on("SIGTERM", () => process.exit(0));
}
