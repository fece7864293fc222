// encrypt.ts — TLS towards servers: one context for each way to be verified, sessions kept for the next connection.
import type { Stream } from "@percore/core";
import type { Clock } from "@percore/http";
import { clientContext, connectTls, rootContext, SessionCache, type TlsContext } from "@percore/tls";
import type { ServerPlan, UpstreamPlan, UpstreamTlsPlan } from "../plan.ts";
import type { Encrypt } from "./connector.ts";

interface Client {
  readonly context: TlsContext;
  readonly sessions: SessionCache;
}

/** Contexts go with the plan they were made for: another plan has another object. */
export const makeEncrypt = (clock: Clock): Encrypt => {
  const clients = new WeakMap<UpstreamPlan, Client>();
  return (stream, upstream, server, alpn) => {
    let client = clients.get(upstream);
    if (client === undefined) {
      client = { context: contextOf(upstream.tls), sessions: new SessionCache() };
      clients.set(upstream, client);
    }
    const { context, sessions } = client;
    return new Promise<Stream>((resolve, reject) => {
      connectTls(
        stream,
        {
          clock,
          context,
          sessions,
          alpn,
          serverName: upstream.tls?.serverName ?? hostOf(server),
          verifyName: upstream.tls?.verify === false ? null : undefined,
          handshakeTimeoutMs: upstream.timeouts.connectMs,
        },
        (error, encrypted) => {
          if (encrypted === null) reject(error);
          else resolve(encrypted);
        },
      );
    });
  };
};

const contextOf = (tls: UpstreamTlsPlan | null): TlsContext => {
  const certificates = tls?.cert == null ? [] : [{ chain: tls.cert, key: tls.key ?? tls.cert }];
  if (tls?.verify === false) return clientContext({ certificates, verify: "none" });
  return tls?.ca == null ? rootContext({ certificates }) : clientContext({ certificates, ca: tls.ca });
};

const hostOf = ({ address }: ServerPlan): string => (address.kind === "tcp" ? address.host : "localhost");
