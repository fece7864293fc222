// npm-codec.ts — npm hpack.js 2.1.6 behind guards: what a peer sends may break neither it nor the connection's tables.
import type { FieldList } from "@percore/http";
import hpack from "hpack.js";
import {
  type DecoderLimits,
  HeaderBlock,
  type HpackCodec,
  type HpackDecoder,
  type HpackEncoder,
  HpackError,
  TABLE_BYTES_DEFAULT,
} from "./codec.ts";
import { PUT_INDEX, PUT_NEVER, putInteger, putKindOf } from "./encoder.ts";
import { Field, FieldName, FieldValue } from "./field.ts";
import { huffmanSize } from "./huffman.ts";

type Compressor = ReturnType<typeof hpack.compressor.create>;
type Table = Compressor["_table"];
type Compressed = Parameters<Compressor["_write"]>[0][number];

class GuardedDecoder implements HpackDecoder {
  readonly #limits: DecoderLimits;
  readonly #inner: ReturnType<typeof hpack.decompressor.create>;
  #allowedBytes: number;
  #awaitsUpdate = false;
  #failed = false;
  #fields: Field[] = [];
  #listBytes = 0;
  #count = 0;
  #tooLarge = false;

  constructor(limits: DecoderLimits) {
    this.#limits = limits;
    this.#allowedBytes = Math.max(limits.tableBytesMax, TABLE_BYTES_DEFAULT);
    const inner = hpack.decompressor.create({ table: { maxSize: TABLE_BYTES_DEFAULT } });
    // It may be told of more than it starts with.
    inner._table.protocolMaxSize = this.#allowedBytes;
    // Fields are counted as they come; its own stream would gather any number of them first.
    inner.push = (field) => {
      this.#take(field.name, field.value, field.neverIndex);
      return true;
    };
    inner._processUpdate = () => this.#update();
    this.#inner = inner;
  }

  decode(u8: Uint8Array, at: number, size: number): HeaderBlock {
    if (this.#failed) throw new HpackError("ERR_HPACK_FAILED");
    this.#failed = true;
    this.#fields = [];
    this.#listBytes = 0;
    this.#count = 0;
    this.#tooLarge = false;
    try {
      // It keeps what it is given until it is read, hence the copy.
      if (size > 0) this.#inner._decoder.push(Buffer.from(u8.subarray(at, at + size)));
      while (!this.#inner._decoder.isEmpty()) this.#inner._execute();
    } catch (error) {
      throw error instanceof HpackError ? error : new HpackError("ERR_HPACK_INVALID", { cause: error });
    }
    if (this.#awaitsUpdate) throw new HpackError("ERR_HPACK_TABLE_SIZE");
    this.#failed = false;
    return new HeaderBlock(this.#fields, this.#listBytes, this.#tooLarge);
  }

  setTableBytesMax(bytes: number): void {
    this.#allowedBytes = bytes;
    if (bytes < this.#inner._table.maxSize) this.#awaitsUpdate = true;
  }

  #take(name: string, value: string, sensitive: boolean): void {
    if (this.#awaitsUpdate) throw new HpackError("ERR_HPACK_TABLE_SIZE");
    const field = new Field(new FieldName(name), new FieldValue(value), sensitive);
    this.#listBytes += field.size;
    this.#count += 1;
    if (this.#listBytes > this.#limits.listBytesMax || this.#count > this.#limits.fieldsMax) this.#tooLarge = true;
    else this.#fields.push(field);
  }

  #update(): void {
    const bytes = this.#inner._decoder.decodeInt();
    if (this.#count > 0 || bytes > this.#allowedBytes) throw new HpackError("ERR_HPACK_TABLE_SIZE");
    this.#awaitsUpdate = false;
    this.#inner._table.protocolMaxSize = Math.max(bytes, this.#allowedBytes);
    this.#inner._table.updateSize(bytes);
  }
}

class GuardedEncoder implements HpackEncoder {
  readonly #ownBytesMax: number;
  readonly #inner: ReturnType<typeof hpack.compressor.create>;
  #chunks: Uint8Array[] = [];
  #leastDue = -1;
  #sizeDue = -1;

  constructor(tableBytesMax: number) {
    this.#ownBytesMax = tableBytesMax;
    this.#inner = hpack.compressor.create({ table: { maxSize: TABLE_BYTES_DEFAULT } });
    this.#inner.push = (chunk) => {
      this.#chunks.push(chunk);
      return true;
    };
    const table = this.#inner._table;
    table.reverseLookup = (name, value) => lookup(table, name, value);
    if (tableBytesMax < TABLE_BYTES_DEFAULT) this.setTableBytesMax(TABLE_BYTES_DEFAULT);
  }

  setTableBytesMax(bytes: number): void {
    const next = Math.min(bytes, this.#ownBytesMax);
    const table = this.#inner._table;
    if (next === table.maxSize && this.#sizeDue < 0) return;
    this.#leastDue = this.#leastDue < 0 ? next : Math.min(this.#leastDue, next);
    this.#sizeDue = next;
    table.protocolMaxSize = Math.max(next, this.#leastDue);
    table.updateSize(this.#leastDue);
    table.updateSize(next);
  }

  encode(u8: Uint8Array, start: number, list: FieldList, _key: number): number {
    let at = start;
    if (this.#sizeDue >= 0) {
      // Its own updateTableSize tells no reduction.
      if (this.#leastDue < this.#sizeDue) at = putInteger(u8, at, 0x20, 0x1f, this.#leastDue);
      at = putInteger(u8, at, 0x20, 0x1f, this.#sizeDue);
      this.#leastDue = -1;
      this.#sizeDue = -1;
    }
    const fields: Compressed[] = [];
    for (let index = 0; index < list.length; index += 2) {
      const [name, value] = [list[index], list[index + 1]];
      const put = putKindOf(name, value, this.#inner._table.maxSize);
      // It would code what gets longer by it, and then the block might outgrow its bound.
      const huffman = huffmanSize(name) + huffmanSize(value) <= name.length + value.length;
      fields.push({ name, value, neverIndex: put === PUT_NEVER, incremental: put === PUT_INDEX, huffman });
    }
    this.#chunks = [];
    this.#inner._write(fields, "", () => undefined);
    for (const chunk of this.#chunks) {
      u8.set(chunk, at);
      at += chunk.length;
    }
    return at;
  }
}

let staticIndex: Map<string, number[]> | null = null;

/** In the place of its own lookup, where a field named "constructor" finds what every object has. */
const lookup = (table: Table, name: string, value: string): number => {
  const entries = table.static.table;
  if (staticIndex === null) {
    staticIndex = new Map();
    for (const [at, entry] of entries.entries()) {
      const known = staticIndex.get(entry.name);
      if (known === undefined) staticIndex.set(entry.name, [at + 1]);
      else known.push(at + 1);
    }
  }
  const known = staticIndex.get(name) ?? [];
  for (const index of known) if (entries[index - 1].value === value) return index;
  let byName = known[0] ?? 0;
  for (let at = table.dynamic.length - 1; at >= 0; at -= 1) {
    if (table.dynamic[at].name !== name) continue;
    if (table.dynamic[at].value === value) return table.length - at;
    if (byName === 0) byName = table.length - at;
  }
  // A negative number is an index of the name alone.
  return byName === 0 ? 0 : -byName;
};

export const NPM_CODEC: HpackCodec = Object.freeze({
  name: "hpack.js",
  decoder: (limits: DecoderLimits): HpackDecoder => new GuardedDecoder(limits),
  encoder: (tableBytesMax: number): HpackEncoder => new GuardedEncoder(tableBytesMax),
});
