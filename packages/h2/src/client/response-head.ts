// response-head.ts — a response's fields, judged by RFC 9113 §8.2 and §8.3.2. A block that comes again is judged once.
import { equalsLower } from "@percore/http";
import type { HeaderBlock } from "../codec/hpack/codec.ts";
import {
  type Field,
  NAME_CONNECTION,
  NAME_CONTENT_LENGTH,
  NAME_INVALID,
  NAME_METHOD,
  NAME_STATUS,
  NAME_TE,
} from "../codec/hpack/field.ts";
import { ListFields } from "../codec/list-fields.ts";

export interface ResponseHead {
  /** Why it is malformed, or null. */
  readonly error: string | null;
  readonly status: number;
  readonly fields: ListFields;
  /** Announced, or -1. */
  readonly contentLength: number;
}

const NOTHING = new ListFields([]);

const malformed = (error: string): ResponseHead => ({ error, status: 0, fields: NOTHING, contentLength: -1 });

export const judgeResponse = (block: HeaderBlock): ResponseHead => {
  block.judged ??= judge(block.fields);
  return block.judged as ResponseHead;
};

const judge = (fields: readonly Field[]): ResponseHead => {
  const kept: Field[] = [];
  let status = 0;
  let contentLength = -1;
  for (const field of fields) {
    const { kind } = field.name;
    const { text, valid } = field.value;
    if (!valid) return malformed("a value has a character it may not have");
    if (kind >= NAME_METHOD) {
      if (kind !== NAME_STATUS) return malformed("a pseudo-field of requests in a response");
      if (kept.length > 0) return malformed("a pseudo-field behind an ordinary one");
      if (status !== 0) return malformed(":status twice");
      if (!/^[1-9][0-9]{2}$/.test(text)) return malformed(":status is no status");
      status = Number(text);
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
      case NAME_CONTENT_LENGTH: {
        const length = /^[0-9]{1,15}$/.test(text) ? Number(text) : -1;
        if (length < 0 || contentLength >= 0) return malformed("content-length is no length, or there twice");
        contentLength = length;
        break;
      }
      default:
        break;
    }
    kept.push(field);
  }
  if (status === 0) return malformed(":status is missing");
  // RFC 9113 §8.6: HTTP/2 has no 101. RFC 9110 §8.6: an interim response has no length.
  if (status === 101) return malformed("101");
  if (status < 200 && contentLength > 0) return malformed("an interim response with a length");
  return { error: null, status, fields: new ListFields(kept), contentLength };
};
