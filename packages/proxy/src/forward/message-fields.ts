// message-fields.ts — the fields of a message on its way through: what belongs to one connection stays behind, what we say of
// the client is added (RFC 9110 §7.6).
import type { Exchange, FieldList, Fields } from "@percore/http";
import { unmapped } from "../limits/networks.ts";
import type { ForwardedPlan, ForwardOrder } from "../plan.ts";
import { changeFields } from "../routing/field-changes.ts";

/** Connection-specific fields (RFC 9110 §7.6.1), and those the protocols write themselves. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** Of a request: Host goes by the plan, a body's length by its exchange; 100 Continue is our own affair with each side. */
const REQUEST_OWN: ReadonlySet<string> = new Set(["host", "content-length", "expect"]);

/** What says who the client is. Of somebody we do not trust it is a claim, and is dropped. */
const FORWARDED: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-server",
  "x-real-ip",
]);

/** Names that Connection lists, which are connection-specific too; null for none but the usual ones. */
const listedNames = (fields: Fields): ReadonlySet<string> | null => {
  const list = fields.get("connection");
  if (list === undefined || list === "" || list === "keep-alive" || list === "close") return null;
  return new Set(
    list
      .toLowerCase()
      .split(",")
      .map((name) => name.trim()),
  );
};

/**
 * Fields for the upstream. Spelt with "_" what we say ourselves is dropped too: many applications take both for the same.
 */
export const requestFields = (exchange: Exchange, order: ForwardOrder, plan: ForwardedPlan): FieldList => {
  const { fields } = exchange;
  const { extra } = order;
  const listed = listedNames(fields);
  const trusted = plan.trust.size > 0 && isTrusted(exchange, plan);
  const result: string[] = [];
  let via = "";
  for (let at = 0; at < fields.size; at += 1) {
    const name = fields.nameAt(at);
    if (HOP_BY_HOP.has(name)) {
      // The one value that means the same to everybody: trailers are passed on (RFC 9110 §10.1.4).
      if (name === "te" && /(^|,)\s*trailers\s*(;|,|$)/i.test(fields.valueAt(at))) result.push("te", "trailers");
      continue;
    }
    if (REQUEST_OWN.has(name) || FORWARDED.has(name) || listed?.has(name) || hasName(extra, name)) continue;
    if (name === "via") {
      via += `${via === "" ? "" : ", "}${fields.valueAt(at)}`;
      continue;
    }
    if (name.includes("_") && isClaim(name.replaceAll("_", "-"), extra)) continue;
    result.push(name, fields.valueAt(at));
  }
  addForwarded(result, exchange, plan, trusted);
  result.push("via", `${via === "" ? "" : `${via}, `}${exchange.version} ${plan.via}`);
  for (const part of extra) result.push(part);
  return changeFields(order.route.requestFields, result, order);
};

const isClaim = (name: string, extra: readonly string[]): boolean => FORWARDED.has(name) || hasName(extra, name);

const hasName = (list: readonly string[], name: string): boolean => {
  for (let at = 0; at < list.length; at += 2) if (list[at] === name) return true;
  return false;
};

const isTrusted = ({ connection: { remote } }: Exchange, { trust }: ForwardedPlan): boolean =>
  remote.family === "unix" || trust.has(remote.address);

/** A trusted proxy's word is passed on and ours put behind it; anybody else's is replaced by ours. */
const addForwarded = (result: string[], exchange: Exchange, plan: ForwardedPlan, trusted: boolean): void => {
  const { fields, scheme, authority } = exchange;
  const peer = unmapped(exchange.connection.remote.address);
  const earlier = (name: string): string | undefined => (trusted ? fields.get(name) : undefined);
  if (plan.xForwarded) {
    const before = earlier("x-forwarded-for");
    result.push("x-forwarded-for", before === undefined ? peer : `${before}, ${peer}`);
    result.push("x-forwarded-proto", earlier("x-forwarded-proto") ?? scheme);
    result.push("x-forwarded-host", earlier("x-forwarded-host") ?? authority);
  }
  if (plan.forwarded) {
    const before = earlier("forwarded");
    const own = `for=${nodeOf(peer)};host=${quoted(authority)};proto=${scheme}`;
    result.push("forwarded", before === undefined ? own : `${before}, ${own}`);
  }
};

/** A node of RFC 7239 §6: IPv6 in brackets and quotes; a peer without an address is unknown. */
const nodeOf = (address: string): string => {
  if (address === "" || address.startsWith("/")) return "unknown";
  return address.includes(":") ? `"[${address}]"` : address;
};

const quoted = (text: string): string => (/^[A-Za-z0-9.-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, "\\$&")}"`);

/** Fields for the client. `length` is written by the exchange; our own come last. */
export const answerFields = (
  fields: Fields,
  order: ForwardOrder,
  plan: ForwardedPlan,
  protocol: "h1" | "h2",
  isUpgrade: boolean,
): FieldList => {
  const listed = listedNames(fields);
  const result: string[] = [];
  let via = "";
  for (let at = 0; at < fields.size; at += 1) {
    const name = fields.nameAt(at);
    if (HOP_BY_HOP.has(name) || name === "content-length" || listed?.has(name)) continue;
    if (isUpgrade && name === "sec-websocket-accept") continue;
    if (name === "via") via += `${via === "" ? "" : ", "}${fields.valueAt(at)}`;
    else result.push(name, fields.valueAt(at));
  }
  result.push("via", `${via === "" ? "" : `${via}, `}${protocol === "h2" ? "2" : "1.1"} ${plan.via}`);
  for (const part of order.answerExtra) result.push(part);
  return changeFields(order.route.responseFields, result, order);
};

/** The list without a field. */
export const without = (fields: FieldList, name: string): FieldList => {
  const rest: string[] = [];
  for (let at = 0; at < fields.length; at += 2) if (fields[at] !== name) rest.push(fields[at], fields[at + 1]);
  return rest;
};

/** Trailers, without what has no place in them (RFC 9110 §6.5.1). */
export const trailerFields = (fields: Fields | null): FieldList | undefined => {
  if (fields === null || fields.size === 0) return undefined;
  const result: string[] = [];
  for (let at = 0; at < fields.size; at += 1) {
    const name = fields.nameAt(at);
    if (!HOP_BY_HOP.has(name) && !NOT_IN_TRAILERS.has(name)) result.push(name, fields.valueAt(at));
  }
  return result;
};

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "host",
  "set-cookie",
  "trailer",
]);
