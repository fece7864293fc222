// RFC 9112 §9.3.2: pipelining. Answers come in the order of the requests, in as few sends as can be.
import type { Exchange } from "@percore/http";
import t from "tap";
import { arena, DATE, feed, head, OK, rig, statuses, textOf } from "./harness.ts";

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const reply = (text: string): string => head("200 OK", `date: ${DATE}`, `content-length: ${text.length}`) + text;

t.test("sixteen requests in one piece are answered in one piece", async (t) => {
  const target = rig({ handler: (exchange) => exchange.respond(200, [], exchange.path) });
  const paths = Array.from({ length: 16 }, (_, at) => `/${at}`);
  target.peer.queue(paths.map(get).join(""));
  target.pump.run();
  t.equal(target.peer.text(), paths.map(reply).join(""));
  t.equal(target.server.counters.requests, 16);
  await target.finish();
});

t.test("answers that come out of order are held back until it is their turn", async (t) => {
  const exchanges: Exchange[] = [];
  const drained: number[] = [];
  const target = rig({ handler: (exchange) => void exchanges.push(exchange), limits: { writeBufferBytes: 1000 } });
  target.peer.send(["/a", "/b", "/c", "/d", "/e"].map(get).join(""));
  const [a, b, c, d, e] = exchanges;
  t.equal(exchanges.length, 5);
  e.respond(200, [], "e");
  d.respond(200, ["x", "d"], new Uint8Array([100]));
  c.begin(200, [], -1);
  t.ok(c.write("c1"));
  const bytes = new Uint8Array([99, 50]);
  t.ok(c.write(bytes));
  bytes.fill(0);
  const lease = arena.lease(2);
  lease.bytes.set([99, 51]);
  t.ok(c.writeLease(lease));
  c.onDrain = (): void => void drained.push(3);
  t.notOk(c.write("x".repeat(1001)), "held bytes count");
  b.inform(103, ["link", "l"]);
  b.begin(200, [], 1);
  b.write("b");
  b.end();
  t.equal(target.peer.text(), "");
  a.respond(200, [], "a");
  target.pump.run();
  t.same(drained, [3]);
  const D = `date: ${DATE}`;
  const want = [
    reply("a"),
    head("103 Early Hints", "link: l"),
    reply("b"),
    head("200 OK", D, "transfer-encoding: chunked"),
    `2\r\nc1\r\n2\r\nc2\r\n2\r\nc3\r\n3e9\r\n${"x".repeat(1001)}\r\n`,
  ].join("");
  t.equal(target.peer.text(), want);
  c.end(["t", "1"]);
  t.equal(target.peer.text(), `0\r\nt: 1\r\n\r\n${head("200 OK", "x: d", D, "content-length: 1")}d${reply("e")}`);
  await target.finish();
});

t.test("RFC 9112 §9.3.2: in parallel only if all are safe", async (t) => {
  const whole = (method: string, path: string): string =>
    `${method} ${path} HTTP/1.1\r\nHost: a\r\n${"POST PUT PATCH".includes(method) ? "Content-Length: 1\r\n\r\nx" : "\r\n"}`;
  const safe = ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"];
  const others = ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH", "MKCOL", "PURGE", "LINK"];
  const rows: [methods: string[], together: number[]][] = [
    [safe, [5]],
    // Each letter is a method; how many are under way at once, step by step.
    ...others.map((method): [string[], number[]] => [
      ["GET", "GET", method, "GET", "GET"],
      [2, 1, 2],
    ]),
    [
      ["POST", "POST"],
      [1, 1],
    ],
    [
      ["DELETE", "GET", "DELETE"],
      [1, 1, 1],
    ],
    // Safe, but their first letter does not say so: they wait, which is right as well.
    [
      ["GET", "PROPFIND", "GET"],
      [1, 2],
    ],
    [
      ["GET", "REPORT"],
      [1, 1],
    ],
  ];
  // From the third round on, the heads without a body are known.
  for (const [methods, together] of [...rows, ...rows, ...rows]) {
    const bytes = methods.map((method, at) => whole(method, `/${at}`)).join("");
    for (const cuts of [[], Array.from({ length: bytes.length }, (_, at) => at), [20, 60, 75]]) {
      const waiting: Exchange[] = [];
      const target = rig({ handler: (exchange) => void waiting.push(exchange) });
      await feed(target, bytes, cuts);
      const seen: number[] = [];
      while (waiting.length > 0) {
        seen.push(waiting.length);
        for (const exchange of waiting.splice(0).reverse()) exchange.respond(200, [], exchange.path);
        await target.pump.settle();
      }
      const wrong =
        JSON.stringify(seen) !== JSON.stringify(together) || target.server.counters.requests !== methods.length;
      if (wrong) t.same(seen, together, `${methods}, cut at ${cuts}`);
      await target.finish();
    }
    t.pass(methods.join());
  }
});

t.test("an answer that closes drops what was pipelined behind it", async (t) => {
  const aborts: string[] = [];
  const exchanges: Exchange[] = [];
  const target = rig({
    handler: (exchange) => {
      exchanges.push(exchange);
      exchange.onAbort = (reason) => aborts.push(`${exchange.path} ${(reason as Error & { code: string }).code}`);
      if (exchange.path === "/b") {
        exchange.begin(200, [], -1);
        exchange.writeLease(arena.lease(10));
      }
    },
  });
  target.peer.send(get("/a") + get("/b") + get("/c"));
  exchanges[0].respond(200, ["connection", "close"], "a");
  t.same(statuses(target.peer.text()), ["200"]);
  t.same(aborts, ["/b ERR_EXCHANGE_ABANDONED", "/c ERR_EXCHANGE_ABANDONED"]);
  t.ok(target.peer.ended);
  t.throws(() => exchanges[1].write("x"), { code: "ERR_EXCHANGE_CLOSED" });
  await target.finish();
});

t.test("a request that asks to close is the last one", async (t) => {
  const target = rig();
  target.peer.send(`${get("/a")}GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n${get("/c")}`);
  t.same(
    target.seen.map((seen) => seen.path),
    ["/a", "/b"],
  );
  t.equal(target.peer.text(), OK + OK.replace("content-length", "connection: close\r\ncontent-length"));
  t.ok(target.peer.ended);
  await target.finish();
});

t.test("pipelinedMax: more requests wait unread, at the limit, above it and in pieces", async (t) => {
  for (const pieces of [1, 7]) {
    const waiting: Exchange[] = [];
    const target = rig({ handler: (exchange) => void waiting.push(exchange), limits: { pipelinedMax: 3 } });
    const all = Array.from({ length: 10 }, (_, at) => get(`/${at}`)).join("");
    const size = Math.ceil(all.length / pieces);
    for (let from = 0; from < all.length; from += size) target.peer.send(all.slice(from, from + size));
    t.equal(waiting.length, 3);
    t.ok(target.stream.paused);
    const answered: string[] = [];
    while (waiting.length > 0) {
      const exchange = waiting.shift() as Exchange;
      answered.push(exchange.path);
      exchange.respond(200, [], exchange.path);
      await target.pump.settle();
      t.ok(waiting.length <= 3);
    }
    t.same(
      answered,
      Array.from({ length: 10 }, (_, at) => `/${at}`),
    );
    t.equal(target.peer.text(), answered.map(reply).join(""));
    t.notOk(target.stream.paused);
    await target.finish();
  }
});

t.test("requestsPerConnectionMax closes behind the last one", async (t) => {
  const target = rig({ limits: { requestsPerConnectionMax: 2 } });
  target.peer.send(get("/a") + get("/b") + get("/c"));
  t.equal(target.seen.length, 2);
  t.match(target.peer.text(), /ok.*connection: close.*ok$/s);
  t.ok(target.peer.ended);
  await target.finish();
});

t.test("a malformed request behind good ones is refused in its turn", async (t) => {
  const waiting: Exchange[] = [];
  const target = rig({ handler: (exchange) => void waiting.push(exchange) });
  target.peer.send(`${get("/a")}${get("/b")}BAD\r\n\r\n${get("/c")}`);
  t.equal(waiting.length, 2);
  t.equal(target.peer.text(), "");
  waiting[1].respond(200, [], "b");
  waiting[0].respond(200, [], "a");
  await target.pump.settle();
  const text = target.peer.text();
  t.same(statuses(text), ["200", "200", "501"]);
  t.ok(target.peer.ended);
  await target.finish();
});

t.test("bodies between pipelined requests reach their own receivers", async (t) => {
  const bodies: string[] = [];
  const target = rig({
    handler: (exchange) => {
      let text = `${exchange.path}:`;
      setImmediate(() => {
        exchange.receive({
          onBody(lease) {
            text += textOf(lease);
            lease.release();
          },
          onBodyEnd() {
            bodies.push(text);
            exchange.respond(200, [], text);
          },
          onBodyError() {},
        });
      });
    },
  });
  const post = (path: string, body: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  target.peer.queue(post("/a", "one") + post("/b", "two") + get("/c") + post("/d", "four"));
  await target.pump.settle();
  t.same(bodies, ["/a:one", "/b:two", "/c:", "/d:four"]);
  t.equal(target.peer.text(), bodies.map(reply).join(""));
  await target.finish();
});
