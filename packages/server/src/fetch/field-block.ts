// field-block.ts — the headers of a response before anybody touches them as Headers: checked once, and the same object
// again for the next response that says the same, so that protocols can keep what they made of it.
import type { FieldList } from "@percore/http";
import { lowerName, normalValue } from "./field-syntax.ts";
import { appendInit } from "./headers.ts";

export interface FieldBlock {
  /** Everything, as Headers shows it. */
  readonly all: FieldList;
  /** What is sent: without content-length and transfer-encoding, which are the protocol's to write. */
  readonly sent: FieldList;
  /** Value of content-length where it was given and is a number, else -1. */
  readonly contentLength: number;
}

/** Blocks remembered. Two lists that fall into one slot take turns in it. */
const SLOTS = 64;
/** A list above these sizes is as good as never the same twice. */
const REMEMBERED_FIELDS_MAX = 12;
const REMEMBERED_CHARS_MAX = 1024;

interface Remembered {
  readonly type: string | null;
  /** The init as given: names and values before they were normalised. */
  readonly given: readonly string[];
  readonly block: FieldBlock;
}

const slots: (Remembered | undefined)[] = new Array(SLOTS).fill(undefined);
const scratch: string[] = [];

/** Block of a list that is checked already. The list passes to the block. */
export const blockOfList = (list: FieldList): FieldBlock => {
  let contentLength = -1;
  let framed = false;
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string;
    // Both names are at least 14 characters long: most fields are passed by this alone.
    if (name.length !== 14 && name.length !== 17) continue;
    const lower = lowerName(name);
    if (lower === "content-length") {
      framed = true;
      const value = list[index + 1] as string;
      if (/^\d{1,15}$/.test(value)) contentLength = Number(value);
    } else if (lower === "transfer-encoding") framed = true;
  }
  return { all: list, sent: framed ? withoutFraming(list) : list, contentLength };
};

const withoutFraming = (list: FieldList): string[] => {
  const sent: string[] = [];
  for (let index = 0; index < list.length; index += 2) {
    const lower = lowerName(list[index] as string);
    if (lower === "content-length" || lower === "transfer-encoding") continue;
    sent.push(list[index] as string, list[index + 1] as string);
  }
  return sent;
};

export const NO_BLOCK: FieldBlock = Object.freeze({
  all: Object.freeze([]),
  sent: Object.freeze([]),
  contentLength: -1,
});

const typeBlocks = new Map<string, FieldBlock>();

/** Block with a content-type alone; one per type. The types are the few that bodies imply, so the table stays small. */
export const blockOfType = (type: string | null): FieldBlock => {
  if (type === null) return NO_BLOCK;
  const known = typeBlocks.get(type);
  if (known !== undefined) return known;
  const block = blockOfList(Object.freeze(["content-type", normalValue(type)]));
  // Boundaries of multipart bodies and types of blobs are not few.
  if (typeBlocks.size < SLOTS) typeBlocks.set(type, block);
  return block;
};

/**
 * Block of a response's `headers` init.
 *
 * @param type content-type that the body implies, added where the init names none.
 * @throws {TypeError} where it is no HeadersInit, or a name or a value is not allowed.
 */
export const blockOfInit = (init: unknown, type: string | null): FieldBlock => {
  const prototype = typeof init === "object" && init !== null ? Object.getPrototypeOf(init) : undefined;
  if (prototype !== Object.prototype) return blockOfOther(init, type);
  let size = 0;
  let chars = 0;
  for (const name in init as Record<string, unknown>) {
    const text = (init as Record<string, unknown>)[name];
    // Another kind of value runs the caller's toString, which may come back here and write over the scratch.
    if (typeof text !== "string" || !Object.hasOwn(init as object, name)) return blockOfOther(init, type);
    scratch[size] = name;
    scratch[size + 1] = text;
    size += 2;
    chars += name.length + text.length;
  }
  if (size === 0) return blockOfType(type);
  const slot = (size * 5 + chars * 3 + (scratch[0] as string).length) % SLOTS;
  const known = slots[slot];
  if (known !== undefined && known.type === type && isScratch(known.given, size)) return known.block;
  const given = scratch.slice(0, size);
  const block = blockOfPairs(given, type);
  if (size <= REMEMBERED_FIELDS_MAX * 2 && chars <= REMEMBERED_CHARS_MAX) slots[slot] = { type, given, block };
  return block;
};

const isScratch = (given: readonly string[], size: number): boolean => {
  if (given.length !== size) return false;
  for (let index = 0; index < size; index += 1) if (given[index] !== scratch[index]) return false;
  return true;
};

const blockOfPairs = (given: readonly string[], type: string | null): FieldBlock => {
  const list: string[] = [];
  let typed = type === null;
  for (let index = 0; index < given.length; index += 2) {
    const name = given[index] as string;
    if (lowerName(name) === "content-type") typed = true;
    list.push(name, normalValue(given[index + 1] as string));
  }
  if (!typed) list.push("content-type", type as string);
  return blockOfList(Object.freeze(list));
};

const blockOfOther = (init: unknown, type: string | null): FieldBlock => {
  const list: string[] = [];
  appendInit(list, init);
  if (type !== null && !hasContentType(list)) list.push("content-type", normalValue(type));
  return blockOfList(list);
};

const hasContentType = (list: FieldList): boolean => {
  for (let index = 0; index < list.length; index += 2)
    if (lowerName(list[index] as string) === "content-type") return true;
  return false;
};
