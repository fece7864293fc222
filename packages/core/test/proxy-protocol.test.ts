import fc from "fast-check";
import t from "tap";
import { Arena } from "../src/arena.ts";
import { CoreError } from "../src/errors.ts";
import { type ProxiedConnection, type ProxyProtocolOptions, proxyProtocol } from "../src/proxied-stream.ts";
import { crc32c, type ProxyHeader, parseProxyHeader } from "../src/proxy-protocol.ts";
import { sleep } from "../src/tasks.ts";
import { leaseCheck } from "../src/testing/leak-check.ts";
import { type MemoryPairOptions, memoryPair } from "../src/testing/memory-pair.ts";
import { ScriptedPeer } from "../src/testing/scripted-peer.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const latin1 = (text: string): Uint8Array => Buffer.from(text, "latin1");
const v2 = (command: number, family: number, body: Uint8Array | string): string => {
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : Buffer.from(body);
  const size = String.fromCharCode(bytes.length >> 8, bytes.length & 0xff);
  return `${SIGNATURE}${String.fromCharCode(0x20 | command, family)}${size}${bytes.toString("latin1")}`;
};
const tlv = (type: number, value: string): string => String.fromCharCode(type, 0, value.length) + value;
const IPV4 = "\x01\x02\x03\x04\x05\x06\x07\x08\x04\x57\x08\xae"; // 1.2.3.4:1111 to 5.6.7.8:2222
const FROM = { family: "ipv4", address: "1.2.3.4", port: 1111 };
const TO = { family: "ipv4", address: "5.6.7.8", port: 2222 };
const IPV6 = `${"\0".repeat(15)}\x01\x20\x01\x0d\xb8${"\0".repeat(6)}\0\x01\0\0\0\x02\0\x01\xff\xff`;
const UNIX = `${"/run/a".padEnd(108, "\0")}${"x".repeat(108)}`;

const accepted: { name: string; bytes: string; want: Partial<ProxyHeader> }[] = [
  {
    name: "version 1, IPv4",
    bytes: "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n",
    want: { version: 1, source: FROM, destination: TO } as ProxyHeader,
  },
  {
    name: "version 1, IPv6",
    bytes: "PROXY TCP6 ::1 2001:db8::2 0 65535\r\n",
    want: {
      source: { family: "ipv6", address: "::1", port: 0 },
      destination: { family: "ipv6", address: "2001:db8::2", port: 65_535 },
    },
  },
  { name: "version 1, unknown", bytes: "PROXY UNKNOWN\r\n", want: { source: null, destination: null } },
  { name: "version 1, unknown with anything", bytes: "PROXY UNKNOWN a b c d\r\n", want: { source: null } },
  {
    name: "version 2, IPv4",
    bytes: v2(1, 0x11, IPV4),
    want: { version: 2, source: FROM, destination: TO } as ProxyHeader,
  },
  {
    name: "version 2, IPv6",
    bytes: v2(1, 0x21, IPV6),
    want: {
      source: { family: "ipv6", address: "::1", port: 1 },
      destination: { family: "ipv6", address: "2001:db8::1:0:2", port: 65_535 },
    },
  },
  {
    name: "version 2, Unix",
    bytes: v2(1, 0x31, UNIX),
    want: {
      source: { family: "unix", address: "/run/a", port: 0 },
      destination: { family: "unix", address: "x".repeat(108), port: 0 },
    },
  },
  { name: "LOCAL has no addresses that count", bytes: v2(0, 0x11, IPV4), want: { source: null, destination: null } },
  { name: "LOCAL, unspecified, empty", bytes: v2(0, 0, ""), want: { source: null, tlvs: [] } },
  { name: "unspecified family, bytes ignored", bytes: v2(1, 0, "whatever"), want: { source: null, tlvs: [] } },
  {
    name: "TLVs are given on, padding is not",
    bytes: v2(1, 0x11, IPV4 + tlv(1, "h2") + tlv(4, "\0\0\0") + tlv(0x05, "id")),
    want: {
      tlvs: [
        { type: 1, value: latin1("h2") },
        { type: 5, value: latin1("id") },
      ],
    },
  },
];

const refused: { name: string; bytes: string }[] = [
  { name: "version 1, no CR", bytes: "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" },
  { name: "version 1, too long", bytes: `PROXY UNKNOWN ${"x".repeat(100)}` },
  { name: "version 1, a long line in one piece", bytes: `PROXY UNKNOWN ${"x".repeat(100)}\r\n` },
  { name: "version 1, family", bytes: "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n" },
  { name: "version 1, IPv6 as IPv4", bytes: "PROXY TCP4 ::1 ::1 1 2\r\n" },
  { name: "version 1, zone", bytes: "PROXY TCP6 fe80::1%lo ::1 1 2\r\n" },
  { name: "version 1, port too large", bytes: "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n" },
  { name: "version 1, port with leading zero", bytes: "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n" },
  { name: "version 1, a word too many", bytes: "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n" },
  { name: "version 1, two spaces", bytes: "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n" },
  { name: "version 2, version 3", bytes: v2(1, 0x11, IPV4).replace("\x21", "\x31") },
  { name: "version 2, command", bytes: v2(2, 0x11, IPV4) },
  { name: "version 2, family", bytes: v2(1, 0x41, IPV4) },
  { name: "version 2, datagram", bytes: v2(1, 0x12, IPV4) },
  { name: "version 2, addresses cut off", bytes: v2(1, 0x11, IPV4.slice(1)) },
  { name: "version 2, TLV cut off", bytes: v2(1, 0x11, `${IPV4}\x01\0`) },
  { name: "version 2, TLV too long", bytes: v2(1, 0x11, `${IPV4}\x01\0\x05abcd`) },
  { name: "version 2, too long", bytes: v2(1, 0, "x".repeat(5000)) },
  { name: "version 2, wrong checksum", bytes: v2(1, 0x11, IPV4 + tlv(3, "abcd")) },
  { name: "version 2, short checksum", bytes: v2(1, 0x11, IPV4 + tlv(3, "abc")) },
];

t.test("headers that are accepted, and no beginning of one is taken for anything", async (t) => {
  for (const { name, bytes, want } of accepted) {
    const whole = latin1(`${bytes}GET /`);
    const parsed = parseProxyHeader(whole, 4096);
    t.match(parsed, { kind: "header", size: bytes.length, header: want }, name);
    for (let size = 0; size < bytes.length; size += 1) {
      t.equal(parseProxyHeader(whole.subarray(0, size), 4096).kind, "partial", `${name}, ${size} bytes`);
    }
  }
});

t.test("headers that are refused", async (t) => {
  for (const { name, bytes } of refused) {
    t.throws(() => parseProxyHeader(latin1(bytes), 4096), { code: "ERR_PROXY_HEADER" }, name);
  }
});

t.test("what is no header is absent", async (t) => {
  for (const bytes of ["GET / HTTP/1.1\r\n", "PROXYX", "P\r\n", "\r\n\r\n\0\r\nQUIT\r", "\x16\x03\x01"]) {
    t.equal(parseProxyHeader(latin1(bytes), 4096).kind, "absent", JSON.stringify(bytes));
  }
});

t.test("a right checksum is accepted (CRC-32C of 123456789 is e3069283)", async (t) => {
  t.equal(crc32c(latin1("123456789")), 0xe306_9283);
  const blank = v2(1, 0x11, IPV4 + tlv(1, "h2") + tlv(3, "\0\0\0\0"));
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32c(latin1(blank)));
  const bytes = v2(1, 0x11, IPV4 + tlv(1, "h2") + tlv(3, sum.toString("latin1")));
  t.equal(parseProxyHeader(latin1(bytes), 4096).kind, "header");
});

t.test("arbitrary bytes behind a beginning throw nothing but coded errors", async () => {
  const beginnings = [latin1(SIGNATURE), latin1("PROXY "), latin1(v2(1, 0x11, "").slice(0, 14)), new Uint8Array(0)];
  fc.assert(
    fc.property(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 300 }), (beginning, rest) => {
      try {
        const bytes = Buffer.concat([beginning, rest]);
        const parsed = parseProxyHeader(bytes, 4096);
        return parsed.kind !== "header" || parsed.size <= bytes.length;
      } catch (error) {
        return error instanceof CoreError;
      }
    }),
  );
});

const arena = new Arena({ bytes: 16 * 1024 * 1024 });
const remote = { family: "ipv4", address: "10.1.2.3", port: 9 } as const;

const accept = (script: string, options: ProxyProtocolOptions, pairOptions: MemoryPairOptions = {}) => {
  const connection = memoryPair({ arena, info: { remote }, ...pairOptions });
  const peer = new ScriptedPeer(connection.client, connection.pump);
  const results: { error: Error | null; connection: ProxiedConnection | null }[] = [];
  let received = "";
  proxyProtocol(options)(connection.server, (error, proxied) => {
    results.push({ error, connection: proxied });
    const stream = proxied?.stream;
    stream?.attach({
      onData: (lease) => {
        received += Buffer.from(lease.bytes).toString("latin1");
        stream.write(lease);
      },
      onEnd: () => stream.end(),
      onDrain: () => {},
      onClose: () => {},
    });
  });
  if (connection.client.open) peer.send(script);
  return { ...connection, peer, results, received: () => received };
};

t.test("a trusted peer's header is taken off, cut anywhere, and the rest is the connection's", async (t) => {
  const leaks = leaseCheck(arena);
  for (const header of ["PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", v2(1, 0x11, IPV4 + tlv(1, "h2"))]) {
    const script = `${header}GET / HTTP/1.1\r\n`;
    for (let cut = 0; cut <= script.length; cut += 1) {
      const { results, received, peer } = accept(script, { trusted: ["10.0.0.0/8"] }, { toServer: { cuts: [cut] } });
      t.equal(received(), "GET / HTTP/1.1\r\n");
      t.match(results, [
        { error: null, connection: { header: { source: FROM }, stream: { info: { remote: FROM, local: TO } } } },
      ]);
      peer.expect("GET / HTTP/1.1\r\n").end();
      t.ok(peer.closed);
    }
    const { received, peer } = accept(script, { trusted: ["10.1.2.3"] }, { toServer: { chunkBytesMax: 1 } });
    t.equal(received(), "GET / HTTP/1.1\r\n");
    peer.reset();
  }
  leaks.assertNone();
});

t.test("LOCAL keeps the addresses of the connection", async (t) => {
  const { results, peer } = accept(`${v2(0, 0, "")}x`, { trusted: ["10.1.2.3"] });
  t.match(results, [{ connection: { header: { source: null }, stream: { info: { remote } } } }]);
  peer.reset();
});

t.test("nobody else is believed", async (t) => {
  const script = "PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n";
  const passed = accept(script, { trusted: ["10.0.0.0/16", "fd00::/8"] });
  t.equal(passed.received(), script);
  t.match(passed.results, [{ error: null, connection: { header: null, stream: { info: { remote } } } }]);
  passed.peer.reset();
  const closed = accept(script, { trusted: [], untrusted: "close" });
  closed.pump.run();
  t.match(closed.results, [{ error: { code: "ERR_PROXY_HEADER" }, connection: null }]);
  t.match(closed.peer.error, { code: "ECONNRESET" });
});

t.test("a missing header is refused where it is required, and nothing lost where it is not", async (t) => {
  const leaks = leaseCheck(arena);
  for (const script of ["GET / HTTP/1.1", "PROGRESS", "\r\n\r\n\0\r\nQUIP"]) {
    const strict = accept(script, { trusted: ["10.1.2.3"] }, { toServer: { chunkBytesMax: 1 } });
    t.match(strict.results, [{ error: { code: "ERR_PROXY_HEADER" } }]);
    t.match(strict.peer.error, { code: "ECONNRESET" });
    const lax = accept(script, { trusted: ["10.1.2.3"], required: false }, { toServer: { chunkBytesMax: 1 } });
    t.match(lax.results, [{ error: null, connection: { header: null } }]);
    t.equal(lax.received(), script);
    lax.peer.reset();
  }
  leaks.assertNone();
});

t.test("a malformed, an unfinished, a broken and a late header close the connection, each told once", async (t) => {
  const leaks = leaseCheck(arena);
  const malformed = accept("PROXY nonsense\r\nGET /", { trusted: ["10.1.2.3"] });
  t.match(malformed.results, [{ error: { code: "ERR_PROXY_HEADER" } }]);
  const unfinished = accept("PROXY TCP4 1.2", { trusted: ["10.1.2.3"] });
  t.same(unfinished.results, []);
  unfinished.peer.end();
  t.match(unfinished.results, [{ error: { code: "ERR_PROXY_HEADER" } }]);
  const broken = accept("PROXY TCP4 1.2", { trusted: ["10.1.2.3"] });
  broken.peer.reset();
  t.match(broken.results, [{ error: { code: "ECONNRESET" } }]);
  const late = accept("PROXY TCP4 1.2", { trusted: ["10.1.2.3"], headerTimeoutMs: 1 });
  await sleep(10);
  late.pump.run();
  t.match(late.results, [{ error: { code: "ERR_PROXY_HEADER" } }]);
  t.match(late.peer.error, { code: "ECONNRESET" });
  for (const { results } of [malformed, unfinished, broken, late]) t.equal(results.length, 1);
  leaks.assertNone();
});

t.test("wrong options are refused when the listener is made", async (t) => {
  for (const range of ["localhost", "10.0.0.0/33", "::/129", "1.2.3.4/", "1.2.3.4/8/8", ""]) {
    t.throws(() => proxyProtocol({ trusted: [range] }), { code: "ERR_OPTION_INVALID" }, range);
  }
  t.throws(() => proxyProtocol({ trusted: [], headerBytesMax: 100 }), { code: "ERR_OPTION_INVALID" });
});
