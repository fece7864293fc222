// Properties: what our server says our client hears, however the wire cuts it; arbitrary bytes never throw, never leak, and
// never mean something else when cut otherwise; an exchange always finishes, once.
import type { Stream } from "@percore/core";
import { FakeClock, leaseCheck, memoryPair } from "@percore/core/testing";
import type { Exchange, FieldList } from "@percore/http";
import fc from "fast-check";
import t from "tap";
import { createH1Client } from "../../src/client/client.ts";
import { H1Server } from "../../src/server/server.ts";
import { record, type Seen } from "../harness.ts";
import { arena, clientRig, GET, Heard, sendCut } from "./harness.ts";

const token = fc.stringMatching(/^[a-z0-9-]{1,12}$/).map((text) => `x-${text}`);
const value = fc.stringMatching(/^(?:[!-~\xa1-\xff](?:[ -~]{0,20}[!-~])?)?$/);
const fields = fc.array(fc.tuple(token, value), { maxLength: 5 }).map((pairs) => pairs.flat());
const body = fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.constant("x".repeat(5_000))), { maxLength: 4 });

const question = fc.record({
  method: fc.constantFrom("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"),
  path: fc.stringMatching(/^\/[a-z0-9%?&=.~-]{0,20}$/),
  fields,
  body,
  known: fc.boolean(),
  trailers: fields,
});
const answer = fc.record({
  status: fc.constantFrom(200, 201, 204, 304, 404, 500, 999),
  fields,
  informs: fc.array(fields, { maxLength: 3 }),
  body,
  kind: fc.constantFrom("whole", "known", "chunked"),
  trailers: fields,
  late: fc.boolean(),
});
type Made<Kind> = Kind extends fc.Arbitrary<infer Value> ? Value : never;
type Question = Made<typeof question>;
type Answer = Made<typeof answer>;

const pairs = (list: FieldList): string[] =>
  list.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${list[at + 1]}`] : []));
const latin1 = (parts: readonly string[]): string => Buffer.from(parts.join("")).toString("latin1");

const say = (exchange: Exchange, { status, fields, informs, body, kind, trailers }: Answer): void => {
  for (const list of informs) exchange.inform(103, list);
  const whole = body.join("");
  if (kind === "whole") exchange.respond(status, fields, whole);
  else {
    exchange.begin(status, fields, kind === "known" ? Buffer.byteLength(whole) : -1);
    for (const part of body) exchange.write(part);
    exchange.end(trailers);
  }
};

/** What the client should hear; framing and date are the server's. */
const wanted = ({ status, fields, informs, body, kind, trailers }: Answer, method: string): unknown => {
  const empty = method === "HEAD" || status === 204 || status === 304;
  const text = empty ? "" : latin1(body);
  return {
    informs: informs.map(pairs),
    status,
    fields: pairs(fields),
    body: text,
    trailers: kind === "chunked" && !empty && trailers.length > 0 ? pairs(trailers) : null,
    end: "finish ok",
  };
};

const heardOf = (heard: Heard): unknown => {
  const of = (name: string): string[] => heard.events.filter((event) => event.startsWith(`${name} `));
  const [head] = of("head");
  const lines = head?.slice(5).split(", ") ?? [];
  return {
    informs: of("inform").map((event) => event.split(", ").slice(1)),
    status: Number(lines[0]),
    fields: lines.slice(1, -1).filter((line) => line.startsWith("x-")),
    body: of("body")
      .map((event) => event.slice(5))
      .join(""),
    trailers: of("end").length > 0 ? of("end")[0].slice(4).split(", ") : null,
    end: heard.events.at(-1),
  };
};

t.test("what our server says our client hears, and the other way round", async (t) => {
  // ", " separates what is heard.
  const plain = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
    arbitrary.filter((made) => !JSON.stringify(made).includes(", "));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(plain(question), plain(answer)), { minLength: 1, maxLength: 4 }),
      fc.integer(),
      async (dialogue, seed) => {
        const leaks = leaseCheck(arena);
        const clock = new FakeClock(1_000_000);
        const { client: stream, server: serverSide, pump } = memoryPair({ arena, seed });
        const seen: Seen[] = [];
        const reports: unknown[] = [];
        const server = new H1Server({
          arena,
          clock,
          report: (error) => reports.push(error),
          handler: (exchange) => {
            const [, told] = dialogue[seen.length];
            record(exchange, seen, () => {
              if (told.late) setImmediate(() => say(exchange, told));
              else say(exchange, told);
            });
          },
        });
        server.accept(serverSide);
        const client = createH1Client(stream, { clock, report: (error) => reports.push(error) });
        for (const [at, [asked, told]] of dialogue.entries()) {
          const heard = new Heard();
          const size = Buffer.byteLength(asked.body.join(""));
          const { method, path, fields } = asked;
          const exchange = client.request({ ...GET, method, path, fields, bodyLength: asked.known ? size : -1 }, heard);
          for (const part of asked.body) exchange.write(part);
          exchange.end(asked.trailers);
          for (let turn = 0; turn < 100 && !heard.finished; turn += 1) {
            await pump.settle();
            if (!heard.finished) await new Promise(setImmediate);
          }
          t.same(heardOf(heard), wanted(told, method));
          sameRequest(t, seen[at], asked);
          if (client.available !== 1) return false;
        }
        client.shutdown();
        await pump.settle();
        leaks.assertNone();
        return reports.length === 0 && server.counters.connectionsOpen === 0;
      },
    ),
    { numRuns: 300 },
  );
});

const sameRequest = (test: { same(got: unknown, want: unknown): unknown }, seen: Seen, asked: Question): void => {
  test.same(
    {
      method: seen.method,
      target: seen.target,
      fields: seen.fields.filter((line) => line.startsWith("x-")),
      body: seen.body,
      trailers: seen.trailers,
    },
    {
      method: asked.method,
      target: asked.path,
      fields: pairs(asked.fields),
      body: latin1(asked.body),
      trailers: asked.known || asked.trailers.length === 0 ? null : pairs(asked.trailers),
    },
  );
};

const TOKENS = [
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.0 200 OK\r\n",
  "HTTP/1.1 204 X\r\n",
  "HTTP/1.1 304 X\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 103 X\r\nLink: a\r\n\r\n",
  "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n",
  "HTTP/2 200\r\n",
  "HTTP/1.1 2",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "Connection: keep-alive\r\n",
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
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  ":",
  "\0",
  "\xff",
  ";x=y",
];

const bytes = fc.oneof(
  fc.array(fc.constantFrom(...TOKENS), { maxLength: 16 }).map((parts) => parts.join("")),
  fc.uint8Array({ maxLength: 100 }).map((array) => `HTTP/1.1 200 OK\r\n${Buffer.from(array).toString("latin1")}`),
);
const asked = fc.constantFrom(
  {},
  { method: "HEAD" },
  { method: "POST", bodyLength: 3 },
  { upgrade: "x" },
  { method: "CONNECT", path: "", authority: "b:1" },
);

t.test("every way to cut the bytes comes to the same", async (t) => {
  const outcome = async (request: object, input: string, cuts: readonly number[]): Promise<string> => {
    const rig = clientRig();
    const { heard } = rig.request(request);
    heard.on.tunnel = () => attach(heard);
    rig.server.text();
    sendCut(rig, input, cuts);
    if (!rig.server.closed) rig.server.end();
    await rig.pump.settle();
    const { events } = heard;
    const result = JSON.stringify([events, rig.client.open, rig.reports]);
    await rig.finish();
    return heard.finished ? result : "an exchange that never finished";
  };
  await fc.assert(
    fc.asyncProperty(asked, bytes, fc.array(fc.nat({ max: 300 }), { maxLength: 8 }), async (request, input, at) => {
      const whole = await outcome(request, input, []);
      const cut = await outcome(
        request,
        input,
        [...at].sort((a, b) => a - b),
      );
      const single = await outcome(
        request,
        input,
        Array.from({ length: input.length }, (_, index) => index),
      );
      return whole === cut && whole === single && whole.startsWith("[");
    }),
    { numRuns: 1500 },
  );
  t.pass("1500 inputs");
});

const attach = (heard: Heard): void => {
  (heard.tunnel as Stream).attach({ onData: (lease) => lease.release(), onEnd() {}, onDrain() {}, onClose() {} });
};

t.test("it breaks at any byte, and its caller gives up at any: everything ends, nothing is held", async (t) => {
  const actions = fc.constantFrom("reset", "abort", "close", "shutdown", "pause", "resume", "write", "end");
  await fc.assert(
    fc.asyncProperty(
      asked,
      bytes,
      fc.integer(),
      fc.array(fc.tuple(fc.nat({ max: 6 }), actions), { maxLength: 6 }),
      async (request, input, seed, plan) => {
        const rig = clientRig({}, { seed });
        const { heard, exchange } = rig.request(request);
        heard.on.tunnel = () => attach(heard);
        rig.server.queue(input);
        for (const [steps, action] of plan) {
          for (let at = 0; at < steps; at += 1) rig.pump.step();
          if (action === "reset") rig.server.stream.reset();
          else if (action === "abort") exchange.abort();
          else if (action === "close") rig.client.close();
          else if (action === "shutdown") rig.client.shutdown();
          else if (action === "pause") exchange.pauseBody();
          else if (action === "resume") exchange.resumeBody();
          else if (action === "write") ignoreLength(() => exchange.write("x"));
          else ignoreLength(() => exchange.end());
        }
        exchange.resumeBody();
        await rig.finish();
        return heard.finished && !exchange.open && rig.reports.length === 0;
      },
    ),
    { numRuns: 1500 },
  );
  t.pass("1500 inputs");
});

/** Writing more than announced, or behind the end, is what random actions do now and then. */
const ignoreLength = (write: () => void): void => {
  try {
    write();
  } catch (error) {
    const { code } = error as Error & { code?: string };
    if (code !== "ERR_BODY_LENGTH" && code !== "ERR_EXCHANGE_CLOSED") throw error;
  }
};
