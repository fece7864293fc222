// Properties: arbitrary bytes in arbitrary pieces never throw, never leak, and never mean something else when cut otherwise.
import fc from "fast-check";
import t from "tap";
import { feed, type Rig, rig } from "./harness.ts";

const TOKENS = [
  "GET ",
  "POST ",
  "HEAD ",
  "OPTIONS ",
  "CONNECT ",
  "/",
  "*",
  "http://a/",
  "a:1",
  " HTTP/1.1\r\n",
  " HTTP/1.0\r\n",
  " HTTP/2.0\r\n",
  "Host: a\r\n",
  "Host: b\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "Connection: keep-alive\r\n",
  "Connection: upgrade\r\nUpgrade: x\r\n",
  "Expect: 100-continue\r\n",
  "X: y\r\n",
  "\r\n",
  "\n",
  "\r",
  " ",
  "\t",
  "5\r\nhello\r\n",
  "0\r\n\r\n",
  "0\r\nT: v\r\n\r\n",
  "hello",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  ":",
  "\0",
  "\xff",
  ";x=y",
];

const bytes = fc.oneof(
  fc.array(fc.constantFrom(...TOKENS), { maxLength: 24 }).map((parts) => parts.join("")),
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString("latin1")),
);

/** What a connection came to, in a form that can be compared. */
const outcome = async (target: Rig, input: string, cuts: readonly number[]): Promise<string> => {
  const text = (await feed(target, input, cuts)).replaceAll("HTTP/1.1 100 Continue\r\n\r\n", "");
  const result = JSON.stringify([text, target.peer.ended, target.seen]);
  target.peer.reset();
  await target.finish();
  return result;
};

t.test("every way to cut the bytes comes to the same", async (t) => {
  await fc.assert(
    fc.asyncProperty(bytes, fc.array(fc.nat({ max: 400 }), { maxLength: 8 }), async (input, at) => {
      const whole = await outcome(rig(), input, []);
      const cut = await outcome(
        rig(),
        input,
        [...at].sort((a, b) => a - b),
      );
      const single = await outcome(
        rig(),
        input,
        Array.from({ length: input.length }, (_, index) => index),
      );
      return whole === cut && whole === single;
    }),
    { numRuns: 1500 },
  );
  t.pass("1500 inputs");
});

t.test("the connection breaks at any byte and at any moment of the answer: nothing is held", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      bytes,
      fc.nat({ max: 300 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 3 }),
      async (input, at, fin, late) => {
        const target = rig({
          handler: async (exchange) => {
            for (let turn = 0; turn < late; turn += 1) await Promise.resolve();
            if (!exchange.open) return;
            exchange.begin(200, [], -1);
            exchange.write("x".repeat(100));
            await Promise.resolve();
            if (exchange.open) exchange.end();
          },
        });
        target.peer.queue(input.slice(0, at));
        target.pump.step();
        if (fin) target.peer.end();
        else target.peer.reset();
        await target.pump.settle();
        if (fin) target.peer.reset();
        await target.finish();
        return target.reports.length === 0;
      },
    ),
    { numRuns: 1500 },
  );
  t.pass("1500 inputs");
});
