// control.ts — what the control block says about the message of the present step.
import { type HttpLimits, listHas } from "@percore/http";
import type { H1ErrorCode } from "../errors.ts";
import type { Codec } from "./codec.ts";
import * as L from "./layout.ts";
import type { Machine } from "./machine.ts";
import { TapeFields } from "./tape-fields.ts";

const RECORD_WORDS: number = L.TAPE_RECORD_BYTES / 4;
/** CRLF CRLF at the end of a head. */
const HEAD_END_BYTES = 4;
/** " HTTP/1.1" */
const VERSION_BYTES = 9;
const CR = 0x0d;
const TWO_TO_32 = 4_294_967_296;

/** Value of the field record whose address lies in control word `word`. */
export const fieldValue = (machine: Machine, word: number): string => {
  const { i32 } = machine.arena;
  const record = i32[word] >> 2;
  const at = i32[L.BASE] + i32[record + 2];
  return machine.bytes.toString("latin1", at, at + i32[record + 3]);
};

/** Size of a complete request head, with the empty line behind it. */
export const headBytes = (machine: Machine): number => {
  const { i32 } = machine.arena;
  if (i32[L.FIELDS] === 0) return i32[L.TARGET] + i32[L.TARGET_SIZE] + VERSION_BYTES + HEAD_END_BYTES;
  return headWithFieldsBytes(machine);
};

/** Size of a complete response head, with the empty line behind it. Nothing may be before its status line. */
export const responseHeadBytes = (machine: Machine): number => {
  const { i32, u8 } = machine.arena;
  if (i32[L.FIELDS] > 0) return headWithFieldsBytes(machine);
  const base = i32[L.BASE];
  return u8.indexOf(CR, base) - base + HEAD_END_BYTES;
};

const headWithFieldsBytes = (machine: Machine): number => {
  const { i32, u8 } = machine.arena;
  const base = i32[L.BASE];
  const fields = i32[L.FIELDS];
  const last = (machine.tapeBase >> 2) + (fields - 1) * RECORD_WORDS;
  // White space was taken off the value, and an empty one lies anywhere behind its name.
  let end = i32[last + 3] > 0 ? i32[last + 2] + i32[last + 3] : i32[last] + (i32[last + 1] & L.NAME_SIZE_MASK);
  while (u8[base + end] !== CR) end += 1;
  return end + HEAD_END_BYTES;
};

/** Whether a complete head is larger than allowed. One that came in pieces has been measured on its way. */
export const sizeError = (machine: Machine, limits: HttpLimits): H1ErrorCode | null => {
  if (machine.arena.i32[L.TARGET_SIZE] > limits.targetBytesMax) return "ERR_H1_TARGET_TOO_LONG";
  return headBytes(machine) > limits.headBytesMax ? "ERR_H1_HEAD_TOO_LARGE" : null;
};

/** Bytes announced by the head that this step has brought; 0 without a body, -1 where chunks will tell. */
export const bodyLengthOf = (machine: Machine, record: number): number => {
  const { i32 } = machine.arena;
  const seen = i32[L.SEEN];
  if ((seen & (L.SEEN_CONTENT_LENGTH | L.SEEN_TRANSFER_ENCODING)) === 0) return 0;
  if (seen & L.SEEN_TRANSFER_ENCODING) return -1;
  // llhttp counts down; what this step brought has to be added again.
  const left = (record + L.PARSER_CONTENT_LENGTH) >> 2;
  let length = (i32[left] >>> 0) + (i32[left + 1] >>> 0) * TWO_TO_32;
  const first = bodyRecords(machine);
  for (let at = 0; at < i32[L.BODIES]; at += 1) length += i32[first + at * RECORD_WORDS + 1];
  return length;
};

/**
 * What the head says about the connection, as llhttp's flags: FLAG_CLOSE, FLAG_KEEP_ALIVE (RFC 9112 §9.3). llhttp splits
 * lists at commas and spaces only, so lists of more than one option, and white space at the end, are read again here.
 */
export const connectionFlags = (machine: Machine): number => {
  const { i32 } = machine.arena;
  let flags = i32[L.FLAGS];
  if ((i32[L.SEEN] & L.SEEN_CONNECTION_ODD) === 0) return flags;
  for (let at = 0; at < i32[L.FIELDS]; at += 1) {
    const record = (machine.tapeBase >> 2) + at * RECORD_WORDS;
    if (i32[record + 1] >>> L.KNOWN_NAME_SHIFT !== L.NAME_CONNECTION) continue;
    const start = i32[L.BASE] + i32[record + 2];
    const list = machine.bytes.toString("latin1", start, start + i32[record + 3]);
    if (listHas(list, "close")) flags |= L.FLAG_CLOSE;
    if (listHas(list, "keep-alive")) flags |= L.FLAG_KEEP_ALIVE;
  }
  return flags;
};

/** Index in `i32` of the step's first body record: its address, then its size; the next is RECORD_WORDS further. */
export const bodyRecords = (machine: Machine): number => {
  const { i32 } = machine.arena;
  return (i32[L.TOP] - (i32[L.TRAILERS] + i32[L.BODIES]) * L.TAPE_RECORD_BYTES) >> 2;
};

/** Trailers of the message that this step has completed, copied; null where there are none. */
export const trailersOf = (codec: Codec): TapeFields | null => {
  const { machine, texts } = codec;
  const { i32 } = machine.arena;
  const count = i32[L.TRAILERS];
  if (count === 0) return null;
  const trailers = new TapeFields(machine, texts, i32[L.BASE], i32[L.TOP] - count * L.TAPE_RECORD_BYTES, count);
  trailers.keep();
  return trailers;
};
