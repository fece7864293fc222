// whole-response.ts — a response given all at once: its head and its body, in one go into the stream's open block.
import { type Body, checkAnnounced, hasNoContent, wholeLength } from "@percore/http";
import { FRAMING_NONE, type HeadTemplate, TEXT_MAX } from "../codec/head-encoder.ts";
import type { ServerConnection } from "./connection.ts";

/**
 * Bytes of a whole response's body.
 * @param toHead it answers HEAD
 * @throws {HttpError} ERR_BODY_LENGTH where the head's fields announce another length.
 */
export const checkWhole = (
  connection: ServerConnection,
  template: HeadTemplate,
  status: number,
  toHead: boolean,
  body: Body,
): number => {
  const size = body === null ? 0 : typeof body === "string" ? connection.server.bodies.sizeOf(body) : body.length;
  if (body !== null || !(toHead || hasNoContent(status))) checkAnnounced(template.contentLength, size);
  return size;
};

/**
 * Writes a whole response.
 * @param option what its head says about the connection, see HeadEncoder
 * @throws {HttpError} ERR_BODY_LENGTH; nothing has been written then.
 */
export const writeWhole = (
  connection: ServerConnection,
  template: HeadTemplate,
  option: number,
  status: number,
  toHead: boolean,
  body: Body,
): void => {
  const { server, stream } = connection;
  const sendsBody = !toHead && !hasNoContent(status);
  if (sendsBody && typeof body === "string" && body.length <= TEXT_MAX && template.contentLength < 0) {
    if (server.heads.writeText(stream, template, option, body)) return;
  }
  const size = checkWhole(connection, template, status, toHead, body);
  const length = wholeLength(status, toHead, body !== null, size, template.contentLength);
  server.heads.write(stream, template, length >= 0 ? length : FRAMING_NONE, option);
  if (body === null || size === 0 || !sendsBody) return;
  if (typeof body === "string") server.bodies.writeWholeText(stream, body, size);
  else server.bodies.writeBytes(stream, body);
};
