// connector.ts — a connection to a server, ready for requests: socket, PROXY header, TLS, protocol.
import type { PeerAddress, Runtime, Stream } from "@percore/core";
import { connect } from "@percore/core";
import { createH1Client, type H1ClientOptions } from "@percore/h1";
import { createH2Client, type H2ClientOptions } from "@percore/h2";
import type { ClientConnection, Clock } from "@percore/http";
import type { ServerPlan, UpstreamPlan } from "../plan.ts";
import type { HostName } from "./names.ts";
import { proxyHeader } from "./proxy-header.ts";

/** For whom the connection is, where the server is told by a PROXY header. */
export interface ConnectionFor {
  readonly remote: PeerAddress;
  readonly local: PeerAddress;
}

export interface Connected {
  readonly connection: ClientConnection;
  /** The address that was connected to. */
  readonly address: string;
}

/** Makes one connection. Rejects with a SystemError, CoreError or TlsError. */
export type Connect = (whom: ConnectionFor | null) => Promise<Connected>;

/** Opens a stream to a server's address. */
export type Dial = (server: ServerPlan, name: HostName | null, connectMs: number) => Promise<Stream>;

/** Encrypts a connected stream; `alpn` best first. */
export type Encrypt = (
  stream: Stream,
  upstream: UpstreamPlan,
  server: ServerPlan,
  alpn: readonly string[],
) => Promise<Stream>;

/** Sockets of this thread. */
export const dialSockets =
  (runtime: Runtime): Dial =>
  async ({ address }, name, connectMs) => {
    if (address.kind === "unix") return connect({ runtime, unix: address.path, connectTimeoutMs: connectMs });
    return connect({
      runtime,
      hostname: address.host,
      port: address.port,
      connectTimeoutMs: connectMs,
      keepAliveMs: KEEP_ALIVE_MS,
      resolve: () => (name as HostName).next(),
    });
  };

/** An idle connection's peer is looked for by the kernel after this. */
const KEEP_ALIVE_MS = 60_000;

export interface ConnectorOptions {
  readonly clock: Clock;
  readonly dial: Dial;
  readonly encrypt: Encrypt;
  readonly report: (error: unknown) => void;
}

/** How to connect to one server of an upstream. */
export const makeConnect = (
  upstream: UpstreamPlan,
  server: ServerPlan,
  name: HostName | null,
  options: ConnectorOptions,
): Connect => {
  const { clock, dial, encrypt, report } = options;
  const { timeouts, limits, protocol } = upstream;
  const shared = {
    clock,
    report,
    limits: limits.responseHeadBytesMax === null ? {} : { headBytesMax: limits.responseHeadBytesMax },
    timeouts: {
      responseMs: timeouts.firstByteMs,
      receiveMs: timeouts.idleMs,
      tunnelIdleMs: timeouts.tunnelIdleMs,
    },
  };
  const h1Options: H1ClientOptions = shared;
  const h2Options: H2ClientOptions = shared;
  const isTls = server.address.tls || upstream.tls !== null;
  const alpn = protocol === "auto" ? ["h2", "http/1.1"] : protocol === "h2" ? ["h2"] : ["http/1.1"];
  return async (whom) => {
    const socket = await dial(server, name, timeouts.connectMs);
    const { address } = socket.info.remote;
    if (upstream.proxyProtocol !== null) socket.writeBytes(proxyHeader(upstream.proxyProtocol, whom));
    const stream = isTls ? await encrypt(socket, upstream, server, alpn) : socket;
    const isH2 = isTls && protocol === "auto" ? stream.info.alpn === "h2" : protocol === "h2";
    return { connection: isH2 ? createH2Client(stream, h2Options) : createH1Client(stream, h1Options), address };
  };
};
