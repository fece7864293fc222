// RFC 9112 §6 (message body), §7.1 (chunked), RFC 9110 §8.6 (content-length): where a message ends, and what is no message.
import t from "tap";
import { type Row, runRows, type Seen } from "./harness.ts";

const BAD = "400 Bad Request";
const UNKNOWN = "501 Not Implemented";
const NEXT = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const next: Partial<Seen> = { target: "/next", body: "", bodyLength: 0 };

const post = (lines: string[], body: string, version = "1.1"): string =>
  `POST / HTTP/${version}\r\n${["Host: a", ...lines].map((line) => `${line}\r\n`).join("")}\r\n${body}`;
const chunked = (body: string): string => post(["Transfer-Encoding: chunked"], body);

t.test("RFC 9112 §6.3: content-length, every split", async (t) => {
  const rows: Row[] = [
    {
      name: "body and the next request",
      bytes: post(["Content-Length: 5"], `hello${NEXT}`),
      want: [{ body: "hello", bodyLength: 5 }, next],
    },
    { name: "0", bytes: post(["Content-Length: 0"], NEXT), want: [{ body: "", bodyLength: 0 }, next] },
    {
      name: "leading zeros are digits",
      bytes: post(["Content-Length: 005"], `hello${NEXT}`),
      want: [{ body: "hello", bodyLength: 5 }, next],
    },
    {
      name: "white space around",
      bytes: post(["Content-Length: \t5 "], `hello${NEXT}`),
      want: [{ body: "hello" }, next],
    },
    {
      name: "GET with a body",
      bytes: `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc${NEXT}`,
      want: [{ body: "abc" }, next],
    },
    { name: "no length, no body", bytes: post([], NEXT), want: [{ body: "" }, next] },
    {
      name: "a body that looks like a request",
      bytes: post([`Content-Length: ${NEXT.length}`], NEXT + NEXT),
      want: [{ body: NEXT }, next],
    },
    { name: "twice", bytes: post(["Content-Length: 5", "Content-Length: 6"], "hello"), want: BAD },
    { name: "twice the same", bytes: post(["Content-Length: 5", "Content-Length: 5"], "hello"), want: BAD },
    { name: "list", bytes: post(["Content-Length: 5, 5"], "hello"), want: BAD },
    { name: "+5", bytes: post(["Content-Length: +5"], "hello"), want: BAD },
    { name: "-5", bytes: post(["Content-Length: -5"], "hello"), want: BAD },
    { name: "0x5", bytes: post(["Content-Length: 0x5"], "hello"), want: BAD },
    { name: "5e0", bytes: post(["Content-Length: 5e0"], "hello"), want: BAD },
    { name: "5.0", bytes: post(["Content-Length: 5.0"], "hello"), want: BAD },
    { name: "1_0", bytes: post(["Content-Length: 1_0"], "hello"), want: BAD },
    { name: "quoted", bytes: post(['Content-Length: "5"'], "hello"), want: BAD },
    { name: "5 5", bytes: post(["Content-Length: 5 5"], "hello"), want: BAD },
    { name: "empty", bytes: post(["Content-Length:"], "hello"), want: BAD },
    { name: "64 bits and one", bytes: post(["Content-Length: 18446744073709551616"], "hello"), want: BAD },
    { name: "many digits", bytes: post([`Content-Length: ${"9".repeat(40)}`], "hello"), want: BAD },
    { name: "64 bits", bytes: post(["Content-Length: 18446744073709551615"], ""), want: "413 Content Too Large" },
    { name: "folded", bytes: post(["Content-Length:\r\n 5"], "hello"), want: BAD },
    { name: "vertical tab before", bytes: post(["Content-Length: \x0b5"], "hello"), want: BAD },
  ];
  await runRows(t, rows);
});

t.test("RFC 9112 §6.1: transfer-encoding, every split", async (t) => {
  const body = `3\r\nabc\r\n0\r\n\r\n${NEXT}`;
  const te = (value: string): string => post([`Transfer-Encoding: ${value}`], body);
  const rows: Row[] = [
    { name: "chunked", bytes: te("chunked"), want: [{ body: "abc", bodyLength: -1 }, next] },
    { name: "any case", bytes: te("cHuNkEd"), want: [{ body: "abc" }, next] },
    { name: "spaces around", bytes: te("  chunked  "), want: [{ body: "abc" }, next] },
    { name: "tabs around", bytes: te("\tchunked\t"), want: BAD },
    {
      name: "with content-length behind",
      bytes: post(["Transfer-Encoding: chunked", "Content-Length: 3"], body),
      want: BAD,
    },
    {
      name: "with content-length before (CL.TE)",
      bytes: post(["Content-Length: 3", "Transfer-Encoding: chunked"], body),
      want: BAD,
    },
    {
      name: "with content-length 0 before",
      bytes: post(["Content-Length: 0", "Transfer-Encoding: chunked"], body),
      want: BAD,
    },
    {
      name: "unknown coding with content-length",
      bytes: post(["Content-Length: 3", "Transfer-Encoding: identity"], body),
      want: BAD,
    },
    { name: "content-length, no coding", bytes: post(["Content-Length: 3", "Transfer-Encoding:"], body), want: BAD },
    { name: "twice", bytes: post(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], body), want: BAD },
    {
      name: "twice, the second another (TE.TE)",
      bytes: post(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], body),
      want: BAD,
    },
    {
      name: "twice, the first another",
      bytes: post(["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], body),
      want: BAD,
    },
    { name: "chunked, chunked", bytes: te("chunked, chunked"), want: BAD },
    { name: "chunked, gzip", bytes: te("chunked, gzip"), want: BAD },
    { name: "gzip, chunked", bytes: te("gzip, chunked"), want: UNKNOWN },
    { name: "gzip", bytes: te("gzip"), want: UNKNOWN },
    { name: "identity", bytes: te("identity"), want: UNKNOWN },
    { name: "identity, chunked", bytes: te("identity, chunked"), want: UNKNOWN },
    { name: "xchunked", bytes: te("xchunked"), want: UNKNOWN },
    { name: "chunkedx", bytes: te("chunkedx"), want: UNKNOWN },
    { name: "chunk", bytes: te("chunk"), want: UNKNOWN },
    { name: "empty", bytes: te(""), want: BAD },
    { name: "only a comma", bytes: te(","), want: BAD },
    { name: "comma before", bytes: te(",chunked"), want: BAD },
    { name: "comma behind", bytes: te("chunked,"), want: BAD },
    { name: "with a parameter", bytes: te("chunked;q=1"), want: BAD },
    { name: "quoted", bytes: te('"chunked"'), want: BAD },
    { name: "vertical tab before", bytes: te("\x0bchunked"), want: BAD },
    { name: "form feed behind", bytes: te("chunked\x0c"), want: BAD },
    { name: "NUL behind", bytes: te("chunked\0"), want: BAD },
    { name: "no-break space before", bytes: te("\xa0chunked"), want: BAD },
    { name: "space before the colon", bytes: post(["Transfer-Encoding : chunked"], body), want: BAD },
    { name: "folded", bytes: post(["Transfer-Encoding:\r\n chunked"], body), want: BAD },
    { name: "line feed in it", bytes: post(["Transfer-Encoding:\nchunked"], body), want: BAD },
    { name: "carriage return in it", bytes: post(["Transfer-Encoding: chu\rnked"], body), want: BAD },
    { name: "in HTTP/1.0", bytes: post(["Transfer-Encoding: chunked"], body, "1.0"), want: BAD },
    {
      name: "underscore instead of hyphen is another field",
      bytes: post(["Transfer_Encoding: chunked"], NEXT),
      want: [{ body: "" }, next],
    },
    {
      name: "a name that begins with it",
      bytes: post(["Transfer-Encoding-X: chunked"], NEXT),
      want: [{ body: "" }, next],
    },
  ];
  await runRows(t, rows);
});

t.test("RFC 9112 §7.1: chunked, every split", async (t) => {
  const rows: Row[] = [
    {
      name: "several chunks",
      bytes: chunked(`3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n${NEXT}`),
      want: [{ body: "abcde", trailers: null }, next],
    },
    { name: "none", bytes: chunked(`0\r\n\r\n${NEXT}`), want: [{ body: "" }, next] },
    {
      name: "both cases of digits",
      bytes: chunked(`a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n${NEXT}`),
      want: [{ body: "01234567890123456789a" }, next],
    },
    { name: "leading zeros", bytes: chunked(`0003\r\nabc\r\n000\r\n\r\n${NEXT}`), want: [{ body: "abc" }, next] },
    {
      name: "extensions",
      bytes: chunked(`3;a\r\nabc\r\n2;b=c;d="e f\\"g"\r\nde\r\n0;x=y\r\n\r\n${NEXT}`),
      want: [{ body: "abcde" }, next],
    },
    {
      name: "CRLF in the data",
      bytes: chunked(`4\r\n\r\n\r\n\r\n0\r\n\r\n${NEXT}`),
      want: [{ body: "\r\n\r\n" }, next],
    },
    {
      name: "trailers",
      bytes: chunked(`3\r\nabc\r\n0\r\nA: b \r\nC:\r\n\r\n${NEXT}`),
      want: [{ body: "abc", trailers: ["A: b", "C: "] }, next],
    },
    {
      name: "connection: close in trailers does nothing",
      bytes: chunked(`0\r\nConnection: close\r\n\r\n${NEXT}`),
      want: [{ trailers: ["Connection: close"] }, next],
    },
  ];
  // The request has reached the handler by then, which is told, and the connection answers in its stead.
  const cut = (name: string, body: string): Row => ({
    name,
    bytes: chunked(body),
    want: [{ error: name }],
    statuses: "400",
  });
  const invalid = "ERR_H1_CHUNK_INVALID";
  for (const bad of [
    "3 \r\nabc\r\n",
    " 3\r\nabc\r\n",
    "0x3\r\nabc\r\n",
    "+3\r\nabc\r\n",
    "-3\r\nabc\r\n",
    "3\nabc\r\n",
    "3\rabc\r\n",
    "3\r\nabc\n0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nab\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabc\r\r\n",
    "\r\n",
    ";a\r\n",
    "g\r\n",
    "10000000000000000\r\na",
    "fffffffffffffffff\r\na",
    "3;a\nb\r\nabc\r\n",
    "3;\nabc\r\n",
    '3;a="\n"\r\nabc\r\n',
    "3;a\rb\r\nabc\r\n",
    "3;a=\0\r\nabc\r\n",
    "3 ;a\r\nabc\r\n",
    "0\r\r\n\r\n",
    "0\n\r\n",
  ]) {
    rows.push({ ...cut(invalid, bad), name: JSON.stringify(bad) });
  }
  for (const bad of [
    "0\r\nA : b\r\n\r\n",
    "0\r\nA\r\n\r\n",
    "0\r\nA: b\nC: d\r\n\r\n",
    "0\r\nA: b\r\n c\r\n\r\n",
    "0\r\nContent-Length: 1\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
  ]) {
    rows.push({ name: JSON.stringify(bad), bytes: chunked(bad), want: [{ bodyLength: -1 }], statuses: "400" });
  }
  await runRows(t, rows);
});

t.test("limits of bodies, every split", async (t) => {
  const options = { limits: { bodyBytesMax: 10, chunkOverheadBytesMax: 40, headBytesMax: 200, fieldsMax: 3 } };
  const TOO_LARGE = "413";
  const rows: Row[] = [
    {
      name: "largest length",
      bytes: post(["Content-Length: 10"], `0123456789${NEXT}`),
      want: [{ body: "0123456789" }, next],
      options,
    },
    {
      name: "length one too large",
      bytes: post(["Content-Length: 11"], "0123456789x"),
      want: "413 Content Too Large",
      options,
    },
    {
      name: "largest in chunks",
      bytes: chunked(`5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n${NEXT}`),
      want: [{ body: "0123456789" }, next],
      options,
    },
    {
      name: "one too many in chunks",
      bytes: chunked("5\r\n01234\r\n6\r\n56789x\r\n0\r\n\r\n"),
      want: [{ error: "ERR_H1_BODY_TOO_LARGE" }],
      statuses: TOO_LARGE,
      options,
    },
    {
      name: "extensions within the limit",
      bytes: chunked(`1;${"x".repeat(40)}\r\na\r\n0\r\n\r\n${NEXT}`),
      want: [{ body: "a" }, next],
      options,
    },
    {
      name: "extensions beyond it",
      bytes: chunked(`1;${"x".repeat(80)}\r\na\r\n0\r\n\r\n`),
      want: [{ error: "ERR_H1_CHUNK_OVERHEAD" }],
      statuses: "400",
      options,
    },
    {
      name: "zeros beyond it",
      bytes: chunked(`${"0".repeat(80)}1\r\na\r\n0\r\n\r\n`),
      want: [{ error: "ERR_H1_CHUNK_OVERHEAD" }],
      statuses: "400",
      options,
    },
    {
      name: "most trailers",
      bytes: chunked(`0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n${NEXT}`),
      want: [{ trailers: ["a: 1", "b: 2", "c: 3"] }, next],
      options,
    },
    {
      name: "one trailer too many",
      bytes: chunked("0\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n"),
      want: [{ error: "ERR_H1_FIELDS_TOO_MANY" }],
      statuses: "431",
      options,
    },
  ];
  await runRows(t, rows);
});
