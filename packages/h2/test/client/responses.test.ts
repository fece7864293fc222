// Responses: heads, interim ones, bodies with back-pressure, trailers, tunnels; in whatever pieces they come.
import { Buffer } from "node:buffer";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { StreamHandler } from "@percore/core";
import t from "tap";
import { ResetStreams } from "../../src/client/reset-streams.ts";
import * as F from "../../src/codec/frame.ts";
import { ErrorCode as E } from "../../src/errors.ts";
import { frame, reset, settings, textOf, u32, windowUpdate } from "../harness.ts";
import { ask, ClientRig, connectTo, type Heard, upload } from "./harness.ts";

interface Row {
  name: string;
  method?: string;
  frames: (rig: ClientRig) => Uint8Array[];
  lines: string[];
  body?: string;
}

const rows: Row[] = [
  { name: "a head alone", frames: (r) => [r.head(1)], lines: ["head 200 0", "end", "finish"] },
  {
    name: "§8.1: head, body, trailers",
    frames: (r) => [r.head(1, false, "a", "b"), frame(F.DATA, 0, 1, "body"), r.headers(1, ["x-sum", "1"])],
    lines: ["head 200 -1 a: b", "end x-sum: 1", "finish"],
    body: "body",
  },
  {
    name: "trailers without a field",
    frames: (r) => [r.head(1, false), frame(F.HEADERS, F.END_HEADERS | F.END_STREAM, 1)],
    lines: ["head 200 -1", "end", "finish"],
  },
  {
    name: "a body of the announced length",
    frames: (r) => [r.head(1, false, "content-length", "4"), frame(F.DATA, F.END_STREAM, 1, "body")],
    lines: ["head 200 4 content-length: 4", "end", "finish"],
    body: "body",
  },
  {
    name: "a length of 0",
    frames: (r) => [r.head(1, false, "content-length", "0"), frame(F.DATA, F.END_STREAM, 1)],
    lines: ["head 200 0 content-length: 0", "end", "finish"],
  },
  {
    name: "RFC 9110 §15.2: interim responses",
    frames: (r) => [
      r.headers(1, [":status", "100"], false),
      r.headers(1, [":status", "103", "link", "x"], false),
      r.headers(1, [":status", "404"]),
    ],
    lines: ["inform 100 ", "inform 103 link: x", "head 404 0", "end", "finish"],
  },
  {
    name: "HEAD has the length, and no body",
    method: "HEAD",
    frames: (r) => [r.head(1, true, "content-length", "9")],
    lines: ["head 200 0 content-length: 9", "end", "finish"],
  },
  {
    name: "HEAD that ends with an empty DATA frame",
    method: "HEAD",
    frames: (r) => [r.head(1, false, "content-length", "9"), frame(F.DATA, F.END_STREAM, 1)],
    lines: ["head 200 0 content-length: 9", "end", "finish"],
  },
  {
    name: "304 has the length, and no body",
    frames: (r) => [r.headers(1, [":status", "304", "content-length", "9"])],
    lines: ["head 304 0 content-length: 9", "end", "finish"],
  },
  {
    name: "204 with a length of 0",
    frames: (r) => [r.headers(1, [":status", "204", "content-length", "0"])],
    lines: ["head 204 0 content-length: 0", "end", "finish"],
  },
  {
    name: "padding and priority",
    frames: (r) => [
      frame(
        F.HEADERS,
        F.END_HEADERS | F.PADDED | F.PRIORITY_FLAG,
        1,
        Buffer.concat([Buffer.from([2, 0, 0, 0, 1, 5]), r.block([":status", "200"]), Buffer.alloc(2)]),
      ),
      frame(F.DATA, F.PADDED, 1, [3, 0x61, 0, 0, 0]),
      frame(F.DATA, F.PADDED | F.END_STREAM, 1, [0, 0x62]),
    ],
    lines: ["head 200 -1", "end", "finish"],
    body: "ab",
  },
  {
    name: "a head in three frames",
    frames: (r) => {
      const block = r.block([":status", "200", "a", "b"]);
      return [
        frame(F.HEADERS, F.END_STREAM, 1, block.slice(0, 1)),
        frame(F.CONTINUATION, 0, 1, block.slice(1, 3)),
        frame(F.CONTINUATION, F.END_HEADERS, 1, block.slice(3)),
      ];
    },
    lines: ["head 200 0 a: b", "end", "finish"],
  },
  {
    name: "set-cookie stays two lines; a status of one's own",
    frames: (r) => [r.headers(1, [":status", "799", "set-cookie", "a", "set-cookie", "b"])],
    lines: ["head 799 0 set-cookie: a,set-cookie: b", "end", "finish"],
  },
  {
    name: "PRIORITY, unknown frames and unknown settings in between",
    frames: (r) => [
      r.head(1, false),
      frame(F.PRIORITY, 0, 1, [0, 0, 0, 0, 1]),
      frame(0xbe, 0xff, 1, "x"),
      settings([0xee, 7]),
      frame(F.DATA, F.END_STREAM, 1, "x"),
    ],
    lines: ["head 200 -1", "end", "finish"],
    body: "x",
  },
];

t.test("responses, whole, byte by byte, and cut at every offset", async (t) => {
  for (const { name, method = "GET", frames, lines, body = "" } of rows) {
    const size = Buffer.concat(frames(new ClientRig({ greet: false }))).length;
    const ways = [{}, { chunkBytesMax: 1 }, ...Array.from({ length: size }, (_, at) => ({ cuts: [at + 18] }))];
    let wrong = 0;
    for (const way of ways) {
      const rig = new ClientRig(way);
      const heard = rig.request(ask({ method }));
      rig.send(...frames(rig));
      if (JSON.stringify(heard.lines) !== JSON.stringify(lines) || heard.body !== body) {
        wrong += 1;
        t.same([heard.lines, heard.body], [lines, body], `${name}, ${JSON.stringify(way)}`);
      }
      t.equal(rig.goaway, null);
      await rig.finish();
    }
    t.equal(wrong, 0, name);
  }
});

t.test("many at once, out of order", async (t) => {
  const rig = new ClientRig();
  const all = Array.from({ length: 50 }, (_, at) => rig.request(ask({ path: `/${at}` })));
  for (let at = 49; at >= 0; at -= 1) {
    rig.send(rig.head(at * 2 + 1, false), frame(F.DATA, 0, at * 2 + 1, `a${at}`));
  }
  for (let at = 0; at < 50; at += 1) rig.send(frame(F.DATA, F.END_STREAM, at * 2 + 1, "z"));
  t.same(
    all.map(({ body }) => body),
    all.map((_, at) => `a${at}z`),
  );
  t.ok(all.every(({ finished, error }) => finished && error === null));
  await rig.finish();
});

t.test("a paused body holds its stream back, and no other", async (t) => {
  const rig = new ClientRig();
  const slow = rig.request();
  const fast = rig.request();
  slow.exchange.pauseBody();
  rig.send(rig.head(1, false), rig.head(3, false));
  for (let sent = 0; sent < 4; sent += 1) rig.send(frame(F.DATA, 0, 1, Buffer.alloc(16_000, 0x61)));
  t.equal(rig.got(F.WINDOW_UPDATE, 1).length, 0);
  t.equal(slow.body, "");
  for (let sent = 0; sent < 4; sent += 1) rig.send(frame(F.DATA, 0, 3, Buffer.alloc(16_000, 0x62)));
  t.ok(rig.got(F.WINDOW_UPDATE, 3).length > 0);
  t.equal(fast.body.length, 64_000);
  slow.exchange.resumeBody();
  t.equal(slow.body.length, 64_000);
  t.ok(rig.got(F.WINDOW_UPDATE, 1).length > 0);
  rig.send(frame(F.DATA, F.END_STREAM, 1), frame(F.DATA, F.END_STREAM, 3));
  t.same(slow.lines, ["head 200 -1", "end", "finish"]);
  await rig.finish();
});

t.test("a body that was here whole is told when it is resumed, also when the connection has closed", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request();
  heard.exchange.pauseBody();
  rig.send(rig.head(1, false), frame(F.DATA, 0, 1, "kept"), rig.headers(1, ["x-sum", "1"]));
  t.same(heard.lines, ["head 200 -1"]);
  t.equal(rig.connection.active, 1);
  rig.peer.end();
  rig.read();
  rig.clock.pass(2000);
  rig.read();
  t.equal(rig.closed, undefined, "onClose waits for it");
  heard.exchange.resumeBody();
  t.same([heard.body, heard.lines], ["kept", ["head 200 -1", "end x-sum: 1", "finish"]]);
  t.not(rig.closed, undefined);
  await rig.finish();
});

t.test("windows grow while the receiver keeps up, as far as the connection's allows", async (t) => {
  const rig = new ClientRig({ h2: { connectionWindowBytes: 1024 * 1024, streamsMax: 4 } });
  const heard = rig.request();
  rig.send(rig.head(1, false));
  for (let sent = 0; sent < 100; sent += 1) rig.send(frame(F.DATA, 0, 1, Buffer.alloc(16_000, 0x61)));
  t.equal(heard.body.length, 1_600_000);
  let window = 65_535 - 1_600_000;
  for (const { payload } of rig.got(F.WINDOW_UPDATE, 1)) window += F.readU32(payload, 0);
  t.ok(window > 250_000 && window <= 512 * 1024, `${window}: half of the connection's at most`);
  heard.exchange.pauseBody();
  while (window >= 16_000) {
    rig.send(frame(F.DATA, 0, 1, Buffer.alloc(16_000, 0x61)));
    window -= 16_000;
  }
  const other = rig.request();
  rig.send(rig.head(3, false));
  for (let sent = 0; sent < 100; sent += 1) rig.send(frame(F.DATA, 0, 3, Buffer.alloc(16_000, 0x62)));
  t.equal(other.body.length, 1_600_000, "a full one does not stop another");
  t.equal(rig.goaway, null);
  await rig.finish();
});

t.test("a small window of ours is in force once it is acknowledged (§6.9.2)", async (t) => {
  const rig = new ClientRig({ greet: false, h2: { streamWindowBytes: 100 } });
  const before = rig.request();
  before.exchange.pauseBody();
  rig.send(settings(), rig.head(1, false), frame(F.DATA, 0, 1, "x".repeat(16_000)));
  t.equal(rig.reset(1), null, "the server could not know");
  rig.send(frame(F.SETTINGS, F.ACK, 0), frame(F.DATA, 0, 1), frame(F.DATA, 0, 1, "x"));
  t.equal(rig.reset(1), E.FLOW_CONTROL_ERROR, "below zero, and a byte more");
  rig.request();
  rig.send(rig.head(3, false), frame(F.DATA, 0, 3, "x".repeat(101)));
  t.equal(rig.reset(3), E.FLOW_CONTROL_ERROR);
  await rig.finish();
});

t.test("a lease that is kept keeps the window shut", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request();
  heard.keeps = true;
  rig.send(rig.head(1, false));
  for (let sent = 0; sent < 4; sent += 1) rig.send(frame(F.DATA, 0, 1, "x".repeat(16_000)));
  t.equal(rig.got(F.WINDOW_UPDATE, 1).length, 0);
  for (const lease of heard.kept) lease.release();
  t.ok(rig.got(F.WINDOW_UPDATE, 1).length > 0);
  await rig.finish();
});

t.test("streams the server resets", async (t) => {
  for (const { code, line } of [
    { code: E.REFUSED_STREAM, line: "finish ERR_CONNECTION_CLOSED no" },
    { code: E.CANCEL, line: "finish ERR_CONNECTION_CLOSED maybe" },
    { code: 0xabc, line: "finish ERR_CONNECTION_CLOSED maybe" },
  ]) {
    const rig = new ClientRig();
    const heard = rig.request();
    await Promise.resolve();
    rig.send(reset(1, code));
    t.same(heard.lines, [line]);
    t.match(heard.error, { reason: code });
    t.equal(rig.connection.open, true);
    rig.send(reset(1, code), windowUpdate(1, 5));
    t.equal(rig.goaway, null, "again is no fault");
    await rig.finish();
  }
});

t.test("a connection that ends or breaks under way", async (t) => {
  for (const end of [(rig: ClientRig) => rig.peer.end(), (rig: ClientRig) => rig.peer.reset()]) {
    const rig = new ClientRig();
    const waits = rig.request();
    const unsent = rig.request(upload());
    rig.send(rig.head(1, false), frame(F.DATA, 0, 1, "part"));
    await Promise.resolve();
    end(rig);
    t.same(waits.lines, ["head 200 -1", "body error ERR_CONNECTION_CLOSED", "finish ERR_CONNECTION_CLOSED maybe"]);
    t.same(unsent.lines, ["finish ERR_CONNECTION_CLOSED maybe"]);
    t.equal(rig.connection.open, false);
    rig.clock.pass(2000);
    rig.read();
    t.ok(rig.closed instanceof Error);
    await rig.finish();
  }
});

t.test("a receiver that throws fails its own exchange only", async (t) => {
  for (const at of ["head 200 -1", "body", "end", "inform 103 "]) {
    const rig = new ClientRig();
    const bad = rig.request();
    const good = rig.request();
    bad.behind = (line) => {
      if (line === at) throw new Error("receiver");
    };
    rig.send(
      rig.headers(1, [":status", "103"], false),
      rig.head(1, false),
      frame(F.DATA, 0, 1, "x"),
      frame(F.DATA, F.END_STREAM, 1, "y"),
      rig.head(3),
    );
    t.match(bad.lines.at(-1), /^finish ERR_EXCHANGE_ABANDONED/, at);
    t.same(good.lines, ["head 200 0", "end", "finish"]);
    t.match(rig.reports, [{ message: "receiver" }]);
    await rig.finish();
  }
});

t.test("whatever a receiver does from within a call", async (t) => {
  const acts: Record<string, (heard: Heard & { exchange: { abort(): void } }, rig: ClientRig) => void> = {
    abort: (heard) => heard.exchange.abort(),
    close: (_, rig) => rig.connection.close(),
    shutdown: (_, rig) => rig.connection.shutdown(),
    request: (_, rig) => {
      if (rig.connection.available > 0) rig.request();
    },
  };
  for (const [name, act] of Object.entries(acts)) {
    for (const at of ["inform 103 ", "head 200 -1", "body", "end", "finish"]) {
      const rig = new ClientRig();
      const heard = rig.request();
      heard.behind = (line) => {
        if (line !== at) return;
        heard.behind = null;
        act(heard, rig);
      };
      rig.send(
        rig.headers(1, [":status", "103"], false),
        rig.head(1, false),
        frame(F.DATA, 0, 1, "x"),
        frame(F.DATA, F.END_STREAM, 1, "y"),
      );
      t.ok(heard.finished, `${name} at ${at}`);
      t.same(rig.reports, []);
      await rig.finish();
    }
  }
});

class TunnelEnd implements StreamHandler {
  readonly lines: string[] = [];
  onData(lease: Parameters<StreamHandler["onData"]>[0]): void {
    this.lines.push(textOf(lease));
    lease.release();
  }
  onEnd(): void {
    this.lines.push("end");
  }
  onDrain(): void {
    this.lines.push("drain");
  }
  onClose(error: Error | null): void {
    this.lines.push(error === null ? "close" : `close ${(error as Error & { code: string }).code}`);
  }
}

t.test("RFC 9113 §8.5: CONNECT makes a stream of bytes", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request(connectTo());
  rig.send(rig.head(1, false, "content-length", "7"), frame(F.DATA, 0, 1, "early"));
  t.same(heard.lines, ["tunnel 200", "finish"]);
  t.equal(rig.connection.active, 1, "it is still there");
  const end = new TunnelEnd();
  heard.stream?.attach(end);
  t.same(end.lines, ["early"]);
  heard.stream?.writeBytes(Buffer.from("there"));
  heard.stream?.flush();
  rig.send(frame(F.DATA, 0, 1, "back"));
  t.equal(rig.data(1), "there");
  heard.stream?.pause();
  rig.send(frame(F.DATA, F.END_STREAM, 1, "last"));
  heard.stream?.end();
  t.ok(rig.ended(1));
  t.same(end.lines, ["early", "back"]);
  heard.stream?.resume();
  t.same(end.lines, ["early", "back", "last", "end", "close"], "in order, though the stream had ended before");
  t.equal(rig.connection.active, 0);
  await rig.finish();
});

t.test("tunnels that end otherwise", async (t) => {
  const rig = new ClientRig();
  const [byPeer, byUs, refused, late] = [1, 3, 5, 7].map(() => rig.request(connectTo()));
  rig.send(rig.head(1, false), rig.head(3, false), rig.headers(5, [":status", "403"], false), rig.head(7, true));
  const ends = [byPeer, byUs, late].map(({ stream }) => {
    const end = new TunnelEnd();
    stream?.attach(end);
    return end;
  });
  rig.send(reset(1, E.CONNECT_ERROR));
  t.same(ends[0].lines, ["close ERR_CONNECTION_CLOSED"]);
  byUs.stream?.reset();
  t.equal(rig.reset(3), E.CANCEL);
  t.same(ends[1].lines, ["close ERR_EXCHANGE_ABANDONED"]);
  t.ok(rig.ended(5), "an answer that is no 2xx: we have nothing to send");
  rig.send(frame(F.DATA, F.END_STREAM, 5, "forbidden"));
  t.same([refused.lines, refused.body], [["head 403 -1", "end", "finish"], "forbidden"]);
  t.same(ends[2].lines, ["end"], "the server has ended its side at once");
  rig.connection.close();
  t.same(ends[2].lines, ["end", "close ERR_EXCHANGE_ABANDONED"]);
  await rig.finish();
});

t.test("deadlines", async (t) => {
  const code = (heard: Heard): string | undefined => heard.lines.at(-1);
  const timeouts = { responseMs: 1000, receiveMs: 2000, sendMs: 3000, tunnelIdleMs: 4000, pingMs: 0 };
  const rig = new ClientRig({ timeouts });
  const silent = rig.request();
  const body = rig.request();
  const paused = rig.request();
  const stuck = rig.request(upload());
  const tunnel = rig.request(connectTo());
  await Promise.resolve();
  paused.exchange.pauseBody();
  stuck.exchange.write(Buffer.alloc(70_000));
  rig.send(rig.head(3, false), rig.head(5, false), rig.head(9, false), frame(F.DATA, 0, 5, "kept"));
  const end = new TunnelEnd();
  tunnel.stream?.attach(end);
  rig.clock.advance(900);
  rig.send(rig.headers(1, [":status", "102"], false), frame(F.DATA, 0, 3, "x"));
  rig.clock.advance(900);
  t.notOk(silent.finished, "an interim response puts it off");
  rig.clock.pass(100);
  t.equal(code(silent), "finish ERR_RESPONSE_TIMEOUT maybe");
  rig.clock.advance(700);
  t.notOk(body.finished);
  rig.clock.pass(400);
  t.equal(code(body), "finish ERR_RESPONSE_TIMEOUT maybe");
  t.equal(rig.reset(3), E.CANCEL);
  rig.clock.pass(500);
  t.equal(code(stuck), "finish ERR_SEND_TIMEOUT maybe");
  rig.clock.pass(1000);
  t.same(end.lines, ["close ERR_RESPONSE_TIMEOUT"]);
  rig.read();
  rig.clock.advance(60_000);
  t.notOk(paused.finished, "who is held back by us is not slow");
  t.equal(rig.connection.open, true);
  await rig.finish();
});

t.test("SETTINGS that never come, or are never acknowledged", async (t) => {
  for (const frames of [[], [settings()]]) {
    const rig = new ClientRig({ greet: false, h2: { settingsTimeoutMs: 500 } });
    const heard = rig.request();
    rig.send(...frames);
    rig.clock.pass(500);
    t.match(heard.lines.at(-1), /^finish ERR_RESPONSE_TIMEOUT/);
    t.equal(rig.goaway, null, "reset: it does not read");
    rig.read();
    t.ok(rig.closed instanceof Error);
    await rig.finish();
  }
});

t.test("PING: a server that owes an answer is asked whether it is there, an idle one is not", async (t) => {
  const rig = new ClientRig({ timeouts: { pingMs: 1000, pingAnswerMs: 500 } });
  rig.clock.advance(60_000);
  t.equal(rig.got(F.PING).length, 0);
  const heard = rig.request();
  rig.clock.advance(900);
  t.equal(rig.got(F.PING).length, 0);
  rig.clock.pass(100);
  t.equal(rig.got(F.PING).length, 1);
  rig.send(frame(F.PING, F.ACK, 0, "\0\0\0\0\0\0\0\0"));
  rig.clock.pass(600);
  t.notOk(heard.finished);
  rig.clock.pass(500);
  t.equal(rig.got(F.PING).length, 2);
  rig.send(frame(F.DATA, 0, 1, ""));
  t.equal(rig.reset(1), E.PROTOCOL_ERROR, "DATA before a head");
  const next = rig.request();
  rig.clock.pass(1000);
  t.equal(rig.got(F.PING).length, 3);
  rig.clock.pass(500);
  t.match(next.lines.at(-1), /^finish ERR_RESPONSE_TIMEOUT/);
  rig.read();
  t.ok(rig.closed instanceof Error);
  await rig.finish();
});

t.test("a server that takes nothing", async (t) => {
  const rig = new ClientRig({ timeouts: { sendMs: 1000, pingMs: 0 } });
  rig.send(windowUpdate(0, 10_000_000), settings([F.SETTING_INITIAL_WINDOW_SIZE, 10_000_000]));
  rig.peer.stream.pause();
  const heard = rig.request(upload());
  while (heard.exchange.write(Buffer.alloc(60_000)));
  rig.pump.run();
  rig.clock.advance(2500);
  t.match(heard.lines.at(-1), /^finish ERR_SEND_TIMEOUT/);
  await rig.finish();
});

t.test("PINGs are answered with what they carried", async (t) => {
  const rig = new ClientRig();
  rig.send(frame(F.PING, 0, 0, [...u32(0xdeadbeef), ...u32(1)]));
  t.same(rig.got(F.PING)[0], {
    type: F.PING,
    flags: F.ACK,
    id: 0,
    payload: Buffer.from([...u32(0xdeadbeef), ...u32(1)]),
  });
  await rig.finish();
});

t.test("a tunnel sends files, and one that is shorter than promised ends the connection", async (t) => {
  const name = join(t.testdir({ file: "0123456789".repeat(5000) }), "file");
  const fd = openSync(name, "r");
  const rig = new ClientRig();
  const heard = rig.request(connectTo());
  rig.send(rig.head(1, false));
  const end = new TunnelEnd();
  heard.stream?.attach(end);
  const done: string[] = [];
  heard.stream?.sendFile(fd, 10, 30_000, (error, sent) => done.push(`${error} ${sent}`));
  await rig.pump.settle();
  t.equal(rig.data(1).length, 30_000);
  t.same(done, ["null 30000"]);
  heard.stream?.sendFile(fd, 0, 60_000, (error) => done.push((error as Error & { code: string }).code));
  rig.send(windowUpdate(1, 100_000), windowUpdate(0, 100_000));
  await rig.pump.settle();
  t.equal(done.length, 2);
  t.match(end.lines.at(-1), /^close ERR_EXCHANGE_ABANDONED/);
  t.ok(rig.closed instanceof Error);
  await rig.finish();
  closeSync(fd);
});

t.test("nothing leaves a tunnel behind its end", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request(connectTo());
  rig.send(rig.head(1, false));
  heard.stream?.attach(new TunnelEnd());
  heard.stream?.end();
  const codes: unknown[] = [];
  heard.stream?.sendFile(0, 0, 10, (error) => codes.push((error as Error & { code: string }).code));
  heard.stream?.writeBytes(Buffer.from("late"));
  heard.stream?.flush();
  t.same(codes, ["ERR_EXCHANGE_CLOSED"]);
  t.same([rig.data(1), rig.ended(1)], ["", true]);
  await rig.finish();
});

t.test("a tunnel's writer hears when what it queued has gone, if that was too much", async (t) => {
  const rig = new ClientRig({ limits: { writeBufferBytes: 10_000 } });
  const heard = rig.request(connectTo());
  rig.send(rig.head(1, false));
  const end = new TunnelEnd();
  const { stream } = heard;
  stream?.attach(end);
  const flushed: (Error | null)[] = [];
  stream?.cork();
  stream?.writeBytes(Buffer.alloc(80_000));
  stream?.uncork();
  stream?.onFlushed((error) => flushed.push(error));
  t.equal(stream?.needsDrain, true, "beyond the window");
  rig.read();
  t.same([flushed, end.lines], [[], []]);
  rig.send(windowUpdate(1, 100_000), windowUpdate(0, 100_000));
  t.same([flushed, end.lines, stream?.queuedBytes], [[null], ["drain"], 0]);
  stream?.onFlushed((error) => flushed.push(error));
  await rig.settle();
  t.same(flushed, [null, null]);
  await rig.finish();
});

t.test("a callback that throws is reported, and the connection given up", async (t) => {
  const rig = new ClientRig({ h2: { streamsMax: 1 } });
  const heard = rig.request(upload());
  rig.connection.onAvailable = () => {
    throw new Error("pool");
  };
  heard.exchange.end();
  rig.send(rig.head(1));
  t.same(heard.lines, ["head 200 0", "end", "finish"]);
  t.match(rig.reports, [{ message: "pool" }]);
  rig.read();
  t.ok(rig.closed instanceof Error);
  rig.reports.length = 0;
  await rig.finish();
});

t.test("of the streams that were reset the newest are known", async (t) => {
  const resets = new ResetStreams();
  for (let id = 1; id <= 4097 * 2 - 1; id += 2) resets.add(id);
  t.same([resets.has(1), resets.has(3), resets.has(4097 * 2 - 1)], [false, true, true]);
});
