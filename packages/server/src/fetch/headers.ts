// headers.ts — the Headers of the Fetch standard over two backings: the fields of a received message, decoded when
// asked for, or a flat list of our own. Nothing is built for headers nobody reads.
// biome-ignore-all lint/complexity/noArguments: the standard counts arguments; a rest parameter would cost an array per call.
import type { FieldList, Fields } from "@percore/http";
import { lowerName, normalValue, toText } from "./field-syntax.ts";
import { NativeHeaders, showAs, standInFor } from "./native-classes.ts";

/** What `new Headers` takes: an object, pairs, or anything that gives pairs when iterated (other Headers too). */
export type HeadersInit = Iterable<readonly [string, string]> | Iterable<Iterable<string>> | Record<string, string>;

/** Who may change a Headers object (Fetch "guard"). What browsers forbid to scripts is not forbidden on a server. */
export type HeadersGuard = "none" | "immutable";

/** First argument where the library itself makes an object: nothing is filled in. */
const INTERNAL: HeadersInit = Object.freeze({});

/** Fields of a received message as Headers. */
export let headersOfFields: (fields: Fields, guard: HeadersGuard) => Headers;

/** Headers of a flat list that is checked already. The list passes to them. */
export let headersOfList: (list: string[], guard: HeadersGuard) => Headers;

/** True for objects of this class, not for Node's. */
export let isOwnHeaders: (value: unknown) => value is Headers;

/** The fields as they would be sent. Not a copy: do not keep it, do not change it. */
export let listOfHeaders: (headers: Headers) => FieldList;

export class Headers implements Iterable<[string, string]> {
  /** Received fields; null once the object has a list of its own. */
  #received: Fields | null = null;
  /** Name as given, value, name, value, … */
  #list: string[] = EMPTY;
  #guard: HeadersGuard = "none";
  /** Sorted and combined pairs for iteration, until the next change. */
  #sorted: [string, string][] | null = null;

  constructor(init?: HeadersInit) {
    if (init === INTERNAL) return;
    this.#list = [];
    if (init !== undefined) appendInit(this.#list, init);
  }

  append(name: string, value: string): void {
    needs(arguments, 2, "append");
    const given = toText(name);
    const text = normalValue(toText(value));
    lowerName(given);
    this.#own().push(given, text);
  }

  delete(name: string): void {
    needs(arguments, 1, "delete");
    const lower = lowerName(toText(name));
    const list = this.#own();
    let kept = 0;
    for (let index = 0; index < list.length; index += 2) {
      if (lowerName(list[index] as string) === lower) continue;
      list[kept] = list[index] as string;
      list[kept + 1] = list[index + 1] as string;
      kept += 2;
    }
    list.length = kept;
  }

  get(name: string): string | null {
    needs(arguments, 1, "get");
    const lower = lowerName(toText(name));
    const received = this.#received;
    if (received !== null) {
      if (lower === "set-cookie") return received.has(lower) ? received.getAll(lower).join(", ") : null;
      return received.get(lower) ?? null;
    }
    const list = this.#list;
    let value: string | null = null;
    for (let index = 0; index < list.length; index += 2) {
      if (lowerName(list[index] as string) !== lower) continue;
      value = value === null ? (list[index + 1] as string) : `${value}, ${list[index + 1] as string}`;
    }
    return value;
  }

  getSetCookie(): string[] {
    const received = this.#received;
    if (received !== null) return received.getAll("set-cookie");
    const values: string[] = [];
    for (let index = 0; index < this.#list.length; index += 2) {
      if (lowerName(this.#list[index] as string) === "set-cookie") values.push(this.#list[index + 1] as string);
    }
    return values;
  }

  has(name: string): boolean {
    needs(arguments, 1, "has");
    const lower = lowerName(toText(name));
    if (this.#received !== null) return this.#received.has(lower);
    for (let index = 0; index < this.#list.length; index += 2) {
      if (lowerName(this.#list[index] as string) === lower) return true;
    }
    return false;
  }

  set(name: string, value: string): void {
    needs(arguments, 2, "set");
    const given = toText(name);
    const text = normalValue(toText(value));
    const lower = lowerName(given);
    const list = this.#own();
    let kept = 0;
    let placed = false;
    for (let index = 0; index < list.length; index += 2) {
      const same = lowerName(list[index] as string) === lower;
      if (same && placed) continue;
      list[kept] = list[index] as string;
      list[kept + 1] = same ? text : (list[index + 1] as string);
      if (same) placed = true;
      kept += 2;
    }
    list.length = kept;
    if (!placed) list.push(given, text);
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void {
    needs(arguments, 1, "forEach");
    if (typeof callback !== "function") throw new TypeError("Headers.forEach: the argument is not a function");
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  entries(): HeadersIterator<[string, string]> {
    return new HeadersIterator<[string, string]>(() => this.#pairs(), "entries");
  }

  keys(): HeadersIterator<string> {
    return new HeadersIterator<string>(() => this.#pairs(), "keys");
  }

  values(): HeadersIterator<string> {
    return new HeadersIterator<string>(() => this.#pairs(), "values");
  }

  [Symbol.iterator](): HeadersIterator<[string, string]> {
    return this.entries();
  }

  get [Symbol.toStringTag](): string {
    return "Headers";
  }

  static {
    headersOfFields = (fields, guard) => {
      const headers = new Headers(INTERNAL);
      headers.#received = fields;
      headers.#guard = guard;
      return headers;
    };

    headersOfList = (list, guard) => {
      const headers = new Headers(INTERNAL);
      headers.#list = list;
      headers.#guard = guard;
      return headers;
    };

    isOwnHeaders = (value): value is Headers => typeof value === "object" && value !== null && #received in value;

    listOfHeaders = (headers) => (headers.#received === null ? headers.#list : copyFields(headers.#received));
  }

  /** The list for writing: checks the guard, leaves the received fields behind, forgets the sorted pairs. */
  #own(): string[] {
    if (this.#guard === "immutable") throw new TypeError("Headers are immutable");
    if (this.#received !== null) {
      this.#list = copyFields(this.#received);
      this.#received = null;
    }
    this.#sorted = null;
    return this.#list;
  }

  #pairs(): [string, string][] {
    this.#sorted ??= sortAndCombine(listOfHeaders(this));
    return this.#sorted;
  }
}

const EMPTY: string[] = [];

const needs = (given: IArguments, count: number, method: string): void => {
  if (given.length < count) {
    throw new TypeError(`Headers.${method}: ${count} argument${count > 1 ? "s" : ""} required, ${given.length} given`);
  }
};

const copyFields = (fields: Fields): string[] => {
  const list: string[] = [];
  for (let index = 0; index < fields.size; index += 1) list.push(fields.nameAt(index), fields.valueAt(index));
  return list;
};

/**
 * Appends what a HeadersInit holds to a flat list, checked and normalised (Fetch "fill").
 *
 * @throws {TypeError} where it is no HeadersInit, or a name or a value is not allowed.
 */
export const appendInit = (list: string[], init: unknown): void => {
  if ((typeof init !== "object" && typeof init !== "function") || init === null) {
    throw new TypeError("Headers take an object, an array of pairs or other Headers");
  }
  if (isOwnHeaders(init) && init[Symbol.iterator] === Headers.prototype[Symbol.iterator]) {
    const other = listOfHeaders(init);
    for (let index = 0; index < other.length; index += 1) list.push(other[index] as string);
    return;
  }
  const iterator = (init as { [Symbol.iterator]?: unknown })[Symbol.iterator];
  if (iterator !== undefined && iterator !== null) {
    for (const pair of init as Iterable<unknown>) appendPair(list, pair);
    return;
  }
  for (const key of Reflect.ownKeys(init)) {
    const property = Reflect.getOwnPropertyDescriptor(init, key);
    if (property === undefined || property.enumerable !== true) continue;
    const name = toText(key);
    const value = normalValue(toText((init as Record<string, unknown>)[key as string]));
    lowerName(name);
    list.push(name, value);
  }
};

const appendPair = (list: string[], pair: unknown): void => {
  if (typeof pair !== "object" || pair === null || typeof (pair as Iterable<unknown>)[Symbol.iterator] !== "function") {
    throw new TypeError("each header must be a pair of name and value");
  }
  const parts = Array.isArray(pair) ? pair : [...(pair as Iterable<unknown>)];
  if (parts.length !== 2)
    throw new TypeError(`each header must be a pair of name and value, not ${parts.length} items`);
  const name = toText(parts[0]);
  const value = normalValue(toText(parts[1]));
  lowerName(name);
  list.push(name, value);
};

/** Fetch "sort and combine": names in order, values of one name joined, each set-cookie on its own. */
const sortAndCombine = (list: FieldList): [string, string][] => {
  const joined = new Map<string, [string, string]>();
  const pairs: [string, string][] = [];
  for (let index = 0; index < list.length; index += 2) {
    const name = lowerName(list[index] as string);
    const value = list[index + 1] as string;
    const known = name === "set-cookie" ? undefined : joined.get(name);
    if (known !== undefined) {
      known[1] = `${known[1]}${name === "cookie" ? "; " : ", "}${value}`;
      continue;
    }
    const pair: [string, string] = [name, value];
    joined.set(name, pair);
    pairs.push(pair);
  }
  return pairs.sort((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0));
};

type IterationKind = "entries" | "keys" | "values";

/** Iterates the pairs as they are at each step: a header added meanwhile is seen when it sorts behind the place. */
export class HeadersIterator<Item> implements IterableIterator<Item> {
  readonly #pairs: () => [string, string][];
  readonly #kind: IterationKind;
  #index = 0;

  constructor(pairs: () => [string, string][], kind: IterationKind) {
    this.#pairs = pairs;
    this.#kind = kind;
  }

  next(): IteratorResult<Item, undefined> {
    const pair = this.#pairs()[this.#index];
    if (pair === undefined) return { value: undefined, done: true };
    this.#index += 1;
    const item = this.#kind === "entries" ? [pair[0], pair[1]] : this.#kind === "keys" ? pair[0] : pair[1];
    return { value: item as Item, done: false };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

const iteratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
Object.setPrototypeOf(HeadersIterator.prototype, iteratorPrototype);
Object.defineProperty(HeadersIterator.prototype, Symbol.toStringTag, { value: "Headers Iterator", configurable: true });
Object.defineProperty(HeadersIterator.prototype, "next", { enumerable: true });

standInFor(Headers, NativeHeaders);
showAs(Headers, "Headers", (headers) => Object.fromEntries(headers as Headers));
