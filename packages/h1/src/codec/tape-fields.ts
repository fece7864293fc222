// tape-fields.ts — the fields of a parsed message: read from the tape while its bytes are there, from a copy afterwards.
import { type Fields, HttpError } from "@percore/http";
import { NAME_SIZE_MASK, TAPE_RECORD_BYTES } from "./layout.ts";
import type { Machine } from "./machine.ts";
import type { TextCache } from "./text.ts";

const SPACE = 0x20;
const TAB = 0x09;

/** Words of a record in the copy: name start, name end, value start, value end. */
const LINE_WORDS = 4;

/** Names whose values are kept: as many as a program asks for. */
const ANSWERS_MAX = 32;

export class TapeFields implements Fields {
  readonly size: number;
  readonly #i32: Int32Array;
  readonly #u8: Uint8Array;
  readonly #cache: TextCache;
  readonly #base: number;
  /** Address of the first record, or -1 once the bytes are gone. */
  #tape: number;
  /** The copied field lines, and where they begin in it. */
  #text: string | null = null;
  #textStart = 0;
  #answers: Map<string, string> | null = null;
  /** Positions in the copy, found again at the first question. */
  #lines: Int32Array | null = null;

  /**
   * @param base address that the records' positions are relative to
   * @param tape address of the first of `size` records
   */
  constructor(machine: Machine, cache: TextCache, base: number, tape: number, size: number) {
    this.#i32 = machine.arena.i32;
    this.#u8 = machine.arena.u8;
    this.#cache = cache;
    this.#base = base;
    this.#tape = tape;
    this.size = size;
  }

  /** From now on the tape is not looked at: the field lines are those in `text` from `start` on. */
  detach(text: string, start: number): void {
    this.#tape = -1;
    this.#text = text;
    this.#textStart = start;
  }

  /** The bytes are about to go: copies the field lines, 45 to 95 ns for a head of any usual size (hot-path figures). */
  keep(): void {
    if (this.#tape < 0) return;
    const first = this.#tape >> 2;
    const last = first + (this.size - 1) * LINE_WORDS;
    const start = this.size === 0 ? 0 : this.#i32[first];
    const end = this.size === 0 ? 0 : this.#i32[last + 2] + this.#i32[last + 3];
    this.detach(this.#cache.copy(this.#base + start, end - start), 0);
  }

  /** These fields will be asked again and again: answers are kept. Only for fields that are detached. */
  keepAnswers(): void {
    this.#answers = new Map();
  }

  /** The bytes are gone and nobody wanted a copy. */
  expire(): void {
    this.#tape = -1;
  }

  get(name: string): string | undefined {
    const answers = this.#answers;
    if (answers === null) return this.#get(name);
    let value = answers.get(name);
    if (value !== undefined) return value;
    value = this.#get(name);
    if (value !== undefined && answers.size < ANSWERS_MAX) answers.set(name, value);
    return value;
  }

  #get(name: string): string | undefined {
    const first = this.#find(name, 0);
    if (first < 0) return undefined;
    const value = this.valueAt(first);
    if (name === "set-cookie") return value;
    let next = this.#find(name, first + 1);
    if (next < 0) return value;
    const separator = name === "cookie" ? "; " : ", ";
    let joined = value;
    for (; next >= 0; next = this.#find(name, next + 1)) joined += separator + this.valueAt(next);
    return joined;
  }

  getAll(name: string): string[] {
    const values: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 1)) values.push(this.valueAt(at));
    return values;
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
  }

  count(name: string): number {
    let count = 0;
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 1)) count += 1;
    return count;
  }

  nameAt(index: number): string {
    return this.rawNameAt(index).toLowerCase();
  }

  rawNameAt(index: number): string {
    const tape = this.#tape;
    if (tape < 0) {
      const lines = this.#copied();
      const at = index * LINE_WORDS;
      return (this.#text as string).slice(lines[at], lines[at + 1]);
    }
    const at = (tape + index * TAPE_RECORD_BYTES) >> 2;
    return this.#cache.decode(this.#base + this.#i32[at], this.#i32[at + 1] & NAME_SIZE_MASK);
  }

  valueAt(index: number): string {
    const tape = this.#tape;
    if (tape < 0) {
      const lines = this.#copied();
      const at = index * LINE_WORDS;
      return (this.#text as string).slice(lines[at + 2], lines[at + 3]);
    }
    const at = (tape + index * TAPE_RECORD_BYTES) >> 2;
    return this.#cache.decode(this.#base + this.#i32[at + 2], this.#i32[at + 3]);
  }

  /** Index of the first line of `name` at or behind `from`, or -1. */
  #find(name: string, from: number): number {
    if (this.#tape < 0) return this.#findInCopy(name, from);
    const i32 = this.#i32;
    const size = name.length;
    let at = (this.#tape >> 2) + from * LINE_WORDS;
    for (let index = from; index < this.size; index += 1) {
      if ((i32[at + 1] & NAME_SIZE_MASK) === size && this.#isName(this.#base + i32[at], name)) return index;
      at += LINE_WORDS;
    }
    return -1;
  }

  #isName(at: number, name: string): boolean {
    const u8 = this.#u8;
    for (let index = 0; index < name.length; index += 1) {
      let byte = u8[at + index];
      if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
      if (byte !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  #findInCopy(name: string, from: number): number {
    const lines = this.#copied();
    const text = this.#text as string;
    for (let index = from; index < this.size; index += 1) {
      const start = lines[index * LINE_WORDS];
      if (lines[index * LINE_WORDS + 1] - start !== name.length) continue;
      if (text.slice(start, start + name.length).toLowerCase() === name) return index;
    }
    return -1;
  }

  /**
   * Positions in the copied lines. They passed the parser, so each is: name, colon, white space, value, white space,
   * CRLF; there are no folded lines.
   */
  #copied(): Int32Array {
    if (this.#lines !== null) return this.#lines;
    const text = this.#text;
    if (text === null) {
      throw new HttpError(
        "ERR_HEAD_GONE",
        "the head is gone: see Exchange.retain for a request's; a response's is readable until onFinish",
      );
    }
    const lines = new Int32Array(this.size * LINE_WORDS);
    let start = this.#textStart;
    for (let index = 0; index < this.size; index += 1) {
      const colon = text.indexOf(":", start);
      const next = text.indexOf("\r\n", colon);
      const end = next < 0 ? text.length : next;
      const at = index * LINE_WORDS;
      lines[at] = start;
      lines[at + 1] = colon;
      const [valueStart, valueEnd] = trimmed(text, colon + 1, end);
      lines[at + 2] = valueStart;
      lines[at + 3] = valueEnd;
      start = end + 2;
    }
    this.#lines = lines;
    return lines;
  }
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB;

const trimmed = (text: string, from: number, to: number): [start: number, end: number] => {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return [start, end];
};
