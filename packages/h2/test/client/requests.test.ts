// Requests as a server sees them: heads, bodies in turns within windows, trailers, and how many there may be.
import { Buffer } from "node:buffer";
import t from "tap";
import * as F from "../../src/codec/frame.ts";
import { ErrorCode as E } from "../../src/errors.ts";
import { arena, frame, settings, u32, windowUpdate } from "../harness.ts";
import { ask, ClientRig, connectTo, Heard, upload } from "./harness.ts";

t.test(
  "RFC 9113 §3.4, §6.5.2: the preface, SETTINGS without push, the connection's window, before anything has come",
  async (t) => {
    const rig = new ClientRig({ greet: false });
    t.same(
      rig.frames.map(({ type, id }) => [type, id]),
      [
        [F.SETTINGS, 0],
        [F.WINDOW_UPDATE, 0],
      ],
    );
    const [first, second] = rig.frames;
    t.same([...first.payload.subarray(0, 6)], [0, F.SETTING_ENABLE_PUSH, 0, 0, 0, 0]);
    t.equal(F.readU32(second.payload, 0), 16 * 1024 * 1024 - 65_535);
    const heard = rig.request();
    t.equal(heard.exchange.sent, false, "not before the turn is over");
    t.same(rig.lists(1), [[":method: GET", ":scheme: http", ":path: /", ":authority: a"]], "it need not wait");
    rig.send(settings(), frame(F.SETTINGS, F.ACK, 0));
    t.equal(rig.got(F.SETTINGS).length, 2, "theirs are acknowledged");
    t.equal(heard.exchange.sent, false);
    await Promise.resolve();
    t.equal(heard.exchange.sent, true);
    await rig.finish();
  },
);

t.test("heads", async (t) => {
  const rig = new ClientRig();
  rig.send(settings([F.SETTING_ENABLE_CONNECT_PROTOCOL, 1]));
  const rows = [
    [
      ask({ scheme: "https", path: "/a?b", authority: "h:8" }),
      ":method: GET|:scheme: https|:path: /a?b|:authority: h:8",
    ],
    [ask({ method: "OPTIONS", path: "*" }), ":method: OPTIONS|:scheme: http|:path: *|:authority: a"],
    [
      ask({ fields: ["X-A", " b ", "te", "trailers"] }),
      ":method: GET|:scheme: http|:path: /|:authority: a|x-a: b|te: trailers",
    ],
    [ask({ method: "POST" }), ":method: POST|:scheme: http|:path: /|:authority: a|content-length: 0"],
    [upload(5), ":method: POST|:scheme: http|:path: /|:authority: a|content-length: 5"],
    [upload(), ":method: POST|:scheme: http|:path: /|:authority: a"],
    [connectTo(), ":method: CONNECT|:authority: b:1"],
    [connectTo("websocket"), ":method: CONNECT|:protocol: websocket|:scheme: http|:path: /|:authority: a"],
  ] as const;
  for (const [at, [request, want]] of rows.entries()) {
    rig.request(request);
    t.equal(rig.lists(at * 2 + 1)[0]?.join("|"), want);
    t.equal(
      rig.ended(at * 2 + 1),
      request.bodyLength === 0 && request.upgrade === null && request.method !== "CONNECT",
    );
  }
  await rig.finish();
});

t.test("heads that are none never leave", async (t) => {
  const rig = new ClientRig();
  for (const fields of [
    ["host", "b"],
    ["Connection", "close"],
    ["transfer-encoding", "chunked"],
    ["content-length", "1"],
    ["upgrade", "x"],
    ["keep-alive", "1"],
    ["proxy-connection", "x"],
    ["te", "gzip"],
    ["a b", "c"],
    ["a", "b\nc"],
    ["a"],
    [":path", "/"],
  ]) {
    t.throws(() => rig.request(ask({ fields })), { code: "ERR_FIELD_INVALID" }, fields.join());
  }
  for (const more of [
    { method: "A B" },
    { path: "x" },
    { path: "/a b" },
    { path: "/\n" },
    { authority: "a b" },
    { authority: "u@a" },
    { bodyLength: 0.5 },
    { method: "CONNECT" },
    { upgrade: "x y" },
    { upgrade: "x", bodyLength: 4 },
  ]) {
    t.throws(() => rig.request(ask(more)), { code: "ERR_ASSERTION" }, JSON.stringify(more));
  }
  t.equal(rig.connection.active, 0);
  t.equal(rig.got(F.HEADERS).length, 0);
  await rig.finish();
});

t.test("RFC 9113 §6.10: a head larger than a frame goes on in CONTINUATION", async (t) => {
  const rig = new ClientRig();
  rig.request(ask({ fields: ["x-long", "~".repeat(40_000)] }));
  const types = rig.read().frames.filter(({ id }) => id === 1);
  t.same(
    types.map(({ type, flags, payload }) => [type, flags, payload.length <= 16_384]),
    [
      [F.HEADERS, F.END_STREAM, true],
      [F.CONTINUATION, 0, true],
      [F.CONTINUATION, F.END_HEADERS, true],
    ]
      .slice(0, types.length - 1)
      .concat([[F.CONTINUATION, F.END_HEADERS, true]]),
  );
  await rig.finish();
});

t.test("bodies: text, bytes, leases, and trailers behind them", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request(upload());
  heard.exchange.write("ä");
  heard.exchange.write(Buffer.from("bc"));
  const lease = arena.lease(10);
  lease.length = 3;
  lease.bytes.set(Buffer.from("def"));
  heard.exchange.writeLease(lease);
  heard.exchange.write("");
  heard.exchange.end(["X-Sum", "1"]);
  t.equal(rig.data(1), "\xc3\xa4bcdef");
  t.same(rig.lists(1)[1], ["x-sum: 1"]);
  t.ok(rig.ended(1));
  t.throws(() => heard.exchange.write("x"), { code: "ERR_EXCHANGE_CLOSED" });
  heard.exchange.end();
  rig.send(rig.head(1));
  t.same(heard.lines, ["head 200 0", "end", "finish"]);
  await rig.finish();
});

t.test("a body of another length than announced fails the exchange, and only it", async (t) => {
  const rig = new ClientRig();
  const long = rig.request(upload(2));
  long.exchange.write("ab");
  t.throws(() => long.exchange.write("c"), { code: "ERR_BODY_LENGTH" });
  t.same(long.lines, ["finish ERR_EXCHANGE_ABANDONED no"]);
  const short = rig.request(upload(2));
  short.exchange.write("a");
  const lease = arena.lease(3);
  t.throws(() => short.exchange.writeLease(lease), { code: "ERR_BODY_LENGTH" });
  t.ok(lease.released);
  const early = rig.request(upload(2));
  t.throws(() => early.exchange.end(), { code: "ERR_BODY_LENGTH" });
  t.same(
    [1, 3, 5].map((id) => rig.reset(id)),
    [E.CANCEL, E.CANCEL, E.CANCEL],
  );
  t.equal(rig.connection.open, true);
  const released = arena.lease(3);
  early.exchange.writeLease(released);
  t.ok(released.released, "what comes later is let go of");
  t.equal(early.exchange.write("x"), true);
  await rig.finish();
});

t.test("RFC 9113 §6.9: bodies keep to both windows, which may shrink below zero", async (t) => {
  const rig = new ClientRig({ greet: false });
  rig.send(settings([F.SETTING_INITIAL_WINDOW_SIZE, 10]), frame(F.SETTINGS, F.ACK, 0));
  const heard = rig.request(upload());
  heard.exchange.write("0123456789abcdef");
  t.equal(rig.data(1), "0123456789");
  rig.send(settings([F.SETTING_INITIAL_WINDOW_SIZE, 4]));
  rig.send(windowUpdate(1, 6));
  t.equal(rig.data(1), "0123456789", "-6 + 6 = 0");
  rig.send(windowUpdate(1, 2));
  t.equal(rig.data(1), "0123456789ab");
  rig.send(settings([F.SETTING_INITIAL_WINDOW_SIZE, 6]));
  t.equal(rig.data(1), "0123456789abcd", "a larger one opens it at once");
  rig.send(windowUpdate(1, 100_000));
  const second = rig.request(upload());
  rig.send(windowUpdate(3, 1_000_000));
  second.exchange.write(Buffer.alloc(100_000, 0x61));
  t.equal(rig.data(3).length, 65_535 - 16, "then the connection's is empty");
  heard.exchange.end();
  t.ok(rig.ended(1), "an end needs no window");
  rig.send(windowUpdate(0, 100_000));
  t.equal(rig.data(3).length, 100_000);
  await rig.finish();
});

t.test("bodies take turns, whatever their size; writers wait, and hear of it", async (t) => {
  const rig = new ClientRig();
  rig.send(windowUpdate(0, 10_000_000), settings([F.SETTING_INITIAL_WINDOW_SIZE, 0]));
  const large = rig.request(upload());
  const small = rig.request(upload());
  t.equal(large.exchange.write(Buffer.alloc(60_000)), true);
  t.equal(large.exchange.write(Buffer.alloc(60_000)), false);
  small.exchange.write(Buffer.alloc(20_000));
  small.exchange.end();
  rig.frames.length = 0;
  rig.send(settings([F.SETTING_INITIAL_WINDOW_SIZE, 1_000_000]));
  t.same(
    rig
      .got(F.DATA)
      .slice(0, 5)
      .map(({ id }) => id),
    [1, 3, 1, 3, 1],
  );
  t.same(large.lines, ["drain"]);
  await rig.finish();
});

t.test("a receive buffer that cannot leave now is copied", async (t) => {
  const rig = new ClientRig({ greet: false });
  rig.send(settings([F.SETTING_INITIAL_WINDOW_SIZE, 0]), frame(F.SETTINGS, F.ACK, 0));
  const heard = rig.request(upload());
  const lease = arena.lease(8);
  Object.defineProperty(lease, "transient", { value: true });
  lease.bytes.set(Buffer.from("12345678"));
  heard.exchange.writeLease(lease);
  t.ok(lease.released);
  rig.send(windowUpdate(1, 100));
  t.equal(rig.data(1), "12345678");
  await rig.finish();
});

t.test("as many requests as the server allows, and no more", async (t) => {
  const rig = new ClientRig({ greet: false, h2: { streamsMax: 5 } });
  t.equal(rig.connection.available, 5, "before it has spoken: as many as we want, below a hundred");
  rig.send(settings([F.SETTING_MAX_CONCURRENT_STREAMS, 2]), frame(F.SETTINGS, F.ACK, 0));
  t.equal(rig.available, 1);
  t.equal(rig.connection.available, 2);
  const first = rig.request();
  const second = rig.request();
  t.equal(rig.connection.available, 0);
  t.throws(() => rig.request(), { code: "ERR_CONNECTION_BUSY" });
  first.behind = (line) => {
    if (line === "finish") t.same([rig.connection.active, rig.connection.available], [1, 1], "it counts no more");
  };
  rig.send(rig.head(1));
  t.equal(rig.available, 2, "told when it rose from 0");
  rig.send(rig.head(3));
  t.equal(rig.available, 2);
  t.ok(second.finished);
  rig.send(settings([F.SETTING_MAX_CONCURRENT_STREAMS, 0]));
  t.equal(rig.connection.available, 0);
  rig.send(settings([F.SETTING_MAX_CONCURRENT_STREAMS, 100]));
  t.equal(rig.connection.available, 5, "our own limit");
  t.equal(rig.available, 3);
  t.same([rig.connection.started, rig.connection.active, rig.connection.open], [2, 0, true]);
  await rig.finish();
});

t.test("RFC 8441: extended CONNECT only where the server said that it takes it", async (t) => {
  const early = new ClientRig({ greet: false });
  const waits = early.request(connectTo("websocket"));
  const given = early.request(connectTo("websocket"));
  t.equal(early.got(F.HEADERS).length, 0, "not before its SETTINGS are known");
  t.equal(early.connection.extendedConnect, null);
  given.exchange.abort();
  t.same(given.lines, ["finish ERR_EXCHANGE_ABANDONED no"]);
  early.send(settings([F.SETTING_ENABLE_CONNECT_PROTOCOL, 1]), frame(F.SETTINGS, F.ACK, 0));
  t.equal(early.connection.extendedConnect, true);
  t.equal(early.got(F.HEADERS).length, 1);
  early.send(early.head(1, false));
  t.same(waits.lines, ["tunnel 200", "finish"]);
  waits.stream?.reset();
  await early.finish();

  const without = new ClientRig({ greet: false });
  const refused = without.request(connectTo("websocket"));
  without.send(settings(), frame(F.SETTINGS, F.ACK, 0));
  t.same(refused.lines, ["finish ERR_NO_TUNNEL no"]);
  const again = new Heard();
  without.connection.request(connectTo("websocket"), again);
  t.same(again.lines, [], "never from within request()");
  await Promise.resolve();
  t.same(again.lines, ["finish ERR_NO_TUNNEL no"]);
  await without.finish();
});

t.test("RFC 9113 §6.8: GOAWAY: later streams were not processed, the others go on", async (t) => {
  const rig = new ClientRig();
  const [first, second, third] = [rig.request(upload()), rig.request(), rig.request()];
  rig.send(frame(F.GOAWAY, 0, 0, [...u32(3), ...u32(E.NO_ERROR), ...Buffer.from("bye")]));
  t.same(third.lines, ["finish ERR_CONNECTION_CLOSED no"]);
  t.same([first.finished, second.finished], [false, false]);
  t.same([rig.connection.open, rig.connection.available], [false, 0]);
  t.throws(() => rig.request(), { code: "ERR_CONNECTION_BUSY" });
  first.exchange.write("goes on");
  first.exchange.end();
  t.equal(rig.data(1), "goes on");
  rig.send(rig.head(1), rig.head(3, false), frame(F.GOAWAY, 0, 0, [...u32(1), ...u32(E.NO_ERROR)]));
  t.same(second.lines, ["head 200 -1", "body error ERR_CONNECTION_CLOSED", "finish ERR_CONNECTION_CLOSED no"]);
  t.same(first.lines, ["head 200 0", "end", "finish"]);
  t.equal(rig.goaway, E.NO_ERROR, "and then we close");
  rig.peer.end();
  t.equal(rig.closed, null);
  await rig.finish();
});

t.test("GOAWAY with nothing under way closes in order", async (t) => {
  const rig = new ClientRig();
  rig.send(frame(F.GOAWAY, 0, 0, [...u32(0), ...u32(E.NO_ERROR)]));
  t.equal(rig.peer.ended, true);
  rig.peer.end();
  t.equal(rig.closed, null);
  await rig.finish();
});

t.test("shutdown() lets those under way finish", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request();
  rig.connection.shutdown();
  t.equal(rig.connection.open, false);
  t.equal(rig.peer.ended, false);
  rig.send(rig.head(1));
  t.ok(heard.finished);
  t.equal(rig.goaway, E.NO_ERROR);
  t.equal(rig.peer.ended, true);
  rig.peer.end();
  t.equal(rig.closed, null);
  await rig.finish();
});

t.test("close() fails them, and tells the server", async (t) => {
  const rig = new ClientRig();
  const waits = rig.request();
  const holds = rig.request();
  holds.exchange.pauseBody();
  rig.send(rig.head(3, false), frame(F.DATA, F.END_STREAM, 3, "kept"));
  await Promise.resolve();
  const cause = new Error("for a reason");
  rig.connection.close(cause);
  t.same(waits.lines, ["finish ERR_EXCHANGE_ABANDONED maybe"]);
  t.equal(waits.error?.cause, cause);
  t.same(holds.lines, ["head 200 -1", "body error ERR_EXCHANGE_ABANDONED", "finish ERR_EXCHANGE_ABANDONED maybe"]);
  t.equal(rig.goaway, E.NO_ERROR);
  t.same([rig.connection.open, rig.connection.active], [false, 0]);
  rig.clock.pass(2000);
  rig.read();
  t.equal((rig.closed as Error & { code: string }).code, "ERR_EXCHANGE_ABANDONED");
  await rig.finish();
});

t.test("abort() resets the stream; what is on its way is dropped and paid back", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request();
  rig.send(rig.head(1, false));
  heard.exchange.abort(new Error("no more"));
  t.same(heard.lines, ["head 200 -1", "body error ERR_EXCHANGE_ABANDONED", "finish ERR_EXCHANGE_ABANDONED maybe"]);
  t.equal(rig.reset(1), E.CANCEL);
  heard.exchange.abort();
  rig.send(frame(F.DATA, 0, 1, "x"), rig.headers(1, ["x-a", "b"]));
  const next = rig.request();
  rig.send(rig.head(3, true, "x-a", "b"));
  t.same(next.lines, ["head 200 0 x-a: b", "end", "finish"], "the tables are right");
  for (let round = 0; round < 300; round += 1) rig.send(frame(F.DATA, F.PADDED, 1, Buffer.alloc(16_384, 1)));
  t.ok(rig.got(F.WINDOW_UPDATE, 0).length > 1, "the connection's window is given back");
  t.equal(rig.goaway, null);
  await rig.finish();
});

t.test("an answer before the request is complete: the rest is of no use", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request(upload());
  heard.exchange.write("some");
  rig.send(rig.head(1));
  t.same(heard.lines, ["head 200 0", "end", "finish"]);
  t.equal(rig.reset(1), E.CANCEL);
  heard.exchange.write("more");
  heard.exchange.end();
  t.equal(rig.data(1), "some");
  const given = rig.request(upload());
  given.exchange.write(Buffer.alloc(100_000));
  given.exchange.end();
  rig.send(rig.head(3));
  t.ok(given.finished, "answered, though its end is still queued");
  t.equal(rig.reset(3), null);
  t.equal(rig.connection.active, 1, "and so it counts");
  rig.send(windowUpdate(0, 200_000), windowUpdate(3, 200_000));
  t.equal(rig.data(3).length, 100_000);
  t.ok(rig.ended(3));
  t.equal(rig.connection.active, 0);
  const stopped = rig.request(upload());
  stopped.exchange.write(Buffer.alloc(100_000));
  stopped.exchange.end();
  rig.send(rig.head(5), frame(F.RST_STREAM, 0, 5, u32(E.NO_ERROR)));
  t.same(stopped.lines, ["head 200 0", "end", "finish"], "§8.1: the answer stays");
  t.equal(rig.connection.active, 0);
  await rig.finish();
});
