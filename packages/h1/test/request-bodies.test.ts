// RFC 9110 §10.1.1 (Expect), §6.4; back-pressure on uploads; bodies that nobody wants.
import type { Lease } from "@percore/core";
import type { BodyReceiver, Exchange } from "@percore/http";
import t from "tap";
import { DATE, head, OK, record, refusal, rig, statuses, textOf } from "./harness.ts";

const post = (body: string, ...lines: string[]): string =>
  `POST / HTTP/1.1\r\n${["Host: a", `Content-Length: ${body.length}`, ...lines].join("\r\n")}\r\n\r\n${body}`;
const GET = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const CONTINUE = head("100 Continue");
const EXPECT = "Expect: 100-continue";

const collector = (into: string[], end: (trailers: unknown) => void = () => {}): BodyReceiver => ({
  onBody(lease) {
    into.push(textOf(lease));
    lease.release();
  },
  onBodyEnd: end,
  onBodyError(error) {
    into.push(`error ${(error as Error & { code: string }).code}`);
  },
});

t.test("RFC 9110 §10.1.1: 100-continue", async (t) => {
  await t.test("is sent when the handler asks for the body", async (t) => {
    const target = rig();
    target.peer.send(post("abc", EXPECT).slice(0, -3));
    t.equal(target.peer.text(), CONTINUE);
    target.peer.send("abc");
    t.equal(target.peer.text(), OK);
    t.equal(target.seen[0].body, "abc");
    await target.finish();
  });
  await t.test("is not sent where the body is there already", async (t) => {
    const target = rig();
    target.peer.send(post("abc", EXPECT));
    t.equal(target.peer.text(), OK);
    await target.finish();
  });
  await t.test("is left to the handler where autoContinue is off", async (t) => {
    const target = rig({
      autoContinue: false,
      handler: (exchange) => {
        exchange.inform(100, []);
        record(exchange, target.seen, () => exchange.respond(200, [], "ok"));
      },
    });
    target.peer.send(post("abc", EXPECT).slice(0, -3));
    t.equal(target.peer.text(), CONTINUE);
    target.peer.send("abc");
    t.equal(target.peer.text(), OK);
    await target.finish();
  });
  await t.test("a final answer instead closes, for it is open whether the body comes", async (t) => {
    const target = rig({ handler: (exchange) => exchange.respond(413, [], null) });
    target.peer.send(post("abc", EXPECT).slice(0, -3));
    t.equal(
      target.peer.text(),
      head("413 Content Too Large", `date: ${DATE}`, "connection: close", "content-length: 0"),
    );
    t.ok(target.peer.ended);
    await target.finish();
  });
  await t.test("any other expectation is 417", async (t) => {
    for (const value of ["200-ok", "100-continue, x", "x"]) {
      const target = rig();
      target.peer.send(post("abc", `Expect: ${value}`));
      t.equal(target.peer.text(), refusal("417 Expectation Failed"), value);
      await target.finish();
    }
  });
  await t.test("any case is understood; HTTP/1.0 is not asked for it", async (t) => {
    const target = rig();
    target.peer.send(post("abc", "expect: 100-Continue").slice(0, -3));
    t.equal(target.peer.text(), CONTINUE);
    target.peer.send("abc");
    t.equal(target.peer.text(), OK);
    await target.finish();
    const old = rig();
    old.peer.send(post("abc", "Expect: anything").replace("HTTP/1.1", "HTTP/1.0"));
    t.same(statuses(old.peer.text()), ["200"]);
    await old.finish();
  });
  await t.test("without a body it means nothing", async (t) => {
    const target = rig();
    target.peer.send(`GET / HTTP/1.1\r\nHost: a\r\n${EXPECT}\r\n\r\n`);
    t.equal(target.peer.text(), OK);
    t.notOk(target.peer.ended);
    await target.finish();
  });
});

t.test("a body is delivered from within receive() where it is there", async (t) => {
  const events: string[] = [];
  const target = rig({
    handler: (exchange) => {
      exchange.receive(collector(events, () => events.push("end")));
      events.push("receive returned");
      exchange.respond(200, [], "ok");
      t.throws(() => exchange.receive(collector([])), { code: "ERR_BODY_RECEIVED" });
    },
  });
  target.peer.send(post("abc"));
  t.same(events, ["abc", "receive returned", "end"]);
  t.equal(target.peer.text(), OK);
  await target.finish();
});

t.test("back-pressure: a paused receiver holds a bounded amount, then the client waits", async (t) => {
  const size = 2_000_000;
  let held: Exchange | null = null;
  let got = 0;
  let ended = false;
  const target = rig({
    handler: (exchange) => {
      held = exchange;
      exchange.receive({
        onBody(lease) {
          got += lease.length;
          lease.release();
          exchange.pauseBody();
        },
        onBodyEnd() {
          ended = true;
          exchange.respond(200, [], "ok");
        },
        onBodyError() {},
      });
    },
  });
  target.peer.queue(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  target.peer.queue(Buffer.alloc(size, 120));
  target.pump.run();
  t.ok(target.stream.paused, "the stream is paused");
  const exchange = held as unknown as Exchange;
  let turns = 0;
  for (; !ended && turns < 1000; turns += 1) {
    exchange.resumeBody();
    target.pump.run();
    await Promise.resolve();
  }
  t.equal(got, size);
  t.ok(turns > 50);
  t.equal(target.peer.text(), OK);
  await target.finish();
});

t.test("a body nobody has asked for yet is kept within its budget", async (t) => {
  let held: Exchange | null = null;
  const target = rig({
    handler: (exchange) => {
      held = exchange;
    },
    limits: { bodyBufferBytes: 20_000 },
  });
  const body = "x".repeat(200_000);
  target.peer.queue(post(body));
  target.pump.run();
  t.ok(target.stream.paused);
  t.ok(target.peer.stream.queuedBytes > 50_000, "the client keeps the rest");
  const parts: string[] = [];
  const exchange = held as unknown as Exchange;
  exchange.receive(collector(parts, () => exchange.respond(200, [], "ok")));
  await target.pump.settle();
  t.equal(parts.join("").length, body.length);
  t.equal(target.peer.text(), OK);
  await target.finish();
});

t.test("leases kept by the receiver stay valid and are its own", async (t) => {
  const kept: Lease[] = [];
  const target = rig({
    handler: (exchange) => {
      exchange.receive({
        onBody: (lease) => void kept.push(lease),
        onBodyEnd: () => exchange.respond(200, [], "ok"),
        onBodyError() {},
      });
    },
  });
  for (const byte of post("abcdef")) target.peer.send(byte);
  t.equal(kept.map(textOf).join(""), "abcdef");
  for (const lease of kept) lease.release();
  await target.finish();
});

t.test("an answer before the body: what is small is dropped, what is large closes", async (t) => {
  const options = {
    handler: (exchange: Exchange): void => exchange.respond(200, [], "ok"),
    limits: { discardBodyBytesMax: 1000 },
  };
  await t.test("all of it came with the head", async (t) => {
    const target = rig(options);
    target.peer.send(post("x".repeat(900)) + GET);
    t.equal(target.peer.text(), OK + OK);
    await target.finish();
  });
  await t.test("the rest comes later", async (t) => {
    const target = rig(options);
    const bytes = post("x".repeat(1000)) + GET;
    for (let at = 0; at < bytes.length; at += 100) target.peer.send(bytes.slice(at, at + 100));
    t.equal(target.peer.text(), OK + OK);
    await target.finish();
  });
  await t.test("announced too large: the response says close", async (t) => {
    const target = rig(options);
    target.peer.send(post("x".repeat(1100)).slice(0, 60));
    t.match(target.peer.text(), /connection: close/);
    t.ok(target.peer.ended);
    await target.finish();
  });
  await t.test("chunks without end: closed when it is too much", async (t) => {
    const target = rig(options);
    target.peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    t.equal(target.peer.text(), OK);
    for (let at = 0; at < 20 && !target.peer.ended; at += 1) target.peer.send(`64\r\n${"x".repeat(100)}\r\n`);
    t.ok(target.peer.ended);
    await target.finish();
  });
  await t.test("a receiver goes on receiving after the answer", async (t) => {
    const parts: string[] = [];
    const target = rig({
      ...options,
      handler: (exchange) => {
        exchange.receive(collector(parts, () => parts.push("end")));
        exchange.respond(200, [], "ok");
      },
    });
    const bytes = post("x".repeat(3000)) + GET;
    for (let at = 0; at < bytes.length; at += 500) target.peer.send(bytes.slice(at, at + 500));
    t.equal(parts.filter((part) => part !== "end").join("").length, 3000);
    t.same(statuses(target.peer.text()), ["200", "200"]);
    await target.finish();
  });
});

t.test("the client leaves in the middle of a body", async (t) => {
  for (const how of ["FIN", "RST"] as const) {
    const events: string[] = [];
    const target = rig({
      handler: (exchange) => {
        exchange.onAbort = (reason) => events.push(`abort ${(reason as Error & { code: string }).code}`);
        exchange.onFinish = (error) => events.push(`finish ${(error as (Error & { code: string }) | null)?.code}`);
        exchange.receive(collector(events));
      },
    });
    target.peer.send(post("abcdef").slice(0, -3));
    if (how === "FIN") target.peer.end();
    else target.peer.reset();
    await target.pump.settle();
    if (how === "FIN") {
      t.same(statuses(target.peer.text()), ["400"]);
      t.same(events, ["abc", "error ERR_H1_REQUEST_CUT", "abort ERR_H1_REQUEST_CUT", "finish ERR_H1_REQUEST_CUT"]);
    } else t.same(events, ["abc", "error ERR_CLIENT_LEFT", "abort ERR_CLIENT_LEFT", "finish ERR_CLIENT_LEFT"]);
    await target.finish();
  }
});

t.test("a receiver that throws is a handler that fails", async (t) => {
  for (const method of ["onBody", "onBodyEnd"]) {
    const target = rig({
      handler: (exchange) => {
        exchange.receive({
          onBody(lease) {
            lease.release();
            if (method === "onBody") throw new Error("mine");
          },
          onBodyEnd() {
            throw new Error("mine");
          },
          onBodyError() {},
        });
      },
    });
    target.peer.send(post("abc"));
    t.same(statuses(target.peer.text()), ["500"], method);
    t.equal((target.reports[0] as Error).message, "mine");
    await target.finish();
  }
});

t.test("a receiver that throws fails its own exchange, not the one before it", async (t) => {
  const exchanges: Exchange[] = [];
  const target = rig({
    handler: (exchange) => {
      exchanges.push(exchange);
      if (exchanges.length === 1) return;
      exchange.receive({
        onBody: (lease) => lease.release(),
        onBodyEnd() {
          throw new Error("mine");
        },
        onBodyError() {},
      });
    },
  });
  target.peer.send(GET + post("abc").replace("POST", "QUERY"));
  t.equal(target.peer.text(), "");
  exchanges[0].respond(200, [], "ok");
  t.same(statuses(target.peer.text()), ["200", "500"]);
  await target.finish();
});

t.test("more bodies in the making than one buffer holds: all are answered", async (t) => {
  const waiting: Exchange[] = [];
  const target = rig({ handler: (exchange) => void waiting.push(exchange) });
  const bytes = Array.from({ length: 60 }, () => post("y".repeat(1000))).join("");
  target.peer.queue(bytes);
  target.pump.run();
  let answered = 0;
  for (let turn = 0; turn < 500 && answered < 60; turn += 1) {
    const exchange = waiting.shift();
    if (exchange !== undefined) {
      const parts: string[] = [];
      exchange.receive(collector(parts, () => exchange.respond(200, [], "ok")));
      t.equal(parts.join("").length, 1000);
      answered += 1;
    }
    await target.pump.settle();
  }
  t.equal(answered, 60);
  t.equal(statuses(target.peer.text()).length, 60);
  await target.finish();
});
