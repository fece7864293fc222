// body-encoder.ts — body bytes on their way out: plain, or in chunks (RFC 9112 §7.1).
import { Buffer } from "node:buffer";
import { type Lease, RESERVE_BYTES_MAX, type Stream } from "@percore/core";
import { checkField, type FieldList } from "@percore/http";
import { KNOWN_TEXT_MIN, KnownTexts } from "./known-texts.ts";
import type { Machine } from "./machine.ts";

/** A chunk size line takes this much at most: 14 hexadecimal digits (any whole number of JavaScript) and CRLF. */
const SIZE_LINE_MAX = 16;
const CR = 0x0d;
const LF = 0x0a;

/** Bytes of the text in UTF-8, counted. */
export const textSize = (text: string): number => Buffer.byteLength(text, "utf8");

export class BodyEncoder {
  readonly #u8: Uint8Array;
  readonly #bytes: Buffer;
  readonly #known: KnownTexts;

  constructor(machine: Machine) {
    this.#u8 = machine.arena.u8;
    this.#bytes = machine.bytes;
    this.#known = new KnownTexts(machine.arena, machine.bytes);
  }

  /** Bytes of a whole body in UTF-8; known beforehand where the text was sent before. */
  sizeOf(text: string): number {
    const known = text.length < KNOWN_TEXT_MIN ? -1 : this.#known.sizeOf(text);
    return known >= 0 ? known : textSize(text);
  }

  /** A whole body; see `sizeOf`. Large ones that come again are not copied again. */
  writeWholeText(stream: Stream, text: string, size: number): void {
    const lease = size < KNOWN_TEXT_MIN ? null : this.#known.lease(text, size);
    if (lease === null) this.writeText(stream, text, size);
    else stream.write(lease);
  }

  /** @param size textSize(text) */
  writeText(stream: Stream, text: string, size: number): void {
    if (size > RESERVE_BYTES_MAX) {
      stream.writeBytes(Buffer.from(text, "utf8"));
      return;
    }
    const at = stream.reserve(size);
    this.#putText(at, text, size);
    stream.commit(size);
  }

  writeBytes(stream: Stream, bytes: Uint8Array): void {
    stream.writeBytes(bytes);
  }

  /** @param size textSize(text), more than 0: an empty chunk would be the last one. */
  writeTextChunk(stream: Stream, text: string, size: number): void {
    if (size + SIZE_LINE_MAX + 2 > RESERVE_BYTES_MAX) {
      this.writeBytesChunk(stream, Buffer.from(text, "utf8"));
      return;
    }
    const at = stream.reserve(size + SIZE_LINE_MAX + 2);
    const start = this.#putSizeLine(at, size);
    this.#putText(start, text, size);
    const end = start + size;
    this.#u8[end] = CR;
    this.#u8[end + 1] = LF;
    stream.commit(end + 2 - at);
  }

  /** @param bytes not empty */
  writeBytesChunk(stream: Stream, bytes: Uint8Array): void {
    this.writeSizeLine(stream, bytes.length);
    stream.writeBytes(bytes);
    this.writeChunkEnd(stream);
  }

  /** Passes the lease to the stream; it is not empty. */
  writeLeaseChunk(stream: Stream, lease: Lease): void {
    this.writeSizeLine(stream, lease.length);
    stream.write(lease);
    this.writeChunkEnd(stream);
  }

  /** What goes before a chunk whose bytes are written by somebody else. */
  writeSizeLine(stream: Stream, size: number): void {
    const at = stream.reserve(SIZE_LINE_MAX);
    stream.commit(this.#putSizeLine(at, size) - at);
  }

  writeChunkEnd(stream: Stream): void {
    const at = stream.reserve(2);
    this.#u8[at] = CR;
    this.#u8[at + 1] = LF;
    stream.commit(2);
  }

  /** The last chunk, trailers, and the empty line. The fields have been checked. */
  writeLastChunk(stream: Stream, trailers: FieldList): void {
    let text = "0\r\n";
    for (let index = 0; index < trailers.length; index += 2) text += `${trailers[index]}: ${trailers[index + 1]}\r\n`;
    const bytes = Buffer.from(`${text}\r\n`, "latin1");
    stream.writeBytes(bytes);
  }

  #putText(at: number, text: string, size: number): void {
    // A text whose UTF-8 is as long as itself is ASCII, and the latin-1 writer is the fastest for it.
    if (size === text.length) this.#bytes.write(text, at, "latin1");
    else this.#bytes.write(text, at, "utf8");
  }

  #putSizeLine(start: number, size: number): number {
    const u8 = this.#u8;
    let digits = 1;
    for (let rest = size; rest >= 16; rest = Math.floor(rest / 16)) digits += 1;
    let rest = size;
    for (let at = start + digits - 1; at >= start; at -= 1) {
      const digit = rest % 16;
      u8[at] = digit < 10 ? 0x30 + digit : 0x57 + digit;
      rest = Math.floor(rest / 16);
    }
    const end = start + digits;
    u8[end] = CR;
    u8[end + 1] = LF;
    return end + 2;
  }
}

/** Fields that may not stand in trailers: they would change what has been decided (RFC 9110 §6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export const isTrailer = (name: string): boolean => !NOT_IN_TRAILERS.has(name.toLowerCase());

/**
 * Trailers as they may be sent: checked, and without the fields that have no place there.
 * @throws {HttpError} ERR_FIELD_INVALID.
 */
export const checkedTrailers = (trailers: FieldList): FieldList => {
  const kept: string[] = [];
  for (let index = 0; index < trailers.length; index += 2) {
    checkField(trailers[index], trailers[index + 1]);
    if (isTrailer(trailers[index])) kept.push(trailers[index], trailers[index + 1]);
  }
  return kept;
};
