// decoder.ts — header blocks to fields (RFC 7541), in place, with limits counted as it goes.
import { type DecoderLimits, HeaderBlock, type HpackDecoder, HpackError, TABLE_BYTES_DEFAULT } from "./codec.ts";
import { FIELD_OVERHEAD, Field, FieldName, FieldValue } from "./field.ts";
import { NAMES, VALUES } from "./literals.ts";
import { STATIC_ENTRIES, STATIC_TABLE } from "./static-table.ts";

/** Largest number of continuation bytes of an integer: five give more than 2^32. */
const INTEGER_BYTES_MAX = 5;
/** Blocks kept per decoder, and the longest one kept. */
const BLOCKS_KEPT = 4;
const BLOCK_BYTES_MAX = 64;

const STATIC_FIELDS: readonly Field[] = Array.from({ length: STATIC_ENTRIES }, (_, at) => {
  return new Field(new FieldName(STATIC_TABLE[at * 2]), new FieldValue(STATIC_TABLE[at * 2 + 1]), false);
});

export class Decoder implements HpackDecoder {
  readonly #limits: DecoderLimits;
  /** Fields of the dynamic table; the newest is at the end, evicted ones lead until they are cut off. */
  #table: Field[] = [];
  #evicted = 0;
  #tableBytes = 0;
  /** The size the peer has chosen, and the most it may choose. */
  #tableBytesMax = TABLE_BYTES_DEFAULT;
  #allowedBytes: number;
  /** We lowered our limit; the next block must lead with an update that respects it. */
  #awaitsUpdate = false;
  #failed = false;
  // Where the present block stands, and what its last string and its last skipped field count for at least.
  #at = 0;
  #stringBytes = 0;
  #skippedBytes = 0;
  // Blocks that left the table as it was: what decodes them is the table's content, which `#version` stands for.
  #version = 0;
  #kept: HeaderBlock[] | null = null;
  #keptBytes: Uint8Array | null = null;
  readonly #keptSizes: number[] = [];
  #keptVersion = 0;
  #keptNext = 0;

  constructor(limits: DecoderLimits) {
    this.#limits = limits;
    this.#allowedBytes = Math.max(limits.tableBytesMax, TABLE_BYTES_DEFAULT);
  }

  /** Bytes the dynamic table counts for now. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  decode(u8: Uint8Array, at: number, size: number): HeaderBlock {
    if (this.#failed) throw new HpackError("ERR_HPACK_FAILED");
    if (this.#keptVersion === this.#version && size <= BLOCK_BYTES_MAX && !this.#awaitsUpdate) {
      const known = this.#known(u8, at, size);
      if (known !== null) return known;
    }
    // Set while it decodes, so that whatever is thrown leaves it so.
    this.#failed = true;
    const version = this.#version;
    const block = this.#decode(u8, at, at + size);
    this.#failed = false;
    if (version === this.#version && size <= BLOCK_BYTES_MAX) this.#keep(u8, at, size, block);
    return block;
  }

  setTableBytesMax(bytes: number): void {
    this.#allowedBytes = bytes;
    if (bytes < this.#tableBytesMax) this.#awaitsUpdate = true;
  }

  #decode(u8: Uint8Array, start: number, end: number): HeaderBlock {
    const { listBytesMax, fieldsMax } = this.#limits;
    const fields: Field[] = [];
    let listBytes = 0;
    let tooLarge = false;
    this.#at = start;
    this.#updates(u8, end);
    while (this.#at < end) {
      const first = u8[this.#at];
      // An indexed field is one byte mostly.
      let field: Field | null;
      if (first > 0x80 && first < 0xff) {
        this.#at += 1;
        field = this.#entry(first & 0x7f);
      } else if (first >= 0x80) {
        field = this.#entry(this.#integer(u8, end, 0x7f));
      } else field = this.#literal(u8, end, first, listBytesMax - listBytes);
      // A literal that is too large to be kept anywhere is skipped; its bytes count.
      listBytes += field === null ? this.#skippedBytes : field.size;
      if (field === null || listBytes > listBytesMax || fields.length === fieldsMax) tooLarge = true;
      else if (!tooLarge) fields.push(field);
    }
    return new HeaderBlock(fields, listBytes, tooLarge);
  }

  /** Dynamic table size updates may only lead a block (RFC 7541 §4.2). */
  #updates(u8: Uint8Array, end: number): void {
    while (this.#at < end && (u8[this.#at] & 0xe0) === 0x20) {
      const bytes = this.#integer(u8, end, 0x1f);
      if (bytes > this.#allowedBytes) throw new HpackError("ERR_HPACK_TABLE_SIZE");
      this.#awaitsUpdate = false;
      this.#tableBytesMax = bytes;
      this.#version += 1;
      this.#evict(bytes);
    }
    if (this.#awaitsUpdate) throw new HpackError("ERR_HPACK_TABLE_SIZE");
  }

  #entry(index: number): Field {
    if (index <= STATIC_ENTRIES && index > 0) return STATIC_FIELDS[index - 1];
    const at = this.#table.length - (index - STATIC_ENTRIES);
    if (index === 0 || at < this.#evicted) throw new HpackError("ERR_HPACK_INDEX");
    return this.#table[at];
  }

  /** Null where the field is larger than what is left of the list and not to be kept in the table either. */
  #literal(u8: Uint8Array, end: number, first: number, left: number): Field | null {
    const indexed = first >= 0x40;
    if (!indexed && first >= 0x20) throw new HpackError("ERR_HPACK_TABLE_SIZE");
    const sensitive = !indexed && first >= 0x10;
    const index = this.#integer(u8, end, indexed ? 0x3f : 0x0f);
    // What neither the list nor the table has room for is not made into strings: no peer makes us hold more.
    const most = Math.max(left, indexed ? this.#tableBytesMax : 0);
    let name: FieldName | null;
    let nameBytes = 0;
    if (index > 0) {
      name = this.#entry(index).name;
      nameBytes = name.text.length;
    } else {
      name = this.#string(u8, end, NAMES, true, most);
      nameBytes = this.#stringBytes;
    }
    const value = this.#string(u8, end, VALUES, !sensitive, most);
    if (name === null || value === null) {
      this.#skippedBytes = nameBytes + this.#stringBytes + FIELD_OVERHEAD;
      if (indexed) this.#clear();
      return null;
    }
    const field = new Field(name, value, sensitive);
    if (indexed) this.#add(field);
    return field;
  }

  /** Null where it is longer than `most` for certain. */
  #string<Made>(
    u8: Uint8Array,
    end: number,
    cache: { get(u8: Uint8Array, at: number, size: number, huffman: boolean, keep: boolean): Made },
    keep: boolean,
    most: number,
  ): Made | null {
    if (this.#at >= end) throw new HpackError("ERR_HPACK_TRUNCATED");
    const huffman = u8[this.#at] >= 0x80;
    const size = this.#integer(u8, end, 0x7f);
    const at = this.#at;
    if (size > end - at) throw new HpackError("ERR_HPACK_TRUNCATED");
    this.#at = at + size;
    // The longest code has 30 bits, so this many bytes it stands for at least.
    this.#stringBytes = huffman ? Math.floor((size * 8) / 30) : size;
    if (this.#stringBytes > most) return null;
    return cache.get(u8, at, size, huffman, keep);
  }

  /** An integer behind the prefix of the byte at hand (RFC 7541 §5.1). */
  #integer(u8: Uint8Array, end: number, prefix: number): number {
    let at = this.#at;
    let value = u8[at] & prefix;
    at += 1;
    if (value === prefix) {
      let shift = 1;
      for (let read = 0; ; read += 1) {
        if (at >= end) throw new HpackError("ERR_HPACK_TRUNCATED");
        if (read === INTEGER_BYTES_MAX) throw new HpackError("ERR_HPACK_INTEGER");
        const byte = u8[at];
        at += 1;
        value += (byte & 0x7f) * shift;
        shift *= 128;
        if (byte < 0x80) break;
      }
      if (value > 0x7fff_ffff) throw new HpackError("ERR_HPACK_INTEGER");
    }
    this.#at = at;
    return value;
  }

  // — the dynamic table —

  #add(field: Field): void {
    this.#version += 1;
    this.#evict(this.#tableBytesMax - field.size);
    if (field.size > this.#tableBytesMax) return;
    this.#table.push(field);
    this.#tableBytes += field.size;
  }

  #clear(): void {
    this.#version += 1;
    this.#evict(0);
  }

  /** Drops the oldest until the table takes `bytes` at most. */
  #evict(bytes: number): void {
    const table = this.#table;
    while (this.#tableBytes > bytes && this.#evicted < table.length) {
      this.#tableBytes -= table[this.#evicted].size;
      this.#evicted += 1;
    }
    if (this.#evicted === table.length || this.#evicted > 64) {
      this.#table = table.slice(this.#evicted);
      this.#evicted = 0;
    }
  }

  // — blocks seen before —

  #known(u8: Uint8Array, at: number, size: number): HeaderBlock | null {
    const kept = this.#kept;
    const bytes = this.#keptBytes;
    if (kept === null || bytes === null) return null;
    for (let entry = 0; entry < kept.length; entry += 1) {
      if (this.#keptSizes[entry] !== size) continue;
      const base = entry * BLOCK_BYTES_MAX;
      let same = 0;
      while (same < size && bytes[base + same] === u8[at + same]) same += 1;
      if (same === size) return kept[entry];
    }
    return null;
  }

  #keep(u8: Uint8Array, at: number, size: number, block: HeaderBlock): void {
    if (this.#kept === null || this.#keptVersion !== this.#version) {
      this.#kept = [];
      this.#keptNext = 0;
      this.#keptVersion = this.#version;
    }
    this.#keptBytes ??= new Uint8Array(BLOCKS_KEPT * BLOCK_BYTES_MAX);
    const entry = this.#keptNext;
    this.#keptNext = (entry + 1) % BLOCKS_KEPT;
    const base = entry * BLOCK_BYTES_MAX;
    for (let index = 0; index < size; index += 1) this.#keptBytes[base + index] = u8[at + index];
    this.#keptSizes[entry] = size;
    this.#kept[entry] = block;
  }
}
