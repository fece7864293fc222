// proxy-protocol.ts — the header that a load balancer puts before a connection's bytes (PROXY protocol, versions 1 and 2).
import { isIPv4, isIPv6 } from "node:net";
import { CoreError } from "./errors.ts";
import type { PeerAddress } from "./stream.ts";

/** One type-length-value of a version 2 header, as sent. `PROXY_TLV` names the common types. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /** The connection's real ends; null where the balancer speaks for itself (LOCAL, health checks) or does not know. */
  readonly source: PeerAddress | null;
  readonly destination: PeerAddress | null;
  readonly tlvs: readonly ProxyTlv[];
}

export type ProxyParse =
  /** More bytes are needed to tell. */
  | { readonly kind: "partial" }
  /** These bytes begin something else. */
  | { readonly kind: "absent" }
  /** `size` bytes of header; what is behind them is the connection's own. */
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly size: number };

/** Types of TLVs that the specification registers (§2.2). */
export const PROXY_TLV = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  netns: 0x30,
} as const;

/** The longest version 1 line, CRLF included (specification §2.1). */
const V1_BYTES_MAX = 107;
const V2_FIXED_BYTES = 16;
const V1_PREFIX = Uint8Array.from([0x50, 0x52, 0x4f, 0x58, 0x59, 0x20]); // "PROXY "
const V2_SIGNATURE = Uint8Array.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const UNIX_PATH_BYTES = 108;

const PARTIAL: ProxyParse = { kind: "partial" };
const ABSENT: ProxyParse = { kind: "absent" };

/**
 * Reads the header at the beginning of a connection's bytes.
 *
 * @param bytes everything received so far, from the first byte on.
 * @param bytesMax the longest header to accept.
 * @throws {CoreError} ERR_PROXY_HEADER for one that is malformed or too long: such a connection must be closed, because
 *   nobody can know whose it is.
 */
export const parseProxyHeader = (bytes: Uint8Array, bytesMax: number): ProxyParse => {
  if (startsAs(bytes, V2_SIGNATURE)) return bytes.length < V2_FIXED_BYTES ? PARTIAL : parseV2(bytes, bytesMax);
  if (startsAs(bytes, V1_PREFIX)) return bytes.length < V1_PREFIX.length ? PARTIAL : parseV1(bytes);
  return ABSENT;
};

/** True when `bytes` begins with the prefix, or is itself a beginning of it. */
const startsAs = (bytes: Uint8Array, prefix: Uint8Array): boolean => {
  const size = Math.min(bytes.length, prefix.length);
  for (let at = 0; at < size; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
};

const malformed = (what: string): CoreError => new CoreError("ERR_PROXY_HEADER", `PROXY protocol header: ${what}`);

const parseV1 = (bytes: Uint8Array): ProxyParse => {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf(0x0a);
  if (end < 0) {
    if (bytes.length >= V1_BYTES_MAX) throw malformed(`no end of line within ${V1_BYTES_MAX} bytes`);
    return PARTIAL;
  }
  if (bytes[end - 1] !== 0x0d) throw malformed("line feed without carriage return");
  const line = Buffer.from(bytes.subarray(0, end - 1)).toString("latin1");
  const words = line.split(" ");
  const size = end + 1;
  // What follows UNKNOWN must be ignored (§2.1).
  if (words[1] === "UNKNOWN") return { kind: "header", size, header: header(1, null, null, []) };
  if (words.length !== 6 || (words[1] !== "TCP4" && words[1] !== "TCP6")) throw malformed(JSON.stringify(line));
  const family = words[1] === "TCP4" ? "ipv4" : "ipv6";
  const source = v1Address(family, words[2], words[4]);
  const destination = v1Address(family, words[3], words[5]);
  return { kind: "header", size, header: header(1, source, destination, []) };
};

const v1Address = (family: "ipv4" | "ipv6", address: string, port: string): PeerAddress => {
  const valid = family === "ipv4" ? isIPv4(address) : isIPv6(address) && !address.includes("%");
  if (!valid) throw malformed(`not an ${family} address: ${JSON.stringify(address)}`);
  if (!/^(0|[1-9][0-9]{0,4})$/.test(port) || Number(port) > 65_535)
    throw malformed(`not a port: ${JSON.stringify(port)}`);
  return { family, address, port: Number(port) };
};

const parseV2 = (bytes: Uint8Array, bytesMax: number): ProxyParse => {
  const version = bytes[12] >>> 4;
  const command = bytes[12] & 0xf;
  if (version !== 2) throw malformed(`version ${version} with the signature of version 2`);
  if (command > 1) throw malformed(`command ${command}`);
  const size = V2_FIXED_BYTES + bytes[14] * 256 + bytes[15];
  if (size > bytesMax) throw malformed(`${size} bytes, allowed are ${bytesMax}`);
  if (bytes.length < size) return PARTIAL;
  const whole = bytes.subarray(0, size);
  const family = whole[13] >>> 4;
  const transport = whole[13] & 0xf;
  if (family > 3 || transport > 2) throw malformed(`address family and protocol 0x${whole[13].toString(16)}`);
  const addressBytes = V2_ADDRESS_BYTES[family];
  if (size < V2_FIXED_BYTES + addressBytes) throw malformed("addresses do not fit into its length");
  // Behind an unspecified family nobody can tell addresses from TLVs; what is there must be ignored (§2.2).
  const tlvs = family === 0 ? [] : parseTlvs(whole, V2_FIXED_BYTES + addressBytes);
  checkCrc(whole, tlvs);
  // LOCAL: the balancer's own connection; whatever addresses it carries do not count.
  if (command === 0 || family === 0) return { kind: "header", size, header: header(2, null, null, tlvs) };
  if (transport !== 1) throw malformed("not a stream");
  const [source, destination] = v2Addresses(family, whole.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes));
  return { kind: "header", size, header: header(2, source, destination, tlvs) };
};

/** By address family: unspecified, IPv4, IPv6, Unix. */
const V2_ADDRESS_BYTES: readonly number[] = [0, 12, 36, 2 * UNIX_PATH_BYTES];

const header = (
  version: 1 | 2,
  source: PeerAddress | null,
  destination: PeerAddress | null,
  tlvs: readonly ProxyTlv[],
): ProxyHeader => ({ version, source, destination, tlvs });

const v2Addresses = (family: number, block: Uint8Array): [PeerAddress, PeerAddress] => {
  if (family === 3) {
    const path = (at: number): PeerAddress => {
      const raw = Buffer.from(block.subarray(at, at + UNIX_PATH_BYTES));
      const end = raw.indexOf(0);
      return { family: "unix", address: raw.toString("utf8", 0, end < 0 ? raw.length : end), port: 0 };
    };
    return [path(0), path(UNIX_PATH_BYTES)];
  }
  const size = family === 1 ? 4 : 16;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const address = (at: number): string => (family === 1 ? block.subarray(at, at + 4).join(".") : ipv6Text(view, at));
  const name = family === 1 ? "ipv4" : "ipv6";
  return [
    { family: name, address: address(0), port: view.getUint16(2 * size) },
    { family: name, address: address(size), port: view.getUint16(2 * size + 2) },
  ];
};

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as "::". */
const ipv6Text = (view: DataView, at: number): string => {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(at + 2 * index).toString(16));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === "0") length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.start < 0) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
};

const parseTlvs = (bytes: Uint8Array, from: number): ProxyTlv[] => {
  const tlvs: ProxyTlv[] = [];
  for (let at = from; at < bytes.length; ) {
    if (at + 3 > bytes.length) throw malformed("a TLV is cut off");
    const size = bytes[at + 1] * 256 + bytes[at + 2];
    if (at + 3 + size > bytes.length) throw malformed("a TLV is longer than the header");
    if (bytes[at] !== PROXY_TLV.noop)
      tlvs.push({ type: bytes[at], value: new Uint8Array(bytes.subarray(at + 3, at + 3 + size)) });
    at += 3 + size;
  }
  return tlvs;
};

/** Where there is a checksum it must be right (§2.2.3). It covers the header with the checksum's own bytes zero. */
const checkCrc = (whole: Uint8Array, tlvs: readonly ProxyTlv[]): void => {
  const sums = tlvs.filter((tlv) => tlv.type === PROXY_TLV.crc32c);
  if (sums.length === 0) return;
  if (sums.length > 1 || sums[0].value.length !== 4) throw malformed("one checksum of four bytes is expected");
  const sent = sums[0].value;
  const zeroed = new Uint8Array(whole);
  for (let at = V2_FIXED_BYTES + V2_ADDRESS_BYTES[whole[13] >>> 4]; at < zeroed.length; ) {
    const size = zeroed[at + 1] * 256 + zeroed[at + 2];
    if (zeroed[at] === PROXY_TLV.crc32c) zeroed.fill(0, at + 3, at + 3 + size);
    at += 3 + size;
  }
  const want = new DataView(sent.buffer, sent.byteOffset, 4).getUint32(0);
  if (crc32c(zeroed) !== want) throw malformed("wrong checksum");
};

/** CRC-32C (Castagnoli), bit by bit: a header is short, and few carry a checksum. */
export const crc32c = (bytes: Uint8Array): number => {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return (crc ^ 0xffff_ffff) >>> 0;
};
