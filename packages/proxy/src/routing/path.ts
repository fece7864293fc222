// path.ts — brings a request's path into its one normal form, once: routed and forwarded is the same string, so that no
// two readers of it disagree about where it leads.

/** What is made of two or more slashes in a row. */
export type SlashPolicy = "merge" | "keep" | "refuse";
/** What is made of `%2F`: refused, or kept as it is (as a part of its segment, which some APIs need). */
export type EncodedSlashPolicy = "refuse" | "keep";

export interface PathPolicy {
  readonly duplicateSlashes: SlashPolicy;
  readonly encodedSlash: EncodedSlashPolicy;
}

export const DEFAULT_PATH_POLICY: PathPolicy = Object.freeze({ duplicateSlashes: "merge", encodedSlash: "refuse" });

/** Why a path is refused with 400. */
export const PATH_REFUSALS = {
  "bad-escape": "a percent sign that is not followed by two hexadecimal digits",
  "encoded-slash": "%2F or %5C: what is behind it may take it for a separator",
  nul: "%00: what is behind it may take it for the end",
  backslash: "a backslash: what is behind it may take it for a slash",
  character: "a control character, a space, a fragment or a byte above 7F",
  "above-root": "more .. segments than there are segments before them",
  "dot-parameter": "a segment .;x or ..;x, which some servers take for a dot segment",
  "duplicate-slash": "two slashes in a row, where the configuration refuses them",
} as const;

export type PathRefusal = keyof typeof PATH_REFUSALS;

export interface NormalTarget {
  /** Begins with "/"; or is "*" (OPTIONS *) or "" (CONNECT). */
  readonly path: string;
  /** With its question mark, as sent; "" where there is none. */
  readonly query: string;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const QUESTION = 0x3f;
const BACKSLASH = 0x5c;

const PLAIN = 0;
/** Decides something: the careful way is taken. */
const SPECIAL = 1;
/** Not allowed in a path by RFC 3986 §3.3, but sent by browsers: written as an escape. */
const ESCAPED = 2;
const REFUSED = 3;

/** What to do with each character of a path. */
const KINDS: Uint8Array = new Uint8Array(128).fill(REFUSED);
const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
for (const character of `${UNRESERVED}!$&'()*+,;=:@`) KINDS[character.charCodeAt(0)] = PLAIN;
for (const character of '"<>[]^`{|}') KINDS[character.charCodeAt(0)] = ESCAPED;
for (const character of "/%?\\") KINDS[character.charCodeAt(0)] = SPECIAL;
/** What a query may have: everything visible but "#". */
const isQueryCharacter = (code: number): boolean => code > 0x20 && code < 0x7f && code !== 0x23;
const IS_UNRESERVED: Uint8Array = new Uint8Array(128);
for (const character of UNRESERVED) IS_UNRESERVED[character.charCodeAt(0)] = 1;

/**
 * Normalises path and query of a request (RFC 3986 §6.2.2): unreserved characters are decoded, other escapes written in
 * upper case, dot segments removed. Escaped and plain forms of one path become the same string.
 *
 * @param target `exchange.path`: origin-form, "*" or "".
 * @returns the target, or why it is to be refused with 400.
 */
export const normalizeTarget = (
  target: string,
  policy: PathPolicy = DEFAULT_PATH_POLICY,
): NormalTarget | PathRefusal => {
  if (target.charCodeAt(0) !== SLASH)
    return target === "*" || target === "" ? { path: target, query: "" } : "character";
  let at = 0;
  const { length } = target;
  for (; at < length; at += 1) {
    const code = target.charCodeAt(at);
    if (code < 128 && KINDS[code] === PLAIN) continue;
    if (code !== SLASH) break;
    const next = target.charCodeAt(at + 1);
    if (next === SLASH || next === DOT) break;
  }
  if (at === length) return { path: target, query: "" };
  const isNormal = target.charCodeAt(at) === QUESTION;
  const question = isNormal ? at : target.indexOf("?", at);
  const end = question < 0 ? length : question;
  for (let index = end; index < length; index += 1) {
    if (!isQueryCharacter(target.charCodeAt(index))) return "character";
  }
  const query = target.slice(end);
  if (isNormal) return { path: target.slice(0, end), query };
  const decoded = normalizeEscapes(target.slice(0, end), policy);
  if (!decoded.startsWith("/")) return decoded as PathRefusal;
  const path = normalizeSegments(decoded, policy);
  return path.startsWith("/") ? { path, query } : (path as PathRefusal);
};

/** A path with its escapes in normal form, or a refusal; they are told apart by the slash. */
const normalizeEscapes = (path: string, policy: PathPolicy): string => {
  let normal = "";
  for (let at = 0; at < path.length; at += 1) {
    const code = path.charCodeAt(at);
    if (code === PERCENT) {
      const value = hexValue(path.charCodeAt(at + 1)) * 16 + hexValue(path.charCodeAt(at + 2));
      if (!(value >= 0)) return "bad-escape" satisfies PathRefusal;
      if (value === 0) return "nul" satisfies PathRefusal;
      if (value === BACKSLASH) return "encoded-slash" satisfies PathRefusal;
      if (value === SLASH && policy.encodedSlash === "refuse") return "encoded-slash" satisfies PathRefusal;
      normal += value < 128 && IS_UNRESERVED[value] === 1 ? String.fromCharCode(value) : escapeOf(value);
      at += 2;
    } else if (code === BACKSLASH) {
      return "backslash" satisfies PathRefusal;
    } else if (code >= 128 || KINDS[code] === REFUSED) {
      return "character" satisfies PathRefusal;
    } else {
      normal += KINDS[code] === ESCAPED ? escapeOf(code) : path[at];
    }
  }
  return normal;
};

/** Resolves dot segments (RFC 3986 §5.2.4) and empty ones; a path above the root is refused rather than cut. */
const normalizeSegments = (path: string, policy: PathPolicy): string => {
  const kept: string[] = [];
  const segments = path.slice(1).split("/");
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === "." || segment === "..") {
      if (segment === ".." && kept.pop() === undefined) return "above-root" satisfies PathRefusal;
      // "/a/." is the directory "/a/".
      if (last) kept.push("");
    } else if (segment === "" && !last && policy.duplicateSlashes !== "keep") {
      if (policy.duplicateSlashes === "refuse") return "duplicate-slash" satisfies PathRefusal;
    } else if (segment.startsWith(".;") || segment.startsWith("..;")) {
      return "dot-parameter" satisfies PathRefusal;
    } else {
      kept.push(segment);
    }
  }
  return `/${kept.join("/")}`;
};

/** NaN for what is no hexadecimal digit. */
const hexValue = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : Number.NaN;
};

const escapeOf = (value: number): string => `%${value < 16 ? "0" : ""}${value.toString(16).toUpperCase()}`;
