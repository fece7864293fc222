// fields.ts — RFC 9112 §3.2 and §5, RFC 9110 §5 and §7: Host, the syntax of field lines, connection options.
import { type HostileCase, refused, SMUGGLED, served, servedAndClosed } from "./hostile-case.ts";

const head = (...lines: string[]): string => `GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const fine = served("GET / 0");

const HOSTS: readonly HostileCase[] = [
  { name: "§3.2: no Host", send: head("Accept: */*"), outcomes: refused() },
  { name: "§3.2: two Hosts", send: head("Host: a", "Host: b"), outcomes: refused() },
  { name: "§3.2: two equal Hosts", send: head("Host: a", "Host: a"), outcomes: refused() },
  { name: "two Hosts, one in capitals", send: head("Host: a", "HOST: b"), outcomes: refused() },
  { name: "an empty Host", send: head("Host:"), outcomes: [...fine, ...refused()] },
  ...[
    "a b",
    "a/b",
    "a@b",
    "a\tb",
    "[::1",
    "::1",
    "a:99999",
    "a:b",
    "a:80:80",
    "a?b",
    "a#b",
    "a\\b",
    "<a>",
    "a\xff",
    "[::1]a",
    "a%",
    "%zz",
  ].map((host) => ({ name: `§3.2: Host: ${JSON.stringify(host)}`, send: head(`Host: ${host}`), outcomes: refused() })),
  ...["a", "a.b", "a:80", "127.0.0.1", "[::1]", "[::1]:8080", "xn--bcher-kva.example", "a_b", "A", "a:"].map(
    (host) => ({
      name: `Host: ${host} is valid`,
      send: head(`Host: ${host}`),
      outcomes: fine,
    }),
  ),
  { name: "Host in another case", send: head("hOsT: a"), outcomes: fine },
  {
    name: "RFC 3986 §3.2.2: a comma is allowed in a name, two Hosts that somebody has joined are not",
    send: head("Host: a,b"),
    outcomes: [...fine, ...refused()],
  },
  {
    name: "absolute-form does not make up for a missing Host",
    send: "GET http://a/ HTTP/1.1\r\n\r\n",
    outcomes: refused(),
  },
  { name: "two Hosts in HTTP/1.0", send: "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", outcomes: refused() },
];

const SYNTAX: readonly HostileCase[] = [
  { name: "§5.1: a space before the colon", send: head("Host : a"), outcomes: refused() },
  { name: "§5.1: a tab before the colon", send: head("Host: a", "X\t: b"), outcomes: refused() },
  { name: "a space within the name", send: head("Host: a", "X Y: b"), outcomes: refused() },
  { name: "a line without a colon", send: head("Host: a", "nonsense"), outcomes: refused() },
  { name: "an empty name", send: head("Host: a", ": b"), outcomes: refused() },
  { name: "§5.2: obs-fold with a space", send: head("Host: a", "X: b", " c"), outcomes: refused() },
  { name: "§5.2: obs-fold with a tab", send: head("Host: a", "X: b", "\tc"), outcomes: refused() },
  { name: "§5.2: obs-fold of an empty value", send: head("Host: a", "X:", " c"), outcomes: refused() },
  { name: "§2.2: white space before the first field", send: head(" Host: a"), outcomes: refused() },
  {
    name: "§2.2: white space before the first field, then a good one",
    send: head(" X: b", "Host: a"),
    outcomes: refused(),
  },
  { name: "RFC 9110 §5.5: a NUL in a value", send: head("Host: a", "X: b\0c"), outcomes: refused() },
  { name: "RFC 9110 §5.5: a CR in a value", send: head("Host: a", "X: b\rc"), outcomes: refused() },
  { name: "RFC 9110 §5.5: an LF in a value", send: head("Host: a", "X: b\nc: d"), outcomes: refused() },
  { name: "a CR before CR LF", send: head("Host: a", "X: b\r"), outcomes: refused() },
  { name: "a bare LF ends a field", send: "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", outcomes: refused() },
  { name: "a bare CR ends a field", send: "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", outcomes: refused() },
  { name: "a bare LF ends the head", send: "GET / HTTP/1.1\r\nHost: a\r\n\n", outcomes: refused() },
  { name: "LF LF ends the head", send: "GET / HTTP/1.1\r\nHost: a\n\n", outcomes: refused() },
  { name: "LF CR LF ends the head", send: "GET / HTTP/1.1\r\nHost: a\n\r\n", outcomes: refused() },
  { name: "CR alone ends the head", send: "GET / HTTP/1.1\r\nHost: a\r\n\rX", outcomes: refused() },
  { name: "an escape character in a value", send: head("Host: a", "X: \x1b[31m"), outcomes: refused() },
  { name: "a DEL in a value", send: head("Host: a", "X: b\x7f"), outcomes: refused() },
  { name: "a vertical tab in a value", send: head("Host: a", "X: b\x0bc"), outcomes: refused() },
  ...[
    "(",
    ")",
    ",",
    "/",
    ";",
    "<",
    "=",
    ">",
    "?",
    "@",
    "[",
    "\\",
    "]",
    "{",
    "}",
    '"',
    "\0",
    "\x01",
    "\x7f",
    "\x80",
    "\xff",
  ].map((sign) => ({
    name: `RFC 9110 §5.1: ${JSON.stringify(sign)} in a name`,
    send: head("Host: a", `X${sign}Y: b`),
    outcomes: refused(),
  })),
  {
    name: "RFC 9110 §5.5: bytes above 0x7f in a value are opaque",
    send: head("Host: a", "X: \x80\xff"),
    outcomes: fine,
  },
  { name: "a tab in a value", send: head("Host: a", "X: b\tc"), outcomes: fine },
  { name: "white space around a value", send: head("Host: a", "X: \t b \t "), outcomes: fine },
  { name: "an empty value", send: head("Host: a", "X:"), outcomes: fine },
  { name: "all token characters in a name", send: head("Host: a", "!#$%&'*+-.^_`|~09azAZ: b"), outcomes: fine },
  {
    name: "names of an object's prototype",
    send: head("Host: a", "__proto__: b", "constructor: c", "toString: d", "hasOwnProperty: e"),
    outcomes: fine,
  },
];

const SIZES: readonly HostileCase[] = [
  {
    name: "more fields than allowed",
    send: head("Host: a", ...Array.from({ length: 101 }, (_, at) => `X${at}: b`)),
    outcomes: refused(431),
  },
  { name: "a value above the limit", send: head("Host: a", `X: ${"b".repeat(20_000)}`), outcomes: refused(431) },
  { name: "a name above the limit", send: head("Host: a", `${"X".repeat(20_000)}: b`), outcomes: refused(431) },
  {
    name: "many fields that together pass the limit",
    send: head("Host: a", ...Array.from({ length: 50 }, (_, at) => `X${at}: ${"b".repeat(500)}`)),
    outcomes: refused(431),
  },
  { name: "white space above the limit", send: head("Host: a", `X: ${" ".repeat(20_000)}b`), outcomes: refused(431) },
  {
    name: "a head without an end",
    send: `GET / HTTP/1.1\r\nHost: a\r\n${"X: b\r\n".repeat(50)}Y: ${"b".repeat(100_000)}`,
    outcomes: refused(431),
  },
  {
    name: "a head that nearly reaches the limit",
    send: head("Host: a", ...Array.from({ length: 90 }, (_, at) => `X${at}: ${"b".repeat(150)}`)),
    outcomes: fine,
  },
];

const CONNECTION: readonly HostileCase[] = [
  { name: "RFC 9110 §7.6.1: close", send: head("Host: a", "Connection: close"), outcomes: servedAndClosed("GET / 0") },
  {
    name: "close among others, in capitals",
    send: head("Host: a", "Connection: keep-alive, CLOSE"),
    outcomes: servedAndClosed("GET / 0"),
  },
  {
    name: "close in a second line",
    send: head("Host: a", "Connection: keep-alive", "Connection: close"),
    outcomes: servedAndClosed("GET / 0"),
  },
  {
    name: "nothing is handled after close",
    send: head("Host: a", "Connection: close") + SMUGGLED,
    outcomes: servedAndClosed("GET / 0"),
  },
  { name: "RFC 9110 §7.6.1: Host cannot be taken back", send: head("Host: a", "Connection: Host"), outcomes: fine },
  {
    name: "Connection: Content-Length does not change the framing",
    send: `POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 35\r\n\r\n${SMUGGLED}`,
    outcomes: served("POST / 35"),
  },
  {
    name: "Connection: Transfer-Encoding does not change the framing",
    send: `POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n23\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    outcomes: served("POST / 35"),
  },
  {
    name: "an upgrade nobody wants is ignored",
    send: head("Host: a", "Connection: Upgrade", "Upgrade: nonsense/9") + head("Host: a"),
    outcomes: served("GET / 0", "GET / 0"),
  },
  {
    name: "h2c: an upgrade nobody wants is ignored",
    send:
      head(
        "Host: a",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
      ) + head("Host: a"),
    outcomes: served("GET / 0", "GET / 0"),
  },
  {
    name: "Upgrade without the connection option",
    send: head("Host: a", "Upgrade: websocket") + head("Host: a"),
    outcomes: served("GET / 0", "GET / 0"),
  },
  {
    name: "an upgrade nobody wants, with a body",
    send: `POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 35\r\n\r\n${SMUGGLED}${head("Host: a")}`,
    outcomes: served("POST / 35", "GET / 0"),
  },
];

export const FIELD_CASES: readonly HostileCase[] = [...HOSTS, ...SYNTAX, ...SIZES, ...CONNECTION];
