// proxy-header.ts — the PROXY protocol's header for a connection of ours: tells the server whose it is.
import { isIPv4, isIPv6 } from "node:net";
import { unmapped } from "../limits/networks.ts";
import type { ConnectionFor } from "./connector.ts";

const SIGNATURE = Uint8Array.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
/** Version 2, LOCAL: the proxy speaks for itself (health checks). And PROXY: for somebody else. */
const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

/** @param whom null for a connection of the proxy's own. */
export const proxyHeader = (version: 1 | 2, whom: ConnectionFor | null): Uint8Array => {
  const source = whom === null ? "" : unmapped(whom.remote.address);
  const destination = whom === null ? "" : unmapped(whom.local.address);
  const family = isIPv4(source) && isIPv4(destination) ? 4 : isIPv6(source) && isIPv6(destination) ? 6 : 0;
  if (whom === null || family === 0)
    return version === 1 ? Buffer.from("PROXY UNKNOWN\r\n") : v2(LOCAL, 0, new Uint8Array(0));
  const [from, to] = [whom.remote.port, whom.local.port];
  if (version === 1) return Buffer.from(`PROXY TCP${family} ${source} ${destination} ${from} ${to}\r\n`);
  const bytes = family === 4 ? v4Bytes : v6Bytes;
  const body = Uint8Array.from([...bytes(source), ...bytes(destination), from >>> 8, from & 255, to >>> 8, to & 255]);
  return v2(PROXY, family === 4 ? TCP4 : TCP6, body);
};

const v2 = (command: number, family: number, body: Uint8Array): Uint8Array =>
  Uint8Array.from([...SIGNATURE, command, family, body.length >>> 8, body.length & 255, ...body]);

const v4Bytes = (address: string): number[] => address.split(".").map(Number);

/** Sixteen bytes of any way to write an IPv6 address: the URL parser writes it in hexadecimal groups. */
const v6Bytes = (address: string): number[] => {
  const canonical = new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1);
  const [head, tail] = canonical.split("::");
  const groupsOf = (text: string | undefined): string[] => (text === undefined || text === "" ? [] : text.split(":"));
  const first = groupsOf(head);
  const last = groupsOf(tail);
  const groups =
    tail === undefined ? first : [...first, ...new Array<string>(8 - first.length - last.length).fill("0"), ...last];
  return groups.flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 255]);
};
