// field-syntax.ts — which characters a field may have (RFC 9110 §5), for messages we send.
import { HttpError } from "./errors.ts";

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 1 for each code below 256 that a token may have (RFC 9110 §5.6.2). */
export const TOKEN_TABLE: Uint8Array = new Uint8Array(256);
for (let at = 0; at < TOKEN_CHARACTERS.length; at += 1) TOKEN_TABLE[TOKEN_CHARACTERS.charCodeAt(at)] = 1;

/** 1 for each code below 256 that a field value may have: HTAB, SP, visible ASCII and obs-text (RFC 9110 §5.5). */
export const VALUE_TABLE: Uint8Array = new Uint8Array(256);
VALUE_TABLE[0x09] = 1;
VALUE_TABLE.fill(1, 0x20, 0x7f);
VALUE_TABLE.fill(1, 0x80, 0x100);

export const isToken = (text: string): boolean => {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 255 || TOKEN_TABLE[code] === 0) return false;
  }
  return text.length > 0;
};

export const isFieldValue = (text: string): boolean => {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 255 || VALUE_TABLE[code] === 0) return false;
  }
  return true;
};

/** @throws {HttpError} ERR_FIELD_INVALID naming the field; the value, which may be a secret, is not shown. */
export const checkField = (name: string, value: string): void => {
  if (typeof name !== "string" || typeof value !== "string") {
    throw new HttpError(
      "ERR_FIELD_INVALID",
      `field name and value must be strings, got ${typeof name} and ${typeof value}`,
    );
  }
  if (!isToken(name)) throw new HttpError("ERR_FIELD_INVALID", `field name ${JSON.stringify(name)} is no token`);
  if (!isFieldValue(value)) {
    throw new HttpError("ERR_FIELD_INVALID", `value of field "${name}" has a character no field value may have`);
  }
};

/** Compares ASCII without case. `lower` is in lower case already. */
export const equalsLower = (text: string, lower: string): boolean => {
  if (text.length !== lower.length) return false;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code >= 0x41 && code <= 0x5a) code |= 0x20;
    if (code !== lower.charCodeAt(at)) return false;
  }
  return true;
};

/** True where a comma separated list has the token, compared without case. `token` is in lower case. */
export const listHas = (list: string, token: string): boolean => {
  for (const part of list.split(",")) if (equalsLower(part.trim(), token)) return true;
  return false;
};
