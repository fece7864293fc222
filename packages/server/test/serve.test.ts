// serve.test.ts — serve() around the protocol: starting, failing to start, errors, PROXY protocol, workers, signals.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import t from "tap";
import {
  Headers,
  PROTOCOL_MARK,
  Request,
  Response,
  type ServeOptions,
  type Server,
  serve,
  toNative,
} from "../src/index.ts";

const program = (name: string): string => fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));

const start = async (options: ServeOptions): Promise<Server> => {
  const server = serve({ port: 0, hostname: "127.0.0.1", signals: false, timeouts: { lingerMs: 100 }, ...options });
  await server.ready;
  return server;
};

const speak = async (server: Server, bytes: string): Promise<string> => {
  const socket = connect(server.address?.port as number, "127.0.0.1");
  socket.end(bytes);
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk) => {
    text += chunk;
  });
  await once(socket, "close");
  return text;
};

t.test("where it listens", async (t) => {
  let told: Server | null = null;
  const server = serve({
    port: 0,
    hostname: "127.0.0.1",
    signals: false,
    fetch: () => new Response("hi"),
    onListen: (one) => {
      told = one;
    },
  });
  t.equal(server.url, null, "not yet");
  await server.ready;
  t.equal(told, server);
  t.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.match(server.driver, { kind: /^(uring|poll)$/, reason: String });
  t.same(server.workers(), []);
  const body = await (await fetch(server.url as string)).text();
  t.equal(body, "hi");
  t.equal(server.stats().requests, 1);
  await server.close();
});

t.test("a port in use rejects ready, and nothing is left", async (t) => {
  const first = await start({ fetch: () => new Response("hi") });
  const second = serve({
    port: first.address?.port,
    hostname: "127.0.0.1",
    signals: false,
    fetch: () => new Response("no"),
  });
  await t.rejects(second.ready, { code: "EADDRINUSE" });
  await second.closed;
  await first.close();
});

t.test("a limit that h1 cannot have rejects ready", async (t) => {
  const server = serve({ port: 0, signals: false, limits: { fieldsMax: 0 }, fetch: () => new Response("no") });
  await t.rejects(server.ready, { code: "ERR_OPTION_INVALID", message: /fieldsMax/ });
});

t.test("server.fetch() needs no socket", async (t) => {
  const server = serve({
    listen: false,
    fetch: async (request, info) =>
      Response.json({
        method: request.method,
        url: request.url,
        body: await request.text(),
        x: request.headers.get("x"),
        from: info.remoteAddress.family,
      }),
    error: () => new Response("failed", { status: 500 }),
  });
  await server.ready;
  t.equal(server.address, null);
  const get = await server.fetch("/a?b=1", { headers: { x: "1" } });
  t.equal(get.status, 200);
  t.same(await get.json(), { method: "GET", url: "http://localhost/a?b=1", body: "", x: "1", from: "memory" });
  const post = await server.fetch(new Request("http://a.example/p", { method: "POST", body: "text" }));
  t.match(await post.json(), { method: "POST", url: "http://a.example/p", body: "text" });
  const streamed = await server.fetch("/s", {
    method: "PUT",
    duplex: "half",
    body: new ReadableStream({
      start: (c) => {
        c.enqueue(new TextEncoder().encode("ab"));
        c.enqueue(new TextEncoder().encode("c"));
        c.close();
      },
    }),
  });
  t.match(await streamed.json(), { method: "PUT", body: "abc" });
  const head = await server.fetch("/h", { method: "HEAD" });
  t.same([head.status, head.body, Number(head.headers.get("content-length")) > 0], [200, null, true]);
  const native = await server.fetch(new globalThis.Request("http://a.example/n"));
  t.match(await native.json(), { url: "http://a.example/n" });
  await server.close();
  await t.rejects(server.fetch("/"), { code: "ERR_SERVER_CLOSED" });
});

t.test("what nobody answers for is a 500, told once", async (t) => {
  const told: unknown[] = [];
  const original = console.error;
  console.error = (error: unknown) => void told.push(error);
  t.teardown(() => {
    console.error = original;
  });
  const failure = new Error("broken");
  for (const options of [
    {
      fetch: () => {
        throw failure;
      },
    },
    {
      fetch: async () => {
        throw failure;
      },
    },
    {
      handler: () => {
        throw failure;
      },
    },
    {
      handler: async () => {
        throw failure;
      },
    },
  ] as ServeOptions[]) {
    told.length = 0;
    const server = await start(options);
    const response = await fetch(server.url as string);
    t.equal(response.status, 500);
    await response.text();
    t.same(told, [failure]);
    await server.close();
  }
});

t.test("handler objects of the WinterTC draft", async (t) => {
  const app = {
    [PROTOCOL_MARK]: 1,
    greeting: "hi",
    async fetch(this: { greeting: string }, context: { request: Request; waitUntil(promise: Promise<unknown>): void }) {
      context.waitUntil(Promise.resolve());
      return new Response(`${this.greeting} ${context.request.method}`);
    },
  };
  const server = serve(app, { port: 0, hostname: "127.0.0.1", signals: false });
  await server.ready;
  t.equal(await (await fetch(server.url as string)).text(), "hi GET");
  await server.close();
});

t.test("a raw handler", async (t) => {
  const server = await start({ handler: (exchange) => exchange.respond(200, ["x-a", "1"], exchange.path) });
  const response = await fetch(`${server.url}/raw`);
  t.same([response.headers.get("x-a"), await response.text()], ["1", "/raw"]);
  await server.close();
});

t.test("a request is readable after its response", async (t) => {
  let kept: Request | undefined;
  const server = await start({
    fetch: (request) => {
      kept = request;
      return new Response("hi");
    },
  });
  await (await fetch(`${server.url}/kept?a=1`, { headers: { "x-a": "1" } })).text();
  await (await fetch(`${server.url}/kept?a=2`)).text();
  t.match(kept?.url, /\/kept\?a=2$/);
  t.equal(kept?.headers.get("x-a"), null);
  t.equal(kept?.signal.aborted, false);
  await server.close();
});

t.test("PROXY protocol", async (t) => {
  const server = await start({
    proxyProtocol: { trusted: ["127.0.0.1"] },
    fetch: (_, info) => new Response(`${info.remoteAddress.address} ${info.remoteAddress.port}`),
  });
  const request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  t.match(await speak(server, `PROXY TCP4 192.0.2.9 198.51.100.1 4711 80\r\n${request}`), /192\.0\.2\.9 4711$/);
  t.equal(await speak(server, request).catch(() => ""), "", "without the header nobody is served");
  await server.close();
});

t.test("connectionsMax", async (t) => {
  const server = await start({ connectionsMax: 1, fetch: () => new Response("hi") });
  const first = connect(server.address?.port as number, "127.0.0.1");
  first.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await once(first, "data");
  const second = connect(server.address?.port as number, "127.0.0.1");
  second.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  let answered = false;
  second.once("data", () => {
    answered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(answered, false, "the second waits in the kernel's queue");
  first.destroy();
  if (!answered) await once(second, "data");
  second.destroy();
  await server.close();
});

t.test("several servers in one thread", async (t) => {
  const servers = [await start({ fetch: () => new Response("a") }), await start({ fetch: () => new Response("b") })];
  const texts = await Promise.all(servers.map(async (server) => (await fetch(server.url as string)).text()));
  t.same(texts, ["a", "b"]);
  await servers[0]?.close();
  t.equal(await (await fetch(servers[1]?.url as string)).text(), "b", "one closes, the other goes on");
  await servers[1]?.close();
});

t.test("objects of ours and Node's own", async (t) => {
  const request = new Request("http://a.example/x", { method: "POST", body: "b", headers: { x: "1" } });
  const response = new Response("b", { status: 201, headers: { x: "1" } });
  t.ok(request instanceof globalThis.Request && response instanceof globalThis.Response);
  t.ok(new Headers() instanceof globalThis.Headers);
  t.ok(new globalThis.Request("http://a.example/") instanceof Request, "and the other way round");
  t.ok(new globalThis.Response() instanceof Response);
  const wrongs = [
    () => new globalThis.Request(request as never),
    () => new globalThis.Response().clone.call(response as never),
  ];
  for (const wrong of wrongs) t.throws(wrong);
  if (Object.getOwnPropertySymbols(new globalThis.Response()).length > 0) {
    t.throws(wrongs[0], { code: "ERR_NOT_NATIVE", message: /percore\/globals.*toNative/ });
    await t.rejects(fetch(request as never), { code: "ERR_NOT_NATIVE" });
  }
  const native = toNative(request);
  t.same(
    [native.method, native.url, native.headers.get("x"), await native.text(), request.bodyUsed],
    ["POST", "http://a.example/x", "1", "b", true],
  );
  t.not(native, request);
  const nativeResponse = toNative(response);
  t.same([nativeResponse.status, nativeResponse.headers.get("x"), await nativeResponse.text()], [201, "1", "b"]);
  t.equal(toNative(nativeResponse), nativeResponse);
  t.equal(toNative(new Headers({ a: "1" })).get("a"), "1");
  t.equal(new globalThis.Headers(new Headers({ a: "1" }) as never).get("a"), "1");
});

t.test("a handler that gives our request to Node's fetch is told what to do", async (t) => {
  const server = serve({
    listen: false,
    fetch: async (request) => fetch(request as never) as never,
    error: (error) => new Response(`${(error as { code?: string }).code}: ${(error as Error).message}`),
  });
  const text = await (await server.fetch("/")).text();
  t.match(text, /^ERR_NOT_NATIVE: .*percore\/globals/);
  await server.close();
});

t.test("percore/globals", async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [program("globals")], { timeout: 20_000 });
  t.same(JSON.parse(stdout), {
    same: [true, true, true],
    proxied: "1 body",
    asked: "null direct",
    fetched: true,
    rejects: "TypeError",
  });
});

t.test("what Node's fetch() brought is sent on decoded", async (t) => {
  const text = "repeat ".repeat(500);
  const packed = gzipSync(text);
  const origin = await start({
    fetch: (request) =>
      request.url.endsWith("/odd")
        ? new Response("odd", { headers: { "content-encoding": "odd" } })
        : new Response(packed, { headers: { "content-encoding": "gzip", "x-kept": "1", "keep-alive": "timeout=5" } }),
  });
  const proxy = await start({ fetch: (request) => fetch(`${origin.url}${new URL(request.url).pathname}`) });
  const whole = await fetch(`${proxy.url}/whole`);
  t.same(
    [whole.headers.get("content-encoding"), whole.headers.get("keep-alive"), whole.headers.get("x-kept")],
    [null, null, "1"],
  );
  t.equal(await whole.text(), text);
  const head = await fetch(`${proxy.url}/whole`, { method: "HEAD" });
  t.equal(head.headers.get("content-encoding"), null);
  const odd = await fetch(`${proxy.url}/odd`);
  t.same([odd.headers.get("content-encoding"), await odd.text()], ["odd", "odd"]);
  const made = await start({
    fetch: () => new globalThis.Response(packed, { headers: { "content-encoding": "gzip" } }),
  });
  t.equal(await (await fetch(made.url as string)).text(), text, "what the program packed itself stays packed");
  await Promise.all([proxy.close(), made.close()]);
  await origin.close();
});

interface Program {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;
  readonly url: string;
  readonly reader: Interface;
}

const launch = async (t: Tap, ...args: string[]): Promise<Program> => {
  const child = spawn(process.execPath, [program("workers"), ...args], { stdio: ["pipe", "pipe", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  const reader = createInterface({ input: child.stdout });
  const lines = reader[Symbol.asyncIterator]();
  const first = await lines.next();
  return { child, lines, reader, url: (JSON.parse(first.value) as { url: string }).url };
};

type Tap = typeof t;

t.test("workers share a port, count together, and drain on SIGTERM", { timeout: 60_000 }, async (t) => {
  const { child, lines, url } = await launch(t as Tap, "2");
  const threads = new Set<string>();
  for (let tries = 0; tries < 60; tries += 1) {
    threads.add(await (await fetch(url, { headers: { connection: "close" } })).text());
  }
  t.equal(threads.size, 2, "both answer");
  await new Promise((resolve) => setTimeout(resolve, 700));
  child.stdin?.write("stats\n");
  const stats = JSON.parse((await lines.next()).value) as { requests: number };
  t.equal(stats.requests, 60);
  const slow = Array.from({ length: 6 }, () => fetch(`${url}/slow`).then((response) => response.status));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGTERM");
  t.same(await Promise.all(slow), [200, 200, 200, 200, 200, 200], "requests in flight are answered");
  t.equal((await lines.next()).value, "closed");
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  t.same([code, signal], [0, null]);
});

t.test("a worker that dies is started again and takes no other along", { timeout: 60_000 }, async (t) => {
  const { child, url } = await launch(t as Tap, "2");
  await fetch(`${url}/die`)
    .then((response) => response.text())
    .catch(() => "");
  let answered = 0;
  for (let tries = 0; tries < 40; tries += 1) {
    const ok = await fetch(url, { headers: { connection: "close" } }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) answered += 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.ok(answered >= 38, `${answered} of 40 were answered`);
  child.kill("SIGTERM");
  await once(child, "exit");
});

t.test("one worker drains on SIGINT and the process ends by itself", { timeout: 60_000 }, async (t) => {
  const { child, lines, url } = await launch(t as Tap, "1");
  const slow = fetch(`${url}/slow`).then((response) => response.status);
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  t.equal(await slow, 200);
  t.equal((await lines.next()).value, "closed");
  const [code] = (await once(child, "exit")) as [number | null];
  t.equal(code, 0);
});
