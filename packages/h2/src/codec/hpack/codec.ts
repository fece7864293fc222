// codec.ts — what HTTP/2 needs of a header compression: ours is the default, npm hpack.js the other one.
import { CodedError } from "@percore/core";
import type { FieldList } from "@percore/http";
import type { Field } from "./field.ts";

/** Every way in which a header block can be wrong. All are connection errors of type COMPRESSION_ERROR (RFC 9113 §4.3). */
export const HPACK_ERRORS = {
  ERR_HPACK_FAILED: "An earlier block was wrong, so what the tables hold is unknown.",
  ERR_HPACK_HUFFMAN: "A string's code has EOS in it or wrong padding (RFC 7541 §5.2).",
  ERR_HPACK_INDEX: "An index points at no entry (RFC 7541 §2.3.3).",
  ERR_HPACK_INTEGER: "An integer is larger than any sane one (RFC 7541 §5.1).",
  ERR_HPACK_INVALID: "The block is wrong in a way that the codec does not tell.",
  ERR_HPACK_TABLE_SIZE: "A table size update is above the limit, misplaced or missing (RFC 7541 §4.2, §6.3).",
  ERR_HPACK_TRUNCATED: "The block ends within a field.",
} as const;

export type HpackErrorCode = keyof typeof HPACK_ERRORS;

export class HpackError extends CodedError<HpackErrorCode> {
  constructor(code: HpackErrorCode, options?: ErrorOptions) {
    super(code, HPACK_ERRORS[code], options);
  }
}

/** SETTINGS_HEADER_TABLE_SIZE where nobody says otherwise (RFC 9113 §6.5.2), bytes. */
export const TABLE_BYTES_DEFAULT = 4096;

/** A decoded block. Never changed, and the same object may be given for the same bytes again. */
export class HeaderBlock {
  readonly fields: readonly Field[];
  /** Sum of the fields' sizes (RFC 9113 §6.5.2), those included that were not kept. */
  readonly size: number;
  /** The list was larger than allowed; `fields` has only what came before. */
  readonly tooLarge: boolean;
  /** What a role has made of it, kept here so that a block that comes again is judged once. Null at first. */
  judged: unknown = null;

  constructor(fields: readonly Field[], size: number, tooLarge: boolean) {
    this.fields = fields;
    this.size = size;
    this.tooLarge = tooLarge;
  }
}

export interface DecoderLimits {
  /** Decoded list, bytes as RFC 9113 §6.5.2 counts; above it fields are decoded (the tables must stay right) and dropped. */
  readonly listBytesMax: number;
  /** Field lines; more are dropped in the same way. */
  readonly fieldsMax: number;
  /** The table size we announce. */
  readonly tableBytesMax: number;
}

export interface HpackDecoder {
  /**
   * Decodes the whole block of `size` bytes at `at`, in place.
   * @throws {HpackError}; from then on every call does.
   */
  decode(u8: Uint8Array, at: number, size: number): HeaderBlock;
  /** We announced another table size, and the peer has acknowledged it. */
  setTableBytesMax(bytes: number): void;
}

export interface HpackEncoder {
  /** The peer announced another table size; what follows from it leads the next block (RFC 7541 §4.2). */
  setTableBytesMax(bytes: number): void;
  /**
   * Writes a block: `list` is name, value, …, names in lower case, characters below 256, checked by the caller.
   * @param at there must be room for `blockBound(list)`
   * @param key where not 0: the same number always comes with the same list, so that its bytes may be kept
   * @returns where it ends
   */
  encode(u8: Uint8Array, at: number, list: FieldList, key: number): number;
}

export interface HpackCodec {
  readonly name: string;
  decoder(limits: DecoderLimits): HpackDecoder;
  /** @param tableBytesMax most that our side's table may take, whatever the peer allows */
  encoder(tableBytesMax: number): HpackEncoder;
}

/** At least as many bytes as the list takes when encoded, table size updates included. */
export const blockBound = (list: FieldList): number => {
  let bound = 12;
  for (let index = 0; index < list.length; index += 1) bound += list[index].length + 6;
  return bound;
};
