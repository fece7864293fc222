// failure.ts — what llhttp's error codes mean for the peer.
import type { H1ErrorCode } from "../errors.ts";
import * as L from "./layout.ts";
import type { Machine } from "./machine.ts";
import type { MessageParser } from "./message-parser.ts";
import { isHttpMethod } from "./methods.ts";

const STRICT = 2;
const UNEXPECTED_CONTENT_LENGTH = 4;
const INVALID_URL = 7;
const INVALID_HEADER_TOKEN = 10;
const INVALID_CONTENT_LENGTH = 11;
const INVALID_CHUNK_SIZE = 12;

const CAPITAL = /[A-Z_-]/;

/** The error of a response's step that failed. */
export const responseFailureOf = (machine: Machine, parser: MessageParser): H1ErrorCode => {
  const { i32 } = machine.arena;
  const beforeFields = i32[L.PHASE] === L.PHASE_HEAD && i32[L.FIELDS] === 0;
  switch (parser.errorCode) {
    case L.HPE_INVALID_VERSION:
      return machine.reason(parser.record) === "Invalid HTTP version"
        ? "ERR_H1_VERSION_UNSUPPORTED"
        : "ERR_H1_STATUS_LINE_INVALID";
    case L.HPE_INVALID_CONSTANT:
    case L.HPE_INVALID_STATUS:
      return "ERR_H1_STATUS_LINE_INVALID";
    case INVALID_HEADER_TOKEN:
      return "ERR_H1_FIELD_INVALID";
    default:
      return beforeFields ? "ERR_H1_STATUS_LINE_INVALID" : failureOf(machine, parser);
  }
};

/** The error of a request's step that failed. */
export const failureOf = (machine: Machine, parser: MessageParser): H1ErrorCode => {
  const { i32, u8 } = machine.arena;
  const code = parser.errorCode;
  const inHead = i32[L.PHASE] === L.PHASE_HEAD;
  switch (code) {
    case L.HPE_INVALID_METHOD:
      // Only the first byte that fits no known method decides, so that the answer does not depend on how bytes were cut.
      return CAPITAL.test(String.fromCharCode(u8[parser.errorAt])) ? "ERR_H1_METHOD_UNKNOWN" : "ERR_H1_METHOD_INVALID";
    case L.HPE_INVALID_CONSTANT:
      return isHttpMethod(u8[parser.record + L.PARSER_METHOD]) ? "ERR_H1_LINE_INVALID" : "ERR_H1_METHOD_UNKNOWN";
    case L.HPE_INVALID_VERSION:
      return machine.reason(parser.record) === "Invalid HTTP version"
        ? "ERR_H1_VERSION_UNSUPPORTED"
        : "ERR_H1_LINE_INVALID";
    case L.HPE_PAUSED_H2_UPGRADE:
      return "ERR_H1_VERSION_UNSUPPORTED";
    case L.HPE_USER:
      return "ERR_H1_FIELDS_TOO_MANY";
    case UNEXPECTED_CONTENT_LENGTH:
      return "ERR_H1_LENGTH_AMBIGUOUS";
    case INVALID_URL:
      return "ERR_H1_TARGET_INVALID";
    case L.HPE_INVALID_TRANSFER_ENCODING:
      return machine.reason(parser.record).includes("Content-Length")
        ? "ERR_H1_LENGTH_AMBIGUOUS"
        : "ERR_H1_CODING_INVALID";
    case STRICT:
    case INVALID_CHUNK_SIZE:
      return "ERR_H1_CHUNK_INVALID";
    case INVALID_CONTENT_LENGTH:
      return inHead ? lengthFailure(machine, parser) : "ERR_H1_FIELD_INVALID";
    default:
      if (!inHead) return i32[L.PHASE] === L.PHASE_TRAILERS ? "ERR_H1_FIELD_INVALID" : "ERR_H1_CHUNK_INVALID";
      return i32[L.FIELDS] > 0 ? "ERR_H1_FIELD_INVALID" : "ERR_H1_LINE_INVALID";
  }
};

const lengthFailure = (machine: Machine, parser: MessageParser): H1ErrorCode =>
  machine.reason(parser.record).includes("Transfer-Encoding") ? "ERR_H1_LENGTH_AMBIGUOUS" : "ERR_H1_LENGTH_INVALID";
