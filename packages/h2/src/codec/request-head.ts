// request-head.ts — a request's fields, judged by RFC 9113 §8.2 and §8.3. A block that comes again is judged once.
import { equalsLower, isToken } from "@percore/http";
import type { HeaderBlock } from "./hpack/codec.ts";
import {
  Field,
  FieldValue,
  NAME_AUTHORITY,
  NAME_CONNECTION,
  NAME_CONTENT_LENGTH,
  NAME_COOKIE,
  NAME_EXPECT,
  NAME_HOST,
  NAME_INVALID,
  NAME_METHOD,
  NAME_PATH,
  NAME_PRIORITY,
  NAME_PROTOCOL,
  NAME_SCHEME,
  NAME_STATUS,
  NAME_TE,
} from "./hpack/field.ts";
import { ListFields } from "./list-fields.ts";
import { PRIORITY_UNSAID, type Priority, readPriority } from "./priority.ts";

export interface RequestHead {
  /** Why it is malformed, or null. */
  readonly error: string | null;
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  /** :protocol of RFC 8441, or null. */
  readonly protocol: string | null;
  readonly fields: ListFields;
  /** Announced, or -1. */
  readonly contentLength: number;
  readonly expectsContinue: boolean;
  readonly priority: Priority;
}

const NOTHING = new ListFields([]);

const malformed = (error: string): RequestHead => ({
  error,
  method: "",
  scheme: "",
  authority: "",
  path: "",
  protocol: null,
  fields: NOTHING,
  contentLength: -1,
  expectsContinue: false,
  priority: PRIORITY_UNSAID,
});

export const judgeRequest = (block: HeaderBlock): RequestHead => {
  block.judged ??= judge(block.fields);
  return block.judged as RequestHead;
};

const judge = (fields: readonly Field[]): RequestHead => {
  const pseudo: (string | null)[] = [null, null, null, null, null];
  const kept: Field[] = [];
  let host: string | null = null;
  let cookie: Field | null = null;
  let cookieAt = 0;
  let contentLength = -1;
  let expectsContinue = false;
  let priority = PRIORITY_UNSAID;
  for (const field of fields) {
    const { kind } = field.name;
    const { text, valid } = field.value;
    if (!valid) return malformed("a value has a character it may not have");
    if (kind >= NAME_METHOD) {
      if (kind === NAME_STATUS) return malformed(":status in a request");
      if (kept.length > 0) return malformed("a pseudo-field behind an ordinary one");
      if (pseudo[kind - NAME_METHOD] !== null) return malformed("a pseudo-field twice");
      pseudo[kind - NAME_METHOD] = text;
      continue;
    }
    switch (kind) {
      case NAME_INVALID:
        return malformed("a name that is none in lower case");
      case NAME_CONNECTION:
        return malformed("a field about the connection");
      case NAME_TE:
        if (!equalsLower(text, "trailers")) return malformed("te other than trailers");
        break;
      case NAME_HOST:
        if (host !== null) return malformed("host twice");
        host = text;
        break;
      case NAME_CONTENT_LENGTH: {
        const length = /^[0-9]{1,15}$/.test(text) ? Number(text) : -1;
        if (length < 0 || contentLength >= 0) return malformed("content-length is no length, or there twice");
        contentLength = length;
        break;
      }
      case NAME_COOKIE:
        // Crumbs are one cookie again (§8.2.3).
        if (cookie !== null) {
          cookie = new Field(field.name, new FieldValue(`${cookie.value.text}; ${text}`), true);
          kept[cookieAt] = cookie;
          continue;
        }
        cookie = field;
        cookieAt = kept.length;
        break;
      case NAME_EXPECT:
        expectsContinue = equalsLower(text, "100-continue");
        break;
      case NAME_PRIORITY:
        priority = readPriority(text);
        break;
      default:
        break;
    }
    kept.push(field);
  }
  const method = pseudo[NAME_METHOD - NAME_METHOD];
  const scheme = pseudo[NAME_SCHEME - NAME_METHOD];
  const given = pseudo[NAME_AUTHORITY - NAME_METHOD];
  const path = pseudo[NAME_PATH - NAME_METHOD];
  const protocol = pseudo[NAME_PROTOCOL - NAME_METHOD];
  const authority = given ?? host ?? "";
  const error =
    methodError(method, scheme, given, path, protocol) ??
    authorityError(authority, given, host) ??
    pathError(method as string, path);
  if (error !== null) return malformed(error);
  return {
    error: null,
    method: method as string,
    scheme: scheme ?? "",
    authority,
    path: path ?? "",
    protocol,
    fields: new ListFields(kept),
    contentLength,
    expectsContinue,
    priority,
  };
};

const methodError = (
  method: string | null,
  scheme: string | null,
  authority: string | null,
  path: string | null,
  protocol: string | null,
): string | null => {
  if (method === null || !isToken(method)) return ":method is missing or no token";
  if (method === "CONNECT" && protocol === null) {
    if (scheme !== null || path !== null) return "CONNECT with :scheme or :path";
    return authority === null || authority === "" ? "CONNECT without :authority" : null;
  }
  if (protocol !== null && (method !== "CONNECT" || !isToken(protocol)))
    return ":protocol without CONNECT, or no token";
  if (protocol !== null && authority === null) return "extended CONNECT without :authority";
  if (scheme !== "http" && scheme !== "https") return ":scheme is missing or not of HTTP";
  return path === null ? ":path is missing" : null;
};

const AUTHORITY_FORBIDDEN: ReadonlySet<string> = new Set([...' @/?#\\"<>^`{|}', "\t"]);

const authorityError = (authority: string, given: string | null, host: string | null): string | null => {
  if (authority === "") return "neither :authority nor host";
  for (const character of authority) {
    if (AUTHORITY_FORBIDDEN.has(character) || character > "~") return ":authority or host is no host";
  }
  if (given !== null && host !== null && given.toLowerCase() !== host.toLowerCase())
    return ":authority and host differ";
  return null;
};

const pathError = (method: string, path: string | null): string | null => {
  if (path === null) return null;
  if (path === "*") return method === "OPTIONS" ? null : ":path * without OPTIONS";
  if (!path.startsWith("/")) return ":path does not begin with /";
  for (let index = 0; index < path.length; index += 1) {
    const code = path.charCodeAt(index);
    if (code <= 0x20 || code === 0x23 || code >= 0x7f) return ":path has a character it may not have";
  }
  return null;
};

/** Why trailers are malformed, or null (§8.1). */
export const trailersError = (block: HeaderBlock): string | null => {
  for (const { name, value } of block.fields) {
    if (name.kind >= NAME_METHOD) return "a pseudo-field in trailers";
    if (name.kind === NAME_INVALID || name.kind === NAME_CONNECTION || !value.valid) return "a bad field in trailers";
  }
  return null;
};
