// request-head.ts — judges a request head that llhttp let through: what RFC 9112 asks for and llhttp does not look at.
import { isIPv6 } from "node:net";
import type { H1ErrorCode } from "../errors.ts";
import { fieldValue } from "./control.ts";
import * as L from "./layout.ts";
import type { Machine } from "./machine.ts";
import { isHttpMethod, METHOD_CONNECT, METHOD_OPTIONS } from "./methods.ts";

/** What an ordinary request may show without a closer look. */
const ORDINARY = L.SEEN_HOST | L.SEEN_TARGET_ORIGIN;
const HARMLESS = L.SEEN_CONNECTION | L.SEEN_CONNECTION_ODD | L.SEEN_CONTENT_LENGTH;

/** A target in other than origin-form, taken apart. */
export interface TargetParts {
  readonly authority: string;
  readonly path: string;
}

const HOST_NAME = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const PORT_MAX = 65_535;
const isPort = (text: string): boolean => /^[0-9]{0,5}$/.test(text) && Number(text) <= PORT_MAX;
const HTTP_URL = /^https?:\/\/([^/?]*)(.*)$/i;

/** A head's verdict; `parts` only where the target is not in origin-form. */
export interface Verdict {
  readonly error: H1ErrorCode | null;
  readonly parts: TargetParts | null;
}

const GOOD: Verdict = Object.freeze({ error: null, parts: null });
const bad = (error: H1ErrorCode): Verdict => ({ error, parts: null });

/**
 * Judges the head that the control block describes.
 * @param record the llhttp record that parsed it
 */
export const judgeHead = (machine: Machine, record: number): Verdict => {
  const { i32, u8 } = machine.arena;
  const seen = i32[L.SEEN];
  const ordinary =
    (seen & ~HARMLESS) === ORDINARY &&
    u8[record + L.PARSER_MAJOR] === 1 &&
    isHttpMethod(u8[record + L.PARSER_METHOD]) &&
    u8[record + L.PARSER_METHOD] !== METHOD_CONNECT;
  return ordinary ? GOOD : judgeClosely(machine, record, seen);
};

const judgeClosely = (machine: Machine, record: number, seen: number): Verdict => {
  const { u8 } = machine.arena;
  if (seen & L.SEEN_PROTOCOL_BAD || seen & L.SEEN_SPACES) return bad("ERR_H1_LINE_INVALID");
  if (seen & L.SEEN_LEADING && !isEmptyLines(machine)) return bad("ERR_H1_LINE_INVALID");
  if (u8[record + L.PARSER_MAJOR] !== 1) return bad("ERR_H1_VERSION_UNSUPPORTED");
  if (!isHttpMethod(u8[record + L.PARSER_METHOD])) return bad("ERR_H1_METHOD_UNKNOWN");
  if (seen & L.SEEN_TARGET_BAD) return bad("ERR_H1_TARGET_INVALID");
  const lengthError = judgeLength(machine, record, seen);
  if (lengthError !== null) return bad(lengthError);
  if (seen & L.SEEN_HOST_TWICE) return bad("ERR_H1_HOST_REPEATED");
  if (!(seen & L.SEEN_HOST) && u8[record + L.PARSER_MINOR] === 1) return bad("ERR_H1_HOST_MISSING");
  if (seen & L.SEEN_HOST_ODD && !isAuthority(hostOf(machine))) return bad("ERR_H1_HOST_INVALID");
  if (seen & L.SEEN_EXPECT && u8[record + L.PARSER_MINOR] === 1) {
    const expectation = fieldValue(machine, L.EXPECT);
    if (seen & L.SEEN_EXPECT_TWICE || expectation.toLowerCase() !== "100-continue") return bad("ERR_H1_EXPECTATION");
  }
  return judgeTarget(machine, u8[record + L.PARSER_METHOD], seen);
};

/** RFC 9112 §6.1 and §6.3. llhttp has refused both lengths together, and content-length that is no number or repeated. */
const judgeLength = (machine: Machine, record: number, seen: number): H1ErrorCode | null => {
  const { u8 } = machine.arena;
  if (seen & L.SEEN_TRANSFER_ENCODING) {
    if (seen & L.SEEN_CONTENT_LENGTH) return "ERR_H1_LENGTH_AMBIGUOUS";
    if (u8[record + L.PARSER_MINOR] === 0) return "ERR_H1_CODING_VERSION";
    if (seen & L.SEEN_TRANSFER_ENCODING_TWICE) return "ERR_H1_CODING_INVALID";
    const error = judgeCoding(fieldValue(machine, L.TRANSFER_ENCODING));
    if (error !== null) return error;
  }
  const connect = u8[record + L.PARSER_METHOD] === METHOD_CONNECT;
  return connect && seen & (L.SEEN_TRANSFER_ENCODING | L.SEEN_CONTENT_LENGTH) ? "ERR_H1_CONNECT_BODY" : null;
};

/** The only coding taken is chunked, once and alone. */
export const judgeCoding = (value: string): H1ErrorCode | null => {
  const codings = value.toLowerCase().split(",");
  if (codings.length === 1 && codings[0] === "chunked") return null;
  const names = codings.map((coding) => coding.trim());
  if (names.some((name) => name === "")) return "ERR_H1_CODING_INVALID";
  const chunkedAt = names.indexOf("chunked");
  if (chunkedAt >= 0 && chunkedAt < names.length - 1) return "ERR_H1_CODING_INVALID";
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(names[0]) && names[0] !== "chunked"
    ? "ERR_H1_CODING_UNKNOWN"
    : "ERR_H1_CODING_INVALID";
};

/** RFC 9112 §3.2: origin-form, absolute-form, authority-form with CONNECT only, asterisk-form with OPTIONS only. */
const judgeTarget = (machine: Machine, method: number, seen: number): Verdict => {
  if (method === METHOD_CONNECT) {
    const authority = targetOf(machine);
    const port = authority.slice(authority.lastIndexOf(":") + 1);
    const good = isAuthority(authority) && authority.includes(":") && isPort(port) && Number(port) > 0;
    return good ? { error: null, parts: { authority, path: "" } } : bad("ERR_H1_TARGET_INVALID");
  }
  if (seen & L.SEEN_TARGET_ORIGIN) return GOOD;
  const target = targetOf(machine);
  if (target === "*") {
    if (method !== METHOD_OPTIONS) return bad("ERR_H1_TARGET_INVALID");
    return { error: null, parts: { authority: seen & L.SEEN_HOST ? hostOf(machine) : "", path: "*" } };
  }
  const match = HTTP_URL.exec(target);
  if (match === null || !isAuthority(match[1])) return bad("ERR_H1_TARGET_INVALID");
  const authority = match[1];
  if (seen & L.SEEN_HOST && hostOf(machine).toLowerCase() !== authority.toLowerCase())
    return bad("ERR_H1_HOST_MISMATCH");
  const rest = match[2];
  // RFC 9112 §3.2.4: OPTIONS for an absolute URI with an empty path and no query means the server as a whole.
  const empty = method === METHOD_OPTIONS && rest === "" ? "*" : "/";
  return { error: null, parts: { authority, path: rest.startsWith("/") ? rest : empty + rest } };
};

/** RFC 9110 §4.2.1 and §7.2: a host that is not empty, no user information, at most one port, which exists. */
export const isAuthority = (text: string): boolean => {
  if (text.startsWith("[")) {
    const close = text.indexOf("]");
    if (close < 0 || !isIPv6(text.slice(1, close)) || text.slice(1, close).includes("%")) return false;
    const rest = text.slice(close + 1);
    return rest === "" || (rest.startsWith(":") && isPort(rest.slice(1)));
  }
  const colon = text.indexOf(":");
  if (colon < 0) return HOST_NAME.test(text);
  return HOST_NAME.test(text.slice(0, colon)) && isPort(text.slice(colon + 1));
};

/** RFC 9112 §2.2: empty lines before a request line are ignored, and they are CRLF. */
const isEmptyLines = (machine: Machine): boolean => {
  const { i32, u8 } = machine.arena;
  let at = i32[L.BASE];
  while (u8[at] === 0x0d && u8[at + 1] === 0x0a) at += 2;
  return u8[at] > 0x20;
};

const targetOf = (machine: Machine): string => {
  const { i32 } = machine.arena;
  const at = i32[L.BASE] + i32[L.TARGET];
  return machine.bytes.toString("latin1", at, at + i32[L.TARGET_SIZE]);
};

const hostOf = (machine: Machine): string => fieldValue(machine, L.HOST);
