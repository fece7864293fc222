// request-list.ts — a request's head as the list to encode: checked, in lower case, pseudo-fields first (RFC 9113 §8.3.1).
import { assert } from "@percore/core";
import { type ClientRequest, checkField, equalsLower, type FieldList, HttpError, isToken } from "@percore/http";

/** Methods whose meaning is in their content: without any they say so (RFC 9110 §8.6). */
const EXPECTS_CONTENT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** What frames say here, or pseudo-fields (RFC 9113 §8.2.2, §8.3.1). */
const FORBIDDEN: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The list for a request's HEADERS, its length included. A head that is none is a mistake of the program, not of a peer:
 * whoever takes targets from peers has checked them.
 * @throws {HttpError} ERR_FIELD_INVALID.
 */
export const requestList = (request: ClientRequest): string[] => {
  checkLine(request);
  const { method, scheme, authority, path, upgrade, bodyLength } = request;
  const list = upgrade === null ? [":method", method] : [":method", "CONNECT", ":protocol", upgrade];
  if (method !== "CONNECT" || upgrade !== null) list.push(":scheme", scheme, ":path", path);
  if (authority !== "") list.push(":authority", authority);
  pushFields(list, request.fields);
  if (bodyLength > 0 || (bodyLength === 0 && upgrade === null && EXPECTS_CONTENT.has(method))) {
    list.push("content-length", String(bodyLength));
  }
  return list;
};

/** @throws {HttpError} ERR_FIELD_INVALID. */
export const trailerList = (fields: FieldList): string[] => {
  const list: string[] = [];
  pushFields(list, fields);
  return list;
};

const pushFields = (list: string[], fields: FieldList): void => {
  if (fields.length % 2 !== 0) throw new HttpError("ERR_FIELD_INVALID", "a field list has a value for each name");
  for (let index = 0; index < fields.length; index += 2) {
    const value = fields[index + 1];
    checkField(fields[index], value);
    const name = fields[index].toLowerCase();
    if (FORBIDDEN.has(name) || (name === "te" && !equalsLower(value, "trailers"))) {
      throw new HttpError("ERR_FIELD_INVALID", `${name} is the connection's business, not the caller's`);
    }
    // White space at the ends is no part of a value, and malformed here (§8.2.1).
    list.push(name, value.trim());
  }
};

const checkLine = ({ method, path, authority, upgrade, bodyLength }: ClientRequest): void => {
  assert(isToken(method), "the method is a token (RFC 9110 §9.1)");
  assert(upgrade === null || isToken(upgrade), "the protocol asked for is a token");
  assert(Number.isSafeInteger(bodyLength) && bodyLength >= -1, "the body's length is -1 or a whole number");
  assert(authority === "" || isAuthority(authority), "the authority is a host with an optional port");
  if (method === "CONNECT" && upgrade === null) {
    assert(path === "" && authority !== "" && bodyLength === 0, "CONNECT has an authority, no path and no body");
    return;
  }
  assert(upgrade === null || bodyLength === 0, "a request for another protocol has no body");
  assert(path === "*" || path.charCodeAt(0) === SLASH, "the path begins with a slash");
  for (let index = 0; index < path.length; index += 1) {
    const code = path.charCodeAt(index);
    assert(code > 0x20 && code < 0x7f, "a path has visible characters only");
  }
};

/** What a host with an optional port has nothing of; userinfo is not allowed either (RFC 9113 §8.3.1). */
const isAuthority = (text: string): boolean => {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || NOT_IN_AUTHORITY.has(text[index])) return false;
  }
  return true;
};

const NOT_IN_AUTHORITY: ReadonlySet<string> = new Set('@/?#\\"<>^`{|}');
const SLASH = 0x2f;
