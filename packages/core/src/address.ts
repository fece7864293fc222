// address.ts — sockaddr as the kernel writes it, and addresses as people do.
import { isIPv4, isIPv6 } from "node:net";
import { constants } from "@percore/native";
import { CoreError } from "./errors.ts";
import type { PeerAddress } from "./stream.ts";

/** sizeof(struct sockaddr_un) - 2, less the closing NUL. */
export const UNIX_PATH_BYTES_MAX = 107;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
const PORT_MAX = 65_535;

const UNKNOWN: PeerAddress = Object.freeze({ family: "unix", address: "", port: 0 });

/**
 * The bytes of a sockaddr.
 * @throws {CoreError} ERR_ADDRESS_INVALID for a host that is no IP literal, a port out of range or a path too long.
 */
export const encodeAddress = (address: PeerAddress): Uint8Array => {
  if (address.family === "unix") return encodeUnix(address.address);
  if (!Number.isInteger(address.port) || address.port < 0 || address.port > PORT_MAX) {
    throw new CoreError("ERR_ADDRESS_INVALID", `port ${address.port} is not in 0..${PORT_MAX}`);
  }
  const [host, scope] = address.address.split("%");
  if (isIPv4(host)) return encodeIpv4(host, address.port);
  if (isIPv6(host)) return encodeIpv6(host, scope === undefined ? 0 : Number(scope), address.port);
  throw new CoreError("ERR_ADDRESS_INVALID", `"${address.address}" is not an IP address`);
};

/** The address in sockaddr bytes as getsockname and getpeername give them. Mapped IPv4 is given as IPv4. */
export const decodeAddress = (bytes: Uint8Array): PeerAddress => {
  if (bytes.length < 2) return UNKNOWN;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (view.getUint16(0, true)) {
    case constants.AF_INET:
      return { family: "ipv4", address: bytes.subarray(4, 8).join("."), port: view.getUint16(2) };
    case constants.AF_INET6:
      return decodeIpv6(view, bytes);
    default:
      return { family: "unix", address: decodePath(bytes.subarray(2)), port: 0 };
  }
};

/** "127.0.0.1:80", "[::1]:80", "/run/x.sock". */
export const formatAddress = (address: PeerAddress): string => {
  if (address.family === "unix" || address.family === "memory") return address.address;
  return address.family === "ipv6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
};

/** AF_* of an address. */
export const familyOf = (address: PeerAddress): number => {
  if (address.family === "unix") return constants.AF_UNIX;
  return isIPv4(address.address) ? constants.AF_INET : constants.AF_INET6;
};

const encodeUnix = (path: string): Uint8Array => {
  const encoded = new TextEncoder().encode(path);
  if (encoded.length === 0 || encoded.length > UNIX_PATH_BYTES_MAX) {
    throw new CoreError(
      "ERR_ADDRESS_INVALID",
      `a socket path has 1..${UNIX_PATH_BYTES_MAX} bytes, not ${encoded.length}`,
    );
  }
  // An abstract name begins with NUL and has no closing one; a path has.
  const abstract = encoded[0] === 0;
  const bytes = new Uint8Array(2 + encoded.length + (abstract ? 0 : 1));
  bytes[0] = constants.AF_UNIX;
  bytes.set(encoded, 2);
  return bytes;
};

const encodeIpv4 = (host: string, port: number): Uint8Array => {
  const bytes = new Uint8Array(SOCKADDR_IN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, constants.AF_INET, true);
  view.setUint16(2, port);
  bytes.set(host.split(".").map(Number), 4);
  return bytes;
};

const encodeIpv6 = (host: string, scope: number, port: number): Uint8Array => {
  const bytes = new Uint8Array(SOCKADDR_IN6_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, constants.AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(ipv6Bytes(host), 8);
  view.setUint32(24, scope, true);
  return bytes;
};

/** @param host an IPv6 literal that `isIPv6` accepts. */
const ipv6Bytes = (host: string): Uint8Array => {
  const bytes = new Uint8Array(16);
  const [left, right] = host.split("::");
  const head = groupsOf(left);
  const tail = right === undefined ? [] : groupsOf(right);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
};

const groupsOf = (text: string): number[] => {
  const bytes: number[] = [];
  for (const group of text === "" ? [] : text.split(":")) {
    if (group.includes(".")) bytes.push(...group.split(".").map(Number));
    else bytes.push(Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 0xff);
  }
  return bytes;
};

const decodeIpv6 = (view: DataView, bytes: Uint8Array): PeerAddress => {
  const port = view.getUint16(2);
  const mapped = view.getUint32(8) === 0 && view.getUint32(12) === 0 && view.getUint32(16) === 0xffff;
  if (mapped) return { family: "ipv4", address: bytes.subarray(20, 24).join("."), port };
  const groups: number[] = [];
  for (let at = 8; at < 24; at += 2) groups.push(view.getUint16(at));
  return { family: "ipv6", address: compressIpv6(groups), port };
};

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as "::". */
const compressIpv6 = (groups: readonly number[]): string => {
  let best = -1;
  let bestLength = 1;
  for (let at = 0; at < groups.length; at += 1) {
    let end = at;
    while (end < groups.length && groups[end] === 0) end += 1;
    if (end - at > bestLength) {
      best = at;
      bestLength = end - at;
    }
    at = Math.max(at, end);
  }
  const hex = groups.map((group) => group.toString(16));
  if (best < 0) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}`;
};

const decodePath = (bytes: Uint8Array): string => {
  if (bytes.length === 0) return "";
  // A path ends at its NUL; an abstract name begins with one.
  const end = bytes[0] === 0 ? -1 : bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
};
