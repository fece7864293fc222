// Request smuggling: the published classes. In each, a server that reads the framing as its author hopes sees a second
// request for /smuggled. Ours must not, whatever the cut, and must not go on with the connection.
import t from "tap";
import { everySplit, feed, rig, statuses } from "./harness.ts";

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const message = (lines: string[], body: string, line = "POST / HTTP/1.1"): string =>
  `${[line, "Host: a", ...lines].join("\r\n")}\r\n\r\n${body}`;
const LAST = "0\r\n\r\n";
const TE = "Transfer-Encoding";
const CL = "Content-Length";
const size = String(LAST.length + SMUGGLED.length);

/** Statuses that an attack may get; each also closes the connection. */
const REFUSED = new Set(["400", "413", "417", "431", "501", "505"]);

interface Attack {
  name: string;
  bytes: string;
}

const te = (name: string, line: string): Attack => ({
  name: `TE.TE, ${name}`,
  bytes: message([`${CL}: ${size}`, line], LAST + SMUGGLED),
});

/** A chunked body that, read in the wrong way, ends before the smuggled request. */
const chunk = (name: string, body: string): Attack => ({
  name: `chunks, ${name}`,
  bytes: message([`${TE}: chunked`], body),
});

const ATTACKS: Attack[] = [
  { name: "CL.TE", bytes: message([`${CL}: ${size}`, `${TE}: chunked`], LAST + SMUGGLED) },
  {
    name: "TE.CL",
    bytes: message([`${TE}: chunked`, `${CL}: 4`], `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n${LAST}`),
  },
  { name: "CL.0 with both lengths", bytes: message([`${CL}: 0`, `${CL}: ${SMUGGLED.length}`], SMUGGLED) },
  { name: "CL.CL, the first shorter", bytes: message([`${CL}: 1`, `${CL}: ${SMUGGLED.length + 1}`], `x${SMUGGLED}`) },
  { name: "CL.CL, the second shorter", bytes: message([`${CL}: ${SMUGGLED.length + 1}`, `${CL}: 1`], `x${SMUGGLED}`) },
  { name: "CL list of two", bytes: message([`${CL}: 0, ${SMUGGLED.length}`], SMUGGLED) },
  { name: "CL with a sign", bytes: message([`${CL}: +0`], SMUGGLED) },
  { name: "CL negative", bytes: message([`${CL}: -1`], SMUGGLED) },
  { name: "CL hexadecimal", bytes: message([`${CL}: 0x0`], SMUGGLED) },
  { name: "CL with a space inside", bytes: message([`${CL}: 0 5`], SMUGGLED) },
  { name: "CL with NUL", bytes: message([`${CL}: 0\0`], SMUGGLED) },
  { name: "CL that wraps at 64 bits", bytes: message([`${CL}: 18446744073709551616`], SMUGGLED) },
  { name: "CL that wraps at 32 bits", bytes: message([`${CL}: 4294967296`], SMUGGLED) },
  { name: "CL with space before the colon", bytes: message([`${CL} : 0`], SMUGGLED) },
  { name: "CL folded", bytes: message([`${CL}: 0`, " 5"], SMUGGLED) },
  { name: "CL behind a bare CR", bytes: message([`X: y\r${CL}: 0`], SMUGGLED) },
  { name: "CL behind a bare LF", bytes: message([`X: y\n${CL}: 0`], SMUGGLED) },
  { name: "CL behind a vertical tab", bytes: message([`${CL}:\x0b0`], SMUGGLED) },
  { name: "CL behind a form feed", bytes: message([`${CL}:\x0c0`], SMUGGLED) },
  { name: "CL in a name with NUL", bytes: message([`${CL}\0: 0`], SMUGGLED) },
  te("plain", `${TE}: chunked`),
  te("space before the colon", `${TE} : chunked`),
  te("tab before the colon", `${TE}\t: chunked`),
  te("tab before the value", `${TE}:\tchunked`),
  te("vertical tab before the value", `${TE}:\x0bchunked`),
  te("form feed behind", `${TE}: chunked\x0c`),
  te("NUL behind", `${TE}: chunked\0`),
  te("no-break space", `${TE}:\xa0chunked`),
  te("byte 0xff before", `${TE}: \xffchunked`),
  te("xchunked", `${TE}: xchunked`),
  te("chunked, identity", `${TE}: chunked, identity`),
  te("identity, chunked", `${TE}: identity, chunked`),
  te("cow, chunked", `${TE}: cow\r\n${TE}: chunked`),
  te("chunked, cow", `${TE}: chunked\r\n${TE}: cow`),
  te("quoted", `${TE}: "chunked"`),
  te("single quotes", `${TE}: 'chunked'`),
  te("empty", `${TE}:`),
  te("comma", `${TE}: ,chunked`),
  te("parameter", `${TE}: chunked;x=y`),
  te("folded", `${TE}:\r\n chunked`),
  te("folded before the name", `X: y\r\n ${TE}: chunked`),
  te("bare CR before the name", `X: y\r${TE}: chunked`),
  te("bare LF before the name", `X: y\n${TE}: chunked`),
  te("CR in the value", `${TE}: chunked\rx`),
  te("LF in the value", `${TE}: \nchunked`),
  te("CR LF CR before", `\r${TE}: chunked`),
  te("space before the name", ` ${TE}: chunked`),
  te("any case", "tRANSFER-eNCODING: CHUNKED"),
  te("NUL in the name", `Transfer-Encoding\0: chunked`),
  te("another dash", `Transfer\xadEncoding: chunked`),
  { name: "TE.0: GET with both", bytes: message([`${TE}: chunked`, `${CL}: 5`], LAST + SMUGGLED, "GET / HTTP/1.1") },
  {
    name: "TE in HTTP/1.0",
    bytes: message([`${TE}: chunked`, "Connection: keep-alive"], LAST + SMUGGLED, "POST / HTTP/1.0"),
  },
  {
    name: "TE and CL in HTTP/1.0",
    bytes: message([`${TE}: chunked`, `${CL}: ${size}`], LAST + SMUGGLED, "POST / HTTP/1.0"),
  },
  { name: "unknown coding alone", bytes: message([`${TE}: identity`], SMUGGLED) },
  chunk("size that wraps at 64 bits", `10000000000000000\r\n${SMUGGLED}`),
  chunk("size that wraps at 64 bits to 5", `10000000000000005\r\nhello\r\n${LAST}${SMUGGLED}`),
  chunk("size with 0x", `0x0\r\n\r\n${SMUGGLED}`),
  chunk("size with a sign", `+0\r\n\r\n${SMUGGLED}`),
  chunk("size negative", `-0\r\n\r\n${SMUGGLED}`),
  chunk("space before the size", ` 0\r\n\r\n${SMUGGLED}`),
  chunk("space behind the size", `0 \r\n\r\n${SMUGGLED}`),
  chunk("underscore in the size", `0_0\r\n\r\n${SMUGGLED}`),
  chunk("empty size", `\r\n\r\n${SMUGGLED}`),
  chunk("size ended by LF (TERM)", `5\nhello\r\n${LAST}${SMUGGLED}`),
  chunk("size ended by CR", `5\rhello\r\n${LAST}${SMUGGLED}`),
  chunk("extension ended by LF (EXT.TERM)", `5;\nhello\r\n${LAST}${SMUGGLED}`),
  chunk("extension with LF inside (TERM.EXT)", `2;\nxx\r\n45\r\n${LAST}${SMUGGLED}`),
  chunk("extension with CR inside", `5;a\rb\r\nhello\r\n${LAST}${SMUGGLED}`),
  chunk("quoted LF in an extension", `5;a="\n"\r\nhello\r\n${LAST}${SMUGGLED}`),
  chunk("quoted CRLF in an extension", `5;a="\r\n"\r\nhello\r\n${LAST}${SMUGGLED}`),
  chunk("data longer than its size (SPILL)", `5\r\nhelloX\r\n${LAST}${SMUGGLED}`),
  chunk("data without an end (SPILL)", `5\r\nhello${LAST}${SMUGGLED}`),
  chunk("data ended by LF", `5\r\nhello\n${LAST}${SMUGGLED}`),
  chunk("data ended by two other bytes", `5\r\nhelloXX${LAST}${SMUGGLED}`),
  chunk("data ended by CR and another byte", `5\r\nhello\rX${LAST}${SMUGGLED}`),
  chunk("last chunk ended by LF", `0\n\n${SMUGGLED}`),
  chunk("trailers ended by LF", `0\r\nX: y\n\n${SMUGGLED}`),
  chunk("trailer with content-length", `0\r\n${CL}: 5\r\n\r\n${SMUGGLED}`),
  chunk("trailer with transfer-encoding", `0\r\n${TE}: chunked\r\n\r\n${SMUGGLED}`),
  chunk("trailer with space before the colon", `0\r\nX : y\r\n\r\n${SMUGGLED}`),
  chunk("trailer folded", `0\r\nX: y\r\n z\r\n\r\n${SMUGGLED}`),
  { name: "two Hosts", bytes: message(["Host: b"], SMUGGLED, "GET / HTTP/1.1") },
  { name: "Host behind a folded line", bytes: message([" Host: b"], SMUGGLED, "GET / HTTP/1.1") },
  { name: "absolute-form and another Host", bytes: message([], SMUGGLED, "GET http://b/ HTTP/1.1") },
  { name: "request line with a bare LF", bytes: `GET / HTTP/1.1\nHost: a\n\n${SMUGGLED}` },
  { name: "request line with two spaces", bytes: message([], SMUGGLED, "GET /  HTTP/1.1") },
  { name: "request line with a second version", bytes: message([], SMUGGLED, "GET / HTTP/1.1 HTTP/1.1") },
  { name: "line without a colon", bytes: message(["X"], SMUGGLED, "GET / HTTP/1.1") },
  { name: "CONNECT with a body", bytes: message([`${CL}: 5`], `hello${SMUGGLED}`, "CONNECT a:1 HTTP/1.1") },
  { name: "Expect with a coding trick", bytes: message([`${CL}: 5`, "Expect: y 100-continue"], `hello${SMUGGLED}`) },
  { name: "HTTP/0.9", bytes: `GET /\r\n${SMUGGLED}` },
];

t.test("no published attack reaches the handler twice, at any cut", async (t) => {
  for (const { name, bytes } of ATTACKS) {
    let wrong: string | null = null;
    for (const cuts of everySplit(bytes.length)) {
      const target = rig();
      const text = await feed(target, bytes, cuts);
      const last = statuses(text).at(-1) ?? "none";
      if (target.seen.some((seen) => seen.target.includes("smuggled"))) wrong = "the handler saw it";
      else if (statuses(text).length !== 1 || !REFUSED.has(last)) wrong = `answered ${JSON.stringify(text)}`;
      else if (!target.peer.ended) wrong = "the connection went on";
      await target.finish();
      if (wrong !== null) break;
    }
    t.equal(wrong, null, name);
  }
});

t.test("what is behind an Upgrade or CONNECT is no request before the answer (CVE-2026-2833)", async (t) => {
  const upgrade = message(["Connection: upgrade", "Upgrade: websocket"], SMUGGLED, "GET /up HTTP/1.1");
  const connect = message([], SMUGGLED, "CONNECT b:1 HTTP/1.1");
  for (const bytes of [upgrade, connect]) {
    for (const cuts of everySplit(bytes.length)) {
      const seen: string[] = [];
      const target = rig({ handler: (exchange) => void seen.push(exchange.target) });
      await feed(target, bytes, cuts);
      if (seen.length !== 1) t.fail(`cut at ${cuts.join()}: ${seen.join()}`);
      // The stream is paused, and a paused stream notices a reset only.
      target.peer.reset();
      await target.finish();
    }
    t.pass(bytes.slice(0, 8));
  }
});
