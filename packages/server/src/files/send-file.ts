// send-file.ts — a FileBody onto an exchange: preconditions, ranges, and the bytes by sendfile.
import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import type { Exchange } from "@percore/http";
import { lowerName } from "../fetch/field-syntax.ts";
import { giveUp, type Report } from "../fetch/outcome.ts";
import type { ResponseParts } from "../fetch/response.ts";
import type { FileBody } from "./file-body.ts";
import { type OpenedFile, openFile } from "./open-file.ts";
import { type ByteRange, judge, type Verdict } from "./preconditions.ts";

/** A piece of a response: text of ours, or a part of the file. */
type Piece = string | ByteRange;

/**
 * Sends a file, or the part of it that was asked for, or why there is none.
 *
 * @throws {ServerError} ERR_FILE_NOT_FOUND, and what open(2) gives, before anything is sent.
 */
export const sendFileBody = (exchange: Exchange, parts: ResponseParts, body: FileBody, report: Report): void => {
  const { fields } = exchange;
  const opened = openFile(body, body.options.precompressed === undefined ? undefined : fields.get("accept-encoding"));
  try {
    answer(exchange, parts, body, opened, report);
  } catch (error) {
    closeSync(opened.fd);
    throw error;
  }
};

const answer = (exchange: Exchange, parts: ResponseParts, body: FileBody, opened: OpenedFile, report: Report): void => {
  const { method } = exchange;
  const ranges = body.options.ranges !== false;
  // Conditions and ranges speak of the 200 that GET would get (RFC 9110 §13.1, §14.2): an error page is sent whole.
  const conditional = parts.status === 200 && (method === "GET" || method === "HEAD");
  const verdict: Verdict = conditional
    ? judge(exchange.fields, opened.size, opened.validators, ranges && method === "GET")
    : { kind: "whole" };
  const head = headOf(parts, body, opened, ranges && conditional);
  switch (verdict.kind) {
    case "not-modified":
      closeSync(opened.fd);
      exchange.respond(304, without(head, "content-type", "content-encoding"), null);
      return;
    case "failed":
      closeSync(opened.fd);
      exchange.respond(412, ["content-type", "text/plain;charset=UTF-8"], "Precondition Failed\n");
      return;
    case "unsatisfiable":
      closeSync(opened.fd);
      exchange.respond(
        416,
        ["content-range", `bytes */${opened.size}`, "content-type", "text/plain;charset=UTF-8"],
        "Range Not Satisfiable\n",
      );
      return;
    case "whole":
      send(exchange, parts.status, head, [{ start: 0, end: opened.size - 1 }], opened.fd, report);
      return;
    case "parts":
      sendParts(exchange, head, verdict.ranges, opened, report);
  }
};

const sendParts = (
  exchange: Exchange,
  head: string[],
  ranges: readonly ByteRange[],
  opened: OpenedFile,
  report: Report,
): void => {
  const { size, fd } = opened;
  if (ranges.length === 1) {
    const range = ranges[0] as ByteRange;
    head.push("content-range", `bytes ${range.start}-${range.end}/${size}`);
    send(exchange, 206, head, [range], fd, report);
    return;
  }
  const boundary = randomBytes(12).toString("hex");
  const type = fieldOf(head, "content-type");
  const pieces: Piece[] = [];
  for (const range of ranges) {
    const line = type === null ? "" : `Content-Type: ${type}\r\n`;
    pieces.push(`\r\n--${boundary}\r\n${line}Content-Range: bytes ${range.start}-${range.end}/${size}\r\n\r\n`, range);
  }
  pieces.push(`\r\n--${boundary}--\r\n`);
  const multipart = without(head, "content-type");
  multipart.push("content-type", `multipart/byteranges; boundary=${boundary}`);
  send(exchange, 206, multipart, pieces, fd, report);
};

/** Sends the head, then piece after piece; the file is closed when the last was taken over, or none will be any more. */
const send = (
  exchange: Exchange,
  status: number,
  head: string[],
  pieces: readonly Piece[],
  fd: number,
  report: Report,
): void => {
  let length = 0;
  for (const piece of pieces) length += pieceLength(piece);
  exchange.begin(status, head, length);
  if (length === 0 || exchange.method === "HEAD") {
    closeSync(fd);
    exchange.end();
    return;
  }
  let next = 0;
  const step = (error: Error | null): void => {
    if (error !== null) {
      closeSync(fd);
      // A client that left is no fault of the program; a file that shrank under us is.
      giveUp(exchange, error, report);
      return;
    }
    while (next < pieces.length) {
      const piece = pieces[next] as Piece;
      next += 1;
      if (typeof piece !== "string") {
        exchange.sendFile(fd, piece.start, piece.end - piece.start + 1, step);
        return;
      }
      exchange.write(piece);
    }
    closeSync(fd);
    exchange.end();
  };
  step(null);
};

const pieceLength = (piece: Piece): number => (typeof piece === "string" ? piece.length : piece.end - piece.start + 1);

/** Head of the response: what the handler said, and what the file says where the handler was silent. */
const headOf = (parts: ResponseParts, body: FileBody, opened: OpenedFile, ranges: boolean): string[] => {
  const head = [...parts.block.sent];
  const { validators, coding } = opened;
  const { cacheControl, precompressed } = body.options;
  if (validators.etag !== null) add(head, "etag", validators.etag);
  if (validators.lastModified !== null) add(head, "last-modified", validators.lastModified);
  if (cacheControl !== undefined) add(head, "cache-control", cacheControl);
  if (coding !== null) add(head, "content-encoding", coding);
  if (precompressed !== undefined) head.push("vary", "accept-encoding");
  if (ranges) add(head, "accept-ranges", "bytes");
  return head;
};

const add = (head: string[], name: string, value: string): void => {
  if (fieldOf(head, name) === null) head.push(name, value);
};

const fieldOf = (head: readonly string[], name: string): string | null => {
  for (let index = 0; index < head.length; index += 2) {
    if (lowerName(head[index] as string) === name) return head[index + 1] as string;
  }
  return null;
};

const without = (head: readonly string[], ...names: string[]): string[] => {
  const rest: string[] = [];
  for (let index = 0; index < head.length; index += 2) {
    if (!names.includes(lowerName(head[index] as string))) rest.push(head[index] as string, head[index + 1] as string);
  }
  return rest;
};
