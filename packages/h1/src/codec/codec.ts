// codec.ts — what all connections of one arena share of the codec: parser module, strings seen, heads sent.
import type { Arena } from "@percore/core";
import { BodyEncoder } from "./body-encoder.ts";
import { HeadEncoder } from "./head-encoder.ts";
import { Machine } from "./machine.ts";
import { RequestEncoder } from "./request-encoder.ts";
import { TextCache } from "./text.ts";

const codecs = new WeakMap<Arena, Codec>();

export class Codec {
  readonly machine: Machine;
  readonly texts: TextCache;
  readonly heads: HeadEncoder;
  readonly bodies: BodyEncoder;
  readonly requests: RequestEncoder;

  /** The codec of this arena; made at the first call. */
  static of(arena: Arena): Codec {
    let codec = codecs.get(arena);
    if (codec === undefined) {
      codec = new Codec(arena);
      codecs.set(arena, codec);
    }
    return codec;
  }

  private constructor(arena: Arena) {
    this.machine = new Machine(arena);
    this.texts = new TextCache(this.machine.bytes);
    this.heads = new HeadEncoder(this.machine);
    this.bodies = new BodyEncoder(this.machine);
    this.requests = new RequestEncoder(this.machine);
  }
}
