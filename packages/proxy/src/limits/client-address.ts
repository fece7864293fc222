// client-address.ts — who the client is where trusted proxies stand before us: the last address that nobody we trust has vouched for.
import type { Exchange } from "@percore/http";
import { type Networks, unmapped } from "./networks.ts";

/** Hops that are looked at; whoever sends a longer list is taken for the client at its end. */
export const HOPS_MAX = 32;

/**
 * The client's address: the peer's, unless the peer is trusted; then what it says in X-Forwarded-For, or in Forwarded where
 * there is no such field, read from the right as long as addresses are trusted. A client can write whatever it likes to the
 * left of what the first trusted proxy has added, which is why the list is read from the right.
 */
export const clientAddress = (exchange: Pick<Exchange, "connection" | "fields">, trust: Networks): string => {
  const { remote } = exchange.connection;
  const peer = unmapped(remote.address);
  if (trust.size === 0) return peer;
  // The file's permissions say who is behind a Unix socket.
  if (remote.family !== "unix" && !trust.has(peer)) return peer;
  const hops = forwardedFor(exchange);
  let client = peer;
  for (let at = hops.length - 1; at >= Math.max(0, hops.length - HOPS_MAX); at -= 1) {
    const hop = addressOf(hops[at]);
    if (hop === null) return client;
    client = hop;
    if (!trust.has(hop)) return client;
  }
  return client;
};

const forwardedFor = ({ fields }: Pick<Exchange, "fields">): string[] => {
  const list = fields.get("x-forwarded-for");
  if (list !== undefined) return list.split(",");
  const forwarded = fields.get("forwarded");
  if (forwarded === undefined) return [];
  return forwarded.split(",").map((element) => /(?:^|;)\s*for\s*=\s*"?([^";,]*)"?/i.exec(element)?.[1] ?? "");
};

/** The address of a list's element, without port and brackets; null for "unknown", obfuscated names and what is no address. */
const addressOf = (text: string): string | null => {
  const trimmed = text.trim();
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::\d+)?$/.exec(trimmed);
  if (bracketed !== null) return unmapped(bracketed[1]);
  const plain = /^(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/.exec(trimmed);
  if (plain !== null) return plain[1];
  return /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(trimmed) ? unmapped(trimmed) : null;
};
