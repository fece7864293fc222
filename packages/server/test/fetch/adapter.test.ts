// adapter.test.ts — fetch handlers over an exchange without a connection.
import t from "tap";
import { type FetchHandlers, fetchHandler } from "../../src/fetch/adapter.ts";
import { FALL_THROUGH, type ServerContext } from "../../src/fetch/context.ts";
import type { Request } from "../../src/fetch/request.ts";
import { Response } from "../../src/fetch/response.ts";
import { arena, FakeExchange, type FakeRequest } from "./fake-exchange.ts";

interface Run {
  readonly exchange: FakeExchange;
  readonly reports: unknown[];
  readonly waiting: PromiseLike<unknown>[];
}

const run = (request: FakeRequest, handlers: Partial<FetchHandlers> & Pick<FetchHandlers, "fetch">): Run => {
  const exchange = new FakeExchange(request);
  const reports: unknown[] = [];
  const waiting: PromiseLike<unknown>[] = [];
  const all: FetchHandlers = { self: {}, connect: null, error: null, contextOnly: false, ...handlers };
  const host = { autoContinue: true, waitUntil: (promise: PromiseLike<unknown>) => void waiting.push(promise) };
  fetchHandler(all, host, (error) => void reports.push(error))(exchange);
  return { exchange, reports, waiting };
};

const turns = async (count = 20): Promise<void> => {
  for (let index = 0; index < count; index += 1) await new Promise(setImmediate);
};

t.afterEach(() => {
  if (arena.stats.outstanding !== 0) throw new Error(`${arena.stats.outstanding} leases are outstanding`);
});

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

t.test("bodies of requests", async (t) => {
  const body = ["hel", "lo ", "w€rld"];
  const readers: Record<string, (request: Request) => Promise<string>> = {
    text: (request) => request.text(),
    bytes: async (request) => new TextDecoder().decode(await request.bytes()),
    arrayBuffer: async (request) => new TextDecoder().decode(await request.arrayBuffer()),
    blob: async (request) => (await request.blob()).text(),
    stream: async (request) => {
      let text = "";
      const decoder = new TextDecoder();
      for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>)
        text += decoder.decode(chunk, { stream: true });
      return text;
    },
    byob: async (request) => {
      const reader = (request.body as ReadableStream).getReader({ mode: "byob" });
      let text = "";
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(4));
        if (done) return text;
        text += decoder.decode(value, { stream: true });
      }
    },
    clone: async (request) => {
      const copy = request.clone();
      const [first, second] = await Promise.all([request.text(), copy.text()]);
      return first === second ? first : "different";
    },
    "clone of a clone": async (request) => request.clone().clone().text(),
    moved: async (request) => {
      const { Request: Ours } = await import("../../src/fetch/request.ts");
      return new Ours(request, { headers: { x: "1" } }).text();
    },
  };
  for (const [name, read] of Object.entries(readers)) {
    const { exchange, reports } = run(
      { method: "POST", body },
      { fetch: async (request) => new Response(await read(request)) },
    );
    await turns();
    t.same([exchange.body, reports], [body.join(""), []], name);
  }
});

t.test("a request without a body", async (t) => {
  const { exchange } = run(
    {},
    { fetch: async (request) => new Response(`${request.body} ${await request.text()} ${request.bodyUsed}`) },
  );
  await turns();
  t.equal(exchange.body, "null  false");
});

t.test("a body's stream asks for no more than it is read", async (t) => {
  const big = "x".repeat(10_000);
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const { exchange } = run(
    { method: "POST", body: [big, big, big, big], bodyLength: 40_000 },
    {
      fetch: async (request) => {
        reader = (request.body as ReadableStream<Uint8Array>).getReader();
        await reader.read();
        return new Promise<Response>(() => undefined);
      },
    },
  );
  await turns();
  t.equal(exchange.pauses, 1, "paused after the second part");
  let size = 10_000;
  for (;;) {
    const step = await reader?.read();
    if (step === undefined || step.done) break;
    size += step.value.length;
  }
  t.equal(size, 40_000);
});

t.test("trailers of a request", async (t) => {
  const { exchange } = run(
    { method: "POST", body: ["a"], trailers: ["x-sum", "1"] },
    { fetch: async (request) => new Response((await request.text()) + (await request.trailers).get("x-sum")) },
  );
  await turns();
  t.equal(exchange.body, "a1");
});

t.test("an echo is relayed without streams", async (t) => {
  const { exchange, reports } = run(
    { method: "POST", body: ["ab", "cd"] },
    { fetch: (request) => new Response(request.body) },
  );
  t.same([exchange.body, exchange.announced, exchange.open, reports], ["abcd", 4, false, []], "in the same turn");
});

t.test("an echo waits for a slow client", async (t) => {
  const { exchange } = run(
    { method: "POST", body: ["ab", "cd", "ef"], window: 2 },
    { fetch: (request) => new Response(request.body) },
  );
  t.equal(exchange.body, "ab");
  exchange.drain();
  t.equal(exchange.body, "abcd");
  exchange.drain();
  exchange.drain();
  t.same([exchange.body, exchange.open], ["abcdef", false]);
});

t.test("streamed responses", async (t) => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  async function* slowly(): AsyncGenerator<string | Uint8Array> {
    yield "a";
    await new Promise(setImmediate);
    yield encode("b");
    yield "";
    yield "c";
  }
  const bodies: Record<string, () => ConstructorParameters<typeof Response>[0]> = {
    stream: () =>
      new ReadableStream({
        start: (c) => {
          c.enqueue(encode("ab"));
          c.enqueue(encode("c"));
          c.close();
        },
      }),
    "async generator": slowly,
    array: () => ["a", encode("b"), "c"],
    blob: () => new Blob(["abc"]),
  };
  for (const [name, body] of Object.entries(bodies)) {
    const { exchange, reports } = run({}, { fetch: () => new Response(body()) });
    await turns();
    t.same([exchange.body, exchange.open, reports], ["abc", false, []], name);
    t.equal(exchange.announced, name === "blob" ? 3 : -1, `${name}: length`);
  }
});

t.test("a stream is pulled only when the client has taken what there was", async (t) => {
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        pulls += 1;
        if (pulls > 5) controller.close();
        else controller.enqueue(new Uint8Array(10));
      },
    },
    { highWaterMark: 0 },
  );
  const { exchange } = run({ window: 20 }, { fetch: () => new Response(stream) });
  await turns();
  t.equal(pulls, 2);
  await turns();
  t.equal(pulls, 2, "still");
  exchange.drain();
  await turns();
  t.equal(pulls, 4);
  exchange.drain();
  await turns();
  t.same([pulls, exchange.open], [6, false]);
});

t.test("HEAD cancels the stream nobody will read", async (t) => {
  let cancelled = false;
  const stream = new ReadableStream({
    cancel: () => {
      cancelled = true;
    },
  });
  const { exchange } = run(
    { method: "HEAD" },
    { fetch: () => new Response(stream, { headers: { "content-length": "9" } }) },
  );
  t.same([exchange.announced, exchange.body, exchange.open, cancelled], [9, "", false, true]);
});

t.test("a stream that fails resets the client and is reported once", async (t) => {
  const failure = new Error("no more");
  const stream = new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(1)), pull: (c) => c.error(failure) });
  const { exchange, reports } = run({}, { fetch: () => new Response(stream) });
  await turns();
  t.equal(exchange.aborted, failure);
  t.same(reports, [failure]);
});

t.test("trailers of a response", async (t) => {
  for (const body of ["a", new Blob(["a"]), ["a"]]) {
    for (const trailers of [{ "x-sum": "1" }, Promise.resolve({ "x-sum": "1" })]) {
      const { exchange } = run({}, { fetch: () => new Response(body, { trailers }) });
      await turns();
      t.same([exchange.body, exchange.announced, exchange.trailers], ["a", -1, ["x-sum", "1"]]);
    }
  }
});

t.test("when the client leaves", async (t) => {
  t.test("the signal aborts, once it was asked for", async (t) => {
    let signal: AbortSignal | undefined;
    const { exchange, reports } = run(
      {},
      {
        fetch: async (request) => {
          signal = request.signal;
          await new Promise((_, reject) =>
            request.signal.addEventListener("abort", () => reject(request.signal.reason)),
          );
          return new Response("never");
        },
      },
    );
    t.equal(signal?.aborted, false);
    exchange.leave();
    await turns();
    t.equal(signal?.aborted, true);
    t.match(signal?.reason, { name: "AbortError", code: "ECONNRESET" });
    t.same([exchange.responded, reports], [false, []], "its failure by the abort is nobody's news");
  });
  t.test("a signal asked for afterwards is aborted", async (t) => {
    let request: Request | undefined;
    const { exchange } = run(
      {},
      {
        fetch: async (given) => {
          request = given;
          return new Promise<Response>(() => undefined);
        },
      },
    );
    exchange.leave();
    t.equal(request?.signal.aborted, true);
  });
  t.test("a signal does not abort after a complete response", async (t) => {
    let request: Request | undefined;
    const { exchange } = run(
      {},
      {
        fetch: (given) => {
          request = given;
          void given.signal;
          return new Response("hi");
        },
      },
    );
    await turns();
    t.equal(exchange.open, false);
    t.equal(request?.signal.aborted, false);
    t.equal(request?.signal.aborted, false);
  });
  t.test("a streamed response is cancelled", async (t) => {
    const cancelled: unknown[] = [];
    const stream = new ReadableStream({
      pull: (c) => c.enqueue(new Uint8Array(1)),
      cancel: (reason) => {
        cancelled.push(reason);
      },
    });
    const { exchange, reports } = run({ window: 5 }, { fetch: () => new Response(stream) });
    await turns();
    exchange.leave();
    await turns();
    t.match(cancelled, [{ code: "ECONNRESET" }]);
    t.same(reports, []);
  });
  t.test("a generator is returned", async (t) => {
    let finished = false;
    async function* forever(): AsyncGenerator<string> {
      try {
        for (;;) yield "x";
      } finally {
        finished = true;
      }
    }
    const { exchange } = run({ window: 5 }, { fetch: () => new Response(forever()) });
    await turns();
    exchange.leave();
    await turns();
    t.equal(finished, true);
  });
  t.test("a response that comes too late is cancelled", async (t) => {
    let cancelled = false;
    const { exchange } = run(
      {},
      {
        fetch: async () => {
          await turns(2);
          return new Response(
            new ReadableStream({
              cancel: () => {
                cancelled = true;
              },
            }),
          );
        },
      },
    );
    exchange.leave();
    await turns();
    t.equal(cancelled, true);
  });
  t.test("reading the body fails", async (t) => {
    let failure: unknown;
    const { exchange } = run(
      { method: "POST", body: ["a"], bodyLength: -1 },
      {
        fetch: async (request) =>
          new Response(
            await request.text().catch((error: unknown) => {
              failure = error;
              throw error;
            }),
          ),
      },
    );
    exchange.leave();
    await turns();
    t.match(failure, { code: "ECONNRESET" });
  });
  t.test("completed tells", async (t) => {
    let context: ServerContext | undefined;
    const gone = run(
      {},
      {
        fetch: (_, info) => {
          context = info;
          void info.completed;
          return new Promise<Response>(() => undefined);
        },
      },
    );
    gone.exchange.leave();
    await t.rejects(context?.completed as Promise<void>, { name: "AbortError" });
    run(
      {},
      {
        fetch: (_, info) => {
          context = info;
          void info.completed;
          return new Response("hi");
        },
      },
    );
    await t.resolves(context?.completed as Promise<void>);
  });
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
