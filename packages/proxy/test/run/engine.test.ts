// The engine: from a request to whoever answers it, through a real HTTP/1.1 connection in memory.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Response, type Server, serve } from "percore";
import t, { type Test } from "tap";
import { checkConfig } from "../../src/config/load.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { FlightTable } from "../../src/limits/flight-table.ts";
import { RateTable } from "../../src/limits/rate-table.ts";
import { newLimitMemory } from "../../src/limits/shared-memory.ts";
import { LineSink, type SinkFiles } from "../../src/log/line-sink.ts";
import { Engine } from "../../src/run/engine.ts";
import { FakeForwarder } from "./fake-forwarder.ts";

const clock = { now: 1_000 };

/** Lines of the log, and no file. */
class Lines implements SinkFiles {
  text = "";
  open(): number {
    return 1;
  }
  write(_fd: number, text: Buffer, done: (error: Error | null, bytes: number) => void): void {
    this.text += text;
    done(null, text.length);
  }
  writeSync(_fd: number, text: Buffer): number {
    this.text += text;
    return text.length;
  }
  close(): void {}
}

interface Bench {
  readonly engine: Engine;
  readonly forwarder: FakeForwarder;
  readonly server: Server;
  readonly reports: unknown[];
  log(): Promise<Record<string, unknown>[]>;
  get(url: string, init?: { method?: string; headers?: Record<string, string>; body?: string }): Promise<Response>;
}

const bench = (t: Test, config: ConfigInput, folder?: string): Bench => {
  const memory = newLimitMemory();
  const lines = new Lines();
  const reports: unknown[] = [];
  let random = 0;
  let sink: LineSink | null = null;
  const engine = new Engine(checkConfig(config, { folder }), {
    clock,
    worker: 3,
    tables: { rates: new RateTable(memory), flights: new FlightTable(memory, 0), sharedMs: () => clock.now },
    forwarder: (plan) => new FakeForwarder(plan),
    openLog: (path) => {
      sink = new LineSink(path, t.fail, lines);
      return sink;
    },
    report: (error) => reports.push(error),
    random: () => {
      random = (random + 0.25) % 1;
      return random;
    },
    wallClock: () => Date.parse("2026-11-24T09:00:00Z"),
  });
  const server = serve({ listen: false, handler: engine.handler });
  t.teardown(() => server.close());
  return {
    engine,
    forwarder: engine.forwarder as FakeForwarder,
    server,
    reports,
    log: async () => {
      await sink?.flush();
      return lines.text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    get: (url, init) => server.fetch(url.startsWith("/") ? `http://localhost${url}` : url, init),
  };
};

const upstreams = { api: "localhost:3000", web: "localhost:4000" };

t.test("targets", async (t) => {
  const { get, forwarder } = bench(t, {
    upstreams,
    routes: [
      { path: "/api/*", upstream: "api", stripPrefix: "/api", addPrefix: "/v1" },
      { path: "/users/{id:int}/{tab}", upstream: "api", rewrite: "/u/{id}/{tab}" },
      { path: "/search/{word}", upstream: "api", rewrite: "/s?q={word}&{query}" },
      { path: "/ab", split: { api: 3, web: 1 } },
      { path: "/old/{rest:path}", redirect: "/new/{rest}" },
      { path: "/away", redirect: { to: "https://{host}/x?y=1", status: 302 } },
      { path: "/hi", respond: { body: "hello", headers: { "x-a": "1" } } },
      { path: "/empty", respond: { status: 204 } },
      {
        path: "/made/{name}",
        handler: (exchange, { params }: { params: { name: string } }) =>
          exchange.respond(201, [], `made ${params.name}`),
      },
      { host: "other.example", upstream: "web" },
    ],
  });
  const targetOf = async (url: string): Promise<string> =>
    ((await (await get(url)).json()) as { target: string }).target;
  t.equal(await targetOf("/api/x?y=1"), "/v1/x?y=1");
  t.equal(await targetOf("/api"), "/v1/");
  t.equal(await targetOf("/api/%7euser//a/../b"), "/v1/~user/b", "what is routed is what is forwarded");
  t.equal(await targetOf("/users/7/posts?z"), "/u/7/posts?z");
  t.equal(await targetOf("/users/7/a%20b"), "/u/7/a%20b", "as it came, escapes and all");
  t.equal(await targetOf("/search/x%26y?z=1"), "/s?q=x%26y&z=1");
  t.equal(await targetOf("http://other.example/"), "/");
  const split = [];
  for (let count = 0; count < 8; count += 1) {
    await get("/ab");
    split.push(forwarder.orders.at(-1)?.upstream);
  }
  t.equal(split.filter((name) => name === "web").length, 2, "a quarter");
  const old = await get("/old/a/b?c=1");
  t.equal(old.status, 308);
  t.equal(old.headers.get("location"), "/new/a/b?c=1");
  t.equal((await get("/away?z=1")).headers.get("location"), "https://localhost/x?y=1", "a query of its own");
  const hi = await get("/hi");
  t.equal(await hi.text(), "hello");
  t.equal(hi.headers.get("x-a"), "1");
  t.equal((await get("/empty")).status, 204);
  const made = await get("/made/a%20b");
  t.equal(made.status, 201);
  t.equal(await made.text(), "made a b");
});

t.test("a redirect never leads to a host that the client chose", async (t) => {
  const { get } = bench(t, {
    paths: { duplicateSlashes: "keep" },
    routes: [{ path: "/go/{rest:path}", redirect: "/{rest}" }],
  });
  t.equal((await get("/go//evil.example/x")).headers.get("location"), "/evil.example/x");
});

t.test("refusals", async (t) => {
  const { get, log } = bench(t, {
    accessLog: { fields: ["status", "reason", "path", "route"] },
    upstreams,
    routes: [{ path: "/api/*", upstream: "api" }],
  });
  t.equal((await get("/nothing")).status, 404);
  const bad = await get("/api/%2f");
  t.equal(bad.status, 400);
  t.equal(await bad.text(), "400 Bad Request\n");
  t.same(await log(), [
    { status: 404, reason: "PN", path: "/nothing", route: "" },
    { status: 400, reason: "PB", path: "/api/%2f", route: "" },
  ]);
});

t.test("field changes", async (t) => {
  const { get } = bench(t, {
    upstreams,
    routes: [
      {
        path: "/a/{id}",
        upstream: "api",
        requestHeaders: { set: { "X-Theirs": "{id} for {client}" }, add: { "x-more": "2" } },
        responseHeaders: { remove: ["Server"], set: { "x-id": "{id}" } },
      },
      { path: "/b", respond: { body: "b" }, responseHeaders: { set: { "content-type": "text/html" } } },
    ],
  });
  const answer = await get("/a/7");
  t.equal(answer.headers.get("server"), null);
  t.equal(answer.headers.get("x-id"), "7");
  t.match(((await answer.json()) as { fields: string[] }).fields, ["x-theirs", /^7 for /, "x-more", "2"]);
  t.equal((await get("/b")).headers.get("content-type"), "text/html");
});

t.test("limits", async (t) => {
  const { get, forwarder, engine } = bench(t, {
    upstreams,
    rateLimits: { perKey: { rate: "2/m", by: { header: "x-key" } }, all: { rate: "100/s", by: "route" } },
    routes: [
      { path: "/rate", upstream: "api", rateLimit: ["perKey", "all"] },
      { path: "/flight", upstream: "api", concurrency: 1 },
      { path: "/private", upstream: "api", allow: ["192.0.2.0/24"] },
      { path: "/denied", upstream: "api", deny: ["0.0.0.0/0", "::/0"] },
    ],
  });
  const first = await get("/rate", { headers: { "x-key": "a" } });
  t.equal(first.headers.get("ratelimit-policy"), '"perKey";q=2;w=60', "the tighter of two is told");
  t.equal(first.headers.get("ratelimit"), '"perKey";r=1;t=30');
  await get("/rate", { headers: { "x-key": "a" } });
  const third = await get("/rate", { headers: { "x-key": "a" } });
  t.equal(third.status, 429);
  t.equal(third.headers.get("retry-after"), "30");
  t.equal((await get("/rate", { headers: { "x-key": "b" } })).status, 200, "another key");
  let held: (() => void) | null = null;
  forwarder.answer = (exchange, order) => {
    held = () => {
      order.record.status = 200;
      exchange.respond(200, [], "late");
      order.done();
    };
  };
  const late = get("/flight");
  while (held === null) await new Promise((resolve) => setImmediate(resolve));
  const refused = await get("/flight");
  t.equal(refused.status, 429);
  (held as () => void)();
  t.equal(await (await late).text(), "late");
  forwarder.answer = null;
  t.equal((await get("/flight")).status, 200, "the place is free again");
  t.equal((await get("/private")).status, 403);
  const series = engine.metrics.registry.snapshot();
  const ended = (reason: string): number | undefined =>
    series.find(({ name, labels }) => name === "percore_ended_total" && labels.reason === reason)?.values[0];
  t.equal(ended("PR"), 1);
  t.equal(ended("PC"), 1);
  t.equal(ended("PA"), 1);
});

t.test("identity", async (t) => {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { get } = bench(t, { upstreams, routes: [{ upstream: "api" }] });
  const extraOf = async (headers: Record<string, string> = {}): Promise<string[]> =>
    ((await (await get("/", { headers })).json()) as { extra: string[] }).extra;
  const [name, one] = await extraOf({ "x-request-id": "mine" });
  t.equal(name, "x-request-id");
  t.match(one, /^[0-9a-f]{22}$/, "a client's id is not believed");
  t.not((await extraOf())[1], one);
  const traced = await extraOf({ traceparent: trace });
  t.match(traced[3], /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
  t.same((await extraOf({ traceparent: "x" })).slice(-2), ["tracestate", ""], "no state without its trace");
  const trusting = bench(t, {
    upstreams,
    requestId: { header: "X-Id", trust: true },
    tracing: "off",
    routes: [{ upstream: "api" }],
  });
  const idOf = async (headers: Record<string, string>): Promise<string[]> =>
    ((await (await trusting.get("/", { headers })).json()) as { extra: string[] }).extra;
  t.same(await idOf({ "x-id": "mine-1", traceparent: trace }), ["x-id", "mine-1"]);
  t.match((await idOf({ "x-id": 'a"b' }))[1], /^[0-9a-f]{22}$/, "one that would need escaping is not taken");
  const none = bench(t, { upstreams, requestId: false, tracing: "off", routes: [{ upstream: "api" }] });
  t.same(((await (await none.get("/")).json()) as { extra: string[] }).extra, []);
});

t.test("the log", async (t) => {
  const { get, log } = bench(t, {
    accessLog: true,
    upstreams,
    routes: [
      { path: "/api/*", name: "api", upstream: "api" },
      { path: "/quiet", respond: {}, log: false },
    ],
  });
  await get("/api/x?y=1", { headers: { "user-agent": 'a"b' } });
  await get("/quiet");
  const lines = await log();
  t.equal(lines.length, 1);
  t.match(lines[0], {
    time: "2026-11-24T09:00:00.000Z",
    id: /^[0-9a-f]{22}$/,
    method: "GET",
    host: "localhost",
    path: "/api/x",
    query: "?y=1",
    status: 200,
    reason: "-",
    route: "api",
    upstream: "api",
    server: "localhost:3000",
    tries: 1,
    queueMs: 0,
    connectMs: 1,
    firstByteMs: 2,
    userAgent: 'a"b',
  });
  const errors = bench(t, {
    accessLog: { file: "-", only: "errors", fields: ["path", "status", "worker"] },
    routes: [
      { path: "/a", respond: {} },
      { path: "/b", respond: { status: 503 } },
    ],
  });
  await errors.get("/a");
  await errors.get("/b");
  t.same(await errors.log(), [{ path: "/b", status: 503, worker: 3 }]);
});

t.test("handlers that fail, and those that answer in parts", async (t) => {
  const { get, reports, log } = bench(t, {
    accessLog: { fields: ["path", "status", "reason", "sent"] },
    routes: [
      {
        path: "/throws",
        handler: () => {
          throw new Error("no");
        },
      },
      { path: "/rejects", handler: async () => Promise.reject(new Error("later")) },
      {
        path: "/parts",
        responseHeaders: { set: { "x-by": "percore" } },
        handler: (exchange) => {
          exchange.begin(200, [], -1);
          exchange.write("one, ");
          exchange.write(new TextEncoder().encode("two"));
          exchange.end();
        },
      },
    ],
  });
  t.equal((await get("/throws")).status, 500);
  t.equal((await get("/rejects")).status, 500);
  t.match(reports, [{ message: "no" }, { message: "later" }]);
  const parts = await get("/parts");
  t.equal(parts.headers.get("x-by"), "percore");
  t.equal(await parts.text(), "one, two");
  t.match(await log(), [
    { path: "/throws", status: 500, reason: "PH" },
    { path: "/rejects", status: 500, reason: "PH" },
    { path: "/parts", status: 200, reason: "-", sentBytes: 8 },
  ]);
});

t.test("files", async (t) => {
  const folder = t.testdir({
    public: {
      "index.html": "<p>",
      "a b.txt": "ab",
      sub: { "index.html": "<q>", "x.js": "1" },
      "x.js": "1",
      "x.js.gz": "zz",
    },
    "secret.txt": "no",
  });
  symlinkSync(join(folder, "secret.txt"), join(folder, "public", "link.txt"));
  mkdirSync(join(folder, "publicity"));
  writeFileSync(join(folder, "publicity", "x.txt"), "no");
  const { get } = bench(
    t,
    {
      routes: [
        { path: "/static/*", files: { root: "public", cacheControl: "max-age=60", precompressed: ["gzip"] } },
        { path: "/app/*", files: { root: "public", notFound: "index.html" } },
      ],
    },
    folder,
  );
  const body = async (url: string, init?: Parameters<Bench["get"]>[1]): Promise<string> => {
    const answer = await get(url, init);
    return `${answer.status} ${await answer.text()}`;
  };
  t.equal(await body("/static/a%20b.txt"), "200 ab");
  t.equal(await body("/static/"), "200 <p>");
  t.equal(await body("/static/sub/"), "200 <q>");
  const redirect = await get("/static/sub?x=1");
  t.equal(redirect.status, 308);
  t.equal(redirect.headers.get("location"), "/static/sub/?x=1");
  t.equal(await body("/static/nothing"), "404 Not Found\n");
  t.equal(await body("/static/x.js/"), "404 Not Found\n");
  t.equal(await body("/static/link.txt"), "404 Not Found\n", "a link that leads out");
  t.equal(await body("/static/..%2fsecret.txt"), "400 400 Bad Request\n");
  t.equal(await body("/static/%2e%2e/publicity/x.txt"), "404 404 Not Found\n", "normalised, no route takes it");
  t.equal(await body("/static/a%20b.txt", { method: "POST", body: "x" }), "405 Method Not Allowed\n");
  t.equal(await body("/static/%FF"), "404 Not Found\n");
  const zipped = await get("/static/x.js", { headers: { "accept-encoding": "gzip" } });
  t.equal(zipped.headers.get("content-encoding"), "gzip");
  t.equal(zipped.headers.get("cache-control"), "max-age=60");
  t.match(zipped.headers.get("content-type"), /javascript/);
  t.equal(await body("/app/deep/link"), "200 <p>", "a page of an application");
});

t.test("a reload between two requests", async (t) => {
  const { engine, get, forwarder } = bench(t, { upstreams, routes: [{ path: "/a", upstream: "api" }] });
  t.equal((await get("/b")).status, 404);
  engine.apply(checkConfig({ upstreams: { web: "localhost:5000" }, routes: [{ path: "/b", upstream: "web" }] }));
  t.equal((await get("/a")).status, 404);
  t.equal((await get("/b")).status, 200);
  t.same([...forwarder.plan.upstreams.keys()], ["web"]);
  t.equal(engine.generation, 2);
  const bad = checkConfig({
    upstreams: { web: { servers: "https://localhost:5000", tls: { ca: "no-such-file" } } },
    routes: [{ upstream: "web" }],
  });
  t.throws(() => engine.apply(bad), { message: /no-such-file cannot be read: ENOENT/ });
  t.equal((await get("/b")).status, 200, "the old one goes on");
  await engine.close();
  t.equal(forwarder.closed, true);
});
