// errors.ts — every code of this package with what the peer is told (RFC 9113 §7) and its meaning.
import { CodedError } from "@percore/core";

/** RFC 9113 §7. */
export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;

/** What can be wrong with a connection or with one of its streams. */
export const H2_ERRORS = {
  ERR_H2_BODY_LENGTH: ["PROTOCOL_ERROR", "DATA is more or less than content-length says (§8.1.1)."],
  ERR_H2_COMPRESSION: ["COMPRESSION_ERROR", "A header block cannot be decoded (§4.3)."],
  ERR_H2_CONTINUATION: ["PROTOCOL_ERROR", "CONTINUATION is missing, or there where none is due (§6.10)."],
  ERR_H2_FLOOD: ["ENHANCE_YOUR_CALM", "More of something than a limit allows; the detail names the limit."],
  ERR_H2_FLOW_CONTROL: ["FLOW_CONTROL_ERROR", "More DATA than the window, or a window above 2^31-1 (§6.9.1)."],
  ERR_H2_FRAME_SIZE: ["FRAME_SIZE_ERROR", "A frame has a length it may not have (§4.2)."],
  ERR_H2_FRAME_STREAM: ["PROTOCOL_ERROR", "A frame on a stream where it has no place (§5.1, §6)."],
  ERR_H2_HEAD: ["PROTOCOL_ERROR", "The head is malformed (§8.1.1); the detail says how."],
  ERR_H2_HEADERS_TIMEOUT: ["ENHANCE_YOUR_CALM", "The preface or a header block came too slowly."],
  ERR_H2_PADDING: ["PROTOCOL_ERROR", "Padding as long as its frame or longer (§6.1)."],
  ERR_H2_PREFACE: ["PROTOCOL_ERROR", "The connection does not begin with the preface (§3.4)."],
  ERR_H2_PRIORITY: [
    "PROTOCOL_ERROR",
    "A stream that depends on itself, or a priority of nothing (§5.3, RFC 9218 §7.1).",
  ],
  ERR_H2_PUSH: ["PROTOCOL_ERROR", "PUSH_PROMISE, which a client may not send (§8.4)."],
  ERR_H2_SETTINGS: ["PROTOCOL_ERROR", "A setting has a value it may not have (§6.5.2)."],
  ERR_H2_SETTINGS_TIMEOUT: ["SETTINGS_TIMEOUT", "Our SETTINGS were not acknowledged in time (§6.5.3)."],
  ERR_H2_STREAM_CLOSED: ["STREAM_CLOSED", "A frame on a stream that the peer has closed (§5.1)."],
  ERR_H2_WINDOW_INCREMENT: ["PROTOCOL_ERROR", "WINDOW_UPDATE by 0 (§6.9)."],
} as const;

export type H2ErrorCode = keyof typeof H2_ERRORS;

/** A peer broke the rules. `code` is API, `message` is not; `reason` is what the peer was told. */
export class H2Error extends CodedError<H2ErrorCode> {
  readonly reason: number;

  constructor(code: H2ErrorCode, detail = "", options?: ErrorOptions) {
    const [reason, meaning] = H2_ERRORS[code];
    super(code, detail === "" ? meaning : `${meaning} (${detail})`, options);
    this.reason = ErrorCode[reason];
  }
}
