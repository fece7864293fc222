// faults.ts — what breaks a rule, in whatever state the connection is, and what RFC 9113 has it answered with.
import { Buffer } from "node:buffer";
import * as F from "../../src/codec/frame.ts";
import { ErrorCode as E } from "../../src/errors.ts";
import { frame, settings, u32 } from "../harness.ts";
import type { Choice } from "./choice.ts";
import type { Line } from "./reference-hpack.ts";
import type { Wire } from "./wire.ts";

export interface FaultSite {
  readonly choice: Choice;
  readonly wire: Wire;
  /** A stream that is open both ways, for this fault's use; its peer has sent a good head. */
  readonly victim: number;
  /** A good head on the victim's stream has been sent; only then DATA may follow. */
  readonly headSent: boolean;
  /** Never opened, and above every other. */
  readonly idle: number;
}

export interface Fault {
  readonly name: string;
  readonly scope: "connection" | "stream";
  readonly reason: number;
  /** Needs a head on the victim's stream, or must have none. Undefined: does not matter. */
  readonly needsHead?: boolean;
  commit(site: FaultSite): void;
}

const OPEN = F.END_HEADERS;
const raw = (make: (site: FaultSite) => Buffer) => (site: FaultSite) => site.wire.queue(make(site));
const connection = (name: string, reason: number, make: (site: FaultSite) => Buffer): Fault => ({
  name,
  scope: "connection",
  reason,
  commit: raw(make),
});
const stream = (name: string, reason: number, make: (site: FaultSite) => Buffer): Fault => ({
  name,
  scope: "stream",
  reason,
  needsHead: true,
  commit: raw(make),
});
const list = (name: string, lines: readonly Line[], more: Partial<Fault> = {}): Fault => ({
  name,
  scope: "stream",
  reason: E.PROTOCOL_ERROR,
  needsHead: false,
  ...more,
  commit: ({ wire, victim, choice }) => wire.headers(victim, lines, choice.rarely(2)),
});

/** Wrong whoever says it. */
export const COMMON: readonly Fault[] = [
  connection("a frame above the maximum", E.FRAME_SIZE_ERROR, ({ choice, victim }) =>
    frame(choice.one([F.HEADERS, F.CONTINUATION, F.SETTINGS, 0x99]), 0, choice.one([0, victim]), Buffer.alloc(16_385)),
  ),
  connection("a block with index 0", E.COMPRESSION_ERROR, ({ victim }) => frame(F.HEADERS, OPEN, victim, [0x80])),
  connection("a block with an index of nothing", E.COMPRESSION_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN, victim, [0xff, 0xff, 0x7f]),
  ),
  connection("a block with EOS in a string", E.COMPRESSION_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN, victim, [0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]),
  ),
  connection("a block that is cut off", E.COMPRESSION_ERROR, ({ victim, choice }) =>
    frame(F.HEADERS, OPEN, victim, choice.one([[0x40], [0x40, 0x05, 0x61], [0x1f], [0x00, 0x01, 0x61]])),
  ),
  connection("an endless integer", E.COMPRESSION_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN, victim, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  ),
  connection("a table above its limit", E.COMPRESSION_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN, victim, [0x3f, 0xff, 0xff, 0x7f, 0x88]),
  ),
  connection("a table size behind a field", E.COMPRESSION_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN, victim, [0x82, 0x20]),
  ),
  connection("DATA on stream 0", E.PROTOCOL_ERROR, () => frame(F.DATA, 0, 0, "x")),
  connection("HEADERS on stream 0", E.PROTOCOL_ERROR, () => frame(F.HEADERS, OPEN, 0, [0x88])),
  connection("RST_STREAM on stream 0", E.PROTOCOL_ERROR, () => frame(F.RST_STREAM, 0, 0, u32(8))),
  connection("PRIORITY on stream 0", E.PROTOCOL_ERROR, () => frame(F.PRIORITY, 0, 0, [0, 0, 0, 0, 1])),
  connection("CONTINUATION out of place", E.PROTOCOL_ERROR, ({ victim, choice }) =>
    frame(F.CONTINUATION, choice.one([0, OPEN]), choice.one([0, victim]), [0x88]),
  ),
  connection("DATA on an idle stream", E.PROTOCOL_ERROR, ({ idle }) => frame(F.DATA, 0, idle, "x")),
  connection("RST_STREAM on an idle stream", E.PROTOCOL_ERROR, ({ idle }) => frame(F.RST_STREAM, 0, idle, u32(8))),
  connection("WINDOW_UPDATE on an idle stream", E.PROTOCOL_ERROR, ({ idle }) =>
    frame(F.WINDOW_UPDATE, 0, idle, u32(1)),
  ),
  connection("HEADERS on an even stream", E.PROTOCOL_ERROR, () => frame(F.HEADERS, OPEN, 2, [0x88])),
  connection("RST_STREAM of another length", E.FRAME_SIZE_ERROR, ({ victim }) => frame(F.RST_STREAM, 0, victim, [0])),
  connection("SETTINGS on a stream", E.PROTOCOL_ERROR, ({ victim }) => frame(F.SETTINGS, 0, victim)),
  connection("SETTINGS of another length", E.FRAME_SIZE_ERROR, ({ choice }) =>
    frame(F.SETTINGS, 0, 0, Buffer.alloc(choice.one([1, 5, 7]))),
  ),
  connection("an acknowledgement with a payload", E.FRAME_SIZE_ERROR, () =>
    frame(F.SETTINGS, F.ACK, 0, Buffer.alloc(6)),
  ),
  connection("ENABLE_PUSH of 2", E.PROTOCOL_ERROR, () => settings([2, 2])),
  connection("INITIAL_WINDOW_SIZE above 2^31-1", E.FLOW_CONTROL_ERROR, ({ choice }) =>
    settings([4, choice.one([0x8000_0000, 0xffff_ffff])]),
  ),
  connection("MAX_FRAME_SIZE out of range", E.PROTOCOL_ERROR, ({ choice }) =>
    settings([5, choice.one([0, 16_383, 0x100_0000, 0xffff_ffff])]),
  ),
  connection("a push", E.PROTOCOL_ERROR, ({ victim }) => frame(F.PUSH_PROMISE, OPEN, victim, [0, 0, 0, 2, 0x88])),
  connection("PING on a stream", E.PROTOCOL_ERROR, ({ victim }) => frame(F.PING, 0, victim, "01234567")),
  connection("PING of another length", E.FRAME_SIZE_ERROR, ({ choice }) =>
    frame(F.PING, choice.one([0, F.ACK]), 0, Buffer.alloc(choice.one([0, 7, 9]))),
  ),
  connection("GOAWAY on a stream", E.PROTOCOL_ERROR, ({ victim }) => frame(F.GOAWAY, 0, victim, Buffer.alloc(8))),
  connection("a short GOAWAY", E.FRAME_SIZE_ERROR, () => frame(F.GOAWAY, 0, 0, Buffer.alloc(7))),
  connection("WINDOW_UPDATE of another length", E.FRAME_SIZE_ERROR, ({ choice, victim }) =>
    frame(F.WINDOW_UPDATE, 0, choice.one([0, victim]), [0, 0, 1]),
  ),
  connection("WINDOW_UPDATE by 0", E.PROTOCOL_ERROR, ({ choice }) =>
    frame(F.WINDOW_UPDATE, 0, 0, u32(choice.one([0, 0x8000_0000]))),
  ),
  {
    ...connection("the connection's window above 2^31-1", E.FLOW_CONTROL_ERROR, () => Buffer.alloc(0)),
    // The first may be used before the second comes.
    commit: ({ wire }) => {
      for (let twice = 0; twice < 2; twice += 1) wire.allow(0, 0x7fff_ffff);
    },
  },
  connection("a frame within a block", E.PROTOCOL_ERROR, ({ victim, choice }) =>
    Buffer.concat([
      frame(F.HEADERS, 0, victim, [0x88]),
      choice.one([
        frame(F.PING, 0, 0, "01234567"),
        frame(F.DATA, 0, victim, "x"),
        frame(F.CONTINUATION, OPEN, victim + 2, [0x88]),
        frame(0x77, 0, victim),
        frame(F.HEADERS, OPEN, victim, [0x88]),
      ]),
    ]),
  ),
  connection("CONTINUATION without end", E.ENHANCE_YOUR_CALM, ({ victim, choice }) =>
    Buffer.concat([
      frame(F.HEADERS, 0, victim, [0x88]),
      ...(choice.rarely(2)
        ? [frame(F.CONTINUATION, 0, victim)]
        : Array.from({ length: 9 }, () => frame(F.CONTINUATION, 0, victim, [0x88]))),
    ]),
  ),
  connection("padding of HEADERS longer than the frame", E.PROTOCOL_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN | F.PADDED, victim, [9, 0x88]),
  ),
  connection("padded HEADERS without a length", E.FRAME_SIZE_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN | F.PADDED, victim),
  ),
  connection("HEADERS without room for their priority", E.FRAME_SIZE_ERROR, ({ victim }) =>
    frame(F.HEADERS, OPEN | F.PRIORITY_FLAG, victim, [0, 0, 0, 0]),
  ),
  {
    ...connection("padding of DATA longer than the frame", E.PROTOCOL_ERROR, ({ victim }) =>
      frame(F.DATA, F.PADDED, victim, [4, 1, 2, 3]),
    ),
    needsHead: true,
  },
  {
    ...connection("padded DATA without a length", E.PROTOCOL_ERROR, ({ victim }) => frame(F.DATA, F.PADDED, victim)),
    needsHead: true,
  },
  stream("WINDOW_UPDATE of the stream by 0", E.PROTOCOL_ERROR, ({ victim }) =>
    frame(F.WINDOW_UPDATE, 0, victim, u32(0)),
  ),
  stream("the stream's window above 2^31-1", E.FLOW_CONTROL_ERROR, ({ victim }) =>
    Buffer.concat(Array.from({ length: 2 }, () => frame(F.WINDOW_UPDATE, 0, victim, u32(0x7fff_ffff)))),
  ),
  list("a pseudo-field in trailers", [[":status", "200"]], { needsHead: true }),
  list("a bad name in trailers", [["X-A", "b"]], { needsHead: true }),
  list("a field about the connection in trailers", [["connection", "close"]], { needsHead: true }),
  {
    ...list("HEADERS in the middle of a body", [["x-a", "b"]], { needsHead: true }),
    commit: ({ wire, victim }) => wire.headers(victim, [["x-a", "b"]], false),
  },
];

/** Fields that make any head malformed (RFC 9113 §8.2). */
const BAD_FIELDS: readonly Line[] = [
  ["X-Upper", "a"],
  ["a b", "c"],
  ["", "x"],
  ["x\xff", "a"],
  ["x-a", "b\r\nc: d"],
  ["x-a", "b\0"],
  ["x-a", " b"],
  ["x-a", "b\t"],
  ["x-a", "b\x7f"],
  ["connection", "close"],
  ["keep-alive", "1"],
  ["proxy-connection", "close"],
  ["transfer-encoding", "chunked"],
  ["upgrade", "h2c"],
  ["te", "gzip"],
  ["content-length", "+1"],
  ["content-length", "1,1"],
  ["content-length", ""],
  [":other", "x"],
];

const badHeads = (head: readonly Line[]): Fault[] =>
  BAD_FIELDS.map((field) => list(`a head with ${JSON.stringify(field)}`, [...head, field]));

const POST: readonly Line[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/hold"],
  [":authority", "a"],
];
const without = (name: string, ...more: Line[]): Line[] => [...POST.filter((line) => line[0] !== name), ...more];

/** What only a client can do wrong. */
export const OF_CLIENTS: readonly Fault[] = [
  ...badHeads(POST),
  list("no :method", without(":method")),
  list("no :scheme", without(":scheme")),
  list("no :path", without(":path")),
  list("an empty :path", without(":path", [":path", ""])),
  list("a :path with a fragment", without(":path", [":path", "/a#b"])),
  list("* without OPTIONS", without(":path", [":path", "*"])),
  list(":method twice", [[":method", "GET"], ...POST]),
  list(":status in a request", [[":status", "200"], ...POST]),
  list("a pseudo-field behind an ordinary one", [["x-a", "b"], ...POST]),
  list("another host", [...POST, ["host", "b"]]),
  list("no authority", without(":authority")),
  list("userinfo", without(":authority", [":authority", "u@a"])),
  list("CONNECT with :path", without(":method", [":method", "CONNECT"])),
  list(":protocol without CONNECT", [[":protocol", "x"], ...POST]),
  connection("PRIORITY_UPDATE on a stream", E.PROTOCOL_ERROR, ({ victim }) =>
    frame(F.PRIORITY_UPDATE, 0, victim, u32(1)),
  ),
  connection("PRIORITY_UPDATE of nothing", E.PROTOCOL_ERROR, () => frame(F.PRIORITY_UPDATE, 0, 0, u32(0))),
  connection("a short PRIORITY_UPDATE", E.FRAME_SIZE_ERROR, () => frame(F.PRIORITY_UPDATE, 0, 0, [0])),
  stream("PRIORITY of a stream on itself", E.PROTOCOL_ERROR, ({ victim }) =>
    frame(F.PRIORITY, 0, victim, [...u32(victim), 1]),
  ),
  stream("PRIORITY of another length", E.FRAME_SIZE_ERROR, ({ victim }) => frame(F.PRIORITY, 0, victim, [0, 0])),
  {
    ...stream("DATA behind the end", E.STREAM_CLOSED, ({ victim }) => frame(F.DATA, F.END_STREAM, victim)),
    commit: ({ wire, victim }) => {
      wire.queue(frame(F.DATA, F.END_STREAM, victim));
      wire.queue(frame(F.DATA, 0, victim));
    },
  },
  {
    ...stream("HEADERS behind the end", E.STREAM_CLOSED, () => Buffer.alloc(0)),
    commit: ({ wire, victim }) => {
      wire.queue(frame(F.DATA, F.END_STREAM, victim));
      wire.headers(victim, [["x-a", "b"]], true);
    },
  },
  ...[
    ["more DATA than content-length", "3", "xxxx"],
    ["less DATA than content-length", "5", "xxxx"],
  ].map(
    ([name, length, data]): Fault => ({
      ...list(name, []),
      commit: ({ wire, victim }) => {
        wire.headers(victim, [...POST, ["content-length", length]], false);
        wire.queue(frame(F.DATA, F.END_STREAM, victim, data));
      },
    }),
  ),
  {
    ...list("content-length without DATA", []),
    commit: ({ wire, victim }) => wire.headers(victim, [...POST, ["content-length", "3"]], true),
  },
];

const OK: readonly Line[] = [[":status", "200"]];

/** What only a server can do wrong. */
export const OF_SERVERS: readonly Fault[] = [
  ...badHeads(OK),
  list("no :status", [["x-a", "b"]]),
  list("a :status that is none", [[":status", "20"]]),
  list(":status twice", [...OK, ...OK]),
  list("101", [[":status", "101"]]),
  list("a request's pseudo-field", [...OK, [":path", "/"]]),
  list("a pseudo-field behind an ordinary one", [["x-a", "b"], ...OK]),
  {
    ...list("an interim response that ends", []),
    commit: ({ wire, victim }) => wire.headers(victim, [[":status", "103"]], true),
  },
  {
    ...list("DATA before a head", []),
    commit: ({ wire, victim }) => wire.queue(frame(F.DATA, 0, victim, "x")),
  },
  {
    ...list("interim responses without end", [], { reason: E.ENHANCE_YOUR_CALM }),
    commit: ({ wire, victim }) => {
      for (let count = 0; count < 17; count += 1) wire.headers(victim, [[":status", "103"]], false);
    },
  },
  ...[
    ["more DATA than content-length", "3", "xxxx"],
    ["less DATA than content-length", "5", "xxxx"],
  ].map(
    ([name, length, data]): Fault => ({
      ...list(name, []),
      commit: ({ wire, victim }) => {
        wire.headers(victim, [...OK, ["content-length", length]], false);
        wire.queue(frame(F.DATA, F.END_STREAM, victim, data));
      },
    }),
  ),
  {
    ...list("DATA behind 204", []),
    commit: ({ wire, victim }) => {
      wire.headers(victim, [[":status", "204"]], false);
      wire.queue(frame(F.DATA, 0, victim, "x"));
    },
  },
  connection("ENABLE_PUSH by a server", E.PROTOCOL_ERROR, () => settings([2, 1])),
  connection("ENABLE_CONNECT_PROTOCOL of 2", E.PROTOCOL_ERROR, () => settings([8, 2])),
  connection("PRIORITY_UPDATE by a server", E.PROTOCOL_ERROR, () => frame(F.PRIORITY_UPDATE, 0, 0, u32(1))),
  connection("PRIORITY of another length", E.FRAME_SIZE_ERROR, ({ victim }) => frame(F.PRIORITY, 0, victim, [0, 0])),
];
