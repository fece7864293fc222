// RFC 9112 §5 (field syntax), RFC 9110 §5 (fields), RFC 9112 §3.2 (Host).
import t from "tap";
import { type Row, record, rig, runRows, type Seen } from "./harness.ts";

const BAD = "400 Bad Request";
const LARGE = "431 Request Header Fields Too Large";
const get = (...lines: string[]): string => `GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const fields = (...lines: string[]): Partial<Seen> => ({ fields: lines });
const H = "Host: a";

t.test("RFC 9112 §5: field lines, every split", async (t) => {
  const rows: Row[] = [
    { name: "names keep their spelling", bytes: get(H, "X-Y: 1", "x-y: 2"), want: fields(H, "X-Y: 1", "x-y: 2") },
    {
      name: "white space around values",
      bytes: get(H, "A:\t b c\t ", "B:", "C:   "),
      want: fields(H, "A: b c", "B: ", "C: "),
    },
    { name: "bytes above 127 in a value", bytes: get(H, "A: \x80\xff"), want: fields(H, "A: \x80\xff") },
    {
      name: "every token character in a name",
      bytes: get(H, "!#$%&'*+-.^_`|~09azAZ: x"),
      want: fields(H, "!#$%&'*+-.^_`|~09azAZ: x"),
    },
    { name: "colon in a value", bytes: get(H, "A: b:c: d"), want: fields(H, "A: b:c: d") },
    {
      name: "name that only looks like host",
      bytes: get(H, "Hos\u0054: b".replace("T", "t-"), "xhost: c"),
      want: fields(H, "Host-: b", "xhost: c"),
    },
    { name: "space before the colon", bytes: get("Host : a"), want: BAD },
    { name: "tab before the colon", bytes: get(H, "A\t: b"), want: BAD },
    { name: "no colon", bytes: get(H, "A"), want: BAD },
    { name: "no name", bytes: get(H, ": b"), want: BAD },
    { name: "space before the first name", bytes: get(` ${H}`), want: BAD },
    { name: "folded value (obs-fold)", bytes: get(H, "A: b", " c"), want: BAD },
    { name: "folded with a tab", bytes: get(H, "A: b", "\tc"), want: BAD },
    { name: "folded, continuation only white space", bytes: get(H, "A: b", " "), want: BAD },
    { name: "bare LF behind a line", bytes: `GET / HTTP/1.1\r\n${H}\nA: b\r\n\r\n`, want: BAD },
    { name: "bare LF at the end", bytes: `GET / HTTP/1.1\r\n${H}\r\n\n`, want: BAD },
    { name: "bare CR in a value", bytes: get(H, "A: b\rc"), want: BAD },
    { name: "CR CR LF", bytes: get(H, "A: b\r"), want: BAD },
    { name: "NUL in a value", bytes: get(H, "A: b\0c"), want: BAD },
    { name: "NUL in a name", bytes: get(H, "A\0: b"), want: BAD },
    { name: "control character in a value", bytes: get(H, "A: b\x01"), want: BAD },
    { name: "DEL in a value", bytes: get(H, "A: b\x7f"), want: BAD },
    { name: "bracket in a name", bytes: get(H, "A[]: b"), want: BAD },
    { name: "byte above 127 in a name", bytes: get(H, "\xe4: b"), want: BAD },
  ];
  await runRows(t, rows);
});

t.test("RFC 9112 §3.2: Host, every split", async (t) => {
  const host = (value: string, authority: string | null): Row => ({
    name: `"${value}"`,
    bytes: get(`Host: ${value}`),
    want: authority === null ? BAD : { authority },
  });
  const rows: Row[] = [
    { name: "missing", bytes: get("A: b"), want: BAD },
    { name: "twice", bytes: get("Host: a", "Host: b"), want: BAD },
    { name: "twice the same", bytes: get("Host: a", "host: a"), want: BAD },
    { name: "twice in HTTP/1.0", bytes: "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", want: BAD },
    host("", null),
    host("a.example", "a.example"),
    host("A.Example:8080", "A.Example:8080"),
    host("a_b-c.example:", "a_b-c.example:"),
    host("127.0.0.1:1", "127.0.0.1:1"),
    host("[::1]:80", "[::1]:80"),
    host("[2001:db8::1]", "[2001:db8::1]"),
    host("a%20b", "a%20b"),
    host("a~b!$&'()*+,;=", "a~b!$&'()*+,;="),
    host(":80", null),
    host("a:80:80", null),
    host("a:b", null),
    host("a:123456", null),
    host("a b", null),
    host("a/b", null),
    host("a?b", null),
    host("a#b", null),
    host("u@a", null),
    host("a\\b", null),
    host("a%2", null),
    host("[::1", null),
    host("[::1]x", null),
    host("[fe80::1%eth0]", null),
    host("[a]", null),
    host("\xe4", null),
    host("a,b", "a,b"),
  ];
  await runRows(t, rows);
});

t.test("limits of a head, every split", async (t) => {
  const many = (count: number): string => get(H, ...Array.from({ length: count - 1 }, (_, at) => `f${at}: ${at}`));
  const sized = (size: number): string => {
    const bare = get(H, "A: ").length;
    return get(H, `A: ${"x".repeat(size - bare)}`);
  };
  const limits = { fieldsMax: 20, headBytesMax: 1000, targetBytesMax: 100 };
  const options = { limits };
  const rows: Row[] = [
    { name: "most fields", bytes: many(20), want: {}, options },
    { name: "one field too many", bytes: many(21), want: LARGE, options },
    { name: "one field", bytes: get(H), want: {}, options: { limits: { fieldsMax: 1 } } },
    { name: "two where one is allowed", bytes: get(H, "a: b"), want: LARGE, options: { limits: { fieldsMax: 1 } } },
    { name: "largest head", bytes: sized(1000), want: {}, options },
    {
      name: "largest head, its last value empty",
      bytes: sized(994).replace(/\r\n\r\n$/, "\r\nB:  \r\n\r\n"),
      want: {},
      options,
    },
    { name: "head one byte too large", bytes: sized(1001), want: LARGE, options },
    { name: "longest target", bytes: get(H).replace("/", `/${"x".repeat(99)}`), want: {}, options },
    {
      name: "target one byte too long",
      bytes: get(H).replace("/", `/${"x".repeat(100)}`),
      want: "414 URI Too Long",
      options,
    },
    { name: "default head limit", bytes: sized(16_384), want: {} },
    { name: "default head limit and one", bytes: sized(16_385), want: LARGE },
    { name: "largest limit there is", bytes: sized(65_535), want: {}, options: { limits: { headBytesMax: 65_535 } } },
    {
      name: "largest limit there is and one",
      bytes: sized(65_536),
      want: LARGE,
      options: { limits: { headBytesMax: 65_535 } },
    },
    { name: "a head that never ends", bytes: `${get(H).slice(0, -2)}${"a: b\r\n".repeat(300)}`, want: LARGE },
    { name: "empty lines that never end", bytes: "\r\n".repeat(600), want: LARGE, options },
  ];
  await runRows(t, rows);
});

t.test("Fields: questions while the bytes are there and after they have gone", async (t) => {
  for (const when of ["at once", "later"]) {
    const answers: unknown[] = [];
    const ask = (exchange: Parameters<NonNullable<Parameters<typeof rig>[0]>["handler"] & object>[0]): void => {
      const { fields } = exchange;
      answers.push(
        fields.size,
        fields.get("host"),
        fields.get("a"),
        fields.getAll("a"),
        fields.count("a"),
        fields.has("b"),
      );
      answers.push(
        fields.has("c"),
        fields.get("c"),
        fields.getAll("c"),
        fields.get("cookie"),
        fields.get("set-cookie"),
      );
      answers.push(
        fields.getAll("set-cookie"),
        fields.nameAt(1),
        fields.rawNameAt(1),
        fields.valueAt(1),
        fields.get("b"),
      );
      answers.push(exchange.method, exchange.target, exchange.path, exchange.authority, exchange.fields === fields);
      exchange.respond(200, [], null);
    };
    const target = rig({
      handler: (exchange) => {
        if (when === "at once") ask(exchange);
        else queueMicrotask(() => ask(exchange));
      },
    });
    target.peer.queue(
      get("Host: h", "A: 1", "a: 2", "B:", "Cookie: x=1", "cookie: y=2", "Set-Cookie: s=1", "Set-Cookie: t=2"),
    );
    target.peer.queue(get("Host: other", "A: wrong"));
    target.pump.run();
    await target.pump.settle();
    t.same(
      answers.slice(0, 21),
      [
        8,
        "h",
        "1, 2",
        ["1", "2"],
        2,
        true,
        false,
        undefined,
        [],
        "x=1; y=2",
        "s=1",
        ["s=1", "t=2"],
        "a",
        "A",
        "1",
        "",
        "GET",
        "/",
        "/",
        "h",
        true,
      ],
      when,
    );
    await target.finish();
  }
});

t.test("a head read too late says so, a retained one is there", async (t) => {
  const kept: { target: string; code: string }[] = [];
  for (const keep of ["no", "retain", "onFinish", "touched"]) {
    let later: () => void = () => {};
    const target = rig({
      handler: (exchange) => {
        if (keep === "retain") exchange.retain();
        if (keep === "onFinish") exchange.onFinish = (): void => {};
        if (keep === "touched") t.equal(exchange.target, "/");
        exchange.respond(204, [], null);
        later = (): void => {
          let code = "";
          try {
            code = exchange.fields.get("host") ?? "none";
          } catch (error) {
            code = (error as { code: string }).code;
          }
          let path = "";
          try {
            path = exchange.path;
          } catch (error) {
            path = (error as { code: string }).code;
          }
          kept.push({ target: path, code });
          t.equal(exchange.method, "GET");
        };
      },
    });
    target.peer.send(get("Host: h"));
    later();
    await target.finish();
  }
  t.same(kept, [
    { target: "ERR_HEAD_GONE", code: "ERR_HEAD_GONE" },
    { target: "/", code: "h" },
    { target: "/", code: "h" },
    { target: "/", code: "ERR_HEAD_GONE" },
  ]);
});

t.test("record() sees fields of a request that waits for its body", async (t) => {
  const target = rig({
    handler: (exchange) => {
      record(exchange, target.seen, () => exchange.respond(200, [], exchange.fields.get("x-late") ?? "gone"));
    },
  });
  target.peer.send("POST /p HTTP/1.1\r\nHost: a\r\nX-Late: here\r\nContent-Length: 2\r\n\r\n");
  target.peer.send("ab");
  t.match(target.peer.text(), /here$/);
  await target.finish();
});
