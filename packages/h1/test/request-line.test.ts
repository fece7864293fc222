// RFC 9112 §2 and §3: message parsing, the request line, the target's four forms.
import t from "tap";
import { feed, type Row, rig, runRows } from "./harness.ts";

const BAD = "400 Bad Request";
const H = "Host: a.example\r\n\r\n";
const long = "x".repeat(8191);

const ROWS: Row[] = [
  {
    name: "origin-form",
    bytes: `GET /a?b=1 HTTP/1.1\r\n${H}`,
    want: { method: "GET", target: "/a?b=1", path: "/a?b=1", authority: "a.example", version: "1.1" },
  },
  {
    name: "absolute-form",
    bytes: `GET http://a.example/x?y HTTP/1.1\r\n${H}`,
    want: { target: "http://a.example/x?y", path: "/x?y", authority: "a.example" },
  },
  {
    name: "absolute-form without a path",
    bytes: `GET http://A.example HTTP/1.1\r\n${H}`,
    want: { path: "/", authority: "A.example" },
  },
  { name: "absolute-form with a query only", bytes: `GET http://a.example?q HTTP/1.1\r\n${H}`, want: { path: "/?q" } },
  {
    name: "absolute-form, OPTIONS for the whole server",
    bytes: `OPTIONS http://a.example HTTP/1.1\r\n${H}`,
    want: { path: "*" },
  },
  { name: "absolute-form with another Host", bytes: `GET http://b.example/ HTTP/1.1\r\n${H}`, want: BAD },
  { name: "absolute-form with user information", bytes: `GET http://u@a.example/ HTTP/1.1\r\n${H}`, want: BAD },
  { name: "absolute-form without a host", bytes: `GET http:///x HTTP/1.1\r\n${H}`, want: BAD },
  { name: "absolute-form of another scheme", bytes: `GET ftp://a.example/ HTTP/1.1\r\n${H}`, want: BAD },
  {
    name: "asterisk-form with OPTIONS",
    bytes: `OPTIONS * HTTP/1.1\r\n${H}`,
    want: { method: "OPTIONS", target: "*", path: "*", authority: "a.example" },
  },
  { name: "asterisk-form with GET", bytes: `GET * HTTP/1.1\r\n${H}`, want: BAD },
  { name: "CONNECT with origin-form", bytes: `CONNECT /x HTTP/1.1\r\n${H}`, want: BAD },
  { name: "CONNECT without a port", bytes: `CONNECT a.example HTTP/1.1\r\n${H}`, want: BAD },
  { name: "CONNECT with port 0", bytes: `CONNECT a.example:0 HTTP/1.1\r\n${H}`, want: BAD },
  { name: "CONNECT with port 65536", bytes: `CONNECT a.example:65536 HTTP/1.1\r\n${H}`, want: BAD },
  {
    name: "CONNECT with content-length",
    bytes: `CONNECT a.example:1 HTTP/1.1\r\nContent-Length: 3\r\n${H}`,
    want: BAD,
  },
  { name: "relative path", bytes: `GET x HTTP/1.1\r\n${H}`, want: BAD },
  { name: "HTTP/1.0 without Host", bytes: "GET / HTTP/1.0\r\n\r\n", want: { version: "1.0", authority: "" } },
  { name: "HTTP/1.2", bytes: `GET / HTTP/1.2\r\n${H}`, want: "505 HTTP Version Not Supported" },
  { name: "HTTP/2.0", bytes: `GET / HTTP/2.0\r\n${H}`, want: "505 HTTP Version Not Supported" },
  { name: "HTTP/0.9 by name", bytes: "GET / HTTP/0.9\r\n\r\n", want: "505 HTTP Version Not Supported" },
  { name: "HTTP/0.9 request", bytes: "GET /\r\n\r\n", want: BAD },
  { name: "HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want: "505 HTTP Version Not Supported" },
  { name: "version in small letters", bytes: `GET / http/1.1\r\n${H}`, want: BAD },
  { name: "version with two digits", bytes: `GET / HTTP/1.10\r\n${H}`, want: BAD },
  { name: "RTSP", bytes: `GET / RTSP/1.0\r\n${H}`, want: BAD },
  { name: "ICE", bytes: `SOURCE / ICE/1.0\r\n${H}`, want: BAD },
  { name: "method in small letters", bytes: `get / HTTP/1.1\r\n${H}`, want: BAD },
  { name: "method of mixed case", bytes: `GeT / HTTP/1.1\r\n${H}`, want: BAD },
  { name: "unknown method", bytes: `FOO / HTTP/1.1\r\n${H}`, want: "501 Not Implemented" },
  { name: "method that begins like a known one", bytes: `GETX / HTTP/1.1\r\n${H}`, want: "501 Not Implemented" },
  { name: "RTSP's method over HTTP", bytes: `DESCRIBE / HTTP/1.1\r\n${H}`, want: "501 Not Implemented" },
  { name: "ICE's method over HTTP", bytes: `SOURCE / HTTP/1.1\r\n${H}`, want: "501 Not Implemented" },
  { name: "QUERY", bytes: `QUERY / HTTP/1.1\r\n${H}`, want: { method: "QUERY" } },
  { name: "M-SEARCH", bytes: `M-SEARCH / HTTP/1.1\r\n${H}`, want: { method: "M-SEARCH" } },
  { name: "two spaces before the target", bytes: `GET  / HTTP/1.1\r\n${H}`, want: BAD },
  { name: "two spaces behind the target", bytes: `GET /  HTTP/1.1\r\n${H}`, want: BAD },
  { name: "tab before the target", bytes: `GET\t/ HTTP/1.1\r\n${H}`, want: BAD },
  { name: "space behind the version", bytes: `GET / HTTP/1.1 \r\n${H}`, want: BAD },
  { name: "space before the method", bytes: ` GET / HTTP/1.1\r\n${H}`, want: BAD },
  { name: "bare LF behind the request line", bytes: `GET / HTTP/1.1\n${H}`, want: BAD },
  { name: "bare CR in the request line", bytes: `GET /\rHTTP/1.1\r\n${H}`, want: BAD },
  { name: "one empty line before", bytes: `\r\nGET / HTTP/1.1\r\n${H}`, want: { target: "/" } },
  { name: "two empty lines before", bytes: `\r\n\r\nGET / HTTP/1.1\r\n${H}`, want: { target: "/" } },
  { name: "bare LF before", bytes: `\nGET / HTTP/1.1\r\n${H}`, want: BAD },
  { name: "CR without LF before", bytes: `\r\r\nGET / HTTP/1.1\r\n${H}`, want: BAD },
  { name: "fragment in the target", bytes: `GET /a#b HTTP/1.1\r\n${H}`, want: BAD },
  { name: "byte above 127 in the target", bytes: `GET /\xff HTTP/1.1\r\n${H}`, want: BAD },
  { name: "NUL in the target", bytes: `GET /\0 HTTP/1.1\r\n${H}`, want: BAD },
  { name: "DEL in the target", bytes: `GET /\x7f HTTP/1.1\r\n${H}`, want: BAD },
  { name: "< in the target", bytes: `GET /<b> HTTP/1.1\r\n${H}`, want: BAD },
  {
    name: "quotation mark in the 17th byte of the target",
    bytes: `GET /0123456789abcdef" HTTP/1.1\r\n${H}`,
    want: BAD,
  },
  {
    name: "what browsers leave as it is",
    bytes: `GET /{}|\\^\`[]'?{}|\\^\`[]' HTTP/1.1\r\n${H}`,
    want: { target: "/{}|\\^`[]'?{}|\\^`[]'" },
  },
  { name: "longest target", bytes: `GET /${long} HTTP/1.1\r\n${H}`, want: { target: `/${long}` } },
  { name: "target one byte too long", bytes: `GET /${long}x HTTP/1.1\r\n${H}`, want: "414 URI Too Long" },
];

t.test("RFC 9112 §3: request line, every split", async (t) => {
  await runRows(t, ROWS);
});

t.test("RFC 9112 §3.2: CONNECT is answered by the handler, then the connection closes", async (t) => {
  const target = rig({
    handler: (exchange) => exchange.respond(403, [], `${exchange.method} ${exchange.authority} "${exchange.path}"`),
  });
  const text = await feed(
    target,
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nGET / HTTP/1.1\r\n",
    [],
  );
  t.match(text, /^HTTP\/1\.1 403 .*connection: close.*CONNECT a\.example:443 ""$/s);
  await target.finish();
});
