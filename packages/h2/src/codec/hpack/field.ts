// field.ts — decoded field lines: judged once, when their bytes are first seen, and shared by all who refer to them.
import { TOKEN_TABLE, VALUE_TABLE } from "@percore/http";

// What a name means to the protocol.
export const NAME_ORDINARY = 0;
/** Not allowed in HTTP/2 at all: an upper-case letter, no token, an unknown pseudo-field (RFC 9113 §8.2.1, §8.3). */
export const NAME_INVALID = 1;
/** Says something about a connection, which in HTTP/2 frames do (RFC 9113 §8.2.2). */
export const NAME_CONNECTION = 2;
export const NAME_TE = 3;
export const NAME_HOST = 4;
export const NAME_CONTENT_LENGTH = 5;
export const NAME_COOKIE = 6;
export const NAME_EXPECT = 7;
export const NAME_PRIORITY = 8;
/** Pseudo-fields, in the order of their bits in a head's verdict. */
export const NAME_METHOD = 16;
export const NAME_SCHEME = 17;
export const NAME_AUTHORITY = 18;
export const NAME_PATH = 19;
export const NAME_PROTOCOL = 20;
export const NAME_STATUS = 21;

const KNOWN: ReadonlyMap<string, number> = new Map([
  ["connection", NAME_CONNECTION],
  ["proxy-connection", NAME_CONNECTION],
  ["keep-alive", NAME_CONNECTION],
  ["transfer-encoding", NAME_CONNECTION],
  ["upgrade", NAME_CONNECTION],
  ["te", NAME_TE],
  ["host", NAME_HOST],
  ["content-length", NAME_CONTENT_LENGTH],
  ["cookie", NAME_COOKIE],
  ["expect", NAME_EXPECT],
  ["priority", NAME_PRIORITY],
  [":method", NAME_METHOD],
  [":scheme", NAME_SCHEME],
  [":authority", NAME_AUTHORITY],
  [":path", NAME_PATH],
  [":protocol", NAME_PROTOCOL],
  [":status", NAME_STATUS],
]);

/** Each entry of the dynamic table counts for this much more than its text (RFC 7541 §4.1). */
export const FIELD_OVERHEAD = 32;

export class FieldName {
  readonly text: string;
  readonly kind: number;

  constructor(text: string) {
    this.text = text;
    this.kind = KNOWN.get(text) ?? (isLowerToken(text) ? NAME_ORDINARY : NAME_INVALID);
  }
}

export class FieldValue {
  readonly text: string;
  /** Has no character that a value may not have, and no white space at its ends (RFC 9113 §8.2.1). */
  readonly valid: boolean;

  constructor(text: string) {
    this.text = text;
    this.valid = isCleanValue(text);
  }
}

/** One field line. */
export class Field {
  readonly name: FieldName;
  readonly value: FieldValue;
  /** As RFC 7541 §4.1 counts it. */
  readonly size: number;
  /** Came as "never indexed": whoever passes it on must do so likewise (RFC 7541 §7.1.3). */
  readonly sensitive: boolean;

  constructor(name: FieldName, value: FieldValue, sensitive: boolean) {
    this.name = name;
    this.value = value;
    this.size = name.text.length + value.text.length + FIELD_OVERHEAD;
    this.sensitive = sensitive;
  }
}

const isLowerToken = (text: string): boolean => {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 255 || TOKEN_TABLE[code] === 0 || (code >= 0x41 && code <= 0x5a)) return false;
  }
  return text.length > 0;
};

const isCleanValue = (text: string): boolean => {
  const { length } = text;
  if (length === 0) return true;
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 255 || VALUE_TABLE[code] === 0) return false;
  }
  return !isSpace(text.charCodeAt(0)) && !isSpace(text.charCodeAt(length - 1));
};

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09;
