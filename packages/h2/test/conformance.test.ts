// RFC 9113, section by section: what a wrong frame is answered with, on which scope, and that right ones are.
import { Buffer } from "node:buffer";
import t from "tap";
import * as F from "../src/codec/frame.ts";
import { ErrorCode as E } from "../src/errors.ts";
import { bodyOf, frame, get, post, Rig, type RigOptions, reset, settings, u32, windowUpdate } from "./harness.ts";

const OPEN = F.END_HEADERS;
const WHOLE = F.END_HEADERS | F.END_STREAM;

interface Row {
  name: string;
  frames: (rig: Rig) => Uint8Array[];
  /** Connection error with this code, or stream error on stream 1 (or `on`). */
  connection?: number;
  stream?: number;
  on?: number;
  /** Stream 1 (or `on`) is answered with this status. */
  status?: number;
  options?: RigOptions;
}

const rows: Row[] = [
  { name: "a request", frames: (r) => [r.headers(1, get())], status: 200 },
  {
    name: "3.4: no preface",
    frames: () => [Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    connection: E.PROTOCOL_ERROR,
    options: { greet: false },
  },
  {
    name: "3.4: no SETTINGS first",
    frames: (r) => [Buffer.from(F.PREFACE), r.headers(1, get())],
    connection: E.PROTOCOL_ERROR,
    options: { greet: false },
  },
  {
    name: "4.1: an unknown type is ignored",
    frames: (r) => [frame(0xee, 0, 0, "x"), r.headers(1, get())],
    status: 200,
  },
  {
    name: "4.1: unknown flags are ignored",
    frames: (r) => [frame(F.PING, 0x16, 0, "01234567"), r.headers(1, get())],
    status: 200,
  },
  {
    name: "4.1: the reserved bit is ignored",
    frames: (r) => [frame(F.PING, 0, 0x8000_0000, "01234567"), r.headers(1, get())],
    status: 200,
  },
  {
    name: "4.2: a DATA frame above the maximum",
    frames: (r) => [r.headers(1, post(), false), frame(F.DATA, 0, 1, "x".repeat(16_385))],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "4.2: a HEADERS frame above the maximum",
    frames: () => [frame(F.HEADERS, WHOLE, 1, "x".repeat(16_385))],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "4.3: a block that cannot be decoded",
    frames: () => [frame(F.HEADERS, WHOLE, 1, [0xff, 0xff])],
    connection: E.COMPRESSION_ERROR,
  },
  { name: "5.1: idle: DATA", frames: () => [frame(F.DATA, 0, 1, "x")], connection: E.PROTOCOL_ERROR },
  { name: "5.1: idle: RST_STREAM", frames: () => [reset(1)], connection: E.PROTOCOL_ERROR },
  { name: "5.1: idle: WINDOW_UPDATE", frames: () => [windowUpdate(1, 100)], connection: E.PROTOCOL_ERROR },
  { name: "5.1: idle: CONTINUATION", frames: () => [frame(F.CONTINUATION, OPEN, 1, "")], connection: E.PROTOCOL_ERROR },
  {
    name: "5.1: idle: PRIORITY is allowed",
    frames: (r) => [frame(F.PRIORITY, 0, 1, [0, 0, 0, 0, 1]), r.headers(1, get())],
    status: 200,
  },
  {
    name: "5.1: half-closed: DATA",
    frames: (r) => [r.headers(1, get()), frame(F.DATA, F.END_STREAM, 1, "x")],
    stream: E.STREAM_CLOSED,
    options: { handler: () => undefined },
  },
  {
    name: "5.1: half-closed: HEADERS",
    frames: (r) => [r.headers(1, get()), r.headers(1, get())],
    stream: E.STREAM_CLOSED,
    options: { handler: () => undefined },
  },
  {
    name: "5.1: closed: DATA",
    frames: (r) => [r.headers(1, get()), frame(F.DATA, F.END_STREAM, 1, "x")],
    status: 200,
    connection: E.STREAM_CLOSED,
  },
  {
    name: "5.1: closed: HEADERS",
    frames: (r) => [r.headers(1, get()), r.headers(1, get())],
    status: 200,
    connection: E.STREAM_CLOSED,
  },
  {
    name: "5.1: closed by RST_STREAM: DATA",
    frames: (r) => [r.headers(1, post(), false), reset(1), frame(F.DATA, 0, 1, "x")],
    connection: E.STREAM_CLOSED,
  },
  {
    name: "5.1: closed: WINDOW_UPDATE, RST_STREAM and PRIORITY are allowed",
    frames: (r) => [
      r.headers(1, get()),
      windowUpdate(1, 1),
      reset(1),
      frame(F.PRIORITY, 0, 1, [0, 0, 0, 0, 1]),
      r.headers(3, get()),
    ],
    status: 200,
    on: 3,
  },
  {
    name: "5.1: closed by us: DATA on its way is no fault",
    frames: (r) => [r.headers(1, [...post(), "connection", "x"], false), frame(F.DATA, 0, 1, "x"), r.headers(3, get())],
    status: 200,
    on: 3,
  },
  { name: "5.1.1: an even stream", frames: (r) => [r.headers(2, get())], connection: E.PROTOCOL_ERROR },
  {
    name: "5.1.1: a stream below the last one",
    frames: (r) => [r.headers(5, get()), r.headers(3, get())],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "5.1.2: one stream too many",
    frames: (r) => [r.headers(1, get()), r.headers(3, get()), r.headers(5, get())],
    stream: E.REFUSED_STREAM,
    on: 5,
    options: { h2: { streamsMax: 2 }, handler: () => undefined },
  },
  {
    name: "5.3.1: HEADERS that depend on themselves",
    frames: (r) => [
      frame(F.HEADERS, WHOLE | F.PRIORITY_FLAG, 1, Buffer.concat([Buffer.from([0, 0, 0, 1, 5]), r.block(get())])),
    ],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "5.3.1: PRIORITY on itself",
    frames: (r) => [r.headers(1, post(), false), frame(F.PRIORITY, 0, 1, [0, 0, 0, 1, 5])],
    stream: E.PROTOCOL_ERROR,
  },
  { name: "6.1: DATA on stream 0", frames: () => [frame(F.DATA, 0, 0, "x")], connection: E.PROTOCOL_ERROR },
  {
    name: "6.1: padding as long as the frame",
    frames: (r) => [r.headers(1, post(), false), frame(F.DATA, F.PADDED, 1, [4, 1, 2, 3])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.1: padding",
    frames: (r) => [r.headers(1, post(), false), frame(F.DATA, F.PADDED | F.END_STREAM, 1, [2, 65, 66, 0, 0])],
    status: 200,
  },
  { name: "6.2: HEADERS on stream 0", frames: (r) => [r.headers(0, get())], connection: E.PROTOCOL_ERROR },
  {
    name: "6.2: padding as long as the frame",
    frames: () => [frame(F.HEADERS, WHOLE | F.PADDED, 1, [2, 0x82])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.2: padding and priority",
    frames: (r) => [
      frame(
        F.HEADERS,
        WHOLE | F.PADDED | F.PRIORITY_FLAG,
        1,
        Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 5]), r.block(get()), Buffer.alloc(3)]),
      ),
    ],
    status: 200,
  },
  {
    name: "6.2: another frame within a block",
    frames: (r) => [frame(F.HEADERS, F.END_STREAM, 1, r.block(get())), frame(F.PING, 0, 0, "01234567")],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.2: HEADERS of another stream within a block",
    frames: (r) => [frame(F.HEADERS, F.END_STREAM, 1, r.block(get())), r.headers(3, get())],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.2: DATA within a block",
    frames: (r) => [frame(F.HEADERS, F.END_STREAM, 1, r.block(get())), frame(F.DATA, 0, 1, "x")],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.3: PRIORITY on stream 0",
    frames: () => [frame(F.PRIORITY, 0, 0, [0, 0, 0, 0, 1])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.3: PRIORITY of another length",
    frames: (r) => [r.headers(1, post(), false), frame(F.PRIORITY, 0, 1, [0, 0, 0, 0])],
    stream: E.FRAME_SIZE_ERROR,
  },
  { name: "6.4: RST_STREAM on stream 0", frames: () => [reset(0)], connection: E.PROTOCOL_ERROR },
  {
    name: "6.4: RST_STREAM of another length",
    frames: (r) => [r.headers(1, post(), false), frame(F.RST_STREAM, 0, 1, [0, 0, 0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  { name: "6.5: SETTINGS on a stream", frames: () => [frame(F.SETTINGS, 0, 1, "")], connection: E.PROTOCOL_ERROR },
  {
    name: "6.5: SETTINGS of another length",
    frames: () => [frame(F.SETTINGS, 0, 0, [0, 1, 0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.5: an acknowledgement with a payload",
    frames: () => [frame(F.SETTINGS, F.ACK, 0, [0, 1, 0, 0, 0, 0])],
    connection: E.FRAME_SIZE_ERROR,
  },
  { name: "6.5.2: ENABLE_PUSH of 2", frames: () => [settings([2, 2])], connection: E.PROTOCOL_ERROR },
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
  {
    name: "6.5.2: an unknown setting is ignored",
    frames: (r) => [settings([0xff, 1]), r.headers(1, get())],
    status: 200,
  },
  {
    name: "6.6: PUSH_PROMISE",
    frames: () => [frame(F.PUSH_PROMISE, OPEN, 1, [0, 0, 0, 2])],
    connection: E.PROTOCOL_ERROR,
  },
  { name: "6.7: PING on a stream", frames: () => [frame(F.PING, 0, 1, "01234567")], connection: E.PROTOCOL_ERROR },
  {
    name: "6.7: PING of another length",
    frames: () => [frame(F.PING, 0, 0, "0123456")],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.8: GOAWAY on a stream",
    frames: () => [frame(F.GOAWAY, 0, 1, [...u32(0), ...u32(0)])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.9: WINDOW_UPDATE by 0 on the connection",
    frames: () => [windowUpdate(0, 0)],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.9: WINDOW_UPDATE by 0 on a stream",
    frames: (r) => [r.headers(1, post(), false), windowUpdate(1, 0)],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "6.9: WINDOW_UPDATE of another length",
    frames: () => [frame(F.WINDOW_UPDATE, 0, 0, [0, 0, 1])],
    connection: E.FRAME_SIZE_ERROR,
  },
  {
    name: "6.9.1: the connection's window above 2^31-1",
    frames: () => [windowUpdate(0, 0x7fff_ffff)],
    connection: E.FLOW_CONTROL_ERROR,
  },
  {
    name: "6.9.1: a stream's window above 2^31-1",
    frames: (r) => [r.headers(1, post(), false), windowUpdate(1, 0x7fff_ffff)],
    stream: E.FLOW_CONTROL_ERROR,
  },
  {
    name: "6.9.2: INITIAL_WINDOW_SIZE lifts a window above 2^31-1",
    frames: (r) => [r.headers(1, post(), false), windowUpdate(1, 0x7fff_0000), settings([4, 0x7fff_ffff])],
    connection: E.FLOW_CONTROL_ERROR,
  },
  {
    name: "6.9.1: more DATA than the stream's window",
    frames: (r) => [r.headers(1, post(), false), frame(F.DATA, 0, 1, "x".repeat(101))],
    stream: E.FLOW_CONTROL_ERROR,
    options: { h2: { streamWindowBytes: 100 } },
  },
  {
    name: "6.9.1: more DATA than the connection's window",
    frames: (r) =>
      [1, 3, 5, 7, 9].flatMap((id) => [r.headers(id, post(), false), frame(F.DATA, 0, id, "x".repeat(16_000))]),
    connection: E.FLOW_CONTROL_ERROR,
    options: { h2: { connectionWindowBytes: 65_535 }, handler: () => undefined },
  },
  {
    name: "6.10: CONTINUATION without HEADERS",
    frames: (r) => [r.headers(1, get()), frame(F.CONTINUATION, OPEN, 1, "")],
    status: 200,
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.10: CONTINUATION on stream 0",
    frames: () => [frame(F.CONTINUATION, OPEN, 0, "")],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "6.10: a block in three frames",
    frames: (r) => {
      const b = r.block(get());
      return [
        frame(F.HEADERS, F.END_STREAM, 1, b.slice(0, 2)),
        frame(F.CONTINUATION, 0, 1, b.slice(2, 3)),
        frame(F.CONTINUATION, OPEN, 1, b.slice(3)),
      ];
    },
    status: 200,
  },
  {
    name: "8.1: HEADERS twice without an end",
    frames: (r) => [r.headers(1, post(), false), r.headers(1, ["x", "y"], false)],
    stream: E.PROTOCOL_ERROR,
  },
  { name: "8.1: trailers", frames: (r) => [r.headers(1, post(), false), r.headers(1, ["x", "y"])], status: 200 },
  {
    name: "8.1: a pseudo-field in trailers",
    frames: (r) => [r.headers(1, post(), false), r.headers(1, [":method", "x"])],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: content-length above DATA",
    frames: (r) => [r.headers(1, post("content-length", "2"), false), frame(F.DATA, F.END_STREAM, 1, "x")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: content-length below DATA",
    frames: (r) => [r.headers(1, post("content-length", "1"), false), frame(F.DATA, F.END_STREAM, 1, "xy")],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: content-length without DATA",
    frames: (r) => [r.headers(1, post("content-length", "1"))],
    stream: E.PROTOCOL_ERROR,
  },
  {
    name: "8.1.1: content-length that is DATA's",
    frames: (r) => [
      r.headers(1, post("content-length", "2"), false),
      frame(F.DATA, 0, 1, "x"),
      frame(F.DATA, F.END_STREAM, 1, "y"),
    ],
    status: 200,
  },
  {
    name: "8.4: the head is too large",
    frames: (r) => [
      r.headers(1, get("x", "y".repeat(20_000)).slice(0, 8)),
      r.headers(3, get("x-large", "y".repeat(9_000), "x-larger", "z".repeat(9_000))),
    ],
    status: 431,
    on: 3,
    options: { limits: { headBytesMax: 16_384 } },
  },
  {
    name: "RFC 9218 §7.1: PRIORITY_UPDATE on a stream",
    frames: () => [frame(F.PRIORITY_UPDATE, 0, 1, [0, 0, 0, 1])],
    connection: E.PROTOCOL_ERROR,
  },
  {
    name: "RFC 9218 §7.1: PRIORITY_UPDATE of stream 0",
    frames: () => [frame(F.PRIORITY_UPDATE, 0, 0, [0, 0, 0, 0])],
    connection: E.PROTOCOL_ERROR,
  },
];

const malformed: [name: string, list: string[], status?: number][] = [
  ["8.2.1: an upper-case name", get("X-A", "b")],
  ["8.2.1: a name with a space", get("x a", "b")],
  ["8.2.1: an empty name", get("", "b")],
  ["8.2.1: a line feed in a value", get("x", "a\nb")],
  ["8.2.1: a NUL in a value", get("x", "a\0b")],
  ["8.2.1: a value that begins with a space", get("x", " a")],
  ["8.2.1: a value that ends with a tab", get("x", "a\t")],
  ["8.2.2: connection", get("connection", "keep-alive")],
  ["8.2.2: proxy-connection", get("proxy-connection", "keep-alive")],
  ["8.2.2: keep-alive", get("keep-alive", "1")],
  ["8.2.2: upgrade", get("upgrade", "x")],
  ["8.2.2: transfer-encoding", get("transfer-encoding", "chunked")],
  ["8.2.2: te other than trailers", get("te", "gzip")],
  ["8.2.2: te: trailers", get("te", "trailers"), 200],
  ["8.3: an unknown pseudo-field", get(":x", "y")],
  ["8.3: a response's pseudo-field", get(":status", "200")],
  ["8.3: a pseudo-field behind an ordinary one", ["x", "y", ...get()]],
  ["8.3: a pseudo-field twice", get().concat(":path", "/")],
  ["8.3.1: no :method", get().slice(2)],
  ["8.3.1: no :scheme", [...get().slice(0, 2), ...get().slice(4)]],
  ["8.3.1: no :path", [...get().slice(0, 4), ...get().slice(6)]],
  ["8.3.1: an empty :path", [":method", "GET", ":scheme", "http", ":path", "", ":authority", "a"]],
  ["8.3.1: :path * with GET", [":method", "GET", ":scheme", "http", ":path", "*", ":authority", "a"]],
  ["8.3.1: :path * with OPTIONS", [":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "a"], 200],
  ["8.3.1: a :path with a space", [":method", "GET", ":scheme", "http", ":path", "/a b", ":authority", "a"]],
  ["8.3.1: neither :authority nor host", get().slice(0, 6)],
  ["8.3.1: host alone", [...get().slice(0, 6), "host", "a"], 200],
  ["8.3.1: host that differs", get("host", "b")],
  ["8.3.1: host that agrees", get("host", "A"), 200],
  ["8.3.1: userinfo in :authority", [...get().slice(0, 6), ":authority", "u@a"]],
  ["8.5: CONNECT with :path", [":method", "CONNECT", ":authority", "a", ":path", "/"]],
  ["8.5: CONNECT without :authority", [":method", "CONNECT", "host", "a"]],
  ["RFC 8441: :protocol without CONNECT", get().concat(":protocol", "websocket")],
  ["content-length that is none", post("content-length", "-1")],
  ["content-length twice", post("content-length", "0", "content-length", "0")],
];
for (const [name, list, status] of malformed) {
  const frames: Row["frames"] = (r) => [r.headers(1, list)];
  rows.push(status === undefined ? { name, frames, stream: E.PROTOCOL_ERROR } : { name, frames, status });
}

const judge = (rig: Rig, row: Row): string => {
  const { on = 1 } = row;
  const answer = rig.answer(on);
  return JSON.stringify({
    connection: rig.goaway ?? undefined,
    stream: answer.reset ?? undefined,
    status: answer.heads.length > 0 ? Number(answer.heads[0][0].slice(9)) : undefined,
  });
};

t.test("frames that are wrong, and some that are not", async (t) => {
  for (const row of rows) {
    const { connection, stream, status } = row;
    for (const chunkBytesMax of [16_384, 1]) {
      const rig = new Rig({ ...row.options, chunkBytesMax });
      rig.send(...row.frames(rig));
      await rig.settle();
      t.equal(judge(rig, row), JSON.stringify({ connection, stream, status }), `${row.name} (${chunkBytesMax})`);
      if (connection === undefined && !rig.peer.closed) {
        rig.send(rig.headers(101, get()));
        const after = rig.answer(101);
        t.equal(after.heads.length + (row.options?.handler === undefined ? 0 : 1) > 0, true, "the connection lives");
      }
      t.same(rig.reports, []);
      await rig.finish();
    }
  }
});

t.test("cut anywhere, the same comes of it", async (t) => {
  const script = (rig: Rig): Buffer =>
    Buffer.concat([
      rig.headers(1, post("cookie", "a=1", "cookie", "b=2"), false),
      frame(F.DATA, F.PADDED, 1, [3, 104, 105, 0, 0, 0]),
      frame(F.PING, 0, 0, "pingping"),
      frame(F.DATA, F.END_STREAM, 1, "!"),
      rig.headers(3, get("x-long", "l".repeat(200))),
    ]);
  const handler: RigOptions["handler"] = (exchange) =>
    bodyOf(exchange, (body) => exchange.respond(200, ["x", exchange.fields.get("cookie") ?? "-"], body));
  let want = "";
  for (let cut = 0; cut < 330; cut += 1) {
    const rig = new Rig({ handler, cuts: [F.PREFACE.length + 18 + cut] });
    rig.send(script(rig));
    const got = JSON.stringify([...rig.answers]);
    want ||= got;
    if (got !== want) t.equal(got, want, `cut at ${cut}`);
    await rig.finish();
  }
  t.match(want, "hi!");
  t.match(want, "x: a=1; b=2");
});
