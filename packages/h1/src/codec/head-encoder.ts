// head-encoder.ts — response heads as bytes. A head that was sent before lies ready in the arena and is copied.
import { Buffer } from "node:buffer";
import type { Arena, Stream } from "@percore/core";
import { DATE_BYTES, type DateCache, equalsLower, type FieldList, HttpError, listHas, reasonOf } from "@percore/http";
import { linesBound, putLine, putNumber, putText } from "./field-lines.ts";
import type { Machine } from "./machine.ts";

/** Heads kept, a power of two. One per hash: the newest stays. */
const TEMPLATES = 64;
/** Largest head kept, and the room behind it that the copying over-writes. */
const TEMPLATE_BYTES_MAX = 1008;
const TEMPLATE_STRIDE: number = TEMPLATE_BYTES_MAX + 16;
/** Largest head that is sent. Peers refuse smaller ones. */
const HEAD_BYTES_MAX = 65_536;

/** Body framings of a head (RFC 9112 §6.3); a number of 0 or more is a content-length. */
export const FRAMING_CHUNKED = -1;
/** No field about the body: 1xx, 204, 304, or a body that ends with the connection. */
export const FRAMING_NONE = -2;

/** What a head says about the connection. */
export const CONNECTION_DEFAULT = 0;
export const CONNECTION_CLOSE = 1;
export const CONNECTION_KEEP_ALIVE = 2;

/** Bytes that framing and connection lines take at most, with room for what copying over-writes. */
export const TAIL_BYTES_MAX = 128;

/** Copying writes up to 15 bytes behind the end. */
const COPY_SLACK = 16;
/** Longest body that is written character by character behind its head; native encoders win above (hot-path figures). */
export const TEXT_MAX = 32;

const CONTENT_LENGTH = "content-length: ";
const CHUNKED = "transfer-encoding: chunked\r\n";
const CLOSE = "connection: close\r\n";
const KEEP_ALIVE = "connection: keep-alive\r\n";

/** A status line, the user's fields and a date, encoded. */
export interface HeadTemplate {
  status: number;
  fields: FieldList;
  /** Address of the bytes in the arena, unless they are in `bytes`. */
  offset: number;
  /** A head that is too large to keep lies here. */
  bytes: Uint8Array | null;
  size: number;
  /** Address of the date's value, or 0 where the user gave his own. */
  dateAt: number;
  dateVersion: number;
  /** The user's content-length, or -1. */
  contentLength: number;
  /** The user asked for the connection to close. */
  close: boolean;
  /** The body that was sent behind this head last, and lies behind it here with all between; null = none does. */
  text: string | null;
  textConnection: number;
  /** Size of head and that body. */
  textSize: number;
}

export class HeadEncoder {
  readonly #machine: Machine;
  readonly #arena: Arena;
  readonly #u8: Uint8Array;
  readonly #templates: HeadTemplate[] = [];
  /** Addresses of the constant lines, each with 16 bytes of its own behind it. */
  readonly #contentLength: number;
  readonly #chunked: number;
  readonly #close: number;
  readonly #keepAlive: number;
  readonly #dateText: number;
  #dateVersion = 0;
  /** A head that is too large to keep. */
  readonly #large: HeadTemplate = emptyTemplate(0);

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#arena = machine.arena;
    this.#u8 = machine.arena.u8;
    const store = machine.arena.allocRecord(TEMPLATES * TEMPLATE_STRIDE, 16);
    for (let at = 0; at < TEMPLATES; at += 1) this.#templates.push(emptyTemplate(store + at * TEMPLATE_STRIDE));
    this.#contentLength = this.#constant(CONTENT_LENGTH);
    this.#chunked = this.#constant(CHUNKED);
    this.#close = this.#constant(CLOSE);
    this.#keepAlive = this.#constant(KEEP_ALIVE);
    this.#dateText = machine.arena.allocRecord(DATE_BYTES + 16, 16);
  }

  /**
   * The encoded beginning of a head, from the store where it was sent before. Valid until the next call.
   * @throws {HttpError} ERR_FIELD_INVALID, ERR_RESPONSE_HEAD_TOO_LARGE.
   */
  template(status: number, fields: FieldList, date: DateCache): HeadTemplate {
    const count = fields.length;
    const last = fields[count - 1]?.length ?? 0;
    const template = this.#templates[(status + count * 11 + last * 5) & (TEMPLATES - 1)];
    if (template.status === status && isSameList(template.fields, fields)) {
      if (template.dateAt !== 0 && template.dateVersion !== date.version) this.#putDate(template, date);
      return template;
    }
    return this.#encode(template, status, fields, date);
  }

  /**
   * Writes a head to the stream.
   * @param framing content-length, FRAMING_CHUNKED or FRAMING_NONE
   */
  write(stream: Stream, template: HeadTemplate, framing: number, connection: number): void {
    let { size } = template;
    if (template.bytes !== null) {
      stream.writeBytes(template.bytes);
      size = 0;
    }
    const at = stream.reserve(size + TAIL_BYTES_MAX);
    if (size > 0) this.#machine.copy(at, template.offset, size);
    stream.commit(this.#putTail(at + size, framing, connection) - at);
  }

  /**
   * Writes a head and its whole body, of TEXT_MAX characters at most. The same answer given again is one copy.
   * @returns false where the body is not ASCII: nothing has been written then
   */
  writeText(stream: Stream, template: HeadTemplate, connection: number, text: string): boolean {
    const { size } = template;
    if (template.text === text && template.textConnection === connection) {
      const at = stream.reserve(template.textSize + COPY_SLACK);
      this.#machine.copy(at, template.offset, template.textSize);
      stream.commit(template.textSize);
      return true;
    }
    if (!isAscii(text)) return false;
    if (template.bytes !== null) {
      this.write(stream, template, text.length, connection);
      stream.writeBytes(Buffer.from(text, "latin1"));
      return true;
    }
    const at = stream.reserve(size + TAIL_BYTES_MAX + TEXT_MAX);
    this.#machine.copy(at, template.offset, size);
    const end = putText(this.#u8, this.#putTail(at + size, text.length, connection), text);
    stream.commit(end - at);
    if (end - at <= TEMPLATE_BYTES_MAX) {
      this.#machine.copy(template.offset + size, at + size, end - at - size);
      template.text = text;
      template.textConnection = connection;
      template.textSize = end - at;
    }
    return true;
  }

  /**
   * An interim response (RFC 9110 §15.2), whole.
   * @throws {HttpError} ERR_FIELD_INVALID, ERR_RESPONSE_HEAD_TOO_LARGE.
   */
  writeInterim(stream: Stream, status: number, fields: FieldList): void {
    const bytes = new Uint8Array(headBound(status, fields));
    let end = putText(bytes, 0, `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`);
    for (let index = 0; index < fields.length; index += 2) {
      end = putLine(bytes, end, fields[index], fields[index + 1]);
    }
    bytes[end] = 0x0d;
    bytes[end + 1] = 0x0a;
    stream.writeBytes(bytes.subarray(0, end + 2));
  }

  #putTail(start: number, framing: number, connection: number): number {
    const { copy } = this.#machine;
    let at = start;
    if (connection !== CONNECTION_DEFAULT) {
      const close = connection === CONNECTION_CLOSE;
      const size = close ? CLOSE.length : KEEP_ALIVE.length;
      copy(at, close ? this.#close : this.#keepAlive, size);
      at += size;
    }
    const u8 = this.#u8;
    if (framing >= 0) {
      copy(at, this.#contentLength, CONTENT_LENGTH.length);
      at = putNumber(u8, at + CONTENT_LENGTH.length, framing);
      u8[at] = 0x0d;
      u8[at + 1] = 0x0a;
      at += 2;
    } else if (framing === FRAMING_CHUNKED) {
      copy(at, this.#chunked, CHUNKED.length);
      at += CHUNKED.length;
    }
    u8[at] = 0x0d;
    u8[at + 1] = 0x0a;
    return at + 2;
  }

  #encode(slot: HeadTemplate, status: number, fields: FieldList, date: DateCache): HeadTemplate {
    const bound = headBound(status, fields);
    let template = slot;
    let u8 = this.#u8;
    let start = slot.offset;
    let scratch: Uint8Array | null = null;
    if (bound > TEMPLATE_BYTES_MAX) {
      if (bound > HEAD_BYTES_MAX) {
        throw new HttpError(
          "ERR_RESPONSE_HEAD_TOO_LARGE",
          `response head needs ${bound} bytes, ${HEAD_BYTES_MAX} can be sent`,
        );
      }
      scratch = new Uint8Array(bound);
      template = this.#large;
      u8 = scratch;
      start = 0;
    }
    template.status = 0;
    template.contentLength = -1;
    template.close = false;
    template.dateAt = 0;
    template.text = null;
    let end = putText(u8, start, `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`);
    let hasDate = false;
    for (let index = 0; index < fields.length; index += 2) {
      const name = fields[index];
      const value = fields[index + 1];
      const special = specialName(name);
      if (special === "date") hasDate = true;
      else if (special === "connection") {
        if (listHas(value, "close")) template.close = true;
        if (equalsLower(value, "close") || equalsLower(value, "keep-alive")) continue;
      } else if (special === "content-length") {
        template.contentLength = contentLengthOf(value);
        continue;
      } else if (special === "transfer-encoding") {
        throw new HttpError("ERR_FIELD_INVALID", "transfer-encoding is the connection's business, not the handler's");
      }
      end = putLine(u8, end, name, value);
    }
    if (!hasDate) {
      end = putText(u8, end, "date: ");
      template.dateAt = end;
      end = putText(u8, end, date.text);
      template.dateVersion = date.version;
      end = putText(u8, end, "\r\n");
    }
    template.size = end - start;
    if (scratch === null) {
      template.fields = fields.slice();
      template.status = status;
    } else template.bytes = scratch.subarray(0, end);
    return template;
  }

  #putDate(template: HeadTemplate, date: DateCache): void {
    if (this.#dateVersion !== date.version) {
      putText(this.#u8, this.#dateText, date.text);
      this.#dateVersion = date.version;
    }
    this.#u8.copyWithin(template.dateAt, this.#dateText, this.#dateText + DATE_BYTES);
    template.dateVersion = date.version;
  }

  #constant(text: string): number {
    const offset = this.#arena.allocRecord(text.length + 16, 16);
    putText(this.#u8, offset, text);
    return offset;
  }
}

const emptyTemplate = (offset: number): HeadTemplate => ({
  status: 0,
  fields: [],
  offset,
  bytes: null,
  size: 0,
  dateAt: 0,
  dateVersion: 0,
  contentLength: -1,
  close: false,
  text: null,
  textConnection: 0,
  textSize: 0,
});

const isAscii = (text: string): boolean => {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
};

const isSameList = (known: FieldList, fields: FieldList): boolean => {
  const { length } = known;
  if (length !== fields.length) return false;
  for (let index = 0; index < length; index += 1) if (known[index] !== fields[index]) return false;
  return true;
};

/** Fields the connection has a word in, by their lower-case name; "" for all others. */
const specialName = (name: string): string => {
  switch (name.length) {
    case 4:
      return equalsLower(name, "date") ? "date" : "";
    case 10:
      return equalsLower(name, "connection") ? "connection" : "";
    case 14:
      return equalsLower(name, "content-length") ? "content-length" : "";
    case 17:
      return equalsLower(name, "transfer-encoding") ? "transfer-encoding" : "";
    default:
      return "";
  }
};

const contentLengthOf = (value: string): number => {
  const length = /^[0-9]{1,15}$/.test(value) ? Number(value) : -1;
  if (length < 0) throw new HttpError("ERR_FIELD_INVALID", `content-length ${JSON.stringify(value)} is no length`);
  return length;
};

/** At least as many bytes as the head will take. */
const headBound = (status: number, fields: FieldList): number =>
  64 + reasonOf(status).length + DATE_BYTES + linesBound(fields);
