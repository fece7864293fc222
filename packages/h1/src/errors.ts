// errors.ts — every code of this package with the status it is answered with and its meaning.
import { CodedError } from "@percore/core";

/**
 * What can be wrong with a message, and what a request is answered with for it; 502 where only a response can be wrong in
 * this way, as a gateway would answer.
 */
export const H1_ERRORS = {
  ERR_H1_BODY_RATE: [408, "The request body came slower than timeouts.bodyRateMin."],
  ERR_H1_BODY_TIMEOUT: [408, "The request body paused for longer than timeouts.receiveMs."],
  ERR_H1_BODY_TOO_LARGE: [413, "The request body is larger than limits.bodyBytesMax (RFC 9110 §15.5.14)."],
  ERR_H1_CHUNK_INVALID: [400, "A chunk size, extension or end breaks RFC 9112 §7.1."],
  ERR_H1_CHUNK_OVERHEAD: [400, "Chunk size lines and extensions are larger than limits.chunkOverheadBytesMax."],
  ERR_H1_CODING_INVALID: [
    400,
    "Transfer-Encoding is empty, repeated, or chunked is not its last coding (RFC 9112 §6.1).",
  ],
  ERR_H1_CODING_UNKNOWN: [501, "Transfer-Encoding names a coding other than chunked (RFC 9112 §6.1)."],
  ERR_H1_CODING_VERSION: [400, "Transfer-Encoding in an HTTP/1.0 request (RFC 9112 §6.1)."],
  ERR_H1_CONNECT_BODY: [400, "CONNECT with a content-length or transfer-encoding (RFC 9110 §9.3.6)."],
  ERR_H1_EXPECTATION: [417, "An expectation other than 100-continue (RFC 9110 §10.1.1)."],
  ERR_H1_FIELDS_TOO_MANY: [431, "More field lines than limits.fieldsMax."],
  ERR_H1_FIELD_INVALID: [
    400,
    "A field line breaks RFC 9112 §5: bad name or value, folding, white space before the colon.",
  ],
  ERR_H1_HEAD_TIMEOUT: [408, "The head was not complete within timeouts.headersMs."],
  ERR_H1_HEAD_TOO_LARGE: [431, "The head, or the trailers, are larger than limits.headBytesMax."],
  ERR_H1_HOST_INVALID: [400, "Host is no host with an optional port (RFC 9112 §3.2)."],
  ERR_H1_HOST_MISMATCH: [400, "Host differs from the authority of an absolute-form target (RFC 9112 §3.2.2)."],
  ERR_H1_HOST_MISSING: [400, "HTTP/1.1 request without Host (RFC 9112 §3.2)."],
  ERR_H1_HOST_REPEATED: [400, "More than one Host line (RFC 9112 §3.2)."],
  ERR_H1_LENGTH_AMBIGUOUS: [400, "Content-Length together with Transfer-Encoding, or twice (RFC 9112 §6.3)."],
  ERR_H1_INFORMS_TOO_MANY: [502, "More interim responses than limits.informsMax."],
  ERR_H1_LENGTH_FORBIDDEN: [502, "An interim response with a content-length or transfer-encoding (RFC 9110 §8.6)."],
  ERR_H1_LENGTH_INVALID: [400, "Content-Length is no number of digits, or too large (RFC 9110 §8.6)."],
  ERR_H1_LINE_INVALID: [400, "The request line, or what is before it, breaks RFC 9112 §3."],
  ERR_H1_METHOD_INVALID: [400, "The method is no token in capitals (RFC 9110 §9.1)."],
  ERR_H1_METHOD_UNKNOWN: [501, "A method that this server does not know (RFC 9110 §9.1)."],
  ERR_H1_REQUEST_CUT: [400, "The client closed its side in the middle of a request."],
  ERR_H1_RESPONSE_EARLY: [502, "Bytes came from the server before a request was sent, or behind a whole response."],
  ERR_H1_STATUS_LINE_INVALID: [502, "The status line, or what is before it, breaks RFC 9112 §4."],
  ERR_H1_SWITCH_UNASKED: [
    502,
    "101 without an Upgrade to the protocol that was asked for, or before the request was complete (RFC 9110 §7.8).",
  ],
  ERR_H1_TARGET_INVALID: [400, "The request target has a form or a byte it may not have (RFC 9112 §3.2)."],
  ERR_H1_TARGET_TOO_LONG: [414, "The request target is longer than limits.targetBytesMax."],
  ERR_H1_VERSION_UNSUPPORTED: [505, "A version other than HTTP/1.0 and HTTP/1.1 (RFC 9110 §15.6.6)."],
} as const;

export type H1ErrorCode = keyof typeof H1_ERRORS;

/** A response broke the rules: the `cause` of a ClientError. `code` is API, `message` is not. */
export class H1ResponseError extends CodedError<H1ErrorCode> {
  constructor(code: H1ErrorCode) {
    super(code, H1_ERRORS[code][1]);
  }
}

/** A request broke the rules. `code` is API, `message` is not; `status` is what the client was told. */
export class H1Error extends CodedError<H1ErrorCode> {
  readonly status: number;

  constructor(code: H1ErrorCode, detail = "") {
    const [status, meaning] = H1_ERRORS[code];
    super(code, detail === "" ? meaning : `${meaning} (${detail})`);
    this.status = status;
  }
}
