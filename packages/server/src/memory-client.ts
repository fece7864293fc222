// memory-client.ts — server.fetch(): a request through the server's own HTTP path, over a connection in memory. Node's
// HTTP client speaks to it, so that nothing of ours checks itself.
import { type ClientRequest, type IncomingMessage, request as nodeRequest } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { type Arena, type Stream, toDuplex } from "@percore/core";
import type { Request } from "./fetch/request.ts";
import { Response } from "./fetch/response.ts";

/** Sends the request to whoever `accept` hands streams to. */
export const fetchFromMemory = async (
  arena: Arena,
  accept: (stream: Stream) => void,
  request: Request,
): Promise<Response> => {
  // Loaded when needed: a server in production has no use for it.
  const { memoryPair, Pump } = await import("@percore/core/testing");
  const { client, server } = memoryPair({ arena, pump: new Pump({ auto: true }) });
  accept(server);
  const url = new URL(request.url);
  const headers = request.headers.has("host") ? [] : ["host", url.host];
  for (const [name, value] of request.headers) headers.push(name, value);
  const outgoing = nodeRequest({
    method: request.method,
    path: url.pathname + url.search,
    headers: headers as never,
    createConnection: () => toDuplex(client) as never,
    signal: request.signal,
  });
  const answered = answerTo(outgoing);
  if (request.body === null) outgoing.end();
  // A server may answer before it has read the body, and close: the answer counts.
  else pipeline(Readable.fromWeb(request.body as NodeReadableStream), outgoing).catch(() => undefined);
  return answered;
};

const answerTo = (outgoing: ClientRequest): Promise<Response> =>
  new Promise((resolve, reject) => {
    outgoing.once("error", reject);
    outgoing.once("response", (incoming) => resolve(toResponse(incoming, outgoing.method)));
    const refuse = (): void => {
      outgoing.destroy();
      reject(new TypeError("server.fetch() cannot open tunnels; connect with a socket for Upgrade and CONNECT"));
    };
    outgoing.once("upgrade", refuse);
    outgoing.once("connect", refuse);
  });

const toResponse = (incoming: IncomingMessage, method: string): Response => {
  const { statusCode: status = 0, statusMessage: statusText = "", rawHeaders } = incoming;
  const headers: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) headers.push([rawHeaders[index], rawHeaders[index + 1]]);
  const bodiless = method === "HEAD" || status === 204 || status === 205 || status === 304;
  if (bodiless) incoming.resume();
  const body = bodiless ? null : (Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>);
  return new Response(body, { status, statusText, headers });
};
