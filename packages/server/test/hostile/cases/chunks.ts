// chunks.ts — RFC 9112 §7.1: the chunked coding, byte for byte; extensions and trailers.
import { bodyRefused, type HostileCase, type Outcome, SMUGGLED, served, servedThenRefused } from "./hostile-case.ts";

const chunked = (body: string): string => `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
const GET = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const broken = bodyRefused("POST /x");
/** The client leaves before the body is whole: nobody needs an answer, the handler needs to know. */
const left: Outcome[] = [...broken, { answers: [], handled: ["POST /x failed"], closes: true }];
/** The body ended too early for one of two readers: whole and then a bad request is as safe as refused. */
const brokenOrRest = (bytes: number): Outcome[] => [...broken, ...servedThenRefused([`POST /x ${bytes}`])];

const SIZES: readonly HostileCase[] = [
  {
    name: "several chunks",
    send: chunked(`5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n${GET}`),
    outcomes: served("POST /x 11", "GET /next 0"),
  },
  {
    name: "capitals, leading zeros",
    send: chunked("00000A\r\n0123456789\r\n0\r\n\r\n"),
    outcomes: served("POST /x 10"),
  },
  {
    name: "several zeros end the body",
    send: chunked(`5\r\nhello\r\n000\r\n\r\n${GET}`),
    outcomes: served("POST /x 5", "GET /next 0"),
  },
  ...["", "g", "0x5", "+5", "-5", "-0", " 5", "\t5", "5_", "5.", "5h", "\x0b5", "\xff", "5\0", "\0", "5 5", "5,5"].map(
    (size) => ({
      name: `a size that is none: ${JSON.stringify(size)}`,
      send: chunked(`${size}\r\nhello\r\n0\r\n\r\n`),
      outcomes: broken,
    }),
  ),
  {
    name: "a space after the size",
    send: chunked("5 \r\nhello\r\n0\r\n\r\n"),
    outcomes: [...broken, ...served("POST /x 5")],
  },
  { name: "a tab after the size", send: chunked("5\t\r\nhello\r\n0\r\n\r\n"), outcomes: broken },
  {
    name: "a size beyond 64 bits",
    send: chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"),
    outcomes: bodyRefused("POST /x", 400, 413),
  },
  {
    name: "a size of 64 bits",
    send: chunked("ffffffffffffffff\r\nhello"),
    fin: true,
    outcomes: [...left, ...bodyRefused("POST /x", 413)],
  },
  {
    name: "a size of 63 bits",
    send: chunked("7fffffffffffffff\r\nhello"),
    fin: true,
    outcomes: [...left, ...bodyRefused("POST /x", 413)],
  },
  {
    name: "a size of 32 bits",
    send: chunked("ffffffff\r\nhello"),
    fin: true,
    outcomes: [...left, ...bodyRefused("POST /x", 413)],
  },
];

const LINE_ENDS: readonly HostileCase[] = [
  { name: "LF alone after the size", send: chunked("5\nhello\r\n0\r\n\r\n"), outcomes: broken },
  { name: "CR alone after the size", send: chunked("5\rhello\r\n0\r\n\r\n"), outcomes: broken },
  { name: "CR CR LF after the size", send: chunked("5\r\r\nhello\r\n0\r\n\r\n"), outcomes: broken },
  { name: "LF alone after the data", send: chunked("5\r\nhello\n0\r\n\r\n"), outcomes: broken },
  { name: "CR alone after the data", send: chunked("5\r\nhello\r0\r\n\r\n"), outcomes: broken },
  { name: "nothing after the data", send: chunked("5\r\nhello0\r\n\r\n"), outcomes: broken },
  { name: "TERM.SPILL: two other bytes after the data", send: chunked("5\r\nhelloXX0\r\n\r\n"), outcomes: broken },
  { name: "SPILL.TERM: data longer than its size", send: chunked("5\r\nhello!\r\n0\r\n\r\n"), outcomes: broken },
  { name: "data shorter than its size", send: chunked("7\r\nhello\r\n0\r\n\r\n"), outcomes: broken },
  { name: "LF alone after the last size", send: chunked("5\r\nhello\r\n0\n\r\n"), outcomes: broken },
  { name: "LF alone ends the trailers", send: chunked("5\r\nhello\r\n0\r\n\n"), outcomes: broken },
  { name: "LF LF after the last size", send: chunked("5\r\nhello\r\n0\n\n"), outcomes: broken },
  { name: "CR and a letter end the trailers", send: chunked("5\r\nhello\r\n0\r\n\rX"), outcomes: broken },
  { name: "a chunk after the last one", send: chunked("0\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), outcomes: brokenOrRest(0) },
];

const EXTENSIONS: readonly HostileCase[] = [
  {
    name: "extensions",
    send: chunked('5;a\r\nhello\r\n1;a=b;c="d e"\r\n!\r\n0;e\r\n\r\n'),
    outcomes: served("POST /x 6"),
  },
  { name: "TERM.EXT: a bare LF in an extension", send: chunked(`5;a\nhello\r\n0\r\n\r\n`), outcomes: broken },
  { name: "TERM.EXT: a bare LF right after the semicolon", send: chunked(`5;\nhello\r\n0\r\n\r\n`), outcomes: broken },
  {
    name: "EXT.TERM: a bare LF, a chunk hidden behind it",
    send: chunked(`2;\nxx\r\n23\r\n0\r\n\r\n${SMUGGLED}`),
    outcomes: broken,
  },
  { name: "a bare CR in an extension", send: chunked(`5;a\rb\r\nhello\r\n0\r\n\r\n`), outcomes: broken },
  { name: "a NUL in an extension", send: chunked(`5;a\0b\r\nhello\r\n0\r\n\r\n`), outcomes: broken },
  { name: "CR LF in a quoted extension", send: chunked(`5;a="\r\n0\r\n\r\n${SMUGGLED}`), outcomes: broken },
  { name: "an unclosed quote", send: chunked(`5;a="b\r\nhello\r\n0\r\n\r\n`), outcomes: broken },
  { name: "a quote that closes and goes on", send: chunked(`5;a="b"c\r\nhello\r\n0\r\n\r\n`), outcomes: broken },
  { name: "an extension that is no token", send: chunked(`5;a@b\r\nhello\r\n0\r\n\r\n`), outcomes: broken },
  {
    name: "an extension of 100 KB",
    send: chunked(`5;${"a".repeat(100_000)}\r\nhello\r\n0\r\n\r\n`),
    outcomes: bodyRefused("POST /x", 400, 413, 431),
  },
  {
    name: "many small extensions",
    send: chunked(`${`1;${"a".repeat(200)}\r\nx\r\n`.repeat(500)}0\r\n\r\n`),
    outcomes: bodyRefused("POST /x", 400, 413, 431),
  },
  {
    name: "a size of 100,000 zeros",
    send: chunked(`${"0".repeat(100_000)}5\r\nhello\r\n0\r\n\r\n`),
    outcomes: bodyRefused("POST /x", 400, 413, 431),
  },
];

const TRAILERS: readonly HostileCase[] = [
  {
    name: "trailers",
    send: chunked(`5\r\nhello\r\n0\r\nX: b\r\nY: c\r\n\r\n${GET}`),
    outcomes: served("POST /x 5", "GET /next 0"),
  },
  {
    name: "RFC 9110 §6.5.1: framing in trailers changes nothing",
    send: chunked(`5\r\nhello\r\n0\r\nContent-Length: 35\r\n\r\n${GET}`),
    outcomes: [...served("POST /x 5", "GET /next 0"), ...broken],
  },
  {
    name: "RFC 9110 §6.5.1: a coding in trailers changes nothing",
    send: chunked(`5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n${GET}`),
    outcomes: [...served("POST /x 5", "GET /next 0"), ...broken],
  },
  {
    name: "a Host in trailers",
    send: chunked(`5\r\nhello\r\n0\r\nHost: evil\r\n\r\n${GET}`),
    outcomes: [...served("POST /x 5", "GET /next 0"), ...broken],
  },
  {
    name: "Connection in trailers",
    send: chunked(`5\r\nhello\r\n0\r\nConnection: close\r\n\r\n${GET}`),
    outcomes: [...served("POST /x 5", "GET /next 0"), ...broken],
  },
  {
    name: "a trailer with a space before the colon",
    send: chunked("5\r\nhello\r\n0\r\nX : b\r\n\r\n"),
    outcomes: broken,
  },
  { name: "a trailer without a colon", send: chunked("5\r\nhello\r\n0\r\nnonsense\r\n\r\n"), outcomes: broken },
  {
    name: "a request where the trailers stand (0.TRAILER)",
    send: chunked(`5\r\nhello\r\n0\r\n${SMUGGLED}`),
    outcomes: broken,
  },
  { name: "obs-fold in trailers", send: chunked("5\r\nhello\r\n0\r\nX: b\r\n c\r\n\r\n"), outcomes: broken },
  { name: "a bare LF in trailers", send: chunked("5\r\nhello\r\n0\r\nX: b\nY: c\r\n\r\n"), outcomes: broken },
  { name: "a NUL in trailers", send: chunked("5\r\nhello\r\n0\r\nX: b\0\r\n\r\n"), outcomes: broken },
  { name: "white space before the first trailer", send: chunked("5\r\nhello\r\n0\r\n X: b\r\n\r\n"), outcomes: broken },
  {
    name: "more trailers than allowed",
    send: chunked(`5\r\nhello\r\n0\r\n${"X: b\r\n".repeat(200)}\r\n`),
    outcomes: bodyRefused("POST /x", 400, 431),
  },
  {
    name: "a trailer above the limit",
    send: chunked(`5\r\nhello\r\n0\r\nX: ${"b".repeat(100_000)}\r\n\r\n`),
    outcomes: bodyRefused("POST /x", 400, 431),
  },
];

/** A client that leaves at any point of a chunked body: the body fails, and nothing is taken for a request. */
const WHOLE = "5;a=b\r\nhello\r\n0\r\nX: b\r\n\r\n";
const TRUNCATED: readonly HostileCase[] = Array.from({ length: WHOLE.length }, (_, size) => ({
  name: `§8: the client leaves after ${size} bytes of the coding`,
  send: chunked(WHOLE.slice(0, size)),
  fin: true as const,
  outcomes: left,
}));

export const CHUNK_CASES: readonly HostileCase[] = [...SIZES, ...LINE_ENDS, ...EXTENSIONS, ...TRAILERS, ...TRUNCATED];
