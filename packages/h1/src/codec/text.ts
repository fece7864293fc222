// text.ts — bytes of the arena as strings. What was seen before comes from a cache, because making a string costs more
// than comparing one.
import type { Buffer } from "node:buffer";

/** Longest string kept, characters. Longer ones are decoded each time. */
const CACHED_SIZE_MAX = 96;
/** Entries, a power of two. One entry per hash: the newest stays. */
const CACHE_ENTRIES = 1024;
/** Up to here String.fromCharCode beats the native decoder. */
const SHORT_MAX = 8;

type Latin1Slice = (this: Buffer, start: number, end: number) => string;

const EMPTY_CACHE: readonly string[] = new Array<string>(CACHE_ENTRIES).fill("");

export class TextCache {
  readonly #bytes: Buffer;
  readonly #slice: Latin1Slice;
  readonly #entries: string[] = [...EMPTY_CACHE];

  /** @param bytes the arena's memory */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    // Buffer's own decoder without the argument checks of toString(); present in every Node since 4.
    this.#slice = (bytes as unknown as { latin1Slice: Latin1Slice }).latin1Slice;
  }

  /** The latin-1 text of `size` bytes at `at`. */
  decode(at: number, size: number): string {
    if (size === 0) return "";
    if (size > CACHED_SIZE_MAX) return this.#slice.call(this.#bytes, at, at + size);
    const bytes = this.#bytes;
    const last = bytes[at + size - 1];
    const index = (size * 7 + bytes[at] * 31 + last * 131 + bytes[at + (size >> 1)] * 17) & (CACHE_ENTRIES - 1);
    const known = this.#entries[index];
    if (known.length === size && isSame(bytes, at, known)) return known;
    const text = size <= SHORT_MAX ? short(bytes, at, size) : this.#slice.call(bytes, at, at + size);
    this.#entries[index] = text;
    return text;
  }

  /** The latin-1 text of `size` bytes at `at`, kept nowhere. */
  copy(at: number, size: number): string {
    return this.#slice.call(this.#bytes, at, at + size);
  }
}

const isSame = (bytes: Uint8Array, at: number, text: string): boolean => {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
};

const short = (bytes: Uint8Array, at: number, size: number): string => {
  let text = "";
  for (let index = 0; index < size; index += 1) text += String.fromCharCode(bytes[at + index]);
  return text;
};
