// h2-client.ts — Node's HTTP/2 client as the suite's client: in the clear by prior knowledge, over TLS by ALPN.
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Server } from "../../src/index.ts";
import { type Answer, type Ask, type Client, cert, reach, type Transport, tls } from "./transport.ts";

export const h2Client = (server: Server): Client => {
  let session: ClientHttp2Session | null = null;
  const open = (): ClientHttp2Session => {
    if (session !== null && !session.closed && !session.destroyed) return session;
    const scheme = server.url?.startsWith("https:") ? "https" : "http";
    session = connect(`${scheme}://127.0.0.1:${reach(server).port}`, { ca: cert });
    // A session that is lost fails the requests on it; that is where it is heard of.
    session.on("error", () => undefined);
    session.unref();
    return session;
  };
  return { ask: (ask) => send(open(), ask), close: () => session?.close() };
};

const send = async (session: ClientHttp2Session, ask: Ask): Promise<Answer> => {
  const { method = "GET", path, headers = {}, body } = ask;
  session.ref();
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const { connection: _dropped, "transfer-encoding": _framing, host: _host, ...fields } = lower;
  const stream = session.request({ ":method": method, ":path": path, ...fields }, { endStream: body === undefined });
  const interim: number[] = [];
  let trailers: Record<string, string | undefined> = {};
  stream.on("headers", (head) => interim.push(Number(head[constants.HTTP2_HEADER_STATUS])));
  stream.on("trailers", (fields) => {
    trailers = Object.fromEntries(Object.entries(fields)) as Record<string, string | undefined>;
  });
  const answered = new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.once("response", resolve);
    stream.once("error", reject);
    stream.once("close", () => reject(new Error(`the stream was closed with ${stream.rstCode}`)));
  });
  const sendBody = (): void => {
    if (typeof body === "string" || body instanceof Uint8Array) stream.end(body);
    // An answer that comes before the body is through ends the pipeline; the answer counts.
    else if (body !== undefined) pipeline(Readable.from(body), stream).catch(() => undefined);
  };
  if ("expect" in lower) stream.once("continue", sendBody);
  else sendBody();
  const head = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  if (!stream.closed) stream.close();
  const { ":status": status, ...rest } = head as IncomingHttpHeaders & { ":status"?: number };
  return { status: Number(status), headers: rest as Answer["headers"], body: Buffer.concat(chunks), trailers, interim };
};

export const h2c: Transport = {
  name: "h2c over TCP",
  where: () => ({ port: 0, hostname: "127.0.0.1" }),
  client: h2Client,
  socket: null,
  curl: (server) => ["--http2-prior-knowledge", `http://127.0.0.1:${server.address?.port}`],
  dispose: () => undefined,
};

export const h2OverTls = (): Transport => {
  const { curl, ...rest } = tls(h2Client);
  return {
    ...rest,
    name: "h2 over TLS",
    socket: null,
    curl: (server) => ["--http2", ...(curl?.(server).slice(1) ?? [])],
  };
};
