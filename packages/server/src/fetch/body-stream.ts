// body-stream.ts — bodies as web streams, and web streams read to their end.
import type { FileBody } from "../files/file-body.ts";
import type { BodyKind } from "./body-source.ts";

const encoder = new TextEncoder();

/** Makes the stream of a body that is not one yet. */
export const streamOf = (kind: BodyKind, source: unknown): ReadableStream<Uint8Array> => {
  switch (kind) {
    case "stream":
      return source as ReadableStream<Uint8Array>;
    case "text":
      return memoryStream(() => encoder.encode(source as string));
    case "bytes":
      // A byte stream takes the memory it is given away from its owner: the caller keeps his, the stream gets a copy.
      return memoryStream(() => (source as Uint8Array).slice());
    case "blob":
      return (source as Blob).stream() as ReadableStream<Uint8Array>;
    case "file":
      return (source as FileBody).stream();
    default:
      return iterableStream(source as AsyncIterable<unknown> | Iterable<unknown>);
  }
};

const memoryStream = (bytes: () => Uint8Array): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>(
    {
      type: "bytes",
      pull(controller: ReadableByteStreamController): void {
        const chunk = bytes();
        if (chunk.length > 0) controller.enqueue(chunk);
        controller.close();
        controller.byobRequest?.respond(0);
      },
    } as unknown as ConstructorParameters<typeof ReadableStream<Uint8Array>>[0],
    { highWaterMark: 0 },
  );

const iterableStream = (source: AsyncIterable<unknown> | Iterable<unknown>): ReadableStream<Uint8Array> => {
  const iterator = iteratorOf(source);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
        const step = await iterator.next();
        if (step.done === true) controller.close();
        else controller.enqueue(toChunk(step.value));
      },
      async cancel(): Promise<void> {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
};

/** What iterables of both kinds give: a synchronous one's steps come without a promise. */
export interface PartIterator {
  next(): PromiseLike<IteratorResult<unknown>> | IteratorResult<unknown>;
  return?(value?: unknown): PromiseLike<unknown> | unknown;
}

export const iteratorOf = (source: AsyncIterable<unknown> | Iterable<unknown>): PartIterator => {
  const asyncIterator = (source as AsyncIterable<unknown>)[Symbol.asyncIterator];
  return asyncIterator === undefined
    ? (source as Iterable<unknown>)[Symbol.iterator]()
    : asyncIterator.call(source as AsyncIterable<unknown>);
};

/** A part of a body as bytes. @throws {TypeError} where it is neither bytes nor (for iterables) a string. */
export const toChunk = (value: unknown): Uint8Array => {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return encoder.encode(value);
  throw new TypeError(`a body's parts are Uint8Array or string, not ${value === null ? "null" : typeof value}`);
};

export const readBytes = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(stream)) {
    chunks.push(chunk);
    size += chunk.length;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
};

export const readText = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunksOf(stream)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
};

async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  for (;;) {
    const step = await reader.read();
    if (step.done) return;
    if (!(step.value instanceof Uint8Array)) {
      const error = new TypeError("a body stream gave a chunk that is no Uint8Array");
      await reader.cancel(error).catch(() => undefined);
      throw error;
    }
    yield step.value;
  }
}
