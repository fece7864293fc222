// A hostile upstream: whatever it sends harms its own request only, and its connection is never used again.
import type { ClientRequest } from "@percore/http";
import t from "tap";
import type { H1ClientOptions } from "../../src/client/client.ts";
import { everySplit } from "../harness.ts";
import { arena, clientRig, codeOf, sendCut } from "./harness.ts";

interface Row {
  name: string;
  bytes: string;
  /** The cause's code; the error is ERR_RESPONSE_INVALID. */
  want: string;
  request?: Partial<ClientRequest>;
  options?: Partial<H1ClientOptions>;
  /** The head was good: what came of the body before the fault was heard. */
  behindHead?: boolean;
}

const head = (lines: string[], status = "200 OK"): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const chunked = (body: string): string => head(["Transfer-Encoding: chunked"]) + body;

const LINE = "ERR_H1_STATUS_LINE_INVALID";
const VERSION = "ERR_H1_VERSION_UNSUPPORTED";
const FIELD = "ERR_H1_FIELD_INVALID";
const AMBIGUOUS = "ERR_H1_LENGTH_AMBIGUOUS";
const LENGTH = "ERR_H1_LENGTH_INVALID";
const CODING = "ERR_H1_CODING_INVALID";
const CHUNK = "ERR_H1_CHUNK_INVALID";

const ROWS: Row[] = [
  { name: "no HTTP", bytes: "SSH-2.0-OpenSSH_9.2\r\n", want: LINE },
  { name: "HTTP/0.9: a body and no head", bytes: "<html>hello</html>", want: LINE },
  { name: "a request", bytes: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", want: LINE },
  { name: "an empty line before the status line", bytes: `\r\n${head([])}`, want: LINE },
  { name: "a line feed before the status line", bytes: `\n${head([])}`, want: LINE },
  { name: "lower-case protocol", bytes: "http/1.1 200 OK\r\n\r\n", want: LINE },
  { name: "HTTP/2.0", bytes: "HTTP/2.0 200 OK\r\n\r\n", want: VERSION },
  { name: "HTTP/1.2", bytes: "HTTP/1.2 200 OK\r\n\r\n", want: VERSION },
  { name: "HTTP/0.9 by name", bytes: "HTTP/0.9 200 OK\r\n\r\n", want: VERSION },
  { name: "two spaces before the status", bytes: "HTTP/1.1  200 OK\r\n\r\n", want: LINE },
  { name: "a tab before the status", bytes: "HTTP/1.1\t200 OK\r\n\r\n", want: LINE },
  { name: "two digits", bytes: "HTTP/1.1 20 OK\r\n\r\n", want: LINE },
  { name: "four digits", bytes: "HTTP/1.1 2000 OK\r\n\r\n", want: LINE },
  { name: "letters for a status", bytes: "HTTP/1.1 OK\r\n\r\n", want: LINE },
  { name: "a sign before the status", bytes: "HTTP/1.1 +20 OK\r\n\r\n", want: LINE },
  { name: "status 099", bytes: "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", want: LINE },
  { name: "status 000", bytes: "HTTP/1.1 000 Low\r\nContent-Length: 0\r\n\r\n", want: LINE },
  { name: "NUL in the reason", bytes: "HTTP/1.1 200 O\0K\r\n\r\n", want: LINE },
  { name: "DEL in the reason", bytes: "HTTP/1.1 200 O\x7fK\r\n\r\n", want: LINE },
  { name: "escape in the reason", bytes: "HTTP/1.1 200 \x1b[2J\r\n\r\n", want: LINE },
  { name: "bare LF behind the status line", bytes: "HTTP/1.1 200 OK\nA: b\r\n\r\n", want: LINE },
  { name: "bare CR in the status line", bytes: "HTTP/1.1 200 OK\rA: b\r\n\r\n", want: LINE },
  { name: "bare LF behind a field", bytes: "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", want: FIELD },
  { name: "bare CR behind a field", bytes: "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", want: FIELD },
  { name: "bare LF at the head's end", bytes: "HTTP/1.1 200 OK\r\nA: b\r\n\n", want: FIELD },
  { name: "folded field", bytes: head(["A: b\r\n c"]), want: FIELD },
  { name: "white space before the first field", bytes: head([" A: b"]), want: LINE },
  { name: "white space before the colon", bytes: head(["A : b"]), want: FIELD },
  { name: "no name", bytes: head([": b"]), want: FIELD },
  { name: "no colon", bytes: head(["A"]), want: FIELD },
  { name: "a name that is no token", bytes: head(["A(b): c"]), want: FIELD },
  { name: "NUL in a value", bytes: head(["A: \0"]), want: FIELD },
  { name: "control character in a value", bytes: head(["A: \x01"]), want: FIELD },
  { name: "both lengths", bytes: head(["Content-Length: 5", "Transfer-Encoding: chunked"]), want: AMBIGUOUS },
  {
    name: "both lengths the other way",
    bytes: head(["Transfer-Encoding: chunked", "Content-Length: 5"]),
    want: AMBIGUOUS,
  },
  { name: "two lengths", bytes: head(["Content-Length: 5", "Content-Length: 6"]), want: AMBIGUOUS },
  { name: "the same length twice", bytes: head(["Content-Length: 5", "Content-Length: 5"]), want: AMBIGUOUS },
  { name: "a list of lengths", bytes: head(["Content-Length: 5, 5"]), want: LENGTH },
  { name: "a negative length", bytes: head(["Content-Length: -1"]), want: LENGTH },
  { name: "a signed length", bytes: head(["Content-Length: +1"]), want: LENGTH },
  { name: "a hexadecimal length", bytes: head(["Content-Length: 0x10"]), want: LENGTH },
  { name: "no length at all", bytes: head(["Content-Length:"]), want: LENGTH },
  { name: "2^64", bytes: head(["Content-Length: 18446744073709551616"]), want: LENGTH },
  { name: "2^64 - 1", bytes: head(["Content-Length: 18446744073709551615"]), want: LENGTH },
  { name: "2^53", bytes: head(["Content-Length: 9007199254740992"]), want: LENGTH },
  { name: "another coding", bytes: head(["Transfer-Encoding: gzip"]), want: "ERR_H1_CODING_UNKNOWN" },
  { name: "identity", bytes: head(["Transfer-Encoding: identity"]), want: "ERR_H1_CODING_UNKNOWN" },
  { name: "gzip and chunked", bytes: head(["Transfer-Encoding: gzip, chunked"]), want: "ERR_H1_CODING_UNKNOWN" },
  { name: "chunked twice", bytes: head(["Transfer-Encoding: chunked, chunked"]), want: CODING },
  { name: "chunked, then another", bytes: head(["Transfer-Encoding: chunked, gzip"]), want: CODING },
  { name: "two lines", bytes: head(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]), want: CODING },
  { name: "a vertical tab before chunked", bytes: head(["Transfer-Encoding: \x0bchunked"]), want: FIELD },
  { name: "an empty coding", bytes: head(["Transfer-Encoding:"]), want: CODING },
  {
    name: "chunked in HTTP/1.0",
    bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    want: "ERR_H1_CODING_VERSION",
  },
  {
    name: "an interim response with a length",
    bytes: head(["Content-Length: 5"], "100 Continue"),
    want: "ERR_H1_LENGTH_FORBIDDEN",
  },
  {
    name: "an interim response in chunks",
    bytes: head(["Transfer-Encoding: chunked"], "103 Early Hints"),
    want: "ERR_H1_LENGTH_FORBIDDEN",
  },
  { name: "17 interim responses", bytes: head([], "100 Continue").repeat(17), want: "ERR_H1_INFORMS_TOO_MANY" },
  {
    name: "one interim response where none is allowed",
    options: { limits: { informsMax: 0 } },
    bytes: head([], "103 X"),
    want: "ERR_H1_INFORMS_TOO_MANY",
  },
  {
    name: "101 unasked",
    bytes: head(["Upgrade: websocket", "Connection: upgrade"], "101 Switching Protocols"),
    want: "ERR_H1_SWITCH_UNASKED",
  },
  {
    name: "101 to another protocol",
    request: { upgrade: "websocket" },
    bytes: head(["Upgrade: h2c", "Connection: upgrade"], "101 X"),
    want: "ERR_H1_SWITCH_UNASKED",
  },
  {
    name: "101 that says to what not",
    request: { upgrade: "websocket" },
    bytes: head([], "101 X"),
    want: "ERR_H1_SWITCH_UNASKED",
  },
  {
    name: "101 before the request was complete",
    request: { upgrade: "websocket", method: "POST", bodyLength: 5 },
    bytes: head(["Upgrade: websocket"], "101 X"),
    want: "ERR_H1_SWITCH_UNASKED",
  },
  {
    name: "too many fields",
    options: { limits: { fieldsMax: 3 } },
    bytes: head(["A: 1", "B: 2", "C: 3", "D: 4"]),
    want: "ERR_H1_FIELDS_TOO_MANY",
  },
  {
    name: "a head too large",
    options: { limits: { headBytesMax: 40 } },
    bytes: head([`A: ${"x".repeat(60)}`]),
    want: "ERR_H1_HEAD_TOO_LARGE",
  },
  {
    name: "a head too large by a byte",
    options: { limits: { headBytesMax: 18 } },
    bytes: head([], "200 ok"),
    want: "ERR_H1_HEAD_TOO_LARGE",
  },
  {
    name: "a reason without an end",
    options: { limits: { headBytesMax: 40 } },
    bytes: `HTTP/1.1 200 ${"x".repeat(60)}`,
    want: "ERR_H1_HEAD_TOO_LARGE",
  },
  { name: "a chunk size that is none", bytes: chunked("x\r\n"), want: CHUNK, behindHead: true },
  { name: "a chunk size with a sign", bytes: chunked("-1\r\n"), want: CHUNK, behindHead: true },
  { name: "a chunk size with 0x", bytes: chunked("0x5\r\nhello\r\n0\r\n\r\n"), want: CHUNK, behindHead: true },
  { name: "a space before a chunk size", bytes: chunked(" 5\r\nhello\r\n0\r\n\r\n"), want: CHUNK, behindHead: true },
  { name: "a chunk size beyond 64 bits", bytes: chunked("fffffffffffffffff\r\n"), want: CHUNK, behindHead: true },
  { name: "an empty chunk size", bytes: chunked("\r\nhello"), want: CHUNK, behindHead: true },
  { name: "bare LF behind a chunk size", bytes: chunked("5\nhello\r\n0\r\n\r\n"), want: CHUNK, behindHead: true },
  { name: "a chunk longer than it says", bytes: chunked("3\r\nhello\r\n0\r\n\r\n"), want: CHUNK, behindHead: true },
  { name: "bare CR behind a chunk", bytes: chunked("5\r\nhello\r0\r\n\r\n"), want: CHUNK, behindHead: true },
  {
    name: "control character in a chunk extension",
    bytes: chunked("5;\0\r\nhello\r\n"),
    want: CHUNK,
    behindHead: true,
  },
  {
    name: "chunk extensions without an end",
    options: { limits: { chunkOverheadBytesMax: 50 } },
    bytes: chunked(`5;${"x".repeat(80)}`),
    want: "ERR_H1_CHUNK_OVERHEAD",
    behindHead: true,
  },
  { name: "a trailer that is no field", bytes: chunked("0\r\nA b\r\n\r\n"), want: FIELD, behindHead: true },
  { name: "a folded trailer", bytes: chunked("0\r\nA: b\r\n c\r\n\r\n"), want: FIELD, behindHead: true },
  {
    name: "a length in the trailers",
    bytes: chunked("0\r\nContent-Length: 5\r\n\r\n"),
    want: FIELD,
    behindHead: true,
  },
  {
    name: "a coding in the trailers",
    bytes: chunked("0\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"),
    want: FIELD,
    behindHead: true,
  },
  {
    name: "trailers too large",
    options: { limits: { headBytesMax: 60 } },
    bytes: chunked(`0\r\nA: ${"x".repeat(80)}\r\n\r\n`),
    want: "ERR_H1_HEAD_TOO_LARGE",
    behindHead: true,
  },
  {
    name: "too many trailers",
    options: { limits: { fieldsMax: 2 } },
    bytes: chunked("0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"),
    want: "ERR_H1_FIELDS_TOO_MANY",
    behindHead: true,
  },
];

t.test("broken responses, every split", async (t) => {
  for (const row of ROWS) {
    const want = `finish ERR_RESPONSE_INVALID maybe ${row.want}`;
    let wrong = "";
    for (const cuts of everySplit(row.bytes.length)) {
      const rig = clientRig(row.options);
      const { heard, exchange } = rig.request(row.request);
      rig.server.text();
      sendCut(rig, row.bytes, cuts);
      await rig.pump.settle();
      const last = heard.events.at(-1) ?? "nothing";
      const heads = heard.events.filter((event) => event.startsWith("head")).length;
      const errors = heard.events.filter((event) => event.startsWith("body error")).length;
      if (last !== want) wrong = last;
      else if (heads !== (row.behindHead ? 1 : 0) || errors !== heads) wrong = `heard ${heard.events.join(" | ")}`;
      else if (rig.client.open || exchange.open || rig.client.available > 0) wrong = "still open";
      else if (!rig.server.closed) wrong = "the server's side is still open";
      else if (rig.reports.length > 0) wrong = `reported ${rig.reports}`;
      await rig.finish();
      if (!rig.life.join().startsWith("closed ERR_RESPONSE_INVALID")) wrong = rig.life.join();
      if (wrong === "") continue;
      t.fail(`${row.name}, cut at ${cuts.length > 1 ? "every byte" : (cuts[0] ?? "nothing")}: ${wrong}`);
      break;
    }
    if (wrong === "") t.pass(row.name);
  }
});

t.test("garbage behind a whole response: the response counts, the connection does not", async (t) => {
  const whole = `${head(["Content-Length: 2"])}ok`;
  const garbage: [name: string, bytes: string][] = [
    ["a second response", head(["Content-Length: 0"])],
    ["a line end", "\r\n"],
    ["one byte", "x"],
    ["a byte that is none", "\0"],
  ];
  for (const [name, bytes] of garbage) {
    for (const apart of [false, true]) {
      const rig = clientRig();
      const { heard } = rig.request();
      rig.server.text();
      if (apart) rig.server.send(whole).send(bytes);
      else rig.server.send(whole + bytes);
      t.same(heard.events.slice(1), ["body ok", "end", "finish ok"], name);
      t.notOk(rig.client.open || rig.client.available > 0, `${name}: no further request`);
      t.throws(() => rig.request(), { code: "ERR_CONNECTION_BUSY" });
      await rig.finish();
      t.same(rig.life, apart ? ["available", "closed ERR_RESPONSE_INVALID no ERR_H1_RESPONSE_EARLY"] : ["closed"]);
    }
  }
});

t.test("204 with a length, whatever comes of it: read as it is, not used again", async (t) => {
  for (const line of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
    const rig = clientRig();
    const { heard } = rig.request();
    rig.server.text();
    rig.server.send(head([line], "204 No Content"));
    t.same(heard.events, [`head 204, ${line}, 0`, "end", "finish ok"]);
    t.notOk(rig.client.open);
    rig.server.send("hello");
    await rig.finish();
    t.same(rig.life, ["closed"]);
  }
});

t.test("an answer before the request", async (t) => {
  const early = clientRig();
  early.server.send(head(["Content-Length: 0"]));
  t.notOk(early.client.open);
  await early.finish();
  t.same(early.life, ["closed ERR_RESPONSE_INVALID no ERR_H1_RESPONSE_EARLY"]);

  // Not before the connection's first request, but before this one had left: it is on its way while the request is made.
  const rig = clientRig();
  rig.request();
  rig.server.text();
  rig.server.send(head(["Content-Length: 0"]));
  rig.server.queue(`${head(["Content-Length: 6"])}poison`);
  rig.pump.step();
  const { heard, exchange } = rig.request();
  t.notOk(exchange.sent);
  while (!heard.finished && rig.pump.step());
  t.same(heard.events, ["finish ERR_RESPONSE_INVALID no ERR_H1_RESPONSE_EARLY"]);
  await rig.finish();
});

t.test("early close: processed says what is known", async (t) => {
  for (const [name, bytes] of [
    ["before the head", ""],
    ["in the status line", "HTTP/1.1 20"],
    ["in the head", "HTTP/1.1 200 OK\r\nA: b\r\n"],
    ["behind an interim response", head([], "100 Continue")],
    ["in a body of known length", `${head(["Content-Length: 5"])}hell`],
    ["in a chunk", chunked("5\r\nhel")],
    ["before the last chunk", chunked("5\r\nhello\r\n")],
    ["in the trailers", chunked("0\r\nA: b\r\n")],
  ]) {
    for (const reset of [false, true]) {
      const rig = clientRig();
      const { heard } = rig.request();
      rig.server.text();
      if (bytes !== "") rig.server.send(bytes);
      if (reset) rig.server.reset();
      else rig.server.end();
      const { events } = heard;
      t.equal(events.at(-1), `finish ERR_CONNECTION_CLOSED maybe${reset ? " ECONNRESET" : ""}`, name);
      if (heard.fields !== null) t.match(events.at(-2), /^body error/);
      await rig.finish();
    }
  }
  for (const reset of [false, true]) {
    // The FIN is on its way already when the request is made, in the same turn.
    const rig = clientRig();
    rig.server.stream.end();
    rig.pump.step();
    const { heard, exchange } = rig.request();
    t.notOk(exchange.sent);
    if (reset) exchange.abort();
    else while (!heard.finished && rig.pump.step());
    t.same(heard.events, [`finish ${reset ? "ERR_EXCHANGE_ABANDONED" : "ERR_CONNECTION_CLOSED"} no`]);
    await rig.finish();
  }
});

t.test("a body until close that is reset instead is no whole body", async (t) => {
  const rig = clientRig();
  const { heard } = rig.request();
  rig.server.text();
  rig.server.send(`${head([])}hello`).reset();
  t.same(heard.events, [
    "head 200, -1",
    "body hello",
    "body error ERR_CONNECTION_CLOSED maybe ECONNRESET",
    "finish ERR_CONNECTION_CLOSED maybe ECONNRESET",
  ]);
  await rig.finish();
});

t.test("a response before the request's body was sent: the rest is not sent, the connection closes", async (t) => {
  const rig = clientRig();
  const { heard, exchange } = rig.request({ method: "POST", bodyLength: 1000 });
  t.ok(exchange.write("x".repeat(10)));
  rig.server.text();
  rig.server.send(`${head(["Content-Length: 2"], "413 No")}no`);
  t.same(heard.events.slice(1), ["body no", "end", "finish ok"]);
  t.notOk(exchange.open || rig.client.open);
  t.ok(exchange.write("ignored"), "what is given now is ignored");
  const lease = arena.lease(10);
  exchange.writeLease(lease);
  t.ok(lease.released);
  exchange.end();
  exchange.abort();
  t.equal(rig.server.text(), "");
  t.ok(rig.server.closed);
  await rig.finish();
  t.same(rig.life, ["closed"]);
});

t.test("an interim response and a head that stops the upload do not", async (t) => {
  const rig = clientRig();
  const { heard, exchange } = rig.request({ method: "POST", bodyLength: 4 });
  rig.server.text();
  rig.server.send(head([], "100 Continue")).send(head(["Content-Length: 2"]));
  exchange.write("body");
  exchange.end();
  rig.server.expect("body").send("ok");
  t.same(heard.events, ["inform 100", "head 200, Content-Length: 2, 2", "body ok", "end", "finish ok"]);
  t.equal(rig.client.available, 1);
  await rig.finish();
});

t.test("limits at their edge", async (t) => {
  const size = head(["A: b"]).length;
  for (const [name, limits, bytes] of [
    ["headBytesMax", { headBytesMax: size }, head(["A: b"])],
    ["headBytesMax without fields", { headBytesMax: 19 }, head([], "200 ok")],
    ["fieldsMax", { fieldsMax: 2 }, head(["A: b", "C: d"])],
    ["informsMax", { informsMax: 2 }, head([], "100 X").repeat(2) + head([])],
    ["trailers of fieldsMax", { fieldsMax: 1 }, chunked("0\r\nA: b\r\n\r\n")],
  ] as const) {
    for (const cuts of everySplit(bytes.length)) {
      const rig = clientRig({ limits });
      const { heard } = rig.request();
      rig.server.text();
      sendCut(rig, bytes, cuts);
      if (!rig.server.closed) rig.server.end();
      if (heard.events.at(-1) !== "finish ok")
        t.fail(`${name}, ${cuts.length > 1 ? "bytes" : cuts[0]}: ${heard.events.at(-1)}`);
      await rig.finish();
    }
    t.pass(name);
  }
  for (const limits of [
    { headBytesMax: 0 },
    { headBytesMax: 65_536 },
    { fieldsMax: 0 },
    { fieldsMax: 1001 },
    { informsMax: -1 },
  ]) {
    t.throws(() => clientRig({ limits }), { code: "ERR_OPTION_INVALID" }, JSON.stringify(limits));
  }
});

t.test("a receiver that throws ends its exchange and its connection, and is reported", async (t) => {
  for (const event of ["inform", "head", "body", "end", "finish"]) {
    const rig = clientRig();
    const { heard } = rig.request();
    heard.on[event] = () => {
      heard.on[event] = undefined;
      throw new Error(`thrown by ${event}`);
    };
    rig.server.text();
    rig.server.send(`${head([], "100 X")}${head(["Content-Length: 2"])}ok`);
    await rig.pump.settle();
    t.ok(heard.finished, event);
    if (event !== "finish") t.equal(codeOf(heard.error as Error), "ERR_EXCHANGE_ABANDONED maybe");
    t.equal((rig.reports as Error[]).map((error) => error.message).join(), `thrown by ${event}`);
    t.notOk(rig.client.open);
    await rig.finish();
  }
});
