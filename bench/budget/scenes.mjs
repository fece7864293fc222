// What is timed: each scene serves batches of fabricated requests and differs from the one before it by one feature.
import { AsyncLocalStorage } from "node:async_hooks";
import { Runtime, SocketStream } from "@percore/core";
import { socketpair } from "../../native/index.js";
import { H1Server } from "../../packages/h1/dist/index.js";
import { runIsolated } from "../../packages/http/dist/index.js";
import { fetchHandler } from "../../packages/server/dist/fetch/adapter.js";
import { Response } from "../../packages/server/dist/index.js";
import { FabricatedRing } from "./kernel.mjs";

const CONNECTIONS = 64;
/** Heads that take turns where none may be one that came before: more than a server keeps. */
const UNSEEN = 8192;
/** Turns of the microtask queue within which an async handler's answer is out. */
const MICROTASK_TURNS = 12;
const SMALL = Buffer.from(
  "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,application/xml;q=0.8,*/*;q=0.7\r\nConnection: keep-alive\r\n\r\n",
);
const BROWSER = Buffer.from(
  [
    "GET /articles/42?page=2 HTTP/1.1",
    "Host: www.example.com",
    "Connection: keep-alive",
    "Cache-Control: max-age=0",
    'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9",
    "\r\n",
  ].join("\r\n"),
);
const POST = Buffer.concat([
  Buffer.from(
    "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n",
  ),
  Buffer.alloc(1024, "x"),
]);
const REPLY = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Tue, 24 Nov 2026 00:00:00 GMT\r\ncontent-length: 13\r\n\r\nHello, World!",
);
const FIELDS = ["content-type", "text/plain"];
const PLAIN = { headers: { "content-type": "text/plain" } };
const HOST = { timeouts: {}, onWaitUntil: () => {}, waitUntil: () => {} };
const fail = (error) => {
  throw error;
};

/** Connections over a fabricated ring; `attach` makes a server of each stream. */
const serve = (attach) => {
  const kernel = new FabricatedRing();
  const runtime = new Runtime({ native: kernel, onError: fail });
  kernel.useArena(runtime.arena);
  const accept = attach(runtime);
  const fds = [];
  for (let at = 0; at < CONNECTIONS; at += 1) {
    const [fd] = socketpair(1);
    fds.push(fd);
    accept(new SocketStream(runtime, fd, runtime.downstream));
  }
  return { kernel, runtime, fds };
};

const h1 = (handler) => (runtime) => {
  const server = new H1Server({ arena: runtime.arena, clock: runtime, handler, report: fail });
  return (stream) => void server.accept(stream);
};

const fetch = (handler) =>
  h1(fetchHandler({ self: {}, fetch: handler, connect: null, error: null, contextOnly: false }, HOST, fail));

const fixedReply = () => (stream) => {
  const handler = {
    onData(lease) {
      lease.release();
      const at = stream.reserve(REPLY.length);
      stream.arena.u8.set(REPLY, at);
      stream.commit(REPLY.length);
    },
    onEnd() {},
    onDrain() {},
    onClose() {},
  };
  stream.attach(handler);
};

const raw = (exchange) => exchange.respond(200, FIELDS, "Hello, World!");
const store = new AsyncLocalStorage();

/** In this order they print; `over` names the scene whose time is taken off to give the feature's own. */
export const SCENES = [
  { name: "transport", note: "receive, fixed reply, send", attach: fixedReply, bytes: SMALL, perBatch: 1 },
  {
    name: "h1 raw",
    note: "+ parse, exchange, context, head",
    attach: h1(raw),
    bytes: SMALL,
    perBatch: 1,
    over: "transport",
  },
  {
    name: "h1 raw, 14 fields",
    note: "a browser's head",
    attach: h1(raw),
    bytes: BROWSER,
    perBatch: 1,
    over: "transport",
  },
  {
    name: "h1 raw, unseen heads",
    note: "each request names another path",
    attach: h1(raw),
    bytes: Array.from({ length: UNSEEN }, (_, at) =>
      Buffer.from(SMALL.toString().replace("GET /", `GET /${at + 1000}`)),
    ),
    perBatch: 1,
    over: "transport",
  },
  {
    name: "h1 raw, pipelined",
    note: "16 in one buffer, per request",
    attach: h1(raw),
    bytes: Buffer.concat(Array(16).fill(SMALL)),
    perBatch: 16,
  },
  {
    name: "fetch",
    note: "+ Request, Response",
    attach: fetch(() => new Response("Hello, World!", PLAIN)),
    bytes: SMALL,
    perBatch: 1,
    over: "h1 raw",
  },
  {
    name: "fetch, request taken",
    note: "+ head kept for later",
    attach: fetch((_request) => new Response("Hello, World!", PLAIN)),
    bytes: SMALL,
    perBatch: 1,
    over: "fetch",
  },
  {
    name: "fetch, url and a header",
    note: "+ url, headers.get()",
    attach: fetch((request) =>
      request.url.length + request.headers.get("accept").length > 0 ? new Response("Hello, World!", PLAIN) : null,
    ),
    bytes: SMALL,
    perBatch: 1,
    over: "fetch, request taken",
  },
  {
    name: "fetch, async",
    note: "+ one promise",
    attach: fetch(async (_request) => new Response("Hello, World!", PLAIN)),
    bytes: SMALL,
    perBatch: 1,
    over: "fetch, request taken",
    microtasks: true,
  },
  {
    name: "fetch, context used",
    note: "+ AsyncLocalStorage.run and getStore",
    attach: fetch((_request) => store.run(1, () => new Response(store.getStore() === 1 ? "Hello, World!" : "", PLAIN))),
    bytes: SMALL,
    perBatch: 1,
    over: "fetch, request taken",
  },
  {
    name: "fetch, body relayed",
    note: "POST 1 KiB, new Response(request.body)",
    attach: fetch((request) => new Response(request.body, PLAIN)),
    bytes: POST,
    perBatch: 1,
    over: "fetch, request taken",
  },
  {
    name: "fetch, body read",
    note: "POST 1 KiB, await request.text()",
    attach: fetch(async (request) => new Response(await request.text(), PLAIN)),
    bytes: POST,
    perBatch: 1,
    over: "fetch, async",
    microtasks: true,
  },
].map((scene) => ({ ...scene, requests: CONNECTIONS * scene.perBatch }));

/** Opens a scene; the function returned serves one batch. */
export const openScene = async (scene) => {
  const { kernel, runtime, fds } = serve(scene.attach);
  await Promise.resolve();
  kernel.take();
  return {
    batch() {
      kernel.deliver(fds, scene.bytes);
      kernel.take();
    },
    /** Promises of the handlers settle, and what they wrote is flushed. */
    async afterBatch() {
      for (let turn = 0; turn < MICROTASK_TURNS; turn += 1) await undefined;
      kernel.take();
    },
    runtime,
    kernel,
  };
};

/** Nanoseconds of one isolated call. */
export const contextCost = (calls) => {
  const nothing = () => {};
  const start = process.hrtime.bigint();
  for (let at = 0; at < calls; at += 1) runIsolated(nothing, at);
  return Number(process.hrtime.bigint() - start) / calls;
};
