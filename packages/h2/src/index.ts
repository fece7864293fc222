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
