// RFC 9112 §9: keep-alive, closing, and every way a connection can end; deadlines of limits.ts.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Exchange } from "@percore/http";
import t from "tap";
import { DATE, head, OK, type Rig, record, refusal, rig, statuses } from "./harness.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const codeOf = (error: unknown): string | null => (error === null ? null : (error as { code: string }).code);

/** Keeps its exchanges and notes how they end. */
const waiter =
  (events: string[], exchanges: Exchange[]) =>
  (exchange: Exchange): void => {
    exchanges.push(exchange);
    exchange.onAbort = (reason) => events.push(`abort ${codeOf(reason)}`);
    exchange.onFinish = (error) => events.push(`finish ${codeOf(error)}`);
  };

t.test("keep-alive: RFC 9112 §9.3", async (t) => {
  const rows: [name: string, request: string, closes: boolean][] = [
    ["1.1", GET, false],
    ["1.1 close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true],
    ["1.1 close in a list, any case", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE ,y\r\n\r\n", true],
    [
      "1.1 close on a second line",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
      true,
    ],
    ["1.1 close and a tab", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\t\r\n\r\n", true],
    ["1.1 close between tabs", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\t,\tclose\t,y\r\n\r\n", true],
    ["1.0 keep-alive and a tab", "GET / HTTP/1.0\r\nConnection: keep-alive\t\r\n\r\n", false],
    ["1.1 closed is another word", "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", false],
    ["1.0", "GET / HTTP/1.0\r\n\r\n", true],
    ["1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false],
    ["1.0 keep-alive and close", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", true],
  ];
  for (const [name, request, closes] of rows) {
    const target = rig();
    target.peer.send(request);
    t.equal(target.peer.ended, closes, name);
    if (!closes) {
      target.peer.send(request);
      t.equal(target.seen.length, 2, name);
    }
    await target.finish();
  }
});

t.test("the client leaves: the handler hears it at once", async (t) => {
  for (const [how, allowHalfClose] of [
    ["FIN", false],
    ["FIN", true],
    ["RST", false],
  ] as const) {
    const events: string[] = [];
    const exchanges: Exchange[] = [];
    const target = rig({ handler: waiter(events, exchanges), allowHalfClose });
    target.peer.send(GET + GET);
    t.equal(exchanges.length, 2);
    if (how === "FIN") target.peer.end();
    else target.peer.reset();
    target.pump.run();
    if (allowHalfClose) {
      t.same(events, []);
      exchanges[0].respond(200, [], "ok");
      exchanges[1].respond(200, [], "ok");
      t.equal(target.peer.text(), OK + OK.replace("content-length", "connection: close\r\ncontent-length"));
      await target.pump.settle();
      t.same(events, ["finish null", "finish null"]);
    } else {
      t.same(events, [
        "abort ERR_CLIENT_LEFT",
        "finish ERR_CLIENT_LEFT",
        "abort ERR_CLIENT_LEFT",
        "finish ERR_CLIENT_LEFT",
      ]);
      t.notOk(exchanges[0].open);
      t.throws(() => exchanges[0].respond(200, [], null), { code: "ERR_EXCHANGE_CLOSED" });
      t.equal(target.server.counters.aborted, 2);
    }
    await target.finish();
  }
});

t.test("the client leaves after its answer: nobody is told of an abort", async (t) => {
  const events: string[] = [];
  const target = rig({
    handler: (exchange) => {
      waiter(events, [])(exchange);
      exchange.respond(200, [], "ok");
    },
  });
  target.peer.send(GET).end();
  await target.pump.settle();
  t.same(events, ["finish null"]);
  t.equal(target.peer.text(), OK);
  await target.finish();
});

t.test("FIN in the middle of a head", async (t) => {
  const target = rig();
  target.peer.send(GET.slice(0, 10)).end();
  t.equal(target.peer.text(), refusal("400 Bad Request"));
  t.equal(target.seen.length, 0);
  await target.finish();
});

t.test("handlers that fail", async (t) => {
  const error = new Error("mine");
  const rows: [name: string, handler: (exchange: Exchange) => void | Promise<void>, want: string][] = [
    [
      "throws",
      () => {
        throw error;
      },
      "500",
    ],
    ["rejects", () => Promise.reject(error), "500"],
    [
      "rejects later",
      async () => {
        await null;
        throw error;
      },
      "500",
    ],
    [
      "throws after a complete answer",
      (exchange) => {
        exchange.respond(200, [], "ok");
        throw error;
      },
      "200",
    ],
    [
      "throws midway",
      (exchange) => {
        exchange.begin(200, [], -1);
        exchange.write("x");
        throw error;
      },
      "reset",
    ],
    [
      "throws in onDrain's turn",
      (exchange) => {
        exchange.onFinish = () => {
          throw error;
        };
        exchange.respond(200, [], "ok");
      },
      "200",
    ],
    ["aborts", (exchange) => exchange.abort(error), "reset unreported"],
  ];
  for (const [name, handler, want] of rows) {
    const target = rig({ handler });
    target.peer.send(GET);
    await target.pump.settle();
    if (want.startsWith("reset")) t.equal(codeOf(target.peer.error), "ECONNRESET", name);
    else {
      t.same(statuses(target.peer.text()), [want], name);
      target.peer.send(GET);
      await target.pump.settle();
      t.same(statuses(target.peer.text()), [want], `${name}: the connection goes on`);
    }
    if (want !== "reset unreported") t.equal(target.reports[0], error, name);
    else t.equal(target.reports.length, 0, name);
    await target.finish();
  }
});

t.test("exchanges of one batch do not see each other's AsyncLocalStorage", async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const later: Promise<void>[] = [];
  const target = rig({
    handler: async (exchange) => {
      seen.push(storage.getStore());
      storage.enterWith(exchange.path);
      exchange.receive({
        onBody: (lease) => lease.release(),
        onBodyEnd: () => void seen.push(storage.getStore()),
        onBodyError() {},
      });
      exchange.onFinish = () => void seen.push(storage.getStore());
      let done = (): void => {};
      later.push(
        new Promise((resolve) => {
          done = resolve;
        }),
      );
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(storage.getStore());
      exchange.respond(200, [], "ok");
      done();
    },
  });
  target.peer.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nQUERY /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
  await Promise.all(later);
  await target.pump.settle();
  t.same(seen, [undefined, "/a", undefined, "/b", "/a", "/b", "/a", "/b"]);
  t.equal(storage.getStore(), undefined);
  await target.finish();
});

t.test("deadlines", async (t) => {
  const timeouts = { headersMs: 1000, idleMs: 5000, receiveMs: 2000, sendMs: 3000, lingerMs: 500, bodyRateMin: 100 };
  const REQUEST_TIMEOUT = refusal("408 Request Timeout");
  await t.test("headersMs: nothing at all is closed silently", async (t) => {
    const target = rig({ timeouts });
    target.clock.advance(900);
    t.notOk(target.peer.ended);
    target.clock.pass(200);
    t.equal(target.peer.text(), "");
    t.ok(target.peer.ended);
    await target.finish();
  });
  await t.test("headersMs: slowloris, byte after byte", async (t) => {
    const target = rig({ timeouts });
    let sent = 0;
    for (; sent < GET.length - 1 && target.peer.pending === 0; sent += 1) {
      target.peer.send(GET[sent]);
      target.clock.advance(100);
    }
    t.equal(target.peer.text(), REQUEST_TIMEOUT);
    t.ok(sent <= 12, `after ${sent} bytes`);
    t.ok(target.peer.ended);
    t.equal(target.server.counters.timeouts, 1);
    await target.finish();
  });
  await t.test("headersMs: of a later request, from its first byte", async (t) => {
    const target = rig({ timeouts });
    target.peer.send(GET);
    target.clock.advance(4000);
    target.peer.send(GET.slice(0, 5));
    target.clock.advance(900);
    t.equal(target.peer.text(), OK);
    target.clock.pass(200);
    t.equal(target.peer.text(), REQUEST_TIMEOUT);
    await target.finish();
  });
  await t.test("idleMs: closed silently, and counted from the last answer", async (t) => {
    const target = rig({ timeouts });
    for (let round = 0; round < 3; round += 1) {
      target.peer.send(GET);
      target.clock.advance(4500);
      t.notOk(target.peer.ended);
    }
    target.clock.pass(700);
    t.equal(target.peer.text(), OK + OK + OK);
    t.ok(target.peer.ended);
    await target.finish();
  });
  await t.test("a slow handler is not idle", async (t) => {
    const exchanges: Exchange[] = [];
    const target = rig({ timeouts, handler: (exchange) => void exchanges.push(exchange) });
    target.peer.send(GET);
    target.clock.advance(600_000);
    exchanges[0].respond(200, [], "ok");
    t.equal(target.peer.text(), OK);
    await target.finish();
  });
  await t.test("receiveMs: a body that pauses", async (t) => {
    const target = rig({ timeouts });
    target.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nx");
    target.clock.advance(1900);
    target.peer.send("y".repeat(300));
    target.clock.advance(1900);
    t.equal(target.peer.text(), "");
    target.clock.pass(200);
    t.equal(target.peer.text(), REQUEST_TIMEOUT);
    t.equal(target.seen[0].error, "ERR_H1_BODY_TIMEOUT");
    await target.finish();
  });
  await t.test("bodyRateMin: a body that drips", async (t) => {
    const target = rig({ timeouts });
    target.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    let seconds = 0;
    for (; seconds < 30 && !target.peer.ended; seconds += 1) {
      target.clock.advance(1000);
      target.peer.send("x".repeat(seconds < 10 ? 200 : 50));
    }
    t.equal(target.peer.text(), REQUEST_TIMEOUT);
    t.equal(target.seen[0].error, "ERR_H1_BODY_RATE");
    t.ok(seconds > 10 && seconds <= 20, `${seconds}`);
    await target.finish();
  });
  await t.test("a body we do not take is not late", async (t) => {
    const exchanges: Exchange[] = [];
    const target = rig({
      timeouts,
      limits: { bodyBufferBytes: 100 },
      handler: (exchange) => void exchanges.push(exchange),
    });
    target.peer.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n${"x".repeat(400)}`);
    target.clock.advance(60_000);
    t.notOk(target.peer.closed);
    record(exchanges[0], target.seen, () => exchanges[0].respond(200, [], "ok"));
    target.peer.send("y".repeat(100));
    t.equal(target.peer.text(), OK);
    t.equal(target.seen[0].body.length, 500);
    await target.finish();
  });
  await t.test("sendMs: a reader that takes nothing is reset, one that takes something is not", async (t) => {
    for (const [reads, reset] of [
      [false, true],
      [true, false],
    ]) {
      const events: string[] = [];
      const exchanges: Exchange[] = [];
      const target = rig({ timeouts, handler: waiter(events, exchanges) });
      target.peer.send(GET);
      target.peer.stream.pause();
      const [exchange] = exchanges;
      exchange.begin(200, [], 1_000_000);
      exchange.write(new Uint8Array(1_000_000));
      exchange.end();
      for (let second = 0; second < 10 && !target.peer.closed; second += 1) {
        target.clock.advance(1000);
        if (!reads) continue;
        target.peer.stream.resume();
        for (let step = 0; step < 20; step += 1) target.pump.step();
        target.peer.stream.pause();
      }
      target.peer.stream.resume();
      target.pump.run();
      t.equal(codeOf(target.peer.error) === "ECONNRESET", reset, `reads: ${reads}`);
      t.same(events, [reset ? "finish ERR_STREAM_ABANDONED" : "finish null"]);
      await target.finish();
    }
  });
  await t.test("handlerMs: 503, or a reset when the head is out", async (t) => {
    for (const begun of [false, true]) {
      const events: string[] = [];
      const exchanges: Exchange[] = [];
      const target = rig({ timeouts: { ...timeouts, handlerMs: 2000 }, handler: waiter(events, exchanges) });
      target.peer.send(GET);
      if (begun) exchanges[0].begin(200, [], -1);
      target.clock.advance(1900);
      t.same(events, []);
      target.clock.pass(200);
      t.same(events, ["abort ERR_HANDLER_TIMEOUT", "finish ERR_HANDLER_TIMEOUT"]);
      target.pump.run();
      if (begun) t.equal(codeOf(target.peer.error), "ECONNRESET");
      else t.equal(target.peer.text(), refusal("503 Service Unavailable"));
      t.throws(() => exchanges[0].respond(200, [], null));
      await target.finish();
    }
  });
  await t.test("0 switches a deadline off", async (t) => {
    const target = rig({ timeouts: { headersMs: 0, idleMs: 0, receiveMs: 0, sendMs: 0, bodyRateMin: 0 } });
    target.clock.advance(1e6);
    target.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    target.clock.advance(1e6);
    target.peer.send("b");
    t.equal(target.peer.text(), OK);
    target.clock.advance(1e6);
    target.peer.send("G");
    target.clock.advance(1e6);
    target.peer.send(GET.slice(1));
    t.equal(target.peer.text(), OK);
    await target.finish();
  });
});

t.test("lingering: what comes after an answer that closes is dropped, so that no RST overtakes it", async (t) => {
  const target = rig({ timeouts: { lingerMs: 500 } });
  target.peer.send("BAD\r\n");
  t.equal(target.peer.text(), refusal("501 Not Implemented"));
  t.ok(target.peer.ended);
  for (let at = 0; at < 4; at += 1) {
    target.peer.send("x".repeat(10_000));
    target.clock.advance(100);
  }
  t.notOk(target.peer.closed);
  target.clock.pass(400);
  target.pump.run();
  t.ok(target.peer.closed, "and then it is reset");
  t.equal(target.server.counters.connectionsOpen, 0);
  await target.finish();
});

t.test("drain", async (t) => {
  const timeouts = { lingerMs: 1000 };
  const drained = (target: Rig): { done: boolean } => {
    const state = { done: false };
    void target.server.drain().then(() => {
      state.done = true;
    });
    return state;
  };
  await t.test("answers what is in flight, says close, and ends", async (t) => {
    const exchanges: Exchange[] = [];
    const target = rig({ timeouts, handler: (exchange) => void exchanges.push(exchange) });
    target.peer.send(GET + GET);
    const state = drained(target);
    exchanges[0].respond(200, [], "ok");
    exchanges[1].respond(200, [], "ok");
    t.equal(target.peer.text(), OK + OK.replace("content-length", "connection: close\r\ncontent-length"));
    t.ok(target.peer.ended);
    t.notOk(state.done);
    await target.finish();
    t.ok(state.done);
  });
  await t.test("an idle connection gets time for a request that is on its way", async (t) => {
    const target = rig({ timeouts });
    target.peer.send(GET).text();
    const state = drained(target);
    target.clock.advance(800);
    t.notOk(target.peer.ended);
    target.peer.send(GET);
    t.equal(target.peer.text(), OK.replace("content-length", "connection: close\r\ncontent-length"));
    await target.finish();
    t.ok(state.done);
  });
  await t.test("an idle connection that stays idle is closed without a reset", async (t) => {
    const target = rig({ timeouts });
    target.peer.send(GET).text();
    const state = drained(target);
    target.clock.pass(1200);
    target.pump.run();
    t.ok(target.peer.ended);
    t.equal(target.peer.error, null);
    await target.finish();
    t.ok(state.done);
  });
  await t.test("a request that is half there is read and answered", async (t) => {
    const target = rig({ timeouts });
    target.peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Le");
    const state = drained(target);
    target.clock.advance(5000);
    target.peer.send("ngth: 2\r\n\r\na");
    target.clock.advance(5000);
    target.peer.send("b");
    t.same(statuses(target.peer.text()), ["200"]);
    t.equal(target.seen[0].body, "ab");
    await target.finish();
    t.ok(state.done);
  });
  await t.test("close() resets what is left", async (t) => {
    const events: string[] = [];
    const target = rig({ handler: waiter(events, []) });
    target.peer.send(GET);
    const state = drained(target);
    target.server.close();
    target.pump.run();
    t.same(events, ["abort ERR_EXCHANGE_ABANDONED", "finish ERR_EXCHANGE_ABANDONED"]);
    t.equal(codeOf(target.peer.error), "ECONNRESET");
    await target.finish();
    t.ok(state.done);
    await target.server.drain();
  });
});

t.test("counters", async (t) => {
  const target = rig();
  t.equal(target.server.counters.connectionsOpen, 1);
  target.peer.send(`${GET}${GET}BAD`);
  await target.finish();
  t.match(target.server.counters, {
    connections: 1,
    connectionsOpen: 0,
    requests: 2,
    exchangesOpen: 0,
    refused: 1,
    aborted: 0,
    handlerErrors: 0,
  });
});

t.test("options outside their range are refused", async (t) => {
  for (const limits of [
    { headBytesMax: 0 },
    { headBytesMax: 65_536 },
    { fieldsMax: 0 },
    { fieldsMax: 1001 },
    { pipelinedMax: 0 },
  ]) {
    t.throws(() => rig({ limits }), { code: "ERR_OPTION_INVALID" }, JSON.stringify(limits));
  }
  t.equal(head("x"), `HTTP/1.1 x\r\n\r\n`, DATE);
});
