// send.ts — a Response onto an exchange. Strings and bytes go out in one call, in the turn that made them; everything
// else is pulled as fast as the client takes it.
import type { Exchange, FieldList } from "@percore/http";
import type { FileBody } from "../files/file-body.ts";
import { sendFileBody } from "../files/send-file.ts";
import type { TakenIncoming } from "./body-state.ts";
import { iteratorOf, type PartIterator } from "./body-stream.ts";
import { appendInit, type HeadersInit } from "./headers.ts";
import { endPlain, type Finish, giveUp, type Report } from "./outcome.ts";
import { type Response, type ResponseParts, simpleBlockOf, simpleBodyOf, takeResponse } from "./response.ts";
import { BodyPump } from "./send-pump.ts";
import { relayIncoming } from "./send-relay.ts";

/** Sends what goes out in one call: `simpleBodyOf` gave the body. */
export const sendSimple = (exchange: Exchange, response: Response, body: string | Uint8Array | null): void => {
  const block = simpleBlockOf(response);
  if (body === null && block.contentLength >= 0 && exchange.method === "HEAD") {
    // Says what GET would send, without having it.
    exchange.begin(response.status, block.sent, block.contentLength);
    exchange.end();
    return;
  }
  exchange.respond(response.status, block.sent, body);
};

/**
 * Sends a response whose body takes more than one call.
 *
 * @param report told once when the body fails later; the exchange is given up then.
 * @throws {TypeError} where the body was read already, before anything is sent.
 */
export const sendStreamed = (exchange: Exchange, response: Response, report: Report): void => {
  sendParts(exchange, takeResponse(response), report);
};

/** Lets go of a response that nobody will get: streams behind it are told to stop. */
export const discardResponse = (response: Response): void => {
  if (simpleBodyOf(response) !== undefined) return;
  const { kind, source } = takeResponse(response);
  const left = new Error("the client left before the response was sent");
  if (kind === "stream") (source as ReadableStream).cancel(left).catch(() => undefined);
  else if (kind === "iterable") void stopIterator(iteratorOf(source as AsyncIterable<unknown>), left);
};

const sendParts = (exchange: Exchange, parts: ResponseParts, report: Report): void => {
  const { status, block, kind, source } = parts;
  if (status === 0) throw new TypeError("Response.error() cannot be sent");
  if (exchange.method === "HEAD" && kind !== "file") {
    sendHead(exchange, parts);
    return;
  }
  const finish = finishOf(parts, report);
  switch (kind) {
    case "file":
      sendFileBody(exchange, parts, source as FileBody, report);
      return;
    case "none":
    case "text":
    case "bytes": {
      const body = source as string | Uint8Array | null;
      if (finish === null) {
        exchange.respond(status, block.sent, body);
        return;
      }
      exchange.begin(status, block.sent, -1);
      if (body !== null && body.length > 0) exchange.write(body);
      finish(exchange);
      return;
    }
    case "incoming": {
      const { exchange: from, end } = source as TakenIncoming;
      const length = block.contentLength >= 0 ? block.contentLength : from.bodyLength;
      exchange.begin(status, block.sent, finish === null ? length : -1);
      relayIncoming(from, end, exchange, finish ?? endPlain, report);
      return;
    }
    case "blob": {
      const blob = source as Blob;
      exchange.begin(status, block.sent, finish === null ? blob.size : -1);
      pumpStream(exchange, blob.stream() as ReadableStream<Uint8Array>, finish, report);
      return;
    }
    case "stream":
      exchange.begin(status, block.sent, finish === null ? block.contentLength : -1);
      pumpStream(exchange, source as ReadableStream<Uint8Array>, finish, report);
      return;
    case "iterable": {
      exchange.begin(status, block.sent, finish === null ? block.contentLength : -1);
      const iterator = iteratorOf(source as AsyncIterable<unknown>);
      new BodyPump(
        exchange,
        iterator,
        (reason) => void stopIterator(iterator, reason),
        finish ?? endPlain,
        report,
      ).start();
    }
  }
};

const pumpStream = (
  exchange: Exchange,
  stream: ReadableStream<Uint8Array>,
  finish: Finish | null,
  report: Report,
): void => {
  const reader = stream.getReader();
  const source = { next: () => reader.read() };
  new BodyPump(
    exchange,
    source,
    (reason) => void reader.cancel(reason).catch(() => undefined),
    finish ?? endPlain,
    report,
  ).start();
};

const stopIterator = async (iterator: PartIterator, reason: unknown): Promise<void> => {
  try {
    await iterator.return?.(reason);
  } catch {
    // It was told to stop because nobody listens any more: that it fails at stopping concerns nobody.
  }
};

/** HEAD: the head GET would give; a stream that nobody will read is told so. */
const sendHead = (exchange: Exchange, parts: ResponseParts): void => {
  const { status, block, kind, source } = parts;
  if (kind === "text" || kind === "bytes" || kind === "none") {
    exchange.respond(status, block.sent, source as string | Uint8Array | null);
    return;
  }
  const length = kind === "blob" ? (source as Blob).size : block.contentLength;
  exchange.begin(status, block.sent, length);
  exchange.end();
  const unread = new Error("the response to HEAD has no body");
  if (kind === "stream") (source as ReadableStream).cancel(unread).catch(() => undefined);
  else if (kind === "iterable") void stopIterator(iteratorOf(source as AsyncIterable<unknown>), unread);
};

/** How the response ends: null where plainly, else by its trailers once they are known. */
const finishOf = (parts: ResponseParts, report: Report): Finish | null => {
  const { trailers } = parts;
  if (trailers === null) return null;
  if (!(trailers instanceof Promise)) {
    const list = trailerList(trailers);
    return (exchange) => exchange.end(list);
  }
  // A rejection that comes before the body has ended is dealt with at the end.
  trailers.catch(() => undefined);
  return (exchange) => {
    trailers.then(
      (init) => endWith(exchange, init, report),
      (error: unknown) => giveUp(exchange, error, report),
    );
  };
};

const endWith = (exchange: Exchange, init: HeadersInit, report: Report): void => {
  if (!exchange.open) return;
  try {
    exchange.end(trailerList(init));
  } catch (error) {
    giveUp(exchange, error, report);
  }
};

const trailerList = (init: HeadersInit): FieldList => {
  const list: string[] = [];
  appendInit(list, init);
  return list;
};
