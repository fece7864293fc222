// response-head.ts — judges a response head that llhttp let through: what RFC 9112 asks for and llhttp does not look at.
import type { H1ErrorCode } from "../errors.ts";
import { bodyLengthOf, connectionFlags, fieldValue } from "./control.ts";
import * as L from "./layout.ts";
import type { Machine } from "./machine.ts";
import { judgeCoding } from "./request-head.ts";

const CAPITAL_H = 0x48;
const STATUS_MIN = 100;

/** How a response's end is found (RFC 9112 §6.3). A number of 0 or more is its length. */
export const LENGTH_CHUNKED = -1;
export const LENGTH_UNTIL_CLOSE = -2;

export const statusOf = (machine: Machine, record: number): number => {
  const { u8 } = machine.arena;
  return u8[record + L.PARSER_STATUS] + (u8[record + L.PARSER_STATUS + 1] << 8);
};

/** A 2xx answer to CONNECT, or 101: what follows is no HTTP. */
export const switchesProtocol = (status: number, answerTo: number): boolean =>
  status === 101 || (answerTo === L.ANSWER_TO_CONNECT && status >= 200 && status < 300);

const hasNoBody = (status: number, answerTo: number): boolean =>
  status < 200 || status === 204 || status === 304 || answerTo === L.ANSWER_TO_HEAD;

/**
 * Judges the head that the control block describes.
 * @param record the llhttp record that parsed it
 * @param answerTo what it answers, one of ANSWER_TO_*
 */
export const judgeResponse = (machine: Machine, record: number, answerTo: number): H1ErrorCode | null => {
  const { i32, u8 } = machine.arena;
  const seen = i32[L.SEEN];
  const status = statusOf(machine, record);
  // llhttp skips line ends before a message; only requests may have one there (RFC 9112 §2.2).
  if (u8[i32[L.BASE]] !== CAPITAL_H || seen & L.SEEN_TARGET_BAD || status < STATUS_MIN)
    return "ERR_H1_STATUS_LINE_INVALID";
  if (u8[record + L.PARSER_MAJOR] !== 1) return "ERR_H1_VERSION_UNSUPPORTED";
  if ((seen & (L.SEEN_TRANSFER_ENCODING | L.SEEN_CONTENT_LENGTH)) === 0) return null;
  // RFC 9110 §9.3.6: both fields are to be ignored there.
  if (status > 199 && switchesProtocol(status, answerTo)) return null;
  if (seen & L.SEEN_TRANSFER_ENCODING) {
    if (seen & L.SEEN_CONTENT_LENGTH) return "ERR_H1_LENGTH_AMBIGUOUS";
    if (status < 200) return "ERR_H1_LENGTH_FORBIDDEN";
    if (u8[record + L.PARSER_MINOR] === 0) return "ERR_H1_CODING_VERSION";
    if (seen & L.SEEN_TRANSFER_ENCODING_TWICE) return "ERR_H1_CODING_INVALID";
    return judgeCoding(fieldValue(machine, L.TRANSFER_ENCODING));
  }
  const length = bodyLengthOf(machine, record);
  if (length > Number.MAX_SAFE_INTEGER) return "ERR_H1_LENGTH_INVALID";
  return status < 200 && length > 0 ? "ERR_H1_LENGTH_FORBIDDEN" : null;
};

/** Where the body of the response whose good head the control block describes ends. */
export const responseLengthOf = (machine: Machine, record: number, status: number, answerTo: number): number => {
  if (hasNoBody(status, answerTo)) return 0;
  const seen = machine.arena.i32[L.SEEN];
  if (seen & L.SEEN_TRANSFER_ENCODING) return LENGTH_CHUNKED;
  return seen & L.SEEN_CONTENT_LENGTH ? bodyLengthOf(machine, record) : LENGTH_UNTIL_CLOSE;
};

/**
 * Whether the connection may carry another request behind this response, as far as its head tells (RFC 9112 §9.3).
 * 204 with a length is read as what it is, a response without content; but its server may think otherwise and send some.
 */
export const keepsAlive = (machine: Machine, record: number, status: number): boolean => {
  const { i32, u8 } = machine.arena;
  const flags = connectionFlags(machine);
  if (flags & L.FLAG_CLOSE) return false;
  if (u8[record + L.PARSER_MINOR] === 0 && (flags & L.FLAG_KEEP_ALIVE) === 0) return false;
  if (status !== 204) return true;
  return (i32[L.SEEN] & L.SEEN_TRANSFER_ENCODING) === 0 && bodyLengthOf(machine, record) === 0;
};
