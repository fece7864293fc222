// transport.ts — what the suite needs to know of a way to reach the server: how to serve on it, and how to speak to it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Agent, Agent as HttpAgent, type RequestOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { makeDevCertificate } from "../../src/cli/dev-certificate.ts";
import type { ServeOptions, Server } from "../../src/index.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string | undefined>>;
  /** Interim responses, by status. */
  readonly interim: readonly number[];
}

export interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

/** A client that speaks the transport's protocol; it keeps its connections until `close`. */
export interface Client {
  ask(ask: Ask): Promise<Answer>;
  close(): void;
}

export interface Transport {
  readonly name: string;
  /** Where to serve: a part of the options of serve(). */
  readonly where: () => Partial<ServeOptions>;
  readonly client: (server: Server) => Client;
  /** A socket that speaks bare HTTP/1.1; null where the transport has another protocol. */
  readonly socket: ((server: Server) => Promise<Socket>) | null;
  /** Arguments with which curl reaches the server, the base of the URL last; null where it cannot. */
  readonly curl: ((server: Server) => readonly string[]) | null;
  readonly dispose: () => void;
}

/** Of every server that encrypts; clients trust it and nothing else. */
export const { cert, key } = await makeDevCertificate(["127.0.0.1"], 1);

const isEncrypted = (server: Server): boolean => server.url?.startsWith("https:") === true;

/** How node:http reaches a server. */
export type Reach = Pick<RequestOptions, "protocol" | "host" | "port" | "socketPath" | "agent">;

export const reach = (server: Server): Reach => {
  const address = server.address;
  if (address === null) throw new Error("the server listens nowhere");
  if (address.family === "unix") return { socketPath: address.address };
  const { port } = address;
  if (!isEncrypted(server)) return { host: "127.0.0.1", port };
  return { protocol: "https:", host: "127.0.0.1", port, agent: new HttpsAgent({ ca: cert }) };
};

export const keepAliveAgent = (server: Server): Agent =>
  isEncrypted(server) ? new HttpsAgent({ keepAlive: true, ca: cert }) : new HttpAgent({ keepAlive: true });

export const openSocket = async (server: Server): Promise<Socket> => {
  const { host, port, socketPath } = reach(server);
  if (isEncrypted(server)) {
    const socket = connectTls({ host: host as string, port: Number(port), ca: cert, ALPNProtocols: ["http/1.1"] });
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    return socket;
  }
  const socket = socketPath === undefined ? connect(Number(port), host as string) : connect(socketPath as string);
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
};

export const tcp = (client: Transport["client"]): Transport => ({
  name: "h1 over TCP",
  where: () => ({ port: 0, hostname: "127.0.0.1" }),
  client,
  socket: openSocket,
  curl: (server) => [`http://127.0.0.1:${server.address?.port}`],
  dispose: () => undefined,
});

export const tls = (client: Transport["client"]): Transport => {
  const folder = mkdtempSync(join(tmpdir(), "percore-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, cert);
  return {
    name: "h1 over TLS",
    where: () => ({ port: 0, hostname: "127.0.0.1", tls: { cert, key } }),
    client,
    socket: openSocket,
    curl: (server) => ["--http1.1", "--cacert", ca, `https://127.0.0.1:${server.address?.port}`],
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
};

export const unix = (client: Transport["client"]): Transport => {
  const folder = mkdtempSync(join(tmpdir(), "percore-"));
  let sockets = 0;
  return {
    name: "h1 over a Unix socket",
    where: () => {
      sockets += 1;
      return { unix: join(folder, `${sockets}.sock`) };
    },
    client,
    socket: openSocket,
    curl: (server) => ["--unix-socket", server.address?.address ?? "", "http://localhost"],
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
};
