// RFC 9110 §6, §8, §15 and RFC 9112 §6, §7: what the server writes.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Body, Exchange, FieldList } from "@percore/http";
import t from "tap";
import { arena, DATE, head, type Rig, type RigOptions, rig } from "./harness.ts";

const D = `date: ${DATE}`;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const OLD = "GET / HTTP/1.0\r\n\r\n";
const OLD_KEPT = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const CLOSING = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const run = async (
  request: string,
  handler: (exchange: Exchange) => void,
  options: RigOptions = {},
): Promise<{ text: string; target: Rig }> => {
  const target = rig({ ...options, handler });
  target.peer.send(request);
  await target.pump.settle();
  const text = target.peer.text();
  return { text, target };
};

const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

t.test("respond: the whole message", async (t) => {
  const long = "x".repeat(40_000);
  const longText = "ä".repeat(20_000);
  const rows: {
    name: string;
    request?: string;
    status?: number;
    fields?: FieldList;
    body: Body;
    want: string;
    closed?: boolean;
  }[] = [
    { name: "short text", body: "Hello", want: `${head("200 OK", D, "content-length: 5")}Hello` },
    { name: "no body", body: null, want: head("200 OK", D, "content-length: 0") },
    { name: "empty text", body: "", want: head("200 OK", D, "content-length: 0") },
    {
      name: "text of 32 characters",
      body: "x".repeat(32),
      want: head("200 OK", D, "content-length: 32") + "x".repeat(32),
    },
    {
      name: "text of 33 characters",
      body: "x".repeat(33),
      want: head("200 OK", D, "content-length: 33") + "x".repeat(33),
    },
    { name: "short text that is not ASCII", body: "ä€😀", want: head("200 OK", D, "content-length: 9") + utf8("ä€😀") },
    {
      name: "long text that is not ASCII",
      body: "ä".repeat(40),
      want: head("200 OK", D, "content-length: 80") + utf8("ä".repeat(40)),
    },
    {
      name: "a lone surrogate is replaced",
      body: "\ud800",
      want: head("200 OK", D, "content-length: 3") + utf8("\ufffd"),
    },
    { name: "text larger than a reservation", body: long, want: head("200 OK", D, "content-length: 40000") + long },
    {
      name: "large text that is not ASCII",
      body: longText,
      want: head("200 OK", D, "content-length: 40000") + utf8(longText),
    },
    { name: "bytes", body: new Uint8Array([0, 255, 10]), want: `${head("200 OK", D, "content-length: 3")}\0\xff\n` },
    { name: "no bytes", body: new Uint8Array(0), want: head("200 OK", D, "content-length: 0") },
    {
      name: "fields keep order and spelling",
      fields: ["X-B", "1", "X-A", "2", "X-B", "3"],
      body: null,
      want: head("200 OK", "X-B: 1", "X-A: 2", "X-B: 3", D, "content-length: 0"),
    },
    { name: "own date", fields: ["Date", "x"], body: null, want: head("200 OK", "Date: x", "content-length: 0") },
    {
      name: "own content-length that is right",
      fields: ["Content-Length", "2"],
      body: "ok",
      want: `${head("200 OK", D, "content-length: 2")}ok`,
    },
    { name: "unknown status", status: 299, body: null, want: head("299 ", D, "content-length: 0") },
    { name: "status 999", status: 999, body: null, want: head("999 ", D, "content-length: 0") },
    { name: "204 has no length", status: 204, body: "ignored", want: head("204 No Content", D) },
    { name: "304 has no body", status: 304, body: null, want: head("304 Not Modified", D) },
    {
      name: "304 may tell the length",
      status: 304,
      fields: ["content-length", "7"],
      body: null,
      want: head("304 Not Modified", D, "content-length: 7"),
    },
    {
      name: "HEAD: the length of the body that is left out",
      request: HEAD,
      body: "Hello",
      want: head("200 OK", D, "content-length: 5"),
    },
    { name: "HEAD: of a long one", request: HEAD, body: long, want: head("200 OK", D, "content-length: 40000") },
    { name: "HEAD: length not known", request: HEAD, body: null, want: head("200 OK", D) },
    {
      name: "HEAD: length given",
      request: HEAD,
      fields: ["content-length", "7"],
      body: null,
      want: head("200 OK", D, "content-length: 7"),
    },
    {
      name: "HTTP/1.0 closes",
      request: OLD,
      body: "ok",
      want: `${head("200 OK", D, "connection: close", "content-length: 2")}ok`,
      closed: true,
    },
    {
      name: "HTTP/1.0 kept alive",
      request: OLD_KEPT,
      body: "ok",
      want: `${head("200 OK", D, "connection: keep-alive", "content-length: 2")}ok`,
    },
    {
      name: "the client asks to close",
      request: CLOSING,
      body: "ok",
      want: `${head("200 OK", D, "connection: close", "content-length: 2")}ok`,
      closed: true,
    },
    {
      name: "the handler asks to close",
      fields: ["Connection", "Close"],
      body: "ok",
      want: `${head("200 OK", D, "connection: close", "content-length: 2")}ok`,
      closed: true,
    },
    {
      name: "connection: keep-alive of the handler is dropped",
      fields: ["connection", "keep-alive"],
      body: null,
      want: head("200 OK", D, "content-length: 0"),
    },
    {
      name: "a large head",
      fields: ["a", "x".repeat(2000)],
      body: "ok",
      want: `${head("200 OK", `a: ${"x".repeat(2000)}`, D, "content-length: 2")}ok`,
    },
    {
      name: "a larger head",
      fields: ["a", "x".repeat(30_000)],
      body: "ok",
      want: `${head("200 OK", `a: ${"x".repeat(30_000)}`, D, "content-length: 2")}ok`,
    },
  ];
  for (const { name, request = GET, status = 200, fields = [], body, want, closed = false } of rows) {
    // Twice: the second comes from the store of heads.
    for (const round of ["first", "again"]) {
      const { text, target } = await run(request, (exchange) => exchange.respond(status, fields, body));
      t.ok(text === want, `${name} (${round})`, { got: text.slice(0, 300), want: want.slice(0, 300) });
      t.equal(target.peer.ended, closed, `${name}: closed`);
      await target.finish();
    }
  }
});

t.test("respond: what is refused sends nothing, and the handler can answer otherwise", async (t) => {
  const rows: [name: string, code: string, status: number, fields: unknown[], body: Body][] = [
    ["line feed in a value", "ERR_FIELD_INVALID", 200, ["a", "b\nc"], null],
    ["carriage return in a value", "ERR_FIELD_INVALID", 200, ["a", "b\rc"], null],
    ["NUL in a value", "ERR_FIELD_INVALID", 200, ["a", "\0"], null],
    ["character above 255 in a value", "ERR_FIELD_INVALID", 200, ["a", "€"], null],
    ["space in a name", "ERR_FIELD_INVALID", 200, ["a b", "c"], null],
    ["colon in a name", "ERR_FIELD_INVALID", 200, ["a:", "c"], null],
    ["empty name", "ERR_FIELD_INVALID", 200, ["", "c"], null],
    ["number as a value", "ERR_FIELD_INVALID", 200, ["a", 1], null],
    ["undefined as a value", "ERR_FIELD_INVALID", 200, ["a", undefined], null],
    ["name without a value", "ERR_FIELD_INVALID", 200, ["a"], null],
    ["transfer-encoding", "ERR_FIELD_INVALID", 200, ["Transfer-Encoding", "chunked"], null],
    ["content-length that is none", "ERR_FIELD_INVALID", 200, ["content-length", "1e3"], null],
    ["content-length that is wrong", "ERR_BODY_LENGTH", 200, ["content-length", "3"], "ok"],
    ["status 100", "ERR_STATUS_INVALID", 100, [], null],
    ["status 101", "ERR_STATUS_INVALID", 101, [], null],
    ["status 199", "ERR_STATUS_INVALID", 199, [], null],
    ["status 1000", "ERR_STATUS_INVALID", 1000, [], null],
    ["status 200.5", "ERR_STATUS_INVALID", 200.5, [], null],
    ["status NaN", "ERR_STATUS_INVALID", Number.NaN, [], null],
    ["head of more than 64 KiB", "ERR_RESPONSE_HEAD_TOO_LARGE", 200, ["a", "x".repeat(65_536)], null],
  ];
  for (const [name, code, status, fields, body] of rows) {
    const { text, target } = await run(GET, (exchange) => {
      t.equal(
        codeOf(() => exchange.respond(status, fields as string[], body)),
        code,
        name,
      );
      t.equal(exchange.responded, false);
      exchange.respond(204, [], null);
    });
    t.equal(text, head("204 No Content", D), name);
    await target.finish();
  }
});

t.test("begin, write, end: content-length, chunks, and the end of the connection", async (t) => {
  const send =
    (length: number, ...parts: (string | Uint8Array)[]) =>
    (exchange: Exchange): void => {
      exchange.begin(200, [], length);
      for (const part of parts) exchange.write(part);
      exchange.end();
    };
  const rows: {
    name: string;
    request?: string;
    handler: (exchange: Exchange) => void;
    want: string;
    closed?: boolean;
  }[] = [
    { name: "length", handler: send(5, "he", "", "llo"), want: `${head("200 OK", D, "content-length: 5")}hello` },
    {
      name: "length of bytes and text",
      handler: send(4, new Uint8Array([65, 66]), "ä"),
      want: `${head("200 OK", D, "content-length: 4")}AB\xc3\xa4`,
    },
    { name: "length 0", handler: send(0), want: head("200 OK", D, "content-length: 0") },
    {
      name: "chunks",
      handler: send(-1, "he", "", "llo", new Uint8Array([33])),
      want: `${head("200 OK", D, "transfer-encoding: chunked")}2\r\nhe\r\n3\r\nllo\r\n1\r\n!\r\n0\r\n\r\n`,
    },
    {
      name: "chunk size is bytes, hexadecimal",
      handler: send(-1, "ä".repeat(8), "x".repeat(300)),
      want: `${head("200 OK", D, "transfer-encoding: chunked")}10\r\n${utf8("ä".repeat(8))}\r\n12c\r\n${"x".repeat(300)}\r\n0\r\n\r\n`,
    },
    {
      name: "a large chunk",
      handler: send(-1, "x".repeat(20_000)),
      want: `${head("200 OK", D, "transfer-encoding: chunked")}4e20\r\n${"x".repeat(20_000)}\r\n0\r\n\r\n`,
    },
    { name: "no chunk", handler: send(-1), want: `${head("200 OK", D, "transfer-encoding: chunked")}0\r\n\r\n` },
    {
      name: "HTTP/1.0: the connection's end",
      request: OLD,
      handler: send(-1, "abc"),
      want: `${head("200 OK", D, "connection: close")}abc`,
      closed: true,
    },
    {
      name: "HTTP/1.0 kept alive cannot be",
      request: OLD_KEPT,
      handler: send(-1, "abc"),
      want: `${head("200 OK", D, "connection: close")}abc`,
      closed: true,
    },
    { name: "HEAD, length", request: HEAD, handler: send(5, "hello"), want: head("200 OK", D, "content-length: 5") },
    {
      name: "HEAD, chunks",
      request: HEAD,
      handler: send(-1, "hello"),
      want: head("200 OK", D, "transfer-encoding: chunked"),
    },
    {
      name: "204",
      handler: (exchange) => {
        exchange.begin(204, [], -1);
        exchange.write("ignored");
        exchange.end();
      },
      want: head("204 No Content", D),
    },
    {
      name: "length by the field",
      handler: (exchange) => {
        exchange.begin(200, ["content-length", "2"], -1);
        exchange.write("ok");
        exchange.end();
      },
      want: `${head("200 OK", D, "content-length: 2")}ok`,
    },
    {
      name: "trailers",
      handler: (exchange) => {
        exchange.begin(200, ["trailer", "x-sum"], -1);
        exchange.write("ok");
        exchange.end(["x-sum", "1", "content-length", "5", "X-More", ""]);
      },
      want: `${head("200 OK", "trailer: x-sum", D, "transfer-encoding: chunked")}2\r\nok\r\n0\r\nx-sum: 1\r\nX-More: \r\n\r\n`,
    },
    {
      name: "trailers have no place behind a length",
      handler: (exchange) => {
        exchange.begin(200, [], 2);
        exchange.write("ok");
        exchange.end(["x-sum", "1"]);
      },
      want: `${head("200 OK", D, "content-length: 2")}ok`,
    },
    {
      name: "leases",
      handler: (exchange) => {
        exchange.begin(200, [], -1);
        for (const text of ["ab", "cde"]) {
          const lease = arena.lease(text.length);
          lease.bytes.set(Buffer.from(text));
          exchange.writeLease(lease);
        }
        exchange.end();
      },
      want: `${head("200 OK", D, "transfer-encoding: chunked")}2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n`,
    },
    {
      name: "leases that HEAD drops",
      request: HEAD,
      handler: (exchange) => {
        exchange.begin(200, [], 2);
        exchange.writeLease(arena.lease(2));
        exchange.end();
      },
      want: head("200 OK", D, "content-length: 2"),
    },
    {
      name: "interim responses",
      handler: (exchange) => {
        exchange.inform(103, ["link", "</a>; rel=preload"]);
        exchange.inform(102, []);
        exchange.respond(200, [], "ok");
      },
      want: `${head("103 Early Hints", "link: </a>; rel=preload")}${head("102 Processing")}${head("200 OK", D, "content-length: 2")}ok`,
    },
    {
      name: "HTTP/1.0 hears no interim response",
      request: OLD,
      handler: (exchange) => {
        exchange.inform(103, []);
        exchange.respond(200, [], "ok");
      },
      want: `${head("200 OK", D, "connection: close", "content-length: 2")}ok`,
      closed: true,
    },
  ];
  for (const { name, request = GET, handler, want, closed = false } of rows) {
    const { text, target } = await run(request, handler);
    t.equal(text, want, name);
    t.equal(target.peer.ended, closed, `${name}: closed`);
    await target.finish();
  }
});

t.test("the write state: calls in the wrong order", async (t) => {
  const { text, target } = await run(GET, (exchange) => {
    t.equal(
      codeOf(() => exchange.write("x")),
      "ERR_RESPONSE_NOT_STARTED",
    );
    t.equal(
      codeOf(() => exchange.end()),
      "ERR_RESPONSE_NOT_STARTED",
    );
    t.equal(
      codeOf(() => exchange.writeLease(arena.lease(1))),
      "ERR_RESPONSE_NOT_STARTED",
    );
    t.equal(
      codeOf(() => exchange.inform(200, [])),
      "ERR_STATUS_INVALID",
    );
    t.equal(
      codeOf(() => exchange.inform(101, [])),
      "ERR_STATUS_INVALID",
    );
    t.equal(
      codeOf(() => exchange.inform(103, ["a", "\n"])),
      "ERR_FIELD_INVALID",
    );
    t.equal(
      codeOf(() => exchange.begin(200, ["content-length", "2"], 3)),
      "ERR_BODY_LENGTH",
    );
    t.equal(
      codeOf(() => exchange.tunnel([])),
      "ERR_NO_TUNNEL",
    );
    t.ok(exchange.open);
    exchange.begin(200, [], -1);
    t.ok(exchange.responded);
    t.equal(
      codeOf(() => exchange.begin(200, [], -1)),
      "ERR_RESPONSE_STARTED",
    );
    t.equal(
      codeOf(() => exchange.respond(200, [], null)),
      "ERR_RESPONSE_STARTED",
    );
    t.equal(
      codeOf(() => exchange.inform(103, [])),
      "ERR_RESPONSE_STARTED",
    );
    t.equal(
      codeOf(() => exchange.end(["a b", ""])),
      "ERR_FIELD_INVALID",
    );
    exchange.end();
    t.notOk(exchange.open);
    t.equal(
      codeOf(() => exchange.end()),
      "ERR_EXCHANGE_CLOSED",
    );
    t.equal(
      codeOf(() => exchange.write("x")),
      "ERR_EXCHANGE_CLOSED",
    );
    t.equal(
      codeOf(() => exchange.respond(200, [], null)),
      "ERR_RESPONSE_STARTED",
    );
  });
  t.equal(text, `${head("200 OK", D, "transfer-encoding: chunked")}0\r\n\r\n`);
  await target.finish();
});

t.test("more or fewer bytes than announced reset the connection", async (t) => {
  for (const [name, write] of Object.entries({
    "too many": (exchange: Exchange) => exchange.write("abc"),
    "too many as a lease": (exchange: Exchange) => exchange.writeLease(arena.lease(3)),
    "too few": (exchange: Exchange) => {
      exchange.write("a");
      exchange.end();
    },
  })) {
    const aborts: string[] = [];
    const { target } = await run(GET, (exchange) => {
      exchange.onAbort = (reason) => aborts.push((reason as Error & { code: string }).code);
      exchange.begin(200, [], 2);
      t.equal(
        codeOf(() => write(exchange)),
        "ERR_BODY_LENGTH",
        name,
      );
      t.notOk(exchange.open);
    });
    t.equal(target.peer.closed, true, name);
    t.equal((target.peer.error as { code?: string } | null)?.code, "ECONNRESET", name);
    t.same(aborts, ["ERR_BODY_LENGTH"], name);
    await target.finish();
  }
});

t.test("sendFile: in order with other writes, framed like them", async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "percore-h1-"));
  writeFileSync(path.join(directory, "file"), "0123456789");
  const fd = openSync(path.join(directory, "file"), "r");
  const results: unknown[] = [];
  for (const [length, want] of [
    [6, `${head("200 OK", D, "content-length: 6")}<2345>`],
    [-1, `${head("200 OK", D, "transfer-encoding: chunked")}1\r\n<\r\n4\r\n2345\r\n1\r\n>\r\n0\r\n\r\n`],
  ] as const) {
    const { text, target } = await run(GET, (exchange) => {
      exchange.begin(200, [], length);
      exchange.write("<");
      exchange.sendFile(fd, 2, 4, (error, sent) => results.push(error, sent));
      exchange.write(">");
      exchange.end();
    });
    t.equal(text, want);
    await target.finish();
  }
  t.same(results, [null, 4, null, 4]);
  const short = await run(GET, (exchange) => {
    exchange.begin(200, [], 20);
    exchange.sendFile(fd, 0, 20, (error) => results.push((error as (Error & { code?: string }) | null)?.code));
    exchange.end();
  });
  t.ok(short.target.peer.closed, "a file that is shorter than announced ends the connection");
  t.equal(results.length, 5);
  await short.target.finish();
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

t.test("back-pressure: write says false, onDrain follows, memory is bounded", async (t) => {
  let drains = 0;
  let exchange: Exchange | null = null;
  const target = rig({
    handler: (given) => {
      exchange = given;
      given.onDrain = (): void => {
        drains += 1;
      };
      given.begin(200, [], -1);
    },
  });
  target.peer.send(GET);
  const open = exchange as unknown as Exchange;
  target.peer.stream.pause();
  let written = 0;
  const part = "x".repeat(8192);
  while (open.write(part)) {
    written += 1;
    target.pump.run();
    if (written > 100) break;
  }
  t.ok(written > 8 && written < 40, `stopped after ${written} parts`);
  t.equal(drains, 0);
  target.peer.stream.resume();
  target.pump.run();
  t.equal(drains, 1);
  open.end();
  t.match(target.peer.text(), /\r\n0\r\n\r\n$/);
  await target.finish();
});

t.test("Date is made once per second of the clock", async (t) => {
  let wall = 0;
  let calls = 0;
  const target = rig({
    handler: (exchange) => exchange.respond(204, [], null),
    wallClock: () => {
      calls += 1;
      return wall;
    },
  });
  const dates: (string | undefined)[] = [];
  const ask = (): void => {
    target.peer.send(GET);
    dates.push(/date: [^\r]*:(\d\d) GMT/.exec(target.peer.text())?.[1]);
  };
  ask();
  ask();
  t.equal(calls, 1);
  wall = 1000;
  target.clock.advance(1000);
  ask();
  ask();
  t.equal(calls, 2);
  t.same(dates, ["00", "00", "01", "01"]);
  await target.finish();
});
