// node-client.ts — Node's HTTP/1.1 client as the suite's client.
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Server } from "../../src/index.ts";
import { type Answer, type Ask, type Client, keepAliveAgent, reach } from "./transport.ts";

export const nodeClient = (server: Server): Client => {
  const agent = keepAliveAgent(server);
  return {
    ask: (ask) => send(server, agent, ask),
    close: () => agent.destroy(),
  };
};

const send = async (server: Server, agent: ReturnType<typeof keepAliveAgent>, ask: Ask): Promise<Answer> => {
  const { method = "GET", path, headers = {}, body } = ask;
  const outgoing = request({ ...reach(server), agent, method, path, headers: headers as never });
  const interim: number[] = [];
  outgoing.on("information", ({ statusCode }) => interim.push(statusCode));
  // "continue" is an event of its own; waiting for it holds the body back as a browser would.
  const waits = Object.keys(headers).some((name) => name.toLowerCase() === "expect");
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
  });
  const sendBody = (): void => {
    if (body === undefined) outgoing.end();
    else if (typeof body === "string" || body instanceof Uint8Array) outgoing.end(body);
    // An answer that comes before the body is through ends the pipeline; the answer counts.
    else pipeline(Readable.from(body), outgoing).catch(() => undefined);
  };
  if (waits) {
    outgoing.flushHeaders();
    outgoing.once("continue", sendBody);
  } else sendBody();
  const incoming = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  if (waits && !outgoing.writableEnded) outgoing.destroy();
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    body: Buffer.concat(chunks),
    trailers: incoming.trailers,
    interim,
  };
};
