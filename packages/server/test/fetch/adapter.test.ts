// adapter.test.ts — fetch handlers over an exchange without a connection: answers, failures, the context.
import t from "tap";
import type { ServerContext } from "../../src/fetch/context.ts";
import { FALL_THROUGH } from "../../src/fetch/context.ts";
import { Response } from "../../src/fetch/response.ts";
import { noLeases, run, turns } from "./run.ts";

t.afterEach(noLeases);

t.test("a response that is ready goes out in the same turn", async (t) => {
  for (const { name, body, want, type } of [
    { name: "string", body: "hi", want: "hi", type: ["content-type", "text/plain;charset=UTF-8"] },
    { name: "bytes", body: new TextEncoder().encode("hi"), want: "hi", type: [] },
    { name: "null", body: null, want: "", type: [] },
  ]) {
    const { exchange, reports } = run({}, { fetch: () => new Response(body) });
    t.equal(exchange.open, false, `${name}: complete`);
    t.same([exchange.status, exchange.body, exchange.head], [200, want, type], name);
    t.same(reports, []);
  }
});

t.test("nothing of the request is decoded that nobody reads", async (t) => {
  const { exchange } = run({ fields: ["accept", "*/*", "x", "y"] }, { fetch: () => new Response("hi") });
  t.equal(exchange.fields.reads, 0);
  const got = run({ fields: ["Accept", "*/*"] }, { fetch: (request) => new Response(request.headers.get("accept")) });
  t.equal(got.exchange.body, "*/*");
  t.equal(got.exchange.fields.reads, 1);
});

t.test("equal headers give the protocol the same list", async (t) => {
  const make = (): Response => new Response("{}", { headers: { "content-type": "application/json", "x-a": "1" } });
  const [first, second] = [run({}, { fetch: make }), run({}, { fetch: make })];
  t.equal(first.exchange.head, second.exchange.head);
  t.same(first.exchange.head, ["content-type", "application/json", "x-a", "1"]);
  const third = run(
    {},
    { fetch: () => new Response("{}", { headers: { "content-type": "application/json", "x-a": "2" } }) },
  );
  t.same(third.exchange.head, ["content-type", "application/json", "x-a", "2"]);
});

t.test("headers changed after the response was made are sent as changed", async (t) => {
  const { exchange } = run(
    {},
    {
      fetch: () => {
        const response = new Response("hi");
        response.headers.append("Set-Cookie", "a=1");
        response.headers.append("Set-Cookie", "b=2");
        return response;
      },
    },
  );
  t.same(exchange.head, ["content-type", "text/plain;charset=UTF-8", "Set-Cookie", "a=1", "Set-Cookie", "b=2"]);
});

t.test("content-length and transfer-encoding are the protocol's", async (t) => {
  const { exchange } = run(
    {},
    { fetch: () => new Response("hi", { headers: { "content-length": "7", "Transfer-Encoding": "x" } }) },
  );
  t.same([exchange.head, exchange.announced], [["content-type", "text/plain;charset=UTF-8"], 2]);
  const head = run({ method: "HEAD" }, { fetch: () => new Response(null, { headers: { "content-length": "7" } }) });
  t.same([head.exchange.announced, head.exchange.body, head.exchange.open], [7, "", false]);
});

t.test("URL of a request", async (t) => {
  for (const { authority, path, want } of [
    { authority: "a.example", path: "/", want: "http://a.example/" },
    { authority: "a.example:8080", path: "/x?y=1&z=%20", want: "http://a.example:8080/x?y=1&z=%20" },
    { authority: "A.Example:80", path: "/x", want: "http://a.example/x" },
    { authority: "127.0.0.1:3000", path: "/x/", want: "http://127.0.0.1:3000/x/" },
    { authority: "127.1", path: "/", want: "http://127.0.0.1/" },
    { authority: "[::1]:3000", path: "/", want: "http://[::1]:3000/" },
    { authority: "localhost", path: "/a/../b", want: "http://localhost/b" },
    { authority: "localhost", path: "/a/%2e%2e/b", want: "http://localhost/b" },
    { authority: "localhost", path: "/.x/..y", want: "http://localhost/.x/..y" },
    { authority: "localhost", path: "//b.example/", want: "http://localhost//b.example/" },
    { authority: "localhost", path: "/a b", want: "http://localhost/a%20b" },
    { authority: "localhost", path: "/a?b'c", want: "http://localhost/a?b%27c" },
    { authority: "localhost", path: "*", want: "http://localhost/" },
    { authority: "", path: "/x", want: "http://localhost/x" },
    { authority: "localhost:0", path: "/", want: "http://localhost:0/" },
    { authority: "localhost:080", path: "/", want: "http://localhost/" },
    { authority: "a.b.0x1", path: "/", want: "http://a.b.0x1/" },
  ]) {
    const { exchange } = run({ authority, path }, { fetch: (request) => new Response(request.url) });
    t.equal(exchange.body, want, `${authority} ${path}`);
  }
});

t.test("when a handler fails", async (t) => {
  const failure = new Error("broken");
  const fail = (): never => {
    throw failure;
  };
  const failLater = async (): Promise<never> => {
    await turns(1);
    throw failure;
  };
  for (const [name, fetch] of Object.entries({ fail, failLater })) {
    const { exchange, reports } = run({}, { fetch });
    await turns();
    t.same([exchange.status, exchange.body, reports], [500, "Internal Server Error\n", [failure]], name);
    const answered = run(
      {},
      { fetch, error: (error) => new Response(`sorry: ${(error as Error).message}`, { status: 503 }) },
    );
    await turns();
    t.same(
      [answered.exchange.status, answered.exchange.body, answered.reports],
      [503, "sorry: broken", []],
      `${name}: error handler`,
    );
    const later = run({}, { fetch, error: async () => new Response("later", { status: 502 }) });
    await turns();
    t.same([later.exchange.status, later.reports], [502, []], `${name}: async error handler`);
    const silent = run({}, { fetch, error: () => undefined });
    await turns();
    t.same([silent.exchange.status, silent.reports], [500, [failure]], `${name}: error handler without an answer`);
    const second = new Error("again");
    const broken = run(
      {},
      {
        fetch,
        error: () => {
          throw second;
        },
      },
    );
    await turns();
    t.same([broken.exchange.status, broken.reports], [500, [second, failure]], `${name}: error handler that fails`);
  }
  for (const wrong of [undefined, null, 1, "hi", {}, Promise.resolve(7)]) {
    const { exchange, reports } = run({}, { fetch: () => wrong as never });
    await turns();
    t.equal(exchange.status, 500);
    t.match(reports, [{ code: "ERR_RESPONSE_INVALID" }], String(wrong));
  }
  const used = new Response(new ReadableStream({ start: (c) => c.close() }));
  await used.text();
  const twice = run({}, { fetch: () => used });
  t.equal(twice.exchange.status, 500);
  t.match(twice.reports, [TypeError]);
});

t.test("Node's own Response is taken", async (t) => {
  for (const make of [
    () => new globalThis.Response("hi", { status: 201, headers: { x: "1" } }),
    async () => new globalThis.Response("hi", { status: 201, headers: { x: "1" } }),
  ]) {
    const { exchange, reports } = run({}, { fetch: make });
    await turns();
    t.same([exchange.status, exchange.body, reports], [201, "hi", []]);
    t.same(Object.fromEntries(chunked(exchange.head)), { "content-type": "text/plain;charset=UTF-8", x: "1" });
  }
});

const chunked = (list: readonly string[]): [string, string][] =>
  list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1] as string] as [string, string]] : []));

t.test("the context", async (t) => {
  const { exchange, waiting } = run(
    { fields: ["priority", "u=1, i"] },
    {
      fetch: (request, info) => {
        info.sendInformational(103, { link: "</a.css>; rel=preload" });
        info.waitUntil(Promise.resolve(1));
        info.serverPriority = { urgency: 0, incremental: false };
        t.throws(() => info.sendInformational(101), RangeError);
        t.throws(() => info.sendInformational(200), RangeError);
        t.throws(() => info.sendInformational(100), { name: "InvalidStateError" });
        t.throws(() => info.deny(), { name: "InvalidStateError" });
        t.throws(() => info.acceptStream(), { name: "InvalidStateError" });
        t.equal(info.request, request);
        return Response.json({
          remote: info.remoteAddress,
          local: info.localAddress,
          alpn: info.alpnProtocol,
          encrypted: info.encrypted,
          priority: info.clientPriority,
          autoContinue: info.autoContinue,
        });
      },
    },
  );
  t.same(JSON.parse(exchange.body), {
    remote: { address: "192.0.2.7", port: 4711, family: "IPv4" },
    local: { address: "::1", port: 80, family: "IPv6" },
    alpn: "http/1.1",
    encrypted: false,
    priority: { urgency: 1, incremental: true },
    autoContinue: true,
  });
  t.same(exchange.informed, [[103, ["link", "</a.css>; rel=preload"]]]);
  t.equal(waiting.length, 1);
});

t.test("100 Continue by hand, and ahead of other interim responses", async (t) => {
  const request = { method: "POST", body: ["a"], fields: ["expect", "100-continue"] };
  const early = run(request, {
    fetch: (_, info) => {
      info.sendInformational(103);
      return new Response(null);
    },
  });
  t.same(
    early.exchange.informed.map(([status]) => status),
    [100, 103],
  );
  const hand = run(request, {
    fetch: (_, info) => {
      info.sendInformational(100, { x: "1" });
      t.throws(() => info.sendInformational(100), { name: "InvalidStateError" });
      return new Response(null);
    },
  });
  t.same(hand.exchange.informed, [[100, ["x", "1"]]]);
});

t.test("deny", async (t) => {
  const { exchange, reports } = run(
    {},
    {
      fetch: (_, info) => {
        info.deny();
      },
    },
  );
  t.same([exchange.status, exchange.head.includes("close"), reports], [503, true, []]);
});

t.test("handlers of the draft", async (t) => {
  const self = { greeting: "hi" };
  const { exchange } = run(
    { path: "/x" },
    {
      self,
      contextOnly: true,
      fetch: function (this: typeof self, context: ServerContext) {
        return new Response(`${this.greeting} ${context.request.url}`);
      } as never,
    },
  );
  t.equal(exchange.body, "hi http://a.example/x");
  const failed = run(
    {},
    {
      contextOnly: true,
      fetch: () => {
        throw new Error("x");
      },
      error: ((context: ServerContext, error: Error) =>
        new Response(`${context.request.method} ${error.message}`)) as never,
    },
  );
  t.equal(failed.exchange.body, "GET x");
});

t.test("CONNECT and Upgrade", async (t) => {
  const none = run({ method: "CONNECT", path: "", authority: "b.example:443" }, { fetch: () => new Response("no") });
  t.equal(none.exchange.status, 501);
  const ordinary = run({ upgrade: "echo" }, { fetch: () => new Response("plain") });
  t.equal(ordinary.exchange.body, "plain");
  const refused = run(
    { upgrade: "echo" },
    { fetch: () => new Response("plain"), connect: () => new Response("no", { status: 403 }) },
  );
  t.equal(refused.exchange.status, 403);
  const through = run(
    { upgrade: "echo" },
    { fetch: () => new Response("plain"), connect: async (context) => context.deny(FALL_THROUGH) },
  );
  await turns();
  t.equal(through.exchange.body, "plain");
  const failed = run(
    { upgrade: "echo" },
    {
      fetch: () => new Response("plain"),
      connect: () => {
        throw new Error("x");
      },
    },
  );
  t.same([failed.exchange.status, failed.reports.length], [502, 1]);
});
