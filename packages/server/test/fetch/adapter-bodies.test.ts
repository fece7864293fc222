// adapter-bodies.test.ts — bodies of requests and responses over an exchange without a connection.
import t from "tap";
import { Request } from "../../src/fetch/request.ts";
import { Response } from "../../src/fetch/response.ts";
import { noLeases, run, turns } from "./run.ts";

t.afterEach(noLeases);

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
    moved: (request) => new Request(request, { headers: { x: "1" } }).text(),
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

t.test("small parts of one turn are one chunk, in order with large ones", async (t) => {
  const [large, small] = ["L".repeat(5_000), "s".repeat(3_000)];
  for (const [body, wanted] of [
    [["a", "b", "c"], ["abc"]],
    [
      ["a", large, "b", "c", large],
      ["a", large, "bc", large],
    ],
    [[small, small, small, small, small], [small.repeat(5)]],
    [Array.from({ length: 7 }, () => small), [small.repeat(5), small, small]],
    [[large], [large]],
    [Array.from({ length: 1_000 }, () => "x"), ["x".repeat(1_000)]],
  ]) {
    const chunks: string[] = [];
    const { exchange, reports } = run(
      { method: "POST", body },
      {
        fetch: async (request) => {
          for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>)
            chunks.push(new TextDecoder().decode(chunk));
          return new Response("read");
        },
      },
    );
    await turns();
    t.same([exchange.body, reports], ["read", []]);
    t.same(chunks, wanted);
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
