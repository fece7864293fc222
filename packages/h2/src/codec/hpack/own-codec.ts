// own-codec.ts — the default codec: tables and Huffman code of our own, thread-wide caches of what was seen before.
import type { DecoderLimits, HpackCodec, HpackDecoder, HpackEncoder } from "./codec.ts";
import { Decoder } from "./decoder.ts";
import { Encoder } from "./encoder.ts";

export const OWN_CODEC: HpackCodec = Object.freeze({
  name: "percore",
  decoder: (limits: DecoderLimits): HpackDecoder => new Decoder(limits),
  encoder: (tableBytesMax: number): HpackEncoder => new Encoder(tableBytesMax),
});
