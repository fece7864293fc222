// The origin that Percore is measured with, here and from outside; the contract is in bench/README.md and stays stable.
// Public API and default limits only: what it does, any program can do.
import { openSync, statSync } from "node:fs";
import { file, Response, serve } from "percore";

const {
  PORT,
  PROTO = "h1",
  TLS = "0",
  DRIVER = "auto",
  WORKERS = "1",
  HANDLER = "fetch",
  WWW,
  CERT,
  KEY,
} = process.env;

const give = (reason) => {
  console.error(`origin: ${reason}`);
  process.exit(2);
};

if (!/^\d+$/.test(PORT ?? "")) give("PORT is missing");
// Both are answered on the one port; the name says what the load will speak.
if (PROTO !== "h1" && PROTO !== "h2") give(`PROTO=${PROTO} is not served by this version`);
if (TLS !== "0" && TLS !== "1") give("TLS is 0 or 1");
if (TLS === "1" && (CERT === undefined || KEY === undefined)) give("TLS=1 needs CERT and KEY, files in PEM");
if (HANDLER !== "fetch" && HANDLER !== "raw") give("HANDLER is fetch or raw");

const filled = (size) => "x".repeat(size);
const MEMORY = new Map([
  ["/1k", filled(1024)],
  ["/64k", filled(65_536)],
  ["/1m", filled(1_048_576)],
]);
const FILES = WWW === undefined ? [] : ["1k", "64k", "1m"].map((name) => [`/file/${name}`, `${WWW}file/${name}`]);

// — the fetch handler: what people write —

const PLAIN = { headers: { "content-type": "text/plain" } };
const files = new Map(FILES.map(([path, name]) => [path, () => file(name, { type: "text/plain" })]));

const answer = (request) => {
  const path = request.url.slice(request.url.indexOf("/", 8));
  if (path === "/") return new Response("Hello, World!", PLAIN);
  const body = MEMORY.get(path);
  if (body !== undefined) return new Response(body, PLAIN);
  if (path === "/echo") return new Response(request.body, PLAIN);
  const open = files.get(path);
  return open === undefined ? new Response(null, { status: 404 }) : new Response(open(), PLAIN);
};

// — the raw handler: an exchange at a time, no objects in between —

const FIELDS = ["content-type", "text/plain"];
const NONE = [];
const opened = new Map(FILES.map(([path, name]) => [path, { fd: openSync(name), size: statSync(name).size }]));

const echo = (exchange) => {
  exchange.begin(200, FIELDS, exchange.bodyLength);
  exchange.onDrain = () => exchange.resumeBody();
  exchange.receive({
    onBody: (lease) => {
      if (!exchange.writeLease(lease)) exchange.pauseBody();
    },
    onBodyEnd: () => exchange.end(),
    onBodyError: () => undefined,
  });
};

const handle = (exchange) => {
  const { path } = exchange;
  if (path === "/") return exchange.respond(200, FIELDS, "Hello, World!");
  const body = MEMORY.get(path);
  if (body !== undefined) return exchange.respond(200, FIELDS, body);
  if (path === "/echo") return echo(exchange);
  const found = opened.get(path);
  if (found === undefined) return exchange.respond(404, NONE, null);
  exchange.begin(200, FIELDS, found.size);
  exchange.sendFile(found.fd, 0, found.size, (error) => {
    if (error === null) exchange.end();
  });
};

const server = serve({
  port: Number(PORT),
  hostname: "127.0.0.1",
  workers: Number(WORKERS),
  driver: DRIVER,
  ...(TLS === "1" ? { tls: { cert: CERT, key: KEY } } : {}),
  ...(HANDLER === "raw" ? { handler: handle } : { fetch: answer }),
});
await server.ready;
