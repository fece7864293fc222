// handed-sockets.ts — listening sockets that came with the process: from a service manager, or from the version before.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { InheritedSocket } from "@percore/core";

/** What the version before calls the sockets of an address; it stands in LISTEN_FDNAMES, which has no colons. */
export const handedName = (address: string): string => `percore.${Buffer.from(address).toString("base64url")}`;

/** The sockets of a listener's address: "systemd" takes the first unnamed or only one, anything else goes by name. */
export const socketsFor = (address: string, sockets: readonly InheritedSocket[]): InheritedSocket[] => {
  const handed = sockets.filter(({ name }) => name === handedName(address));
  if (handed.length > 0) return handed;
  if (address === "systemd") return sockets.filter(({ name }) => !name.startsWith("percore.")).slice(0, 1);
  return address.startsWith("systemd:") ? sockets.filter(({ name }) => name === address.slice(8)) : [];
};

/** A socket of this process that listens. */
export interface ListeningSocket {
  readonly fd: number;
  /** "127.0.0.1:8080", "[::]:8080", or the path of a Unix socket. */
  readonly address: string;
}

/** State LISTEN in /proc/net/tcp. */
const LISTENING = "0A";
/** __SO_ACCEPTCON in /proc/net/unix. */
const ACCEPTING = 0x10000;

/**
 * The listening sockets among this process's descriptors, as the kernel's tables tell: workers' sockets too, for threads
 * share descriptors.
 * @throws where /proc is not there.
 */
export const listeningSockets = (): ListeningSocket[] => {
  const addresses = new Map<string, string>([...tcpSockets("tcp"), ...tcpSockets("tcp6"), ...unixSockets()]);
  const found: ListeningSocket[] = [];
  for (const entry of readdirSync("/proc/self/fd")) {
    let link: string;
    try {
      link = readlinkSync(`/proc/self/fd/${entry}`);
    } catch {
      // The descriptor with which the folder was read.
      continue;
    }
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
    const address = inode === undefined ? undefined : addresses.get(inode);
    if (address !== undefined) found.push({ fd: Number(entry), address });
  }
  return found.sort((one, other) => one.fd - other.fd);
};

const rowsOf = (file: string): string[][] => {
  const lines = readFileSync(file, "latin1").trimEnd().split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/));
};

const tcpSockets = (table: "tcp" | "tcp6"): [string, string][] =>
  rowsOf(`/proc/self/net/${table}`)
    .filter((row) => row[3] === LISTENING)
    .map((row) => [row[9], tcpAddress(row[1])]);

const unixSockets = (): [string, string][] =>
  rowsOf("/proc/self/net/unix")
    .filter((row) => (Number.parseInt(row[3], 16) & ACCEPTING) !== 0 && row[7] !== undefined)
    .map((row) => [row[6], row.slice(7).join(" ")]);

/** Of the kernel's "0100007F:1F90": words in the machine's order. */
const tcpAddress = (text: string): string => {
  const [hex, port] = text.split(":");
  const bytes = Buffer.from(hex, "hex");
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  if (bytes.length === 4) return `${bytes.join(".")}:${Number.parseInt(port, 16)}`;
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(":");
  return `[${new URL(`http://[${groups}]`).hostname.slice(1, -1)}]:${Number.parseInt(port, 16)}`;
};
