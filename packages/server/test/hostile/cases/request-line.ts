// request-line.ts — RFC 9112 §2.2, §3: what stands before the fields.
import { dropped, type HostileCase, refused, served, servedAndClosed } from "./hostile-case.ts";

const line = (start: string): string => `${start}\r\nHost: a\r\n\r\n`;

const REQUEST_LINES: readonly HostileCase[] = [
  {
    name: "§2.2: one empty line before a request is ignored",
    send: `\r\n${line("GET / HTTP/1.1")}`,
    outcomes: served("GET / 0"),
  },
  {
    name: "§2.2: several empty lines",
    send: `\r\n\r\n\r\n${line("GET / HTTP/1.1")}`,
    outcomes: [...served("GET / 0"), ...refused()],
  },
  { name: "white space before the method", send: line(" GET / HTTP/1.1"), outcomes: refused() },
  { name: "a tab before the method", send: line("\tGET / HTTP/1.1"), outcomes: refused() },
  { name: "two spaces before the target", send: line("GET  / HTTP/1.1"), outcomes: refused() },
  { name: "two spaces before the version", send: line("GET /  HTTP/1.1"), outcomes: refused() },
  { name: "a space after the version", send: line("GET / HTTP/1.1 "), outcomes: refused() },
  { name: "a tab instead of the first space", send: line("GET\t/ HTTP/1.1"), outcomes: refused() },
  { name: "a tab instead of the second space", send: line("GET /\tHTTP/1.1"), outcomes: refused() },
  { name: "a vertical tab in the line", send: line("GET /\x0bHTTP/1.1"), outcomes: refused() },
  { name: "§2.2: a bare LF ends the request line", send: "GET / HTTP/1.1\nHost: a\r\n\r\n", outcomes: refused() },
  { name: "§2.2: a bare CR in the request line", send: "GET / HTTP/1.1\rHost: a\r\n\r\n", outcomes: refused() },
  { name: "a bare CR before the target", send: line("GET \r/ HTTP/1.1"), outcomes: refused() },
  { name: "CR CR LF ends the request line", send: "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", outcomes: refused() },
  { name: "LF CR ends the request line", send: "GET / HTTP/1.1\n\rHost: a\r\n\r\n", outcomes: refused() },
  { name: "only bare LFs", send: "GET / HTTP/1.1\nHost: a\n\n", outcomes: refused() },
  { name: "no target", send: line("GET HTTP/1.1"), outcomes: refused() },
  { name: "an empty target", send: line("GET  HTTP/1.1"), outcomes: refused() },
  { name: "HTTP/0.9: no version", send: "GET /\r\n\r\n", outcomes: [...refused(400, 505), ...dropped()] },
  { name: "two versions", send: line("GET / HTTP/1.1 HTTP/1.1"), outcomes: refused() },
  { name: "a second target", send: line("GET / /admin HTTP/1.1"), outcomes: refused() },
];

const VERSIONS: readonly HostileCase[] = [
  { name: "HTTP/2.0", send: line("GET / HTTP/2.0"), outcomes: refused(505, 400) },
  { name: "HTTP/3.0", send: line("GET / HTTP/3.0"), outcomes: refused(505, 400) },
  { name: "HTTP/0.9 named", send: line("GET / HTTP/0.9"), outcomes: refused(505, 400) },
  {
    name: "HTTP/1.2: a higher minor version is 1.1 or refused",
    send: line("GET / HTTP/1.2"),
    outcomes: [...served("GET / 0"), ...refused(505, 400)],
  },
  { name: "HTTP/1.10", send: line("GET / HTTP/1.10"), outcomes: refused(400, 505) },
  { name: "HTTP/11.1", send: line("GET / HTTP/11.1"), outcomes: refused(400, 505) },
  { name: "HTTP/1", send: line("GET / HTTP/1"), outcomes: refused(400, 505) },
  { name: "HTTP/1.", send: line("GET / HTTP/1."), outcomes: refused(400, 505) },
  { name: "HTTP/.1", send: line("GET / HTTP/.1"), outcomes: refused(400, 505) },
  { name: "HTTP/1,1", send: line("GET / HTTP/1,1"), outcomes: refused(400, 505) },
  { name: "HTTP/ 1.1", send: line("GET / HTTP/ 1.1"), outcomes: refused(400, 505) },
  { name: "HTTP 1.1", send: line("GET / HTTP 1.1"), outcomes: refused(400, 505) },
  { name: "HTTP/1.1x", send: line("GET / HTTP/1.1x"), outcomes: refused(400, 505) },
  { name: "HTTP/1.1 with a NUL", send: line("GET / HTTP/1.1\0"), outcomes: refused(400, 505) },
  { name: "§2.3: the name is case-sensitive", send: line("GET / http/1.1"), outcomes: refused(400, 505) },
  { name: "another protocol's name", send: line("GET / HTTQ/1.1"), outcomes: refused(400, 505) },
  { name: "RTSP", send: line("DESCRIBE rtsp://a/b RTSP/1.0"), outcomes: refused(400, 501, 505) },
  { name: "ICECAST", send: line("SOURCE /a ICE/1.0"), outcomes: refused(400, 501, 505) },
];

const METHODS: readonly HostileCase[] = [
  ...["G@T", "GE(T", "GET,", "GET:", '"GET"', "G[T", "GET/", "G\x00T", "G\xc3\xa9T", "\x7fGET"].map((method) => ({
    name: `a method that is no token: ${JSON.stringify(method)}`,
    send: line(`${method} / HTTP/1.1`),
    outcomes: refused(400, 501),
  })),
  { name: "RFC 9110 §9.1: the method is case-sensitive", send: line("get / HTTP/1.1"), outcomes: refused(400, 501) },
  { name: "RFC 9110 §9.1: an unknown method", send: line("BREW / HTTP/1.1"), outcomes: [...refused(501, 400)] },
  {
    name: "a method of 16,000 letters",
    send: line(`${"A".repeat(16_000)} / HTTP/1.1`),
    outcomes: refused(400, 414, 431, 501),
  },
  { name: "TRACE", send: line("TRACE / HTTP/1.1"), outcomes: [...served("TRACE / 0"), ...refused(405, 501)] },
];

const TARGETS: readonly HostileCase[] = [
  { name: "a relative path", send: line("GET a HTTP/1.1"), outcomes: refused() },
  { name: "a query without a path", send: line("GET ?a HTTP/1.1"), outcomes: refused() },
  { name: "§3.2.4: * is for OPTIONS", send: line("GET * HTTP/1.1"), outcomes: refused() },
  { name: "§3.2.4: OPTIONS *", send: line("OPTIONS * HTTP/1.1"), outcomes: served("OPTIONS * 0") },
  { name: "§3.2.3: authority-form is for CONNECT", send: line("GET a:80 HTTP/1.1"), outcomes: refused() },
  { name: "§3.2.3: CONNECT with a path", send: line("CONNECT / HTTP/1.1"), methods: ["CONNECT"], outcomes: refused() },
  {
    name: "§3.2.3: CONNECT without a port",
    send: line("CONNECT a HTTP/1.1"),
    methods: ["CONNECT"],
    outcomes: refused(),
  },
  {
    name: "CONNECT with a URL",
    send: line("CONNECT http://a:80/ HTTP/1.1"),
    methods: ["CONNECT"],
    outcomes: refused(),
  },
  { name: "§3.2.2: absolute-form", send: line("GET http://a/b?c HTTP/1.1"), outcomes: served("GET http://a/b?c 0") },
  {
    name: "§3.2.2: absolute-form wins over Host",
    send: line("GET http://other/b HTTP/1.1"),
    outcomes: [...served("GET http://other/b 0"), ...refused()],
  },
  { name: "absolute-form without an authority", send: line("GET http:///b HTTP/1.1"), outcomes: refused() },
  { name: "absolute-form with user information", send: line("GET http://u:p@a/b HTTP/1.1"), outcomes: refused() },
  { name: "absolute-form with a broken IPv6 address", send: line("GET http://[::1/b HTTP/1.1"), outcomes: refused() },
  { name: "absolute-form with a port that is none", send: line("GET http://a:99999/b HTTP/1.1"), outcomes: refused() },
  {
    name: "absolute-form with another scheme",
    send: line("GET ftp://a/b HTTP/1.1"),
    outcomes: [...refused(), ...refused(421), ...refused(501)],
  },
  { name: "a NUL in the target", send: line("GET /a\0b HTTP/1.1"), outcomes: refused() },
  { name: "a control character in the target", send: line("GET /a\x01b HTTP/1.1"), outcomes: refused() },
  { name: "a DEL in the target", send: line("GET /a\x7fb HTTP/1.1"), outcomes: refused() },
  { name: "bytes above 0x7f in the target", send: line("GET /\xc3\xa9 HTTP/1.1"), outcomes: refused() },
  { name: "bytes that are no UTF-8 in the target", send: line("GET /\xff\xfe HTTP/1.1"), outcomes: refused() },
  {
    name: "a fragment is no part of a target",
    send: line("GET /a#b HTTP/1.1"),
    outcomes: [...refused(), ...served("GET /a#b 0")],
  },
  {
    name: "broken percent-encoding is the handler's business",
    send: line("GET /%zz%%00 HTTP/1.1"),
    outcomes: served("GET /%zz%%00 0"),
  },
  { name: "two slashes are no authority", send: line("GET //evil/x HTTP/1.1"), outcomes: served("GET //evil/x 0") },
  {
    name: "backslashes",
    send: line("GET /\\evil\\..\\x HTTP/1.1"),
    outcomes: [...served("GET /\\evil\\..\\x 0"), ...refused()],
  },
  { name: "dot segments", send: line("GET /../../etc/passwd HTTP/1.1"), outcomes: served("GET /../../etc/passwd 0") },
  { name: "a target above the limit", send: line(`GET /${"a".repeat(9_000)} HTTP/1.1`), outcomes: refused(414) },
  { name: "a target without an end", send: `GET /${"a".repeat(100_000)}`, outcomes: refused(414) },
  {
    name: "a target just below the limit",
    send: line(`GET /${"a".repeat(8_000)} HTTP/1.1`),
    outcomes: served(`GET /${"a".repeat(8_000)} 0`),
  },
];

const FOREIGN: readonly HostileCase[] = [
  {
    name: "a TLS ClientHello",
    send: `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${"\x5a".repeat(506)}`,
    outcomes: [...refused(), ...dropped()],
  },
  { name: "an SSH banner", send: "SSH-2.0-OpenSSH_9.2\r\n", outcomes: refused(400, 501) },
  { name: "SOCKS5", send: "\x05\x01\x00", outcomes: [...refused(), ...dropped()] },
  {
    name: "the beginning of the HTTP/2 preface",
    send: "PRI * HTTP/2.0\r\n\r\nno\r\n\r\n",
    outcomes: [...refused(400, 505, 501), ...dropped()],
  },
  {
    name: "a PROXY protocol line that nobody asked for",
    send: `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${line("GET / HTTP/1.1")}`,
    outcomes: refused(400, 501),
  },
  {
    name: "a PROXY protocol v2 header that nobody asked for",
    send: `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c${"\x7f".repeat(12)}`,
    outcomes: [...refused(), ...dropped()],
  },
  { name: "a response", send: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", outcomes: refused(400, 501) },
  { name: "NULs", send: "\0".repeat(64), outcomes: refused() },
  { name: "0xff", send: "\xff".repeat(64), outcomes: refused() },
  { name: "a memcached command", send: "stats\r\n", outcomes: refused(400, 501) },
  { name: "SMTP", send: "EHLO a\r\nMAIL FROM:<a>\r\n", outcomes: refused(400, 501) },
];

const OLD: readonly HostileCase[] = [
  { name: "HTTP/1.0 without Host", send: "GET / HTTP/1.0\r\n\r\n", outcomes: servedAndClosed("GET / 0") },
  {
    name: "HTTP/1.0 with keep-alive",
    send: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    outcomes: [...served("GET / 0"), ...servedAndClosed("GET / 0")],
  },
  {
    name: "HTTP/1.0: nothing after the first request is handled",
    send: "GET / HTTP/1.0\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n",
    outcomes: servedAndClosed("GET / 0"),
  },
];

export const REQUEST_LINE_CASES: readonly HostileCase[] = [
  ...REQUEST_LINES,
  ...VERSIONS,
  ...METHODS,
  ...TARGETS,
  ...FOREIGN,
  ...OLD,
];
