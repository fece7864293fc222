// reference-hpack.ts — RFC 7541 a second time: an encoder that takes every way a field can be put, on the tables of npm
// hpack.js, so that nothing of ours is its own judge.
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import type { Choice } from "./choice.ts";

const require = createRequire(import.meta.url);
const { encode: CODES } = require("hpack.js/lib/hpack/huffman") as { encode: readonly [bits: number, code: number][] };
const { table: STATIC } = require("hpack.js/lib/hpack/static-table") as {
  table: readonly { readonly name: string; readonly value: string }[];
};

export type Line = readonly [name: string, value: string];

const OVERHEAD = 32;
const sizeOf = ([name, value]: Line): number => name.length + value.length + OVERHEAD;

const huffman = (text: string): Buffer => {
  const bytes: number[] = [];
  let held = 0n;
  let bits = 0;
  for (const byte of Buffer.from(text, "latin1")) {
    const [length, code] = CODES[byte];
    held = (held << BigInt(length)) | BigInt(code);
    bits += length;
    while (bits >= 8) {
      bits -= 8;
      bytes.push(Number((held >> BigInt(bits)) & 0xffn));
    }
    held &= (1n << BigInt(bits)) - 1n;
  }
  if (bits > 0) bytes.push(Number((held << BigInt(8 - bits)) | ((1n << BigInt(8 - bits)) - 1n)));
  return Buffer.from(bytes);
};

const integer = (first: number, prefix: number, value: number): Buffer => {
  if (value < prefix) return Buffer.from([first | value]);
  const bytes = [first | prefix];
  let rest = value - prefix;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
};

export class ReferenceEncoder {
  readonly #choice: Choice;
  /** Newest first. */
  readonly #table: Line[] = [];
  #max = 4096;
  #limit = 4096;
  #due = false;

  constructor(choice: Choice) {
    this.#choice = choice;
  }

  /** The decoder allows another size from the next block on. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
    if (bytes < this.#max) this.#due = true;
  }

  encode(lines: readonly Line[]): Buffer {
    const choice = this.#choice;
    const parts: Buffer[] = [];
    if (this.#due || choice.rarely(6)) {
      const sizes = choice.rarely(3) ? [choice.number(this.#limit + 1), choice.number(this.#limit + 1)] : [this.#limit];
      for (const size of sizes) {
        parts.push(integer(0x20, 0x1f, size));
        this.#max = size;
        this.#evict(size);
      }
      this.#due = false;
    }
    for (const line of lines) parts.push(this.#line(line));
    return Buffer.concat(parts);
  }

  #line(line: Line): Buffer {
    const choice = this.#choice;
    const whole = this.#indices((entry) => entry[0] === line[0] && entry[1] === line[1]);
    if (whole.length > 0 && !choice.rarely(4)) return integer(0x80, 0x7f, choice.one(whole));
    const names = this.#indices((entry) => entry[0] === line[0]);
    const nameIndex = names.length > 0 && !choice.rarely(4) ? choice.one(names) : 0;
    const [first, prefix] = choice.one([
      [0x40, 0x3f],
      [0x40, 0x3f],
      [0x00, 0x0f],
      [0x10, 0x0f],
    ] as const);
    const parts = [integer(first, prefix, nameIndex)];
    if (nameIndex === 0) parts.push(this.#string(line[0]));
    parts.push(this.#string(line[1]));
    if (first === 0x40) {
      this.#evict(this.#max - sizeOf(line));
      if (sizeOf(line) <= this.#max) this.#table.unshift(line);
    }
    return Buffer.concat(parts);
  }

  #string(text: string): Buffer {
    const isHuffman = this.#choice.rarely(2);
    const bytes = isHuffman ? huffman(text) : Buffer.from(text, "latin1");
    return Buffer.concat([integer(isHuffman ? 0x80 : 0, 0x7f, bytes.length), bytes]);
  }

  #indices(matches: (entry: Line) => boolean): number[] {
    const found: number[] = [];
    for (const [at, { name, value }] of STATIC.entries()) if (matches([name, value])) found.push(at + 1);
    for (const [at, entry] of this.#table.entries()) if (matches(entry)) found.push(STATIC.length + at + 1);
    return found;
  }

  #evict(bytes: number): void {
    let held = this.#table.reduce((sum, entry) => sum + sizeOf(entry), 0);
    while (held > bytes && this.#table.length > 0) held -= sizeOf(this.#table.pop() as Line);
  }
}
