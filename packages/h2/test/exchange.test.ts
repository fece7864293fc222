// RFC 9113 §5.2, §6.8, §8 and RFC 8441, RFC 9218: responses, bodies, windows, turns, tunnels, guards, ends.
import { Buffer } from "node:buffer";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Stream } from "@percore/core";
import type { Exchange } from "@percore/http";
import t from "tap";
import * as F from "../src/codec/frame.ts";
import { ErrorCode as E } from "../src/errors.ts";
import {
  bodyOf,
  fieldLines,
  frame,
  get,
  post,
  Rig,
  type RigOptions,
  reset,
  settings,
  textOf,
  u32,
  windowUpdate,
} from "./harness.ts";

const D = "date: Thu, 01 Jan 1970 00:00:00 GMT";
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
};
const run = async (handler: (exchange: Exchange) => void, list = get(), options: RigOptions = {}): Promise<Rig> => {
  const rig = new Rig({ ...options, handler });
  rig.send(rig.headers(1, list));
  return rig.settle();
};

t.test("responses", async (t) => {
  const head = get();
  head[1] = "HEAD";
  const rows: {
    name: string;
    list?: string[];
    handler: (exchange: Exchange) => void;
    head: string[];
    body?: string;
    heads?: number;
  }[] = [
    {
      name: "text",
      handler: (x) => x.respond(200, ["X-A", "b"], "hé"),
      head: [":status: 200", "x-a: b", D, "content-length: 3"],
      body: "h\u00c3\u00a9",
    },
    {
      name: "bytes",
      handler: (x) => x.respond(404, [], Buffer.from("no")),
      head: [":status: 404", D, "content-length: 2"],
      body: "no",
    },
    { name: "nothing", handler: (x) => x.respond(200, [], null), head: [":status: 200", D, "content-length: 0"] },
    { name: "204 has no content", handler: (x) => x.respond(204, [], null), head: [":status: 204", D] },
    {
      name: "HEAD",
      list: head,
      handler: (x) => x.respond(200, [], "hello"),
      head: [":status: 200", D, "content-length: 5"],
    },
    {
      name: "HEAD, streamed",
      list: head,
      handler: (x) => {
        x.begin(200, [], 5);
        x.write("hello");
        x.end();
      },
      head: [":status: 200", D, "content-length: 5"],
    },
    {
      name: "fields of the connection are left out",
      handler: (x) => x.respond(200, ["Connection", "close", "keep-alive", "1"], null),
      head: [":status: 200", D, "content-length: 0"],
    },
    {
      name: "in pieces",
      handler: (x) => {
        x.begin(200, [], -1);
        x.write("a");
        x.write(Buffer.from("b"));
        x.end();
      },
      head: [":status: 200", D],
      body: "ab",
    },
    {
      name: "in pieces of a known length",
      handler: (x) => {
        x.begin(200, [], 2);
        x.write("ab");
        x.end();
      },
      head: [":status: 200", D, "content-length: 2"],
      body: "ab",
    },
    {
      name: "60 KB at once",
      handler: (x) => x.respond(200, [], "x".repeat(60_000)),
      head: [":status: 200", D, "content-length: 60000"],
      body: "x".repeat(60_000),
    },
    {
      name: "a head larger than a frame",
      handler: (x) => x.respond(200, ["x-large", "v".repeat(40_000)], "ok"),
      head: [":status: 200", `x-large: ${"v".repeat(40_000)}`, D, "content-length: 2"],
      body: "ok",
    },
    {
      name: "early hints",
      handler: (x) => {
        x.inform(103, ["link", "</a>"]);
        x.respond(200, [], null);
      },
      head: [":status: 103", "link: </a>"],
      heads: 2,
    },
  ];
  for (const row of rows) {
    const rig = await run(row.handler, row.list);
    const answer = rig.answer(1);
    t.same(answer.heads[0], row.head, row.name);
    t.same(
      [answer.body, answer.ended, answer.reset, answer.heads.length],
      [row.body ?? "", true, null, row.heads ?? 1],
      row.name,
    );
    await rig.finish();
  }
});

t.test("trailers both ways", async (t) => {
  const rig = new Rig({
    handler: (exchange) =>
      bodyOf(exchange, (body, trailers) => {
        exchange.begin(200, [], -1);
        exchange.write(`${body} ${trailers}`);
        exchange.end(["x-sum", "1"]);
      }),
  });
  rig.send(rig.headers(1, post("te", "trailers"), false), frame(F.DATA, 0, 1, "in"), rig.headers(1, ["x-in", "2"]));
  const answer = rig.answer(1);
  t.same(answer.heads[1], ["x-sum: 1"]);
  t.same([answer.body, answer.ended], ["in x-in: 2", true]);
  await rig.finish();
});

t.test("what a handler does wrong", async (t) => {
  const rig = await run((x) => {
    t.equal(
      codeOf(() => x.respond(100, [], null)),
      "ERR_STATUS_INVALID",
    );
    t.equal(
      codeOf(() => x.respond(200, ["a b", "c"], null)),
      "ERR_FIELD_INVALID",
    );
    t.equal(
      codeOf(() => x.respond(200, ["content-length", "3"], "ab")),
      "ERR_BODY_LENGTH",
    );
    t.equal(
      codeOf(() => x.write("a")),
      "ERR_RESPONSE_NOT_STARTED",
    );
    t.equal(
      codeOf(() => x.tunnel([])),
      "ERR_NO_TUNNEL",
    );
    x.respond(200, [], "ok");
    t.equal(
      codeOf(() => x.respond(200, [], "ok")),
      "ERR_RESPONSE_STARTED",
    );
  });
  t.equal(rig.answer(1).body, "ok");
  rig.server.counters.handlerErrors = 0;
  await rig.finish();

  const thrower = await run(() => {
    throw new Error("thrown");
  });
  t.equal(thrower.answer(1).heads[0][0], ":status: 500");
  t.equal(thrower.reports.length, 1);
  await thrower.finish();

  const short = await run((x) => {
    x.begin(200, [], 10);
    x.write("abc");
    x.end();
  });
  t.equal(short.answer(1).reset, E.INTERNAL_ERROR, "a body shorter than announced is a reset");
  await short.finish();

  const midway = await run(async (x) => {
    x.begin(200, [], -1);
    throw new Error("midway");
  });
  t.equal(midway.answer(1).reset, E.INTERNAL_ERROR);
  await midway.finish();
});

t.test("windows of the client are kept", async (t) => {
  const rig = new Rig({ handler: (x) => x.respond(200, [], "x".repeat(100_000)) });
  rig.send(settings([4, 10]), rig.headers(1, get()));
  t.equal(rig.answer(1).body.length, 10);
  rig.send(windowUpdate(1, 20));
  t.equal(rig.answer(1).body.length, 30);
  rig.send(settings([4, 0]));
  t.equal(rig.answer(1).body.length, 30, "a window below zero");
  rig.send(windowUpdate(1, 10));
  t.equal(rig.answer(1).body.length, 30);
  rig.send(settings([4, 200_000]));
  t.equal(rig.answer(1).body.length, 65_535, "the connection's window is the next to be full");
  rig.send(rig.headers(3, get()), windowUpdate(0, 1_000_000));
  t.same([rig.answer(1).body.length, rig.answer(1).ended, rig.answer(3).body.length], [100_000, true, 100_000]);
  await rig.finish();
});

t.test("turns: small ones behind large ones, by urgency", async (t) => {
  const handler = (x: Exchange): void => x.respond(200, [], "x".repeat(Number(x.path.slice(1))));
  const path = (size: number, ...more: string[]): string[] => [
    ":method",
    "GET",
    ":scheme",
    "http",
    ":path",
    `/${size}`,
    ":authority",
    "a",
    ...more,
  ];
  const rig = new Rig({ handler });
  rig.send(settings([4, 1_000_000]), windowUpdate(0, 10_000_000));
  rig.send(rig.headers(1, path(900_000)), rig.headers(3, path(900_000)), rig.headers(5, path(20_000)));
  t.ok(rig.order.lastIndexOf(5) < 16, "a small body is done long before the large ones");
  t.ok(Math.abs(rig.order.lastIndexOf(1) - rig.order.lastIndexOf(3)) <= 12, "equals take turns");
  await rig.finish();

  const urgent = new Rig({ handler });
  urgent.send(settings([4, 1_000_000]), windowUpdate(0, 10_000_000));
  urgent.send(
    frame(F.PRIORITY_UPDATE, 0, 0, Buffer.concat([Buffer.from(u32(5)), Buffer.from("u=0")])),
    urgent.headers(1, path(500_000, "priority", "u=5")),
    urgent.headers(3, path(300_000, "priority", "u=1")),
    urgent.headers(5, path(300_000)),
  );
  const last = (id: number): number => urgent.order.lastIndexOf(id);
  t.ok(last(5) < last(3) && last(3) < last(1), "by urgency, PRIORITY_UPDATE before the request included");
  await urgent.finish();

  const serial = new Rig({ handler });
  serial.send(settings([4, 1_000_000]), windowUpdate(0, 10_000_000));
  serial.send(serial.headers(1, path(300_000, "priority", "u=3")), serial.headers(3, path(300_000, "priority", "u=3")));
  t.ok(serial.order.lastIndexOf(1) < serial.order.indexOf(3) + 12, "not incremental: one after the other");
  await serial.finish();
});

t.test("request bodies: windows open as bytes are taken", async (t) => {
  const held: { release(): void }[] = [];
  const rig = new Rig({
    h2: { streamWindowBytes: 10_000, streamWindowBytesMax: 40_000 },
    handler: (x) =>
      x.receive({
        onBody: (lease) => held.push(lease.transient ? lease.copy() : lease),
        onBodyEnd: () => x.respond(200, [], "done"),
        onBodyError: () => undefined,
      }),
  });
  rig.send(rig.headers(1, post(), false), frame(F.DATA, 0, 1, "x".repeat(9_000)));
  const updates = (): number => rig.control.filter(({ type }) => type === F.WINDOW_UPDATE).length;
  const before = updates();
  for (const lease of held.splice(0)) lease.release();
  rig.send(frame(F.DATA, 0, 1, "x".repeat(11_000)));
  t.equal(rig.goaway, null);
  t.equal(rig.answer(1).reset, null, "the window has grown");
  t.equal(updates(), before, "the connection's is large enough");
  rig.send(frame(F.DATA, F.END_STREAM, 1, ""));
  for (const lease of held.splice(0)) lease.release();
  rig.send();
  t.equal(rig.answer(1).body, "done");
  await rig.finish();

  const kept = new Rig({ h2: { streamWindowBytes: 1000 }, handler: () => undefined });
  kept.send(kept.headers(1, post(), false), frame(F.DATA, 0, 1, "x".repeat(1000)), frame(F.DATA, 0, 1, "x"));
  t.equal(kept.answer(1).reset, E.FLOW_CONTROL_ERROR, "what nobody takes is bounded by the window");
  await kept.finish();
});

t.test("request bodies nobody wants, or too large ones", async (t) => {
  const rig = new Rig({ handler: (x) => x.respond(200, [], "early"), limits: { discardBodyBytesMax: 10_000 } });
  rig.send(rig.headers(1, post(), false), frame(F.DATA, 0, 1, "x".repeat(5_000)));
  t.same([rig.answer(1).body, rig.answer(1).reset], ["early", null]);
  rig.send(frame(F.DATA, 0, 1, "x".repeat(6_000)));
  t.equal(rig.answer(1).reset, E.NO_ERROR, "asked to stop");
  rig.send(frame(F.DATA, 0, 1, "x"), rig.headers(3, get()));
  t.equal(rig.answer(3).body, "early", "what is on its way is no fault");
  rig.send(rig.headers(5, post("content-length", "100000"), false));
  t.equal(rig.answer(5).reset, E.NO_ERROR, "known beforehand");
  await rig.finish();

  const large = new Rig({ limits: { bodyBytesMax: 100 } });
  large.send(large.headers(1, post(), false), frame(F.DATA, F.END_STREAM, 1, "x".repeat(101)));
  large.send(large.headers(3, post("content-length", "101"), false));
  t.equal(large.answer(1).heads[0][0], ":status: 413");
  t.equal(large.answer(3).heads[0][0], ":status: 413");
  await large.finish();
});

t.test("100-continue", async (t) => {
  const rig = new Rig();
  rig.send(rig.headers(1, post("expect", "100-continue"), false));
  t.same(rig.answer(1).heads, [[":status: 100"]]);
  rig.send(frame(F.DATA, F.END_STREAM, 1, "!"));
  t.equal(rig.answer(1).body, "ok!");
  await rig.finish();
});

t.test("a file as a body", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "percore-h2-"));
  const name = path.join(folder, "file");
  writeFileSync(name, "f".repeat(50_000));
  const fd = openSync(name, "r");
  let sent = 0;
  const rig = await run((x) => {
    x.begin(200, [], 50_000);
    x.sendFile(fd, 0, 50_000, (error, size) => {
      sent = error === null ? size : -1;
      x.end();
    });
  });
  t.same([rig.answer(1).body.length, rig.answer(1).ended, sent], [50_000, true, 50_000]);
  await rig.finish();
  const short = await run((x) => {
    x.begin(200, [], 60_000);
    x.sendFile(fd, 0, 60_000, (error) => {
      sent = error === null ? 1 : -2;
    });
  });
  t.equal(sent, -2, "a file that ends early ends the connection");
  await short.finish();
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

t.test("tunnels: CONNECT and extended CONNECT", async (t) => {
  const lists = [
    [":method", "CONNECT", ":authority", "a:1"],
    [":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/ws", ":authority", "a"],
  ];
  for (const list of lists) {
    const events: string[] = [];
    let tunnel: Stream | null = null;
    const rig = new Rig({
      handler: (x) => {
        const stream = x.tunnel(["x-t", "1"]);
        tunnel = stream;
        stream.attach({
          onData: (lease) => {
            events.push(textOf(lease));
            stream.write(lease.transient ? lease.copy() : lease);
            stream.writeBytes(Buffer.from("+"));
          },
          onEnd: () => {
            events.push("end");
            stream.end();
          },
          onDrain: () => undefined,
          onClose: (error) => events.push(error === null ? "closed" : (error as Error & { code: string }).code),
        });
      },
    });
    rig.send(rig.headers(1, list, false));
    t.same(rig.answer(1).heads, [[":status: 200", "x-t: 1"]]);
    rig.send(frame(F.DATA, 0, 1, "ping"));
    await rig.settle();
    t.equal(rig.answer(1).body, "ping+");
    rig.send(frame(F.DATA, F.END_STREAM, 1, ""));
    await rig.settle();
    t.same([events, rig.answer(1).ended], [["ping", "end", "closed"], true]);
    t.equal((tunnel as Stream | null)?.open, false);
    events.length = 0;
    rig.send(rig.headers(3, list, false), reset(3));
    await rig.settle();
    t.same(events, ["ERR_CLIENT_LEFT"]);
    t.equal(rig.server.counters.tunnels, 2);
    await rig.finish();
  }
  const refused = await run((x) => x.respond(403, [], null), lists[1]);
  t.equal(refused.answer(1).heads[0][0], ":status: 403");
  await refused.finish();
});

t.test("what a handler sees", async (t) => {
  const seen: unknown[] = [];
  const rig = await run(
    (x) => {
      seen.push(
        x.method,
        x.path,
        x.target,
        x.authority,
        x.scheme,
        x.version,
        x.connection.protocol,
        fieldLines(x.fields),
        x.bodyLength,
      );
      x.respond(200, [], null);
    },
    get("x-a", "1", "x-a", "2"),
  );
  t.same(seen, ["GET", "/", "/", "a", "http", "2", "h2", ["x-a: 1", "x-a: 2"], 0]);
  await rig.finish();
});

t.test("a client that leaves is heard of at once", async (t) => {
  const events: string[] = [];
  const rig = new Rig({
    handler: (x) => {
      x.onAbort = (error) => events.push(`${x.path} ${(error as Error & { code: string }).code}`);
      x.onFinish = (error) => events.push(error === null ? "fine" : "not fine");
    },
  });
  rig.send(rig.headers(1, get()), rig.headers(3, get()));
  rig.send(reset(1));
  t.same(events, ["/ ERR_CLIENT_LEFT", "not fine"]);
  rig.peer.end();
  await rig.settle();
  t.equal(events.length, 4);
  await rig.finish();
});

t.test("floods: each limit ends its connection, is counted, and takes what is allowed", async (t) => {
  const rows: { limit: string; max: number; one: (rig: Rig, at: number) => Uint8Array[]; options?: RigOptions }[] = [
    { limit: "resetsMax", max: 5, one: (r, at) => [r.headers(at * 2 + 1, post(), false), reset(at * 2 + 1)] },
    { limit: "resetsMax", max: 5, one: (r, at) => [r.headers(at * 2 + 1, post(), false), windowUpdate(at * 2 + 1, 0)] },
    { limit: "settingsMax", max: 5, one: () => [settings()] },
    { limit: "pingsMax", max: 5, one: () => [frame(F.PING, 0, 0, "01234567")] },
    { limit: "prioritiesMax", max: 5, one: () => [frame(F.PRIORITY, 0, 3, [0, 0, 0, 0, 1])] },
    { limit: "prioritiesMax", max: 5, one: () => [frame(F.PRIORITY_UPDATE, 0, 0, u32(9))] },
    { limit: "prioritiesMax", max: 5, one: () => [frame(0x77, 0, 0, "")] },
    {
      limit: "emptyDataMax",
      max: 5,
      one: (r, at) => [...(at === 0 ? [r.headers(1, post(), false)] : []), frame(F.DATA, 0, 1, "")],
    },
    {
      limit: "tinyDataMax",
      max: 5,
      one: (r, at) => [...(at === 0 ? [r.headers(1, post(), false)] : []), frame(F.DATA, 0, 1, "x")],
    },
    { limit: "windowUpdatesMax", max: 5, one: () => [windowUpdate(0, 1)] },
  ];
  for (const { limit, max, one } of rows) {
    const rig = new Rig({ h2: { [limit]: max + (limit === "settingsMax" ? 1 : 0), floodWindowMs: 1000 } });
    for (let at = 0; at < max; at += 1) rig.send(...one(rig, at));
    t.equal(rig.goaway, null, `${limit}: at the limit`);
    rig.clock.advance(1500);
    for (let at = max; at < max * 2; at += 1) rig.send(...one(rig, at));
    t.equal(rig.goaway, null, "a span later");
    rig.send(...one(rig, max * 2), ...one(rig, max * 2 + 1));
    t.equal(rig.goaway, E.ENHANCE_YOUR_CALM, "one more");
    t.equal(rig.server.counters.floods[limit], 1);
    await rig.finish();
  }
  const block = (r: Rig, pieces: number, size: number): Uint8Array[] => [
    frame(F.HEADERS, F.END_STREAM, 1, r.block(get())),
    ...Array.from({ length: pieces }, () => frame(F.CONTINUATION, 0, 1, "x".repeat(size))),
  ];
  for (const [limit, pieces, size, options] of [
    ["continuationsMax", 9, 1, {}],
    ["continuationsMax", 1, 0, {}],
    ["headerBlockBytesMax", 5, 1000, { headerBlockBytesMax: 4096 }],
  ] as const) {
    const rig = new Rig({ h2: options });
    rig.send(...block(rig, pieces, size));
    t.equal(rig.goaway, E.ENHANCE_YOUR_CALM, `${limit} (${size})`);
    t.equal(rig.server.counters.floods[limit], 1);
    await rig.finish();
  }
});

t.test("deadlines", async (t) => {
  const preface = new Rig({ greet: false });
  preface.send(Buffer.from(F.PREFACE).subarray(0, 10));
  preface.clock.pass(15_000);
  preface.read();
  t.equal(preface.goaway, E.ENHANCE_YOUR_CALM, "a slow preface");
  await preface.finish();

  const unacknowledged = new Rig({ greet: false });
  unacknowledged.send(Buffer.from(F.PREFACE), settings());
  unacknowledged.clock.pass(10_000);
  unacknowledged.read();
  t.equal(unacknowledged.goaway, E.SETTINGS_TIMEOUT);
  await unacknowledged.finish();

  const slowBlock = new Rig();
  slowBlock.send(frame(F.HEADERS, F.END_STREAM, 1, slowBlock.block(get())));
  slowBlock.clock.pass(15_000);
  slowBlock.read();
  t.equal(slowBlock.goaway, E.ENHANCE_YOUR_CALM, "a slow header block");
  await slowBlock.finish();

  const idle = new Rig();
  idle.clock.pass(59_000);
  t.equal(idle.read().goaway, null);
  idle.clock.pass(2_000);
  t.equal(idle.read().goaway, E.NO_ERROR, "an idle connection");
  await idle.finish();

  const body = new Rig();
  body.send(body.headers(1, post(), false));
  body.clock.pass(31_000);
  t.equal(body.read().answer(1).heads[0]?.[0], ":status: 408", "a body that pauses");
  await body.finish();

  const stalled = new Rig({ handler: (x) => x.respond(200, [], "x".repeat(100_000)) });
  stalled.send(settings([4, 10]), stalled.headers(1, get()));
  stalled.clock.pass(31_000);
  t.equal(stalled.read().answer(1).reset, E.CANCEL, "a window that stays shut");
  await stalled.finish();

  const handler = new Rig({ handler: () => undefined, timeouts: { handlerMs: 1000 } });
  handler.send(handler.headers(1, get()));
  handler.clock.pass(1_000);
  t.equal(handler.read().answer(1).heads[0]?.[0], ":status: 503", "a handler that takes too long");
  await handler.finish();
});

t.test("drain: two GOAWAYs, and every request that was sent is answered", async (t) => {
  let finish: () => void = () => undefined;
  const rig = new Rig({
    handler: (x) => {
      if (x.path === "/") finish = () => x.respond(200, [], "late");
      else x.respond(200, [], "soon");
    },
  });
  rig.send(rig.headers(1, get()));
  const done = rig.server.drain();
  rig.read();
  const goaways = (): number[] =>
    rig.control.filter(({ type }) => type === F.GOAWAY).map(({ payload }) => F.readU32(payload, 0));
  t.same(goaways(), [0x7fff_ffff]);
  const list = get();
  list[5] = "/x";
  rig.send(rig.headers(3, list));
  t.equal(rig.answer(3).body, "soon", "on its way when it was told");
  rig.send(frame(F.PING, F.ACK, 0, "\0\0\0\0\0\0\0\0"));
  t.same(goaways(), [0x7fff_ffff, 3]);
  rig.send(rig.headers(5, list));
  t.same(rig.answer(5).heads, [], "later ones are ignored");
  finish();
  rig.read();
  t.equal(rig.answer(1).body, "late");
  rig.peer.end();
  await rig.settle();
  await done;
  await rig.finish();
});

t.test("a writer waits for the client to read", async (t) => {
  let drained = 0;
  let writes = 0;
  const rig = new Rig({
    handler: (x) => {
      x.begin(200, [], -1);
      const more = (): void => {
        while (writes < 100) {
          writes += 1;
          if (!x.write(Buffer.alloc(8000, 0x61))) return;
        }
        x.end();
      };
      x.onDrain = () => {
        drained += 1;
        more();
      };
      more();
    },
  });
  rig.send(rig.headers(1, get()));
  t.ok(writes < 40, `${writes} writes`);
  rig.send(windowUpdate(1, 1_000_000), windowUpdate(0, 1_000_000));
  await rig.settle();
  t.ok(drained > 0);
  t.same([rig.answer(1).body.length, rig.answer(1).ended], [800_000, true]);
  await rig.finish();
});
