// lazy-stream.test.ts — request.body stands for a stream that is not made yet: whoever uses it, Node included, finds one.
import { Readable } from "node:stream";
import t from "tap";
import { openerOf } from "../../src/fetch/lazy-stream.ts";
import { isOwnRequest, requestOfExchange } from "../../src/fetch/request.ts";
import { Response } from "../../src/index.ts";
import { FakeExchange } from "./fake-exchange.ts";

const request = (): { request: ReturnType<typeof requestOfExchange>; body: ReadableStream<Uint8Array> } => {
  const made = requestOfExchange(new FakeExchange({ method: "POST", body: ["one ", "two ", "three"] }));
  const { body } = made;
  if (!isOwnRequest(made) || body === null) throw new Error("the request has no body");
  return { request: made, body };
};

const TEXT = "one two three";
const decoder = new TextDecoder();

const collect = async (parts: AsyncIterable<Uint8Array>): Promise<string> => {
  let text = "";
  for await (const part of parts) text += decoder.decode(part);
  return text;
};

/** Uses of a stream, each of which gives the whole text. */
const USES: Record<string, (body: ReadableStream<Uint8Array>) => Promise<string>> = {
  "for await": (body) => collect(body as unknown as AsyncIterable<Uint8Array>),
  "node's Response": (body) => new globalThis.Response(body).text(),
  "our Response": (body) => new Response(body).text(),
  "Readable.fromWeb": (body) => collect(Readable.fromWeb(body as never)),
  pipeThrough: (body) => new globalThis.Response(body.pipeThrough(new TransformStream())).text(),
  pipeTo: async (body) => {
    let text = "";
    await body.pipeTo(
      new WritableStream<Uint8Array>({
        write: (part) => {
          text += decoder.decode(part);
        },
      }),
    );
    return text;
  },
  tee: async (body) => {
    const [left, right] = body.tee();
    void right.cancel();
    return new globalThis.Response(left).text();
  },
  "a byte reader": async (body) => {
    const reader = body.getReader({ mode: "byob" });
    let text = "";
    for (;;) {
      const step = await reader.read(new Uint8Array(64));
      if (step.done) return text;
      text += decoder.decode(step.value);
    }
  },
};

t.test("a stand-in is a stream for whoever uses it", async (t) => {
  for (const [name, use] of Object.entries(USES)) {
    const { request: made, body } = request();
    t.ok(openerOf(body) !== null, `${name}: nothing is made before`);
    t.ok(body instanceof ReadableStream, `${name}: instanceof`);
    t.equal(made.bodyUsed, false, `${name}: not used before`);
    t.equal(await use(body), TEXT, name);
    t.equal(made.bodyUsed, true, `${name}: used after`);
    t.equal(openerOf(body), null, `${name}: it has been made`);
  }
});

t.test("the same stand-in comes each time, and what it shows is the real stream's", async (t) => {
  const { request: made, body } = request();
  t.equal(made.body, body);
  t.equal(body.locked, false);
  const reader = body.getReader();
  t.equal(body.locked, true);
  t.throws(() => body.getReader(), TypeError);
  t.throws(() => new Response(body), TypeError, "a locked one is no body");
  reader.releaseLock();
  t.equal(Object.prototype.toString.call(body), "[object ReadableStream]");
});

t.test("a body read whole, or relayed, shows as a locked stream to whoever kept it", async (t) => {
  const read = request();
  t.equal(await read.request.text(), TEXT, "read without a stream");
  t.equal(read.body.locked, true);
  await t.rejects(read.request.bytes(), TypeError);
  const kept = request();
  const response = new Response(kept.body);
  t.equal(await response.text(), TEXT);
  t.equal(kept.request.bodyUsed, true);
  t.throws(() => new Response(kept.body), TypeError);
});

t.test("cancelling it cancels the body", async (t) => {
  const { request: made, body } = request();
  await body.cancel();
  t.equal(made.bodyUsed, true);
});
