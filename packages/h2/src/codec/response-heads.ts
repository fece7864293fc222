// response-heads.ts — heads of responses as lists to encode: checked, in lower case, with a date; made once and kept.
import { checkField, type DateCache, type FieldList, HttpError } from "@percore/http";

/** Heads kept, a power of two. One per hash: the newest stays. */
const KEPT = 64;

/** What frames or the protocol say in HTTP/2 (RFC 9113 §8.2.2); a handler that serves HTTP/1.1 too may give them. */
const DROPPED: ReadonlySet<string> = new Set(["connection", "keep-alive", "proxy-connection", "upgrade"]);

export interface ResponseHead {
  status: number;
  fields: FieldList;
  /** Name, value, …, `:status` first; content-length is left to the frame writer. */
  list: string[];
  /** Where in `list` the date's value is, or 0 where the handler gave his own. */
  dateAt: number;
  dateVersion: number;
  /** The handler's content-length, or -1. */
  contentLength: number;
  /** Another number for every other list. */
  key: number;
}

let keys = 0;

export class ResponseHeads {
  readonly #heads: ResponseHead[] = [];

  constructor() {
    for (let at = 0; at < KEPT; at += 1) {
      this.#heads.push({ status: 0, fields: [], list: [], dateAt: 0, dateVersion: 0, contentLength: -1, key: 0 });
    }
  }

  /** @throws {HttpError} ERR_FIELD_INVALID. The head is valid until the next call. */
  get(status: number, fields: FieldList, date: DateCache): ResponseHead {
    const count = fields.length;
    const last = fields[count - 1]?.length ?? 0;
    const head = this.#heads[(status + count * 11 + last * 5) & (KEPT - 1)];
    if (head.status !== status || !isSameList(head.fields, fields)) make(head, status, fields, date);
    else if (head.dateAt !== 0 && head.dateVersion !== date.version) {
      head.list[head.dateAt] = date.text;
      head.dateVersion = date.version;
      keys += 1;
      head.key = keys;
    }
    return head;
  }
}

const isSameList = (known: FieldList, fields: FieldList): boolean => {
  const { length } = known;
  if (length !== fields.length) return false;
  for (let index = 0; index < length; index += 1) if (known[index] !== fields[index]) return false;
  return true;
};

const make = (head: ResponseHead, status: number, fields: FieldList, date: DateCache): void => {
  head.status = 0;
  head.contentLength = -1;
  head.dateAt = 0;
  const list = [":status", String(status)];
  let hasDate = false;
  for (const [name, value] of pairs(fields)) {
    if (DROPPED.has(name)) continue;
    if (name === "transfer-encoding") throw new HttpError("ERR_FIELD_INVALID", "HTTP/2 has no transfer-encoding");
    if (name === "content-length") {
      if (!/^[0-9]{1,15}$/.test(value)) {
        throw new HttpError("ERR_FIELD_INVALID", `content-length ${JSON.stringify(value)} is no length`);
      }
      head.contentLength = Number(value);
      continue;
    }
    if (name === "date") hasDate = true;
    list.push(name, value);
  }
  if (!hasDate) {
    list.push("date", date.text);
    head.dateAt = list.length - 1;
    head.dateVersion = date.version;
  }
  keys += 1;
  head.key = keys;
  head.list = list;
  head.fields = fields.slice();
  head.status = status;
};

function* pairs(fields: FieldList): Generator<[string, string]> {
  if (fields.length % 2 !== 0) throw new HttpError("ERR_FIELD_INVALID", "a field list has a value for each name");
  for (let index = 0; index < fields.length; index += 2) {
    checkField(fields[index], fields[index + 1]);
    // White space at the ends is no part of a value, and malformed here (RFC 9113 §8.2.1).
    yield [fields[index].toLowerCase(), fields[index + 1].trim()];
  }
}

/** Fields of an interim response or trailers: checked and in lower case. @throws {HttpError} ERR_FIELD_INVALID. */
export const plainList = (start: readonly string[], fields: FieldList): string[] => {
  const list = [...start];
  for (const [name, value] of pairs(fields)) if (!DROPPED.has(name)) list.push(name, value);
  return list;
};
