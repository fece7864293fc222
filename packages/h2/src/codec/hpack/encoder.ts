// encoder.ts — fields to header blocks (RFC 7541). What repeats is indexed, what is secret never, and a list that was
// sent before is copied as it stands.
import type { FieldList } from "@percore/http";
import { type HpackEncoder, TABLE_BYTES_DEFAULT } from "./codec.ts";
import { FIELD_OVERHEAD } from "./field.ts";
import { huffmanSize, putHuffman } from "./huffman.ts";
import { STATIC_ENTRIES, STATIC_TABLE } from "./static-table.ts";

// How a field is put (RFC 7541 §6.2): into the table, or not, or never by anybody.
export const PUT_INDEX = 0x40;
const PUT_NO_INDEX = 0x00;
export const PUT_NEVER = 0x10;

/** A cookie shorter than this can be guessed byte by byte where it is compressed (RFC 7541 §7.1.3). */
const SHORT_COOKIE = 20;
/** Larger fields would push out too much of the table for what they save. */
const INDEXED_SHARE = 0.5;
/** Entries of the table looked at, newest first. */
const LOOKED_AT_MAX = 64;
/** Blocks kept per encoder, and the longest one kept. */
const BLOCKS_KEPT = 4;
const BLOCK_BYTES_MAX = 64;

/** What is known of a name beforehand. */
interface NameRule {
  /** Its first entry of the static table, or 0, and how many follow of the same name. */
  readonly index: number;
  readonly entries: number;
  readonly how: number;
}

/** Values that rarely come twice. */
const VARIED = [":path", "age", "content-length", "content-range", "etag", "if-modified-since", "if-none-match"];
const VARIED_TOO = [
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "range",
  "x-request-id",
  "traceparent",
];
const SECRET = ["authorization", "proxy-authorization", "set-cookie", "cookie2", "x-api-key", "x-csrf-token"];

const UNKNOWN: NameRule = { index: 0, entries: 0, how: PUT_INDEX };
const RULES: ReadonlyMap<string, NameRule> = (() => {
  const rules = new Map<string, NameRule>();
  for (let at = STATIC_ENTRIES - 1; at >= 0; at -= 1) {
    const name = STATIC_TABLE[at * 2];
    rules.set(name, { index: at + 1, entries: (rules.get(name)?.entries ?? 0) + 1, how: PUT_INDEX });
  }
  for (const name of [...VARIED, ...VARIED_TOO])
    rules.set(name, { ...(rules.get(name) ?? UNKNOWN), how: PUT_NO_INDEX });
  for (const name of SECRET) rules.set(name, { ...(rules.get(name) ?? UNKNOWN), how: PUT_NEVER });
  return rules;
})();

export class Encoder implements HpackEncoder {
  /** Most that our table may take, whatever the peer allows. */
  readonly #ownBytesMax: number;
  #tableBytesMax: number;
  #tableBytes = 0;
  /** Table size updates due at the start of the next block: the least since the last block, and the present one. */
  #leastDue = -1;
  #sizeDue = -1;
  // The dynamic table; the newest entry is at the end, evicted ones lead until they are cut off.
  #names: string[] = [];
  #values: string[] = [];
  #evicted = 0;
  /** Counts changes of the table. */
  #version = 0;
  // Lists whose block changed nothing: they come out the same until the table changes.
  #keptBytes: Uint8Array | null = null;
  readonly #keptKeys: number[] = [];
  readonly #keptSizes: number[] = [];
  #keptVersion = 0;
  #keptNext = 0;

  constructor(tableBytesMax: number) {
    this.#ownBytesMax = tableBytesMax;
    this.#tableBytesMax = TABLE_BYTES_DEFAULT;
    if (tableBytesMax < TABLE_BYTES_DEFAULT) this.setTableBytesMax(TABLE_BYTES_DEFAULT);
  }

  setTableBytesMax(bytes: number): void {
    const next = Math.min(bytes, this.#ownBytesMax);
    if (next === this.#tableBytesMax && this.#sizeDue < 0) return;
    // A reduction must be told although the size has grown again since (RFC 7541 §4.2).
    this.#leastDue = this.#leastDue < 0 ? next : Math.min(this.#leastDue, next);
    this.#sizeDue = next;
    this.#tableBytesMax = next;
    this.#version += 1;
    this.#evict(this.#leastDue);
  }

  encode(u8: Uint8Array, start: number, list: FieldList, key: number): number {
    if (key !== 0 && this.#keptVersion === this.#version) {
      const { length } = this.#keptKeys;
      for (let entry = 0; entry < length; entry += 1) {
        if (this.#keptKeys[entry] === key) return this.#copy(u8, start, entry);
      }
    }
    let at = start;
    if (this.#sizeDue >= 0) at = this.#putUpdates(u8, at);
    const version = this.#version;
    for (let index = 0; index < list.length; index += 2) at = this.#putField(u8, at, list[index], list[index + 1]);
    if (key !== 0 && version === this.#version && at - start <= BLOCK_BYTES_MAX) this.#keep(u8, start, at - start, key);
    return at;
  }

  #putUpdates(u8: Uint8Array, start: number): number {
    let at = start;
    if (this.#leastDue < this.#sizeDue) at = putInteger(u8, at, 0x20, 0x1f, this.#leastDue);
    at = putInteger(u8, at, 0x20, 0x1f, this.#sizeDue);
    this.#leastDue = -1;
    this.#sizeDue = -1;
    this.#version += 1;
    return at;
  }

  #putField(u8: Uint8Array, start: number, name: string, value: string): number {
    const rule = RULES.get(name) ?? UNKNOWN;
    const put = putKindBy(rule, name, value, this.#tableBytesMax);
    let nameIndex = rule.index;
    if (put !== PUT_NEVER) {
      for (let index = rule.index; index < rule.index + rule.entries; index += 1) {
        if (STATIC_TABLE[index * 2 - 1] === value) return putInteger(u8, start, 0x80, 0x7f, index);
      }
      const names = this.#names;
      const values = this.#values;
      const { length } = names;
      const least = Math.max(this.#evicted, length - LOOKED_AT_MAX);
      for (let at = length - 1; at >= least; at -= 1) {
        if (names[at] !== name) continue;
        if (values[at] === value) return putInteger(u8, start, 0x80, 0x7f, STATIC_ENTRIES + length - at);
        if (nameIndex === 0) nameIndex = STATIC_ENTRIES + length - at;
      }
    }
    let at = putInteger(u8, start, put, put === PUT_INDEX ? 0x3f : 0x0f, nameIndex);
    if (nameIndex === 0) at = putString(u8, at, name);
    at = putString(u8, at, value);
    if (put === PUT_INDEX) this.#add(name, value);
    return at;
  }

  #add(name: string, value: string): void {
    const bytes = name.length + value.length + FIELD_OVERHEAD;
    this.#version += 1;
    this.#evict(this.#tableBytesMax - bytes);
    this.#names.push(name);
    this.#values.push(value);
    this.#tableBytes += bytes;
  }

  #evict(bytes: number): void {
    while (this.#tableBytes > bytes && this.#evicted < this.#names.length) {
      const at = this.#evicted;
      this.#tableBytes -= this.#names[at].length + this.#values[at].length + FIELD_OVERHEAD;
      this.#evicted += 1;
    }
    if (this.#evicted === this.#names.length || this.#evicted > 64) {
      this.#names = this.#names.slice(this.#evicted);
      this.#values = this.#values.slice(this.#evicted);
      this.#evicted = 0;
    }
  }

  #copy(u8: Uint8Array, at: number, entry: number): number {
    const bytes = this.#keptBytes as Uint8Array;
    const base = entry * BLOCK_BYTES_MAX;
    const size = this.#keptSizes[entry];
    for (let index = 0; index < size; index += 1) u8[at + index] = bytes[base + index];
    return at + size;
  }

  #keep(u8: Uint8Array, at: number, size: number, key: number): void {
    if (this.#keptVersion !== this.#version) {
      this.#keptKeys.length = 0;
      this.#keptNext = 0;
      this.#keptVersion = this.#version;
    }
    this.#keptBytes ??= new Uint8Array(BLOCKS_KEPT * BLOCK_BYTES_MAX);
    const entry = this.#keptNext;
    this.#keptNext = (entry + 1) % BLOCKS_KEPT;
    const base = entry * BLOCK_BYTES_MAX;
    for (let index = 0; index < size; index += 1) this.#keptBytes[base + index] = u8[at + index];
    this.#keptKeys[entry] = key;
    this.#keptSizes[entry] = size;
  }
}

/** How to put a field, for any encoder. */
export const putKindOf = (name: string, value: string, tableBytesMax: number): number =>
  putKindBy(RULES.get(name) ?? UNKNOWN, name, value, tableBytesMax);

const putKindBy = (rule: NameRule, name: string, value: string, tableBytesMax: number): number => {
  if (name === "cookie" && value.length < SHORT_COOKIE) return PUT_NEVER;
  if (rule.how !== PUT_INDEX) return rule.how;
  const bytes = name.length + value.length + FIELD_OVERHEAD;
  return bytes > tableBytesMax * INDEXED_SHARE ? PUT_NO_INDEX : PUT_INDEX;
};

/** An integer behind a prefix (RFC 7541 §5.1): `pattern` has the bits before it, `prefix` is the largest it takes. */
export const putInteger = (u8: Uint8Array, start: number, pattern: number, prefix: number, value: number): number => {
  if (value < prefix) {
    u8[start] = pattern | value;
    return start + 1;
  }
  u8[start] = pattern | prefix;
  let at = start + 1;
  let rest = value - prefix;
  while (rest >= 0x80) {
    u8[at] = (rest & 0x7f) | 0x80;
    at += 1;
    rest = Math.floor(rest / 128);
  }
  u8[at] = rest;
  return at + 1;
};

/** Whichever is shorter: the text as it is, or its code. */
const putString = (u8: Uint8Array, start: number, text: string): number => {
  const size = huffmanSize(text);
  if (size < text.length) return putHuffman(u8, putInteger(u8, start, 0x80, 0x7f, size), text);
  let at = putInteger(u8, start, 0, 0x7f, text.length);
  for (let index = 0; index < text.length; index += 1) {
    u8[at] = text.charCodeAt(index);
    at += 1;
  }
  return at;
};
