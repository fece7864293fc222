export {
  createH2Client,
  DEFAULT_H2_CLIENT_LIMITS,
  DEFAULT_H2_CLIENT_TIMEOUTS,
  type H2ClientLimits,
  type H2ClientOptions,
  type H2ClientTimeouts,
} from "./client/client.ts";
export type { H2ClientConnection } from "./client/connection.ts";
export { H2ResetError } from "./client/reset-error.ts";
export { PREFACE } from "./codec/frame.ts";
export {
  blockBound,
  type DecoderLimits,
  HeaderBlock,
  HPACK_ERRORS,
  type HpackCodec,
  type HpackDecoder,
  type HpackEncoder,
  HpackError,
  type HpackErrorCode,
} from "./codec/hpack/codec.ts";
export { Field, FieldName, FieldValue } from "./codec/hpack/field.ts";
export { OWN_CODEC as hpack } from "./codec/hpack/own-codec.ts";
export { ErrorCode, H2_ERRORS, H2Error, type H2ErrorCode } from "./errors.ts";
export { DEFAULT_H2_LIMITS, type H2Limits } from "./limits.ts";
export type { ServerConnection } from "./server/connection.ts";
export { type Clock, type H2Counters, H2Server, type H2ServerOptions } from "./server/server.ts";
