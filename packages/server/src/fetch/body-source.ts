// body-source.ts — what a body can be made of, told apart once.
import { types } from "node:util";
import { FileBody } from "../files/file-body.ts";
import { NativeResponse } from "./native-classes.ts";

/** What `new Response` and `new Request` take as a body. The last three are not in the Fetch standard. */
export type BodyInit =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Blob
  | FormData
  | URLSearchParams
  | ReadableStream<Uint8Array>
  | AsyncIterable<string | Uint8Array>
  | Iterable<string | Uint8Array>
  | FileBody;

/** Where the bytes come from. "incoming" is a request's body, still with the connection. */
export type BodyKind = "none" | "text" | "bytes" | "blob" | "stream" | "iterable" | "file" | "incoming";

export interface BodySource {
  readonly kind: BodyKind;
  readonly source: unknown;
  /** Content-type the body implies, or null. */
  readonly type: string | null;
}

export const TEXT_TYPE = "text/plain;charset=UTF-8";
const QUERY_TYPE = "application/x-www-form-urlencoded;charset=UTF-8";

/**
 * Tells what a body is (Fetch "extract a body", but nothing is read or copied).
 *
 * @throws {TypeError} where a stream is locked or was read from.
 */
export const sourceOf = (body: unknown): BodySource => {
  if (body === null || body === undefined) return { kind: "none", source: null, type: null };
  if (typeof body !== "object") return { kind: "text", source: `${body as string}`, type: TEXT_TYPE };
  if (ArrayBuffer.isView(body)) return { kind: "bytes", source: viewOf(body), type: null };
  if (types.isArrayBuffer(body)) return { kind: "bytes", source: new Uint8Array(body), type: null };
  if (body instanceof ReadableStream) return { kind: "stream", source: body, type: null };
  if (body instanceof FileBody) return { kind: "file", source: body, type: body.type };
  if (body instanceof Blob) return { kind: "blob", source: body, type: body.type === "" ? null : body.type };
  if (body instanceof URLSearchParams) return { kind: "text", source: body.toString(), type: QUERY_TYPE };
  if (body instanceof FormData) {
    // Node's own class writes multipart bodies: the boundary is in its content-type.
    const native = new NativeResponse(body);
    return { kind: "stream", source: native.body, type: native.headers.get("content-type") };
  }
  if (isIterable(body)) return { kind: "iterable", source: body, type: null };
  return { kind: "text", source: `${body as unknown as string}`, type: TEXT_TYPE };
};

const viewOf = (view: ArrayBufferView): Uint8Array =>
  view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const isIterable = (body: object): boolean =>
  typeof (body as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function" ||
  // Plain strings objects iterate too; they are text.
  (typeof (body as Iterable<unknown>)[Symbol.iterator] === "function" && !(body instanceof String));
