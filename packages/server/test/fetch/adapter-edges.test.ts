// adapter-edges.test.ts — bodies that are iterables, trailers and relays that fail, responses nobody gets any more.
import t from "tap";
import { Request } from "../../src/fetch/request.ts";
import { onExchangeAbort } from "../../src/fetch/request-signal.ts";
import { Response } from "../../src/fetch/response.ts";
import { FakeExchange } from "./fake-exchange.ts";
import { noLeases, run, turns } from "./run.ts";

t.afterEach(noLeases);

async function* letters(): AsyncGenerator<string> {
  yield "a";
  yield "b";
}

t.test("iterables are read like any body", async (t) => {
  t.equal(await new Response(letters()).text(), "ab");
  t.equal(await new Response(["a", new Uint8Array([98])]).text(), "ab");
  t.equal((await new Response(letters()).bytes()).length, 2);
  const response = new Response(letters());
  const copy = response.clone();
  t.same([await copy.text(), await response.text()], ["ab", "ab"]);
  await t.rejects(new Response([1] as never).text(), TypeError);
  let returned = false;
  const endless = {
    async *[Symbol.asyncIterator](): AsyncGenerator<string> {
      try {
        for (;;) yield "x";
      } finally {
        returned = true;
      }
    },
  };
  const { body } = new Response(endless);
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  await reader.cancel();
  t.equal(returned, true);
  t.equal(await new Request("http://a.example/", { method: "POST", body: letters(), duplex: "half" }).text(), "ab");
});

t.test("an iterable that never waits lets the loop have its turn", async (t) => {
  let given = 0;
  function* endless(): Generator<string> {
    for (;;) {
      given += 1;
      yield "x";
    }
  }
  const { exchange } = run({}, { fetch: () => new Response(endless()) });
  t.ok(given < 1_000, `${given} parts in the first turn`);
  await turns(3);
  t.ok(given > 64);
  exchange.leave();
  const then = given;
  await turns(3);
  t.equal(given, then);
});

t.test("parts that are neither text nor bytes reset the client", async (t) => {
  for (const body of [[1], letters2(), new ReadableStream({ start: (c) => c.enqueue(1) })]) {
    const { exchange, reports } = run({}, { fetch: () => new Response(body as never) });
    await turns();
    t.match(exchange.aborted, TypeError);
    t.match(reports, [TypeError]);
  }
});

async function* letters2(): AsyncGenerator<unknown> {
  yield {};
}

t.test("trailers that fail reset the client", async (t) => {
  const failure = new Error("no sum");
  for (const trailers of [Promise.reject(failure), Promise.resolve({ "bad name": "1" })]) {
    const { exchange, reports } = run({}, { fetch: () => new Response("body", { trailers }) });
    await turns();
    t.equal(exchange.body, "body");
    t.ok(exchange.aborted);
    t.equal(reports.length, 1);
  }
  const wrong = run({}, { fetch: () => new Response("body", { trailers: { "bad name": "1" } }) });
  t.equal(wrong.exchange.status, 500, "known before the head, they are an ordinary failure");
});

t.test("a relay between two exchanges", async (t) => {
  const source = new FakeExchange({ method: "POST", body: ["ab"], bodyLength: -1 });
  let request: Request | undefined;
  const { fetchHandler } = await import("../../src/fetch/adapter.ts");
  const host = { autoContinue: true, waitUntil: () => undefined };
  fetchHandler(
    {
      self: {},
      connect: null,
      error: null,
      contextOnly: false,
      fetch: (given) => {
        request = given;
        return new Promise(() => undefined);
      },
    },
    host,
    () => undefined,
  )(source);
  const { exchange, reports } = run({}, { fetch: () => new Response(request?.body) });
  t.equal(exchange.body, "ab");
  source.feed("cd");
  t.equal(exchange.body, "abcd");
  source.leave();
  t.match(exchange.aborted, { code: "ECONNRESET" }, "a part is not taken for the whole");
  t.match(reports, [{ code: "ECONNRESET" }]);
  await t.rejects(request?.trailers as Promise<unknown>, { code: "ECONNRESET" });
});

t.test("a client that leaves in the middle of its own echo", async (t) => {
  const { exchange, reports } = run(
    { method: "POST", body: ["ab"], bodyLength: -1 },
    { fetch: (request) => new Response(request.body) },
  );
  exchange.leave();
  exchange.feed("cd");
  t.same([exchange.body, reports], ["ab", []]);
});

t.test("a generator made for a client that has left is returned", async (t) => {
  const { exchange } = run(
    {},
    {
      fetch: async () => {
        await turns(2);
        return new Response(letters());
      },
    },
  );
  exchange.leave();
  await turns();
  t.equal(exchange.responded, false);
});

t.test("HEAD of every kind of body", async (t) => {
  for (const [body, length] of [
    ["hi", 2],
    [null, 0],
    [new Blob(["hi"]), 2],
    [letters(), -1],
    [new ReadableStream(), -1],
  ] as const) {
    const { exchange } = run({ method: "HEAD" }, { fetch: () => new Response(body) });
    t.same([exchange.announced, exchange.body, exchange.open], [length, "", false]);
  }
});

t.test("listeners of one exchange are all told, in order", async (t) => {
  const exchange = new FakeExchange();
  const told: number[] = [];
  for (const number of [1, 2, 3]) onExchangeAbort(exchange, () => told.push(number));
  exchange.leave();
  t.same(told, [1, 2, 3]);
});
