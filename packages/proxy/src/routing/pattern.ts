// pattern.ts — the paths of routes: "/exact", "/prefix/*", "/users/{id:int}", "/files/{name:path}".
import { normalizeTarget, PATH_REFUSALS } from "./path.ts";

/** Types of a parameter, most specific first: where two could take a segment, the first of them does. */
export const PARAMETER_TYPES = ["int", "uuid", "string", "path"] as const;
export type ParameterType = (typeof PARAMETER_TYPES)[number];

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
}

/** One segment of a pattern: to be equal to, or to be taken as a parameter. */
export type Segment = string | Parameter;

export interface PathPattern {
  readonly text: string;
  readonly segments: readonly Segment[];
  /** Ends in "/*": also matches what is below, and the path without its last slash. */
  readonly prefix: boolean;
  /** The parameter that takes the rest of the path, which may be empty; null for none. */
  readonly rest: string | null;
  /** Names of all parameters in their order; the rest's is the last. */
  readonly names: readonly string[];
}

/** Segments a pattern may have. It bounds how deep a search goes. */
export const SEGMENTS_MAX = 64;

const PARAMETER = /^\{([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z]+))?\}$/;

/** Reads a pattern; a string that says what is wrong otherwise. */
export const parsePattern = (text: string): PathPattern | string => {
  if (!text.startsWith("/")) return "a path begins with a slash";
  if (/[?#]/.test(text)) return "a path has no query and no fragment: match those with `query`";
  const parts = text.slice(1).split("/");
  if (parts.length > SEGMENTS_MAX) return `a path has at most ${SEGMENTS_MAX} segments`;
  const prefix = parts.at(-1) === "*";
  if (prefix) parts.pop();
  const segments: Segment[] = [];
  const names: string[] = [];
  let rest: string | null = null;
  for (const [at, part] of parts.entries()) {
    const segment = parseSegment(part);
    if (typeof segment === "object" && "wrong" in segment) return segment.wrong;
    if (part === "" && at < parts.length - 1) return "two slashes in a row";
    if (typeof segment === "string") {
      segments.push(segment);
      continue;
    }
    if (names.includes(segment.name)) return `the parameter "${segment.name}" is there twice`;
    names.push(segment.name);
    if (segment.type !== "path") segments.push(segment);
    else if (at < parts.length - 1 || prefix) return `{${segment.name}:path} takes the rest, so it stands at the end`;
    else rest = segment.name;
  }
  if (prefix && parts.at(-1) === "") return "two slashes in a row";
  return { text, segments, prefix: prefix || rest !== null, rest, names };
};

const parseSegment = (part: string): Segment | { readonly wrong: string } => {
  if (!/[{}*]/.test(part)) {
    if (part === "." || part === "..") return { wrong: "a path of a route has no dot segments" };
    const normal = normalizeTarget(`/${part}`, { duplicateSlashes: "keep", encodedSlash: "keep" });
    if (typeof normal === "string") return { wrong: `"${part}" has ${PATH_REFUSALS[normal]}` };
    // Requests are brought into that form before they are matched: anything else would never match.
    if (normal.path !== `/${part}`) return { wrong: `write "${part}" as "${normal.path.slice(1)}"` };
    return part;
  }
  if (part.includes("*")) return { wrong: '"*" stands alone and at the end: "/api/*"' };
  const match = PARAMETER.exec(part);
  if (match === null) return { wrong: 'a parameter is a whole segment: "/{id}", "/{id:int}"' };
  const type = match[2] ?? "string";
  if (!isParameterType(type)) {
    return { wrong: `"${type}" is no type of a parameter; there are ${PARAMETER_TYPES.join(", ")}` };
  }
  return { name: match[1], type };
};

const isParameterType = (text: string): text is ParameterType => PARAMETER_TYPES.includes(text as ParameterType);

/** Digits an int has at most: below 2^53 in any case. */
export const INT_DIGITS_MAX = 15;

const UUID_LENGTH = 36;

/** Whether `path[start..end)`, one segment, may be a parameter of this type. An empty segment never is. */
export const fitsType = (type: ParameterType, path: string, start: number, end: number): boolean => {
  if (end <= start) return false;
  switch (type) {
    case "int":
      return fitsInt(path, start, end);
    case "uuid":
      return end - start === UUID_LENGTH && fitsUuid(path, start);
    case "string":
    case "path":
      return true;
  }
};

const fitsInt = (path: string, start: number, end: number): boolean => {
  const first = path.charCodeAt(start) === 0x2d ? start + 1 : start;
  if (first === end || end - first > INT_DIGITS_MAX) return false;
  for (let at = first; at < end; at += 1) {
    const code = path.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
};

const fitsUuid = (path: string, start: number): boolean => {
  for (let at = 0; at < UUID_LENGTH; at += 1) {
    const code = path.charCodeAt(start + at);
    if (at === 8 || at === 13 || at === 18 || at === 23) {
      if (code !== 0x2d) return false;
    } else if (!((code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66))) return false;
  }
  return true;
};
