// What a client sends: RFC 9112 §3 and §6 for the head, §7.1 for chunks, RFC 9110 §7.6.1 for what speaks of the connection.
import { AssertionError } from "@percore/core";
import type { ClientRequest } from "@percore/http";
import t from "tap";
import { arena, clientRig, GET, Heard } from "./harness.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

t.test("heads are written anew", async (t) => {
  const rows: [name: string, request: Partial<ClientRequest>, lines: string[]][] = [
    ["GET", {}, ["GET / HTTP/1.1", "host: a"]],
    [
      "path, query, port, fields in order",
      { path: "/x%20y?b=1&c", authority: "[::1]:8080", fields: ["X-B", "1", "x-a", "", "X-B", "2"] },
      ["GET /x%20y?b=1&c HTTP/1.1", "host: [::1]:8080", "X-B: 1", "x-a: ", "X-B: 2"],
    ],
    ["no host", { authority: "" }, ["GET / HTTP/1.1", "host: "]],
    ["OPTIONS *", { method: "OPTIONS", path: "*" }, ["OPTIONS * HTTP/1.1", "host: a"]],
    ["CONNECT", { method: "CONNECT", path: "", authority: "b:443" }, ["CONNECT b:443 HTTP/1.1", "host: b:443"]],
    ["a method of one's own", { method: "X-Y" }, ["X-Y / HTTP/1.1", "host: a"]],
    ["GET says nothing of a body it has not", { method: "GET" }, ["GET / HTTP/1.1", "host: a"]],
    [
      "POST says that it has none (RFC 9110 §8.6)",
      { method: "POST" },
      ["POST / HTTP/1.1", "host: a", "content-length: 0"],
    ],
    ["PUT too", { method: "PUT" }, ["PUT / HTTP/1.1", "host: a", "content-length: 0"]],
    ["PATCH too", { method: "PATCH" }, ["PATCH / HTTP/1.1", "host: a", "content-length: 0"]],
    ["DELETE does not", { method: "DELETE" }, ["DELETE / HTTP/1.1", "host: a"]],
    [
      "Upgrade",
      { upgrade: "websocket", fields: ["sec-websocket-version", "13"] },
      ["GET / HTTP/1.1", "host: a", "sec-websocket-version: 13", "connection: upgrade", "upgrade: websocket"],
    ],
    [
      "TE (RFC 9110 §10.1.4)",
      { fields: ["TE", "trailers"] },
      ["GET / HTTP/1.1", "host: a", "TE: trailers", "connection: te"],
    ],
    [
      "TE and Upgrade",
      { upgrade: "x", fields: ["te", "Trailers"] },
      ["GET / HTTP/1.1", "host: a", "te: Trailers", "connection: te, upgrade", "upgrade: x"],
    ],
    [
      "TE is remembered behind other fields",
      { fields: ["te", "trailers", "x", "y"] },
      ["GET / HTTP/1.1", "host: a", "te: trailers", "x: y", "connection: te"],
    ],
    ["obs-text in a value", { fields: ["x", "\xe9"] }, ["GET / HTTP/1.1", "host: a", "x: \xe9"]],
  ];
  for (const [name, request, lines] of rows) {
    const rig = clientRig();
    rig.request(request);
    t.equal(rig.server.text(), `${lines.join("\r\n")}\r\n\r\n`, name);
    await rig.finish();
  }
});

t.test("lines that came before are the same lines, others are others", async (t) => {
  // Same lengths, same last and middle character: they share a place in the store.
  const lists: string[][] = [
    ["x-a", "1b3d5"],
    ["x-a", "2b3e5"],
    ["x-b", "1b3d5"],
    ["X-A", "1b3d5"],
    ["x-a", ""],
    ["x-long", "y".repeat(230)],
    ["x-long", "y".repeat(231)],
    ["x-long", "z".repeat(400)],
    ["x-a", "1b3d5", "x-a", "1b3d5", "x-a", "2b3e5"],
    ["x-byte", "\xff"],
  ];
  const rig = clientRig();
  for (let round = 0; round < 4; round += 1) {
    for (const list of [...lists, ...lists.flatMap((list) => [list, list, list])]) {
      const { heard } = rig.request({ authority: round % 2 === 0 ? "a" : "b", fields: [...list] });
      const lines = list.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${list[at + 1]}\r\n`] : []));
      const want = `GET / HTTP/1.1\r\nhost: ${round % 2 === 0 ? "a" : "b"}\r\n${lines.join("")}\r\n`;
      const got = rig.server.text();
      if (got !== want) t.equal(got, want);
      rig.server.send(OK);
      if (!heard.finished) t.fail("no answer");
    }
  }
  for (let time = 0; time < 3; time += 1) {
    t.throws(() => rig.request({ fields: ["x-a", "\n"] }), { code: "ERR_FIELD_INVALID" }, "a bad line stays bad");
  }
  await rig.finish();
});

t.test("large heads", async (t) => {
  for (const size of [1000, 16_000, 16_384, 20_000, 65_000]) {
    const rig = clientRig();
    rig.request({ fields: ["x", "y".repeat(size)] });
    t.equal(rig.server.text(), `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(size)}\r\n\r\n`, `${size} bytes`);
    await rig.finish();
  }
  const rig = clientRig();
  t.throws(() => rig.request({ fields: ["x", "y".repeat(65_536)] }), { code: "ERR_REQUEST_HEAD_TOO_LARGE" });
  t.equal(rig.client.available, 1, "nothing was written");
  rig.request();
  rig.server.expect("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await rig.finish();
});

t.test("heads that are none: nothing is written, and the connection serves the next", async (t) => {
  const FIELD = "ERR_FIELD_INVALID";
  const ASSERTION = "AssertionError";
  const rows: [name: string, request: Partial<ClientRequest>, code: string][] = [
    ["host among the fields", { fields: ["Host", "b"] }, FIELD],
    ["content-length", { fields: ["Content-Length", "5"] }, FIELD],
    ["transfer-encoding", { fields: ["transfer-encoding", "chunked"] }, FIELD],
    ["connection", { fields: ["connection", "close"] }, FIELD],
    ["keep-alive", { fields: ["Keep-Alive", "5"] }, FIELD],
    ["proxy-connection", { fields: ["proxy-connection", "close"] }, FIELD],
    ["upgrade", { fields: ["upgrade", "x"] }, FIELD],
    ["te of a coding", { fields: ["te", "gzip"] }, FIELD],
    ["te of more", { fields: ["te", "trailers, gzip"] }, FIELD],
    ["line end in a value", { fields: ["x", "a\r\nb: c"] }, FIELD],
    ["NUL in a value", { fields: ["x", "\0"] }, FIELD],
    ["beyond latin-1", { fields: ["x", "\u0100"] }, FIELD],
    ["a space in a name", { fields: ["x y", ""] }, FIELD],
    ["an empty name", { fields: ["", ""] }, FIELD],
    ["a name without a value", { fields: ["x"] }, FIELD],
    ["no text", { fields: ["x", 1 as unknown as string] }, FIELD],
    ["method with a space", { method: "GET /x" }, ASSERTION],
    ["empty method", { method: "" }, ASSERTION],
    ["path with a space", { path: "/x y" }, ASSERTION],
    ["path with a line end", { path: "/\r\nx: y" }, ASSERTION],
    ["path beyond ASCII", { path: "/\xe9" }, ASSERTION],
    ["path without a slash", { path: "x" }, ASSERTION],
    ["empty path", { path: "" }, ASSERTION],
    ["authority with a line end", { authority: "a\r\nx: y" }, ASSERTION],
    ["authority with user information", { authority: "u@a" }, ASSERTION],
    ["authority with a path", { authority: "a/b" }, ASSERTION],
    ["CONNECT with a path", { method: "CONNECT", path: "/" }, ASSERTION],
    ["CONNECT without an authority", { method: "CONNECT", path: "", authority: "" }, ASSERTION],
    ["CONNECT with a body", { method: "CONNECT", path: "", bodyLength: -1 }, ASSERTION],
    ["length -2", { bodyLength: -2 }, ASSERTION],
    ["half a byte", { bodyLength: 0.5 }, ASSERTION],
    ["protocol with a line end", { upgrade: "x\r\ny: z" }, ASSERTION],
  ];
  const rig = clientRig();
  for (const [name, request, code] of rows) {
    let got = "none";
    try {
      rig.client.request({ ...GET, ...request }, new Heard());
    } catch (error) {
      got = error instanceof AssertionError ? ASSERTION : ((error as Error & { code?: string }).code ?? "");
    }
    t.equal(got, code, name);
  }
  const { heard } = rig.request();
  rig.server.expect("GET / HTTP/1.1\r\nhost: a\r\n\r\n").send(OK);
  t.equal(heard.events.at(-1), "finish ok");
  await rig.finish();
});

t.test("bodies of known length, in parts and by lease", async (t) => {
  const rig = clientRig();
  const { heard, exchange } = rig.request({ method: "POST", bodyLength: 10 });
  exchange.write("h\xe9");
  exchange.write(new Uint8Array([1, 2]));
  exchange.write("");
  const lease = arena.lease(5);
  lease.length = 5;
  lease.bytes.set(Buffer.from("lease"));
  exchange.writeLease(lease);
  exchange.end(["not", "sent"]);
  rig.server.expect("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nh\xc3\xa9\x01\x02lease");
  t.throws(() => exchange.write("x"), { code: "ERR_EXCHANGE_CLOSED" });
  exchange.write("");
  exchange.end();
  rig.server.send(OK);
  t.equal(heard.events.at(-1), "finish ok");
  await rig.finish();
});

t.test("chunks and trailers", async (t) => {
  const rig = clientRig();
  const { heard, exchange } = rig.request({ method: "POST", bodyLength: -1 });
  exchange.write("hello");
  exchange.write(new Uint8Array(17).fill(0x78));
  const lease = arena.lease(3);
  lease.length = 3;
  lease.bytes.fill(0x79);
  exchange.writeLease(lease);
  exchange.end(["Sum", "1", "Content-Length", "5", "host", "b"]);
  rig.server.expect(
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n11\r\nxxxxxxxxxxxxxxxxx\r\n3\r\nyyy\r\n0\r\nSum: 1\r\n\r\n",
  );
  rig.server.send(OK);
  t.equal(heard.events.at(-1), "finish ok");
  const second = rig.request({ method: "POST", bodyLength: -1 });
  second.exchange.end();
  rig.server.expect("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
  await rig.finish();
});

t.test("more or less than announced", async (t) => {
  for (const [name, size, ends] of [
    ["one byte more", 6, false],
    ["one byte less", 4, true],
    ["nothing", 0, true],
  ] as const) {
    const rig = clientRig();
    const { heard, exchange } = rig.request({ method: "POST", bodyLength: 5 });
    t.throws(
      () => {
        exchange.write("x".repeat(size));
        if (ends) exchange.end();
      },
      { code: "ERR_BODY_LENGTH" },
      name,
    );
    t.same(heard.events, ["finish ERR_EXCHANGE_ABANDONED no ERR_BODY_LENGTH"]);
    await rig.finish();
    t.ok(rig.server.closed);
  }
  const rig = clientRig();
  const { exchange } = rig.request({ method: "POST", bodyLength: 5 });
  const lease = arena.lease(6);
  t.throws(() => exchange.writeLease(lease), { code: "ERR_BODY_LENGTH" });
  t.ok(lease.released);
  await rig.finish();
  const chunked = clientRig();
  const other = chunked.request({ method: "POST", bodyLength: -1 });
  t.throws(() => other.exchange.end(["a b", "c"]), { code: "ERR_FIELD_INVALID" });
  t.ok(other.exchange.open, "nothing was written: it can be ended otherwise");
  await chunked.finish();
});

t.test("a slow server holds the writer, not the memory", async (t) => {
  const rig = clientRig({ limits: { writeBufferBytes: 10_000 } });
  const { heard, exchange } = rig.request({ method: "POST", bodyLength: -1 });
  rig.server.stream.pause();
  let written = 0;
  const chunk = new Uint8Array(4_000);
  while (exchange.write(chunk)) {
    written += chunk.length;
    if (written % 20_000 === 0) rig.pump.run();
    if (written > 1_000_000) break;
  }
  t.ok(written < 200_000, `${written} bytes`);
  t.notOk(heard.events.includes("drain"));
  rig.server.stream.resume();
  rig.server.text();
  t.same(heard.events, ["drain"]);
  t.ok(exchange.write(chunk));
  exchange.end();
  rig.server.text();
  rig.server.send(OK);
  t.equal(heard.events.at(-1), "finish ok");
  await rig.finish();
});
