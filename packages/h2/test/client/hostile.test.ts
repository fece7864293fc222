// Servers that break the rules: each is told the right code on the right scope, and harms nothing but itself.
import { Buffer } from "node:buffer";
import t from "tap";
import * as F from "../../src/codec/frame.ts";
import { ErrorCode as E } from "../../src/errors.ts";
import { frame, reset, settings, u32, windowUpdate } from "../harness.ts";
import { ask, ClientRig, type ClientRigOptions, upload } from "./harness.ts";

interface Row {
  name: string;
  frames: (rig: ClientRig) => Uint8Array[];
  /** The connection's error, or the first stream's. The second stream then goes on. */
  connection?: number;
  stream?: number;
  /** The first stream's request. */
  method?: string;
  options?: ClientRigOptions;
}

const OPEN = F.END_HEADERS;
const times = <Item>(count: number, make: (at: number) => Item): Item[] =>
  Array.from({ length: count }, (_, at) => make(at));

const rows: Row[] = [
  {
    name: "3.4: no SETTINGS first",
    frames: (r) => [r.head(1)],
    connection: E.PROTOCOL_ERROR,
    options: { greet: false },
  },
  {
    name: "3.4: an acknowledgement first",
    frames: () => [frame(F.SETTINGS, F.ACK, 0)],
    connection: E.PROTOCOL_ERROR,
    options: { greet: false },
  },
  {
    name: "3.4: HTTP/1.1",
    frames: () => [Buffer.from("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")],
    connection: E.FRAME_SIZE_ERROR,
    options: { greet: false },
  },
  {
    name: "3.4: DATA first",
    frames: () => [frame(F.DATA, 0, 1, "x")],
    connection: E.PROTOCOL_ERROR,
    options: { greet: false },
  },
  {
    name: "4.2: a frame above the maximum",
    frames: () => [frame(F.HEADERS, OPEN, 1, Buffer.alloc(16_385))],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "4.2: DATA above the maximum",
    frames: (r) => [r.head(1, false), frame(F.DATA, 0, 1, Buffer.alloc(16_385))],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "4.3: a block that cannot be decoded",
    frames: () => [frame(F.HEADERS, OPEN, 1, [0xff, 0xff])],
    connection: E.COMPRESSION_ERROR,
  },
  { name: "5.1: DATA on an idle stream", frames: () => [frame(F.DATA, 0, 99, "x")], connection: E.PROTOCOL_ERROR },
  { name: "5.1: HEADERS on an idle stream", frames: (r) => [r.head(99)], connection: E.PROTOCOL_ERROR },
  { name: "5.1: RST_STREAM on an idle stream", frames: () => [reset(99)], connection: E.PROTOCOL_ERROR },
  { name: "5.1: WINDOW_UPDATE on an idle stream", frames: () => [windowUpdate(99, 1)], connection: E.PROTOCOL_ERROR },
  { name: "5.1: HEADERS on a stream of the server's", frames: (r) => [r.head(2)], connection: E.PROTOCOL_ERROR },
  {
    name: "5.1: DATA on a stream of the server's",
    frames: () => [frame(F.DATA, 0, 2, "x")],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "5.1: RST_STREAM on a stream of the server's", frames: () => [reset(2)], connection: E.PROTOCOL_ERROR },
  {
    name: "5.1: WINDOW_UPDATE on a stream of the server's",
    frames: () => [windowUpdate(2, 1)],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "5.1: DATA behind the end",
    frames: (r) => [r.head(1), frame(F.DATA, 0, 1, "x")],
    connection: E.STREAM_CLOSED,
  },
  { name: "5.1: HEADERS behind the end", frames: (r) => [r.head(1), r.head(1)], connection: E.STREAM_CLOSED },
  { name: "6.1: DATA on stream 0", frames: () => [frame(F.DATA, 0, 0, "x")], connection: E.PROTOCOL_ERROR },
  {
    name: "6.1: padding as long as the frame",
    frames: (r) => [r.head(1, false), frame(F.DATA, F.PADDED, 1, [4, 1, 2, 3])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.1: padding without a length",
    frames: (r) => [r.head(1, false), frame(F.DATA, F.PADDED, 1)],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "6.2: HEADERS on stream 0", frames: (r) => [r.head(0)], connection: E.PROTOCOL_ERROR },
  {
    name: "6.2: padding as long as the frame",
    frames: () => [frame(F.HEADERS, OPEN | F.PADDED, 1, [2, 0x88])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.2: padding without a length",
    frames: () => [frame(F.HEADERS, OPEN | F.PADDED, 1)],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.2: no room for the priority",
    frames: () => [frame(F.HEADERS, OPEN | F.PRIORITY_FLAG, 1, [0, 0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.2: another frame within a block",
    frames: () => [frame(F.HEADERS, 0, 1, [0x88]), frame(F.PING, 0, 0, "01234567")],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.2: DATA within a block",
    frames: () => [frame(F.HEADERS, 0, 1, [0x88]), frame(F.DATA, 0, 1, "x")],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.3: PRIORITY on stream 0",
    frames: () => [frame(F.PRIORITY, 0, 0, [0, 0, 0, 0, 1])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.3: PRIORITY of another length",
    frames: () => [frame(F.PRIORITY, 0, 1, [0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.4: RST_STREAM of another length",
    frames: () => [frame(F.RST_STREAM, 0, 1, [0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  { name: "6.4: RST_STREAM on stream 0", frames: () => [reset(0)], connection: E.PROTOCOL_ERROR },
  { name: "6.5: SETTINGS on a stream", frames: () => [frame(F.SETTINGS, 0, 1)], connection: E.PROTOCOL_ERROR },
  {
    name: "6.5: SETTINGS of another length",
    frames: () => [frame(F.SETTINGS, 0, 0, [0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.5: an acknowledgement with a payload",
    frames: () => [frame(F.SETTINGS, F.ACK, 0, [0, 1, 0, 0, 0, 0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.5.2: ENABLE_PUSH by a server",
    frames: () => [settings([F.SETTING_ENABLE_PUSH, 1])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.5.2: INITIAL_WINDOW_SIZE above 2^31-1",
    frames: () => [settings([4, 0x8000_0000])],
    connection: E.FLOW_CONTROL_ERROR,
  },
  { name: "6.5.2: MAX_FRAME_SIZE below 16,384", frames: () => [settings([5, 16_383])], connection: E.PROTOCOL_ERROR },
  {
    name: "6.5.2: MAX_FRAME_SIZE above 2^24-1",
    frames: () => [settings([5, 0x100_0000])],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "RFC 8441 §3: ENABLE_CONNECT_PROTOCOL of 2", frames: () => [settings([8, 2])], connection: E.PROTOCOL_ERROR },
  { name: "RFC 8441 §3: taken back", frames: () => [settings([8, 1]), settings([8, 0])], connection: E.PROTOCOL_ERROR },
  {
    name: "6.6, 8.4: a push",
    frames: (r) => [frame(F.PUSH_PROMISE, OPEN, 1, [0, 0, 0, 2, ...r.block([":method", "GET"])])],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "6.7: PING on a stream", frames: () => [frame(F.PING, 0, 1, "01234567")], connection: E.PROTOCOL_ERROR },
  { name: "6.7: PING of another length", frames: () => [frame(F.PING, 0, 0, "0")], connection: E.FRAME_SIZE_ERROR },
  {
    name: "6.8: GOAWAY on a stream",
    frames: () => [frame(F.GOAWAY, 0, 1, [...u32(0), ...u32(0)])],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "6.8: a short GOAWAY", frames: () => [frame(F.GOAWAY, 0, 0, u32(0))], connection: E.FRAME_SIZE_ERROR },
  {
    name: "6.9: WINDOW_UPDATE of another length",
    frames: () => [frame(F.WINDOW_UPDATE, 0, 0, [0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  { name: "6.9: WINDOW_UPDATE by 0", frames: () => [windowUpdate(0, 0)], connection: E.PROTOCOL_ERROR },
  { name: "6.9: WINDOW_UPDATE by 0 on a stream", frames: () => [windowUpdate(1, 0)], stream: E.PROTOCOL_ERROR },
  {
    name: "6.9.1: the connection's window above 2^31-1",
    frames: () => [windowUpdate(0, 0x7fff_ffff)],
    connection: E.FLOW_CONTROL_ERROR,
  },
  {
    name: "6.9.1: a stream's window above 2^31-1",
    frames: () => [windowUpdate(1, 0x7fff_ffff)],
    stream: E.FLOW_CONTROL_ERROR,
  },
  {
    name: "6.9.2: SETTINGS lift a window above 2^31-1",
    frames: () => [windowUpdate(1, 0x7fff_0000), settings([4, 0x7fff_ffff])],
    connection: E.FLOW_CONTROL_ERROR,
  },
  {
    name: "6.9.1: more DATA than the stream's window",
    frames: (r) => [r.head(1, false), frame(F.DATA, 0, 1, "x".repeat(101))],
    stream: E.FLOW_CONTROL_ERROR,
    options: { h2: { streamWindowBytes: 100 } },
  },
  {
    name: "6.10: CONTINUATION without HEADERS",
    frames: () => [frame(F.CONTINUATION, OPEN, 1)],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.10: CONTINUATION of another stream",
    frames: () => [frame(F.HEADERS, 0, 1, [0x88]), frame(F.CONTINUATION, OPEN, 3)],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "8.1: DATA before a head", frames: () => [frame(F.DATA, 0, 1, "x")], stream: E.PROTOCOL_ERROR },
  {
    name: "8.1: DATA before a final head",
    frames: (r) => [r.headers(1, [":status", "103"], false), frame(F.DATA, F.END_STREAM, 1, "x")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1: an interim response that ends the stream",
    frames: (r) => [r.headers(1, [":status", "103"])],
    stream: E.PROTOCOL_ERROR,
  },
  { name: "8.1: two heads", frames: (r) => [r.head(1, false), r.head(1, false)], stream: E.PROTOCOL_ERROR },
  {
    name: "8.1: trailers that do not end",
    frames: (r) => [r.head(1, false), r.headers(1, ["a", "b"], false)],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1: a pseudo-field in trailers",
    frames: (r) => [r.head(1, false), r.headers(1, [":status", "200"])],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: DATA above content-length",
    frames: (r) => [r.head(1, false, "content-length", "1"), frame(F.DATA, 0, 1, "xy")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: DATA below content-length",
    frames: (r) => [r.head(1, false, "content-length", "3"), frame(F.DATA, F.END_STREAM, 1, "xy")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: trailers below content-length",
    frames: (r) => [r.head(1, false, "content-length", "3"), r.headers(1, ["a", "b"])],
    stream: E.PROTOCOL_ERROR,
  },
  { name: "8.1.1: no DATA at all", frames: (r) => [r.head(1, true, "content-length", "3")], stream: E.PROTOCOL_ERROR },
  {
    name: "8.1.1: DATA in answer to HEAD",
    method: "HEAD",
    frames: (r) => [r.head(1, false), frame(F.DATA, 0, 1, "x")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: DATA behind 204",
    frames: (r) => [r.headers(1, [":status", "204"], false), frame(F.DATA, 0, 1, "x")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: DATA behind 304",
    frames: (r) => [r.headers(1, [":status", "304"], false), frame(F.DATA, 0, 1, "x")],
    stream: E.PROTOCOL_ERROR,
  },
  ...(
    [
      ["8.2.1: an upper-case name", ["A", "b"]],
      ["8.2.1: a name with a space", ["a b", "c"]],
      ["8.2.1: a value with a line feed", ["a", "b\nc"]],
      ["8.2.1: a value with NUL", ["a", "b\0"]],
      ["8.2.1: white space before a value", ["a", " b"]],
      ["8.2.2: connection", ["connection", "close"]],
      ["8.2.2: transfer-encoding", ["transfer-encoding", "chunked"]],
      ["8.2.2: upgrade", ["upgrade", "x"]],
      ["8.2.2: te", ["te", "gzip"]],
      ["8.3: an unknown pseudo-field", [":x", "y"]],
      ["8.3: a request's pseudo-field", [":path", "/"]],
      ["8.3.2: :status twice", [":status", "200"]],
      ["8.6 of RFC 9110: content-length twice", ["content-length", "1", "content-length", "1"]],
      ["8.6 of RFC 9110: content-length of no length", ["content-length", "+1"]],
    ] as const
  ).map(([name, fields]): Row => ({ name, frames: (r) => [r.head(1, false, ...fields)], stream: E.PROTOCOL_ERROR })),
  {
    name: "8.3: a pseudo-field behind another",
    frames: (r) => [r.headers(1, ["a", "b", ":status", "200"])],
    stream: E.PROTOCOL_ERROR,
  },
  { name: "8.3.2: no :status", frames: (r) => [r.headers(1, ["a", "b"])], stream: E.PROTOCOL_ERROR },
  ...["20", "2000", "abc", "099", "2 0", ""].map(
    (status): Row => ({
      name: `8.3.2: :status ${status}`,
      frames: (r) => [r.headers(1, [":status", status])],
      stream: E.PROTOCOL_ERROR,
    }),
  ),
  { name: "8.6: 101", frames: (r) => [r.headers(1, [":status", "101"], false)], stream: E.PROTOCOL_ERROR },
  {
    name: "an interim response with a length",
    frames: (r) => [r.headers(1, [":status", "103", "content-length", "1"], false)],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "RFC 9218 §7.1: PRIORITY_UPDATE by a server",
    frames: () => [frame(F.PRIORITY_UPDATE, 0, 0, [...u32(1), 0x75])],
    connection: E.PROTOCOL_ERROR,
  },
  // — more of it than anybody needs; each at its limit and one beyond —
  {
    name: "CONTINUATION: an empty one",
    frames: () => [frame(F.HEADERS, 0, 1, [0x88]), frame(F.CONTINUATION, 0, 1)],
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "CONTINUATION: eight",
    frames: (r) => {
      const block = r.block([":status", "200", "x-a", "0123456789"]);
      return [
        frame(F.HEADERS, F.END_STREAM, 1, block.slice(0, 1)),
        ...times(7, (at) => frame(F.CONTINUATION, 0, 1, block.slice(at + 1, at + 2))),
        frame(F.CONTINUATION, OPEN, 1, block.slice(8)),
      ];
    },
  },
  {
    name: "CONTINUATION: nine",
    frames: () => [frame(F.HEADERS, 0, 1, [0x88]), ...times(9, () => frame(F.CONTINUATION, 0, 1, [0x88]))],
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "a header block above its limit",
    frames: () => [
      frame(F.HEADERS, 0, 1, Buffer.alloc(80, 0x88)),
      frame(F.CONTINUATION, OPEN, 1, Buffer.alloc(21, 0x88)),
    ],
    options: { h2: { headerBlockBytesMax: 100 } },
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "a header list above its limit",
    frames: (r) => [r.head(1, true, "x-a", "y".repeat(200))],
    options: { limits: { headBytesMax: 200 } },
    stream: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "an HPACK bomb: one long field again and again",
    frames: (r) => [
      r.head(1, false, "x-bomb", "y".repeat(1500)),
      frame(F.HEADERS, F.END_HEADERS | F.END_STREAM, 1, Buffer.alloc(1000, 0xbe)),
    ],
    stream: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "fields above their limit",
    frames: (r) => [r.head(1, true, ...times(10, () => ["a", "b"]).flat())],
    options: { limits: { fieldsMax: 10 } },
    stream: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "interim responses at their limit",
    frames: (r) => [...times(16, () => r.headers(1, [":status", "103"], false)), r.head(1)],
  },
  {
    name: "interim responses above their limit",
    frames: (r) => times(17, () => r.headers(1, [":status", "103"], false)),
    stream: E.ENHANCE_YOUR_CALM,
  },
  { name: "SETTINGS at their limit", frames: () => times(62, () => settings()) },
  { name: "SETTINGS above their limit", frames: () => times(63, () => settings()), connection: E.ENHANCE_YOUR_CALM },
  {
    name: "acknowledgements without end",
    frames: () => times(63, () => frame(F.SETTINGS, F.ACK, 0)),
    connection: E.ENHANCE_YOUR_CALM,
  },
  { name: "PINGs at their limit", frames: () => times(200, () => frame(F.PING, 0, 0, "01234567")) },
  {
    name: "PINGs above their limit",
    frames: () => times(201, () => frame(F.PING, 0, 0, "01234567")),
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "answers to PINGs that were never sent",
    frames: () => times(201, () => frame(F.PING, F.ACK, 0, "01234567")),
    connection: E.ENHANCE_YOUR_CALM,
  },
  { name: "empty DATA at its limit", frames: (r) => [r.head(1, false), ...times(100, () => frame(F.DATA, 0, 1))] },
  {
    name: "empty DATA above its limit",
    frames: (r) => [r.head(1, false), ...times(101, () => frame(F.DATA, 0, 1))],
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "tiny DATA above its limit",
    frames: (r) => [r.head(1, false), ...times(11, () => frame(F.DATA, 0, 1, "x"))],
    options: { h2: { tinyDataMax: 10 } },
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "WINDOW_UPDATE above its limit",
    frames: () => times(11, () => windowUpdate(1, 1)),
    options: { h2: { windowUpdatesMax: 10 } },
    connection: E.ENHANCE_YOUR_CALM,
  },
  {
    name: "unknown frames, PRIORITY, GOAWAY and resets of streams that are gone, together",
    frames: (r) => [r.head(1), frame(0xbe, 0, 0), frame(F.PRIORITY, 0, 1, [0, 0, 0, 0, 1]), reset(1), reset(1)],
    options: { h2: { prioritiesMax: 3 } },
    connection: E.ENHANCE_YOUR_CALM,
  },
];

t.test("what a wrong frame is answered with, and who else notices", async (t) => {
  for (const { name, frames, connection, stream, method = "GET", options } of rows) {
    const rig = new ClientRig(options);
    const first = rig.request(ask({ method }));
    const second = rig.connection.available > 0 ? rig.request() : null;
    await Promise.resolve();
    rig.send(...frames(rig));
    t.equal(rig.goaway, connection ?? null, `${name}: the connection`);
    if (connection !== undefined) {
      const whole = first.lines.at(-1) === "finish";
      if (!whole) t.equal(first.lines.at(-1), "finish ERR_RESPONSE_INVALID maybe", name);
      if (!whole) t.equal(first.reason, connection, name);
      t.equal(rig.connection.open, false);
      rig.clock.pass(2000);
      rig.read();
      t.match(rig.closed, { code: "ERR_RESPONSE_INVALID" });
    } else {
      t.equal(rig.reset(1), stream ?? null, `${name}: the stream`);
      if (stream !== undefined) {
        t.equal(first.lines.at(-1), "finish ERR_RESPONSE_INVALID maybe", name);
        t.equal(first.reason, stream);
      }
      if (second !== null) {
        rig.send(rig.head(3, true, "x-b", "c"));
        t.same(second.lines, ["head 200 0 x-b: c", "end", "finish"], `${name}: the other stream`);
      }
    }
    t.same(rig.reports, [], name);
    await rig.finish();
  }
});

t.test("RFC 9113 §6.9.1: more DATA than the connection's window", async (t) => {
  const h2 = { streamWindowBytes: 100, connectionWindowBytes: 65_535 };
  const rig = new ClientRig({ h2, greet: false });
  const [first, second] = [rig.request(), rig.request()];
  first.exchange.pauseBody();
  second.exchange.pauseBody();
  rig.send(settings(), rig.head(1, false), rig.head(3, false));
  for (const id of [1, 3, 1, 3]) rig.send(frame(F.DATA, 0, id, "x".repeat(16_000)));
  t.equal(rig.goaway, null);
  rig.send(frame(F.DATA, 0, 1, "x".repeat(1536)));
  t.equal(rig.goaway, E.FLOW_CONTROL_ERROR);
  await rig.finish();
});

t.test("a server that breaks stream after stream is left", async (t) => {
  const rig = new ClientRig({ h2: { resetsMax: 5 } });
  for (let at = 0; at < 6; at += 1) {
    rig.request();
    t.equal(rig.goaway, null);
    rig.send(frame(F.DATA, 0, at * 2 + 1, "x"));
  }
  t.equal(rig.goaway, E.ENHANCE_YOUR_CALM);
  await rig.finish();
});

t.test("counts start anew after their span", async (t) => {
  const rig = new ClientRig({ timeouts: { pingMs: 0 } });
  for (let span = 0; span < 3; span += 1) {
    rig.send(...times(150, () => frame(F.PING, 0, 0, "01234567")));
    rig.clock.advance(10_001);
  }
  t.equal(rig.goaway, null);
  await rig.finish();
});

t.test("frames of streams that we reset are no fault, but not for ever", async (t) => {
  const rig = new ClientRig({ h2: { prioritiesMax: 10 } });
  rig.request().exchange.abort();
  rig.send(...times(10, () => frame(F.DATA, 0, 1, "x")));
  t.equal(rig.goaway, null);
  rig.send(frame(F.DATA, 0, 1, "x"));
  t.equal(rig.goaway, E.ENHANCE_YOUR_CALM);
  await rig.finish();
});

t.test("what comes behind an answer is the server's fault, not the answer's", async (t) => {
  const rig = new ClientRig();
  const heard = rig.request(upload());
  heard.exchange.write(Buffer.alloc(100_000));
  heard.exchange.end();
  heard.exchange.pauseBody();
  rig.send(rig.head(1, false), frame(F.DATA, F.END_STREAM, 1, "whole"), frame(F.DATA, 0, 1, "more"));
  t.equal(rig.reset(1), E.STREAM_CLOSED);
  heard.exchange.resumeBody();
  t.same([heard.lines, heard.body], [["head 200 -1", "end", "finish"], "whole"]);
  await rig.finish();
});

t.test("a server that only asks and never reads is not read from either", async (t) => {
  const rig = new ClientRig({ h2: { pingsMax: 1_000_000 }, limits: { writeBufferBytes: 1000 } });
  rig.peer.stream.pause();
  for (let sent = 0; sent < 100; sent += 1)
    rig.peer.queue(Buffer.concat(times(500, () => frame(F.PING, 0, 0, "01234567"))));
  rig.pump.run();
  t.ok(rig.connection.stream.paused);
  t.ok(rig.connection.stream.queuedBytes < 100_000);
  rig.peer.stream.resume();
  rig.read();
  t.equal(rig.got(F.PING).length, 50_000, "and then all is answered");
  await rig.finish();
});

t.test("limits outside their range", async (t) => {
  for (const options of [
    { limits: { headBytesMax: 0 } },
    { limits: { fieldsMax: 0 } },
    { limits: { informsMax: -1 } },
    { h2: { streamsMax: 0 } },
    { h2: { streamsMax: 129 } },
    { h2: { streamWindowBytes: 0 } },
    { h2: { streamWindowBytesMax: 1 } },
    { h2: { connectionWindowBytes: 1 } },
    { h2: { tableBytesMax: 65_537 } },
  ]) {
    t.throws(() => new ClientRig(options), { code: "ERR_OPTION_INVALID" }, JSON.stringify(options));
  }
  const most = new ClientRig({ h2: { streamsMax: 128 } });
  await most.finish();
});
