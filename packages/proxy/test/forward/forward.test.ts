// The forwarder, through a whole proxy on a clock of its own, with servers that do as they are told.
import { currentRuntime } from "@percore/core";
import t, { type Test } from "tap";
import type { ConfigInput } from "../../src/config/schema.ts";
import { type FakeRequest, type TestProxy, type TestProxyOptions, testProxy } from "../../src/testing/index.ts";

const start = (t: Test, config: ConfigInput, servers: TestProxyOptions["servers"]): TestProxy => {
  const proxy = testProxy(config, { servers });
  t.teardown(() => proxy.close());
  return proxy;
};

const upstream = (more: Record<string, unknown> = {}): ConfigInput =>
  ({
    upstreams: { api: { servers: ["a:1", "b:1"], ...more } },
    routes: [{ upstream: "api" }],
  }) as ConfigInput;

const ok = (): { body: string } => ({ body: "ok" });

t.test("a request and its answer, as both sides see them", async (t) => {
  const proxy = start(
    t,
    { upstreams: { api: "a:1" }, routes: [{ upstream: "api", responseHeaders: { set: { "x-set": "1" } } }] },
    {
      "a:1": () => ({
        status: 201,
        headers: { "x-theirs": "2", "keep-alive": "timeout=5", "set-cookie": "a=1", via: "1.0 old" },
        body: "made",
      }),
    },
  );
  const { response, record } = await proxy.fetch("/x/../y?z=1", {
    method: "POST",
    headers: {
      "x-mine": "1",
      "keep-alive": "300",
      "x-forwarded-for": "6.6.6.6",
      forwarded: "for=6.6.6.6",
      x_forwarded_for: "6.6.6.6",
      "proxy-authorization": "secret",
      te: "trailers",
    },
    body: "hello",
  });
  t.equal(response.status, 201);
  t.equal(await response.text(), "made");
  t.equal(response.headers.get("x-theirs"), "2");
  t.equal(response.headers.get("x-set"), "1");
  t.equal(response.headers.get("keep-alive"), null);
  t.equal(response.headers.get("via"), "1.0 old, 1.1 percore");
  const [seen] = proxy.servers.requests.get("a:1") as FakeRequest[];
  t.match(seen, { method: "POST", target: "/y?z=1", host: "localhost", body: "hello" });
  const { headers } = seen;
  t.equal(headers["x-mine"], "1");
  t.equal(headers.via, "1.1 percore");
  t.equal(headers["x-forwarded-proto"], "http");
  t.equal(headers["x-forwarded-host"], "localhost");
  t.not(headers["x-forwarded-for"], "6.6.6.6", "a claim of somebody we do not trust");
  for (const gone of ["keep-alive", "forwarded", "x_forwarded_for", "proxy-authorization"])
    t.notOk(headers[gone], gone);
  t.equal(headers.te, "trailers");
  t.match(record, { status: 201, reason: "-", upstream: "api", server: "a:1", tries: 1, received: 5, sent: 4 });
});

t.test("connections are used again, and idle ones closed", async (t) => {
  const proxy = start(
    t,
    { upstreams: { api: { servers: "a:1", pool: { idleTimeout: "10s" } } }, routes: [{ upstream: "api" }] },
    { "a:1": ok },
  );
  for (let count = 0; count < 3; count += 1) await (await proxy.fetch("/")).response.text();
  t.equal(proxy.servers.connections.get("a:1"), 1);
  t.match(proxy.upstreams()[0].servers[0], { connections: 1, idle: 1, requests: 3 });
  await proxy.advance(11_000);
  t.match(proxy.upstreams()[0].servers[0], { connections: 0, idle: 0 });
  t.equal(await (await proxy.fetch("/")).response.text(), "ok");
  t.equal(proxy.servers.connections.get("a:1"), 2);
});

t.test("HTTP/2 to the server: one connection for many, trailers, and a body kept for another try", async (t) => {
  const proxy = start(t, upstream({ servers: "a:1", protocol: "h2" }), {
    "a:1": ({ body }) => ({ body: `got ${body}`, trailers: { "grpc-status": "0" } }),
  });
  const answers = await Promise.all([1, 2, 3].map((n) => proxy.fetch("/", { method: "POST", body: `${n}` })));
  t.same(await Promise.all(answers.map(({ response }) => response.text())), ["got 1", "got 2", "got 3"]);
  t.equal(proxy.servers.connections.get("a:1"), 1);
});

t.test("servers that refuse: another one is tried, whatever the method", async (t) => {
  const proxy = start(t, upstream(), { "a:1": "refused", "b:1": ok });
  for (const method of ["GET", "POST"]) {
    const { response, record } = await proxy.fetch("/", { method, body: method === "POST" ? "x" : undefined });
    t.equal(response.status, 200);
    t.equal(record.server, "b:1");
  }
  const alone = start(t, upstream({ servers: "a:1" }), {});
  const { response, record } = await alone.fetch("/");
  t.equal(response.status, 502);
  t.match(record, { reason: "SC", status: 502, tries: 2 });
});

t.test("what may have reached a server is sent again only where that is safe", async (t) => {
  const proxy = start(t, upstream(), { "a:1": () => "reset", "b:1": () => "reset" });
  const get = await proxy.fetch("/");
  t.match(get.record, { status: 502, reason: "SH", tries: 2 });
  const post = await proxy.fetch("/", { method: "POST", body: "once" });
  t.match(post.record, { status: 502, reason: "SH", tries: 1 });
  const bodies = [...proxy.servers.requests.values()].flat().filter(({ method }) => method === "POST");
  t.equal(bodies.length, 1, "a POST is never sent twice");
});

t.test("a body that is kept goes to the second server whole; one too large is not tried again", async (t) => {
  const proxy = start(t, upstream({ retries: { bodyMax: 10, on: ["503", "reset"] } }), {
    "a:1": () => ({ status: 503 }),
    "b:1": ({ body }) => ({ body: `b got ${body}` }),
  });
  const small = await proxy.fetch("/", { method: "PUT", body: "0123456789" });
  t.equal(await small.response.text(), "b got 0123456789");
  t.equal(small.record.tries, 2);
  proxy.servers.set("b:1", () => ({ status: 503 }));
  const large = await proxy.fetch("/", { method: "PUT", body: "0123456789+" });
  t.match(large.record, { status: 503, tries: 1 });
});

t.test("the retry budget", async (t) => {
  const config = upstream({ servers: ["a:1", "b:1"], retries: { budget: 1 }, ejection: false });
  const proxy = start(t, config, { "a:1": "refused", "b:1": "refused" });
  for (let count = 0; count < 20; count += 1) await proxy.fetch("/");
  const tries = proxy.records.reduce((sum, { tries }) => sum + tries, 0);
  t.equal(tries, 20 + 10, "ten are always allowed");
  await proxy.advance(11_000);
  await proxy.fetch("/");
  t.equal(proxy.records.at(-1)?.tries, 2, "and again when they are past");
});

t.test("deadlines", async (t) => {
  const late = start(t, upstream({ servers: "a:1", timeouts: { firstByte: "2s" }, retries: false }), {
    "a:1": () => "silent",
  });
  const pending = late.fetch("/");
  await late.advance(2_200);
  t.match((await pending).record, { status: 504, reason: "sH" });
  const total = start(
    t,
    { ...upstream({ servers: "a:1" }), routes: [{ upstream: "api", timeout: "1s" }] },
    { "a:1": () => "silent" },
  );
  const never = total.fetch("/");
  await total.advance(1_100);
  t.match((await never).record, { status: 504, reason: "sT" });
});

t.test("a queue with an end", async (t) => {
  const held: ((answer: { body: string }) => void)[] = [];
  const proxy = start(
    t,
    upstream({ servers: "a:1", limits: { requests: 1, pending: 1, pendingTimeout: "3s" }, retries: false }),
    {
      "a:1": () => new Promise((resolve) => held.push(resolve)),
    },
  );
  const first = proxy.fetch("/1");
  await proxy.advance(0);
  const second = proxy.fetch("/2");
  await proxy.advance(0);
  t.match(proxy.upstreams()[0], { active: 1, pending: 1 });
  const third = await proxy.fetch("/3");
  t.equal(third.response.status, 503);
  t.equal(third.response.headers.get("retry-after"), "1");
  t.equal(third.record.reason, "SF");
  held[0]({ body: "first" });
  t.equal(await (await first).response.text(), "first");
  await proxy.advance(0);
  const fourth = proxy.fetch("/4");
  await proxy.advance(3_100);
  t.match((await fourth).record, { status: 503, reason: "sQ" });
  held[1]({ body: "second" });
  t.equal(await (await second).response.text(), "second");
});

t.test("ejection, and the panic that overrules it", async (t) => {
  const servers = ["a:1", "b:1", "c:1", "d:1"];
  const proxy = start(
    t,
    upstream({ servers, retries: false, ejection: { failures: 2, time: "10s", ejectedMax: 25 } }),
    {
      "a:1": () => ({ status: 500 }),
      "b:1": ok,
      "c:1": ok,
      "d:1": ok,
    },
  );
  for (let count = 0; count < 8; count += 1) await (await proxy.fetch("/")).response.text();
  t.equal(proxy.upstreams()[0].servers[0].state, "ejected");
  for (let count = 0; count < 8; count += 1) t.equal((await proxy.fetch("/")).response.status, 200);
  await proxy.advance(10_000);
  t.equal(proxy.upstreams()[0].servers[0].state, "up", "it gets another chance");
});

t.test("active checks take a server out and bring it back", async (t) => {
  let well = true;
  const check = { path: "/healthz", interval: "1s", timeout: "500ms", healthy: 2, unhealthy: 2 };
  const proxy = start(t, upstream({ health: check, ejection: false }), {
    "a:1": ({ target }) => (target === "/healthz" && !well ? { status: 503 } : { body: "a" }),
    "b:1": () => ({ body: "b" }),
  });
  well = false;
  for (let count = 0; count < 4; count += 1) await proxy.advance(1_000);
  t.same(
    proxy.upstreams()[0].servers.map(({ state }) => state),
    ["down", "up"],
  );
  for (let count = 0; count < 3; count += 1) t.equal(await (await proxy.fetch("/")).response.text(), "b");
  well = true;
  for (let count = 0; count < 4; count += 1) await proxy.advance(1_000);
  t.equal(proxy.upstreams()[0].servers[0].state, "up");
  const seen = proxy.servers.requests.get("a:1") as FakeRequest[];
  t.equal(seen[0].headers["user-agent"], "percore-health");
});

t.test("the fallback answers where the first upstream cannot", async (t) => {
  const proxy = start(
    t,
    {
      upstreams: { api: { servers: "a:1", retries: false }, spare: "b:1" },
      routes: [{ upstream: "api", fallback: "spare" }],
    },
    { "b:1": ({ body }) => ({ body: `spare ${body}` }) },
  );
  const { response, record } = await proxy.fetch("/", { method: "POST", body: "x" });
  t.equal(await response.text(), "spare x");
  t.match(record, { upstream: "spare", server: "b:1", status: 200, reason: "-" });
});

t.test("a reload keeps connections of servers that stay", async (t) => {
  const proxy = start(t, upstream(), { "a:1": ok, "b:1": ok, "c:1": ok });
  await proxy.fetch("/");
  await proxy.fetch("/");
  proxy.apply(upstream({ servers: ["a:1", "c:1"] }));
  for (let count = 0; count < 4; count += 1) await proxy.fetch("/");
  t.equal(proxy.servers.connections.get("a:1"), 1);
  t.equal(proxy.servers.connections.get("b:1"), 1);
  t.same(
    proxy.upstreams()[0].servers.map(({ text }) => text),
    ["a:1", "c:1"],
  );
});

t.test("bodies too large, tunnels not wanted", async (t) => {
  const proxy = start(t, { upstreams: { api: "a:1" }, routes: [{ upstream: "api", bodyMax: 3 }] }, { "a:1": ok });
  t.match((await proxy.fetch("/", { method: "POST", body: "1234" })).record, { status: 413, reason: "PL" });
  t.match((await proxy.fetch("/", { method: "POST", body: "123" })).record, { status: 200 });
});

t.test("statuses without a body, and HEAD", async (t) => {
  const proxy = start(t, upstream({ servers: "a:1" }), {
    "a:1": ({ target }) =>
      target === "/204"
        ? { status: 204 }
        : target === "/304"
          ? { status: 304, headers: { etag: '"x"' } }
          : { body: "12345" },
  });
  t.equal((await proxy.fetch("/204")).response.status, 204);
  const unchanged = await proxy.fetch("/304");
  t.equal(unchanged.response.headers.get("etag"), '"x"');
  const head = await proxy.fetch("/", { method: "HEAD" });
  t.equal(head.response.headers.get("content-length"), "5");
  t.equal(await head.response.text(), "");
  t.equal(proxy.servers.connections.get("a:1"), 1, "the connection goes on");
});

t.test("a PROXY header goes with the request of its client, and with no other", async (t) => {
  const proxy = start(t, upstream({ servers: "a:1", proxyProtocol: 1, retries: false }), { "a:1": ok });
  // The fake server knows no PROXY header and refuses: what counts is that each request had a connection of its own.
  await Promise.all([1, 2, 3].map(() => proxy.fetch("/")));
  t.equal(proxy.servers.connections.get("a:1"), 3);
  await proxy.advance(5_000);
  t.equal(proxy.upstreams()[0].servers[0].connections, 0, "none is kept");
});

t.test("who waits for a server that is taken away is told", async (t) => {
  const proxy = start(t, upstream({ servers: "a:1", limits: { connections: 1 }, retries: false }), {
    "a:1": () => "silent",
  });
  const first = proxy.fetch("/1");
  await proxy.advance(0);
  const second = proxy.fetch("/2");
  await proxy.advance(0);
  t.equal(proxy.upstreams()[0].pending, 1);
  proxy.apply(upstream({ servers: "b:1" }));
  t.equal((await second).response.status, 502);
  await proxy.advance(61_000);
  t.equal((await first).response.status, 504, "the one under way goes on, to its own end");
});

t.test("nothing is left", async (t) => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(currentRuntime().arena.stats.outstanding, 0);
});
