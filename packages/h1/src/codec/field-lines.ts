// field-lines.ts — field lines, text and numbers as bytes of a head (RFC 9112 §5), checked as they are written.
import { checkField, type FieldList, HttpError, TOKEN_TABLE, VALUE_TABLE } from "@percore/http";

/**
 * Bytes that the lines of `fields` take.
 * @throws {HttpError} ERR_FIELD_INVALID for a list that has no value for each name, or what is no text.
 */
export const linesBound = (fields: FieldList): number => {
  if (fields.length % 2 !== 0) throw new HttpError("ERR_FIELD_INVALID", "a field list has a value for each name");
  let bound = 0;
  for (let index = 0; index < fields.length; index += 2) {
    if (typeof fields[index] !== "string" || typeof fields[index + 1] !== "string") {
      checkField(fields[index], fields[index + 1]);
    }
    bound += fields[index].length + fields[index + 1].length + 4;
  }
  return bound;
};

/**
 * Writes a field line at `start` and returns the address behind it.
 * @throws {HttpError} ERR_FIELD_INVALID.
 */
export const putLine = (u8: Uint8Array, start: number, name: string, value: string): number => {
  let at = start;
  if (name.length === 0) checkField(name, value);
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (code > 255 || TOKEN_TABLE[code] === 0) checkField(name, value);
    u8[at] = code;
    at += 1;
  }
  u8[at] = 0x3a;
  u8[at + 1] = 0x20;
  at += 2;
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code > 255 || VALUE_TABLE[code] === 0) checkField(name, value);
    u8[at] = code;
    at += 1;
  }
  u8[at] = 0x0d;
  u8[at + 1] = 0x0a;
  return at + 2;
};

/** Writes characters, which are below 256, and returns the address behind them. */
export const putText = (u8: Uint8Array, start: number, text: string): number => {
  for (let index = 0; index < text.length; index += 1) u8[start + index] = text.charCodeAt(index);
  return start + text.length;
};

/** Decimal digits of a whole number; returns the address behind them. */
export const putNumber = (u8: Uint8Array, at: number, value: number): number => {
  if (value < 10) {
    u8[at] = 0x30 + value;
    return at + 1;
  }
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  let rest = value;
  for (let index = at + digits - 1; index >= at; index -= 1) {
    const next = Math.floor(rest / 10);
    u8[index] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return at + digits;
};
