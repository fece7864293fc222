// literals.ts — string literals as names and values. One that was seen before is recognised by its encoded bytes, so that
// it is neither decoded nor judged again.
import type { Buffer } from "node:buffer";
import { HpackError } from "./codec.ts";
import { FieldName, FieldValue } from "./field.ts";
import { decodedBound, decodeHuffman } from "./huffman.ts";

/** Longest encoded literal kept, bytes. */
const KEPT_BYTES_MAX = 64;
/** Literals kept, a power of two. One per hash: the newest stays. */
const ENTRIES = 1024;

type Latin1Slice = (this: Buffer, start: number, end: number) => string;

/** Buffer's decoder without the argument checks of toString(). */
const slice: Latin1Slice = (globalThis.Buffer.prototype as unknown as { latin1Slice: Latin1Slice }).latin1Slice;

/** Literals of one kind, shared by all decoders of the thread. */
class LiteralCache<Made> {
  readonly #make: (text: string) => Made;
  readonly #bytes: Uint8Array = new Uint8Array(ENTRIES * KEPT_BYTES_MAX);
  /** Length << 1 | Huffman; 0 where nothing is kept. */
  readonly #marks: Uint8Array = new Uint8Array(ENTRIES);
  readonly #made: (Made | null)[] = new Array<Made | null>(ENTRIES).fill(null);

  constructor(make: (text: string) => Made) {
    this.#make = make;
  }

  /**
   * The literal of `size` bytes at `at`.
   * @param keep false for secrets: they are looked for nowhere and kept nowhere
   * @throws {HpackError} ERR_HPACK_HUFFMAN
   */
  get(u8: Uint8Array, at: number, size: number, huffman: boolean, keep: boolean): Made {
    if (!keep || size === 0 || size > KEPT_BYTES_MAX) return this.#make(textOf(u8, at, size, huffman));
    const mark = (size << 1) | (huffman ? 1 : 0);
    // A hash of every byte: sampled bytes collide too often on paths and dates (2026-11, bench/budget/hpack.mjs: 4.1 against
    // 5.8 M fields/s over 31 stories).
    let hash = mark;
    for (let index = 0; index < size; index += 1) hash = Math.imul(hash ^ u8[at + index], 0x01000193);
    const entry = (hash ^ (hash >>> 15)) & (ENTRIES - 1);
    const base = entry * KEPT_BYTES_MAX;
    if (this.#marks[entry] === mark && isSame(this.#bytes, base, u8, at, size)) return this.#made[entry] as Made;
    const made = this.#make(textOf(u8, at, size, huffman));
    this.#marks[entry] = mark;
    for (let index = 0; index < size; index += 1) this.#bytes[base + index] = u8[at + index];
    this.#made[entry] = made;
    return made;
  }
}

export const NAMES: LiteralCache<FieldName> = new LiteralCache((text) => new FieldName(text));
export const VALUES: LiteralCache<FieldValue> = new LiteralCache((text) => new FieldValue(text));

let scratch: Buffer = globalThis.Buffer.alloc(8192);

const textOf = (u8: Uint8Array, at: number, size: number, huffman: boolean): string => {
  if (!huffman) return slice.call(u8 as Buffer, at, at + size);
  const bound = decodedBound(size);
  if (bound > scratch.length) scratch = globalThis.Buffer.alloc(bound * 2);
  const length = decodeHuffman(u8, at, size, scratch);
  if (length < 0) throw new HpackError("ERR_HPACK_HUFFMAN");
  return slice.call(scratch, 0, length);
};

const isSame = (kept: Uint8Array, base: number, u8: Uint8Array, at: number, size: number): boolean => {
  for (let index = 0; index < size; index += 1) if (kept[base + index] !== u8[at + index]) return false;
  return true;
};
