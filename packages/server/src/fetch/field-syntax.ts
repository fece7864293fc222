// field-syntax.ts — what the Fetch standard says about header names and values, checked cheaply: a name that was seen
// before costs one table look-up.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\0\r\n]|[^\0-\xff]/;

/** Distinct spellings remembered; a peer or a program that makes up names empties the table, it does not grow it. */
const NAMES_MAX = 1024;
const lowerNames = new Map<string, string>();

/**
 * Checks a header name and gives its lower-case form.
 *
 * @throws {TypeError} where the name is no token (RFC 9110 §5.6.2).
 */
export const lowerName = (name: string): string => {
  const known = lowerNames.get(name);
  if (known !== undefined) return known;
  if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is not a header name`);
  if (lowerNames.size >= NAMES_MAX) lowerNames.clear();
  const lower = name.toLowerCase();
  lowerNames.set(name, lower);
  if (lower !== name) lowerNames.set(lower, lower);
  return lower;
};

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

/**
 * Normalises a header value (Fetch "normalize a byte sequence"): spaces, tabs and line ends around it are dropped.
 *
 * @throws {TypeError} where NUL, CR or LF is left in it, or a character above U+00FF.
 */
export const normalValue = (value: string): string => {
  let text = value;
  const length = value.length;
  if (length > 0 && (isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(length - 1)))) {
    let start = 0;
    let end = length;
    while (start < end && isSpace(value.charCodeAt(start))) start += 1;
    while (end > start && isSpace(value.charCodeAt(end - 1))) end -= 1;
    text = value.slice(start, end);
  }
  if (BAD_VALUE.test(text)) throw new TypeError(`${JSON.stringify(text)} is not a header value`);
  return text;
};

/** Web IDL's conversion to a string: symbols throw. That names and values hold bytes only is seen by the checks above. */
export const toText = (value: unknown): string => (typeof value === "string" ? value : `${value as string}`);
