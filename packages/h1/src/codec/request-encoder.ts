// request-encoder.ts — request heads as bytes, written anew: Host first, then the caller's fields, then what frames the
// message and speaks of the connection, which is nobody's but ours to say (RFC 9112 §3, §6.1, RFC 9110 §7.6.1).
import { assert, RESERVE_BYTES_MAX, type Stream } from "@percore/core";
import { type ClientRequest, equalsLower, HttpError, isFieldValue, isToken } from "@percore/http";
import { linesBound, putLine, putNumber, putText } from "./field-lines.ts";
import { KnownLines } from "./known-lines.ts";
import type { Machine } from "./machine.ts";
import { isAuthority } from "./request-head.ts";

/** Largest head that is sent. Servers refuse smaller ones. */
const HEAD_BYTES_MAX = 65_536;
/**
 * Spaces, version, line ends, and the lines about framing and connection, without the names of protocols in them; with
 * more than the 15 bytes that copying a known line over-writes.
 */
const CONSTANT_BYTES_MAX = 192;

/** Methods whose meaning is in their content: without any they say so (RFC 9110 §8.6). */
const EXPECTS_CONTENT: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

export class RequestEncoder {
  readonly #u8: Uint8Array;
  readonly #known: KnownLines;
  /** The authority that was checked last: connections of one upstream send the same again and again. */
  #authority = "";

  constructor(machine: Machine) {
    this.#u8 = machine.arena.u8;
    this.#known = new KnownLines(machine);
  }

  /**
   * Writes a whole head to the stream.
   * @throws {HttpError} ERR_FIELD_INVALID, ERR_REQUEST_HEAD_TOO_LARGE; nothing has been written then.
   */
  write(stream: Stream, request: ClientRequest): void {
    checkLine(request);
    const { method, path, authority, upgrade } = request;
    if (authority !== this.#authority) {
      assert(authority === "" || isAuthority(authority), "the authority is a host with an optional port");
      this.#authority = authority;
    }
    const target = method.length + path.length + authority.length * 2 + (upgrade === null ? 0 : upgrade.length);
    const bound = target + linesBound(request.fields) + CONSTANT_BYTES_MAX;
    if (bound <= RESERVE_BYTES_MAX) {
      const at = stream.reserve(bound);
      stream.commit(putHead(this.#u8, at, request, this.#known) - at);
      return;
    }
    if (bound > HEAD_BYTES_MAX) {
      throw new HttpError(
        "ERR_REQUEST_HEAD_TOO_LARGE",
        `request head needs ${bound} bytes, ${HEAD_BYTES_MAX} can be sent`,
      );
    }
    const bytes = new Uint8Array(bound);
    stream.writeBytes(bytes.subarray(0, putHead(bytes, 0, request, null)));
  }
}

/** A head that is none is a mistake of the program, not of a peer: whoever takes targets from peers has checked them. */
const checkLine = ({ method, path, authority, upgrade, bodyLength }: ClientRequest): void => {
  assert(isToken(method), "the method is a token (RFC 9110 §9.1)");
  assert(upgrade === null || isFieldValue(upgrade), "the protocol asked for is a field value");
  assert(Number.isSafeInteger(bodyLength) && bodyLength >= -1, "the body's length is -1 or a whole number");
  if (method === "CONNECT") {
    assert(path === "" && authority !== "" && bodyLength === 0, "CONNECT has an authority, no path and no body");
  } else if (path !== "*") assert(path.charCodeAt(0) === SLASH, "the path begins with a slash");
};

const SLASH = 0x2f;

/** @param known lines that may be copied; null where `u8` is not the arena */
const putHead = (u8: Uint8Array, start: number, request: ClientRequest, known: KnownLines | null): number => {
  const { method, path, authority, fields, bodyLength } = request;
  let at = putText(u8, start, method);
  u8[at] = 0x20;
  at = putTarget(u8, at + 1, method === "CONNECT" ? authority : path);
  at = putText(u8, at, " HTTP/1.1\r\n");
  at = known === null ? putLine(u8, at, "host", authority) : known.put(at, "host", authority);
  let asksTrailers = false;
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index];
    if (isOurs(name)) asksTrailers = judgeOurs(name, fields[index + 1]);
    at = known === null ? putLine(u8, at, name, fields[index + 1]) : known.put(at, name, fields[index + 1]);
  }
  at = putConnection(u8, at, request.upgrade, asksTrailers);
  if (bodyLength > 0 || (bodyLength === 0 && EXPECTS_CONTENT.has(method))) {
    at = putText(u8, at, "content-length: ");
    at = putNumber(u8, at, bodyLength);
    at = putText(u8, at, "\r\n");
  } else if (bodyLength < 0) at = putText(u8, at, "transfer-encoding: chunked\r\n");
  return putText(u8, at, "\r\n");
};

/** RFC 9110 §7.6.1: what names a field or option of this hop is listed in Connection. */
const putConnection = (u8: Uint8Array, start: number, upgrade: string | null, asksTrailers: boolean): number => {
  if (upgrade === null) return asksTrailers ? putText(u8, start, "connection: te\r\n") : start;
  const at = putText(u8, start, asksTrailers ? "connection: te, upgrade\r\n" : "connection: upgrade\r\n");
  return putLine(u8, at, "upgrade", upgrade);
};

/** Any visible character: what it may be beyond is a question of the path, not of the message. */
const putTarget = (u8: Uint8Array, start: number, target: string): number => {
  for (let index = 0; index < target.length; index += 1) {
    const code = target.charCodeAt(index);
    assert(code > 0x20 && code < 0x7f, "a request target has visible characters only");
    u8[start + index] = code;
  }
  return start + target.length;
};

/** Fields that decide framing or speak of the connection, and TE. */
const isOurs = (name: string): boolean => {
  switch (name.length) {
    case 2:
      return equalsLower(name, "te");
    case 4:
      return equalsLower(name, "host");
    case 7:
      return equalsLower(name, "upgrade");
    case 10:
      return equalsLower(name, "connection") || equalsLower(name, "keep-alive");
    case 14:
      return equalsLower(name, "content-length");
    case 16:
      return equalsLower(name, "proxy-connection");
    case 17:
      return equalsLower(name, "transfer-encoding");
    default:
      return false;
  }
};

/** TE may ask for trailers (RFC 9110 §10.1.4), for no coding: none but chunked is taken back. */
const judgeOurs = (name: string, value: string): boolean => {
  if (equalsLower(name, "te") && equalsLower(value, "trailers")) return true;
  throw new HttpError("ERR_FIELD_INVALID", `${name} is the connection's business, not the caller's`);
};
