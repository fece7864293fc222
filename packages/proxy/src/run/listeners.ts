// listeners.ts — the addresses that a worker listens on: opened, and with a reload added and taken away.
import path from "node:path";
import { pathToFileURL } from "node:url";
import { formatAddress, type InheritedSocket } from "@percore/core";
import type { Handler } from "@percore/http";
import { type ServeOptions, type Server, serve } from "percore";
import { parseListenAddress } from "../config/address.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { toList } from "../config/values.ts";
import { socketsFor } from "./handed-sockets.ts";
import type { ListenerStatus } from "./messages.ts";

type ListenConfig = Exclude<Config["listen"], readonly unknown[]>;
type Listener = Exclude<ListenConfig, string>;

/** Every listener of a configuration, in full. */
export const listenersOf = ({ listen }: Pick<Config, "listen">): Listener[] =>
  toList<ListenConfig>(listen).map((one) =>
    typeof one === "string" ? { address: one, http1: true, http2: true } : one,
  );

/** Options of serve() that are the same for all listeners. */
export const clientOptions = ({
  client,
  drain,
}: Config): Pick<ServeOptions, "limits" | "timeouts" | "connectionsMax" | "drainMs"> => ({
  drainMs: drain,
  connectionsMax: client.connections,
  limits: defined({
    headBytesMax: client.head,
    fieldsMax: client.fields,
    targetBytesMax: client.target,
    bodyBytesMax: client.body,
    requestsPerConnectionMax: client.requests,
  }),
  timeouts: defined({
    headersMs: client.headTimeout,
    idleMs: client.idleTimeout,
    receiveMs: client.receiveTimeout,
    sendMs: client.sendTimeout,
    tunnelIdleMs: client.tunnelTimeout,
    bodyRateMin: client.bodyRate,
  }),
});

const defined = <Values extends object>(values: Values): Partial<Values> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Values>;

/** Files, relative to the configuration's folder, as serve() takes them. */
const tlsOptions = (tls: NonNullable<Listener["tls"]>, folder: string): NonNullable<ServeOptions["tls"]> => {
  const file = (name: string): URL => pathToFileURL(path.resolve(folder, name));
  const identity = ({ cert, key }: { cert: string; key?: string }): { cert: URL; key?: URL } => ({
    cert: file(cert),
    ...(key === undefined ? {} : { key: file(key) }),
  });
  return {
    ...identity(tls),
    sni: Object.fromEntries(Object.entries(tls.names).map(([name, one]) => [name, identity(one)])),
    unknownNames: tls.unknownNames,
    minVersion: tls.minVersion,
    ...(tls.clientCa === undefined ? {} : { ca: toList(tls.clientCa).map(file) }),
  };
};

export class Listeners {
  readonly #handler: Handler;
  readonly #servers = new Map<string, readonly Server[]>();

  constructor(handler: Handler) {
    this.#handler = handler;
  }

  get status(): ListenerStatus[] {
    return [...this.#servers].map(([listen, servers]) => ({
      listen,
      addresses: servers.flatMap(({ address }) => (address === null ? [] : [formatAddress(address)])),
    }));
  }

  get connections(): number {
    return this.#all.reduce((sum, server) => sum + server.stats().connectionsOpen, 0);
  }

  get requests(): number {
    return this.#all.reduce((sum, server) => sum + server.stats().requests, 0);
  }

  /**
   * Opens what is new, then closes what is gone: its connections finish what they have begun. An address whose options have
   * changed stays as it is; the control thread says so.
   * @param sockets that listen already: those that were passed to the process, and the main thread's Unix sockets.
   * @throws what cannot be bound; then nothing has changed.
   */
  async apply(loaded: LoadedConfig, sockets: readonly InheritedSocket[]): Promise<void> {
    const wanted = listenersOf(loaded.config);
    const opened = new Map<string, readonly Server[]>();
    try {
      for (const listener of wanted) {
        if (this.#servers.has(listener.address) || opened.has(listener.address)) continue;
        const servers = this.#open(listener, loaded, sockets);
        opened.set(listener.address, servers);
        await Promise.all(servers.map((server) => server.ready));
      }
    } catch (error) {
      for (const server of [...opened.values()].flat()) server.destroy();
      throw error;
    }
    for (const [address, servers] of opened) this.#servers.set(address, servers);
    for (const [address, servers] of this.#servers) {
      if (wanted.some((listener) => listener.address === address)) continue;
      this.#servers.delete(address);
      for (const server of servers) void server.close();
    }
  }

  /** Resolves when what was under way is done, or reset at the deadline. */
  async close(): Promise<void> {
    await Promise.all(this.#all.map((server) => server.close()));
  }

  #open(listener: Listener, { config, folder }: LoadedConfig, sockets: readonly InheritedSocket[]): Server[] {
    const options: ServeOptions = {
      ...clientOptions(config),
      handler: this.#handler,
      http1: listener.http1,
      http2: listener.http2,
      tls: listener.tls === undefined ? undefined : tlsOptions(listener.tls, folder),
      proxyProtocol: listener.proxyProtocol === undefined ? undefined : { trusted: listener.proxyProtocol },
      signals: false,
    };
    const handed = socketsFor(listener.address, sockets);
    if (handed.length > 0) return handed.map(({ fd }) => serve({ ...options, fd }));
    const address = parseListenAddress(listener.address);
    if (typeof address === "object" && address.kind === "tcp") {
      return [
        serve({ ...options, port: address.port, hostname: address.host ?? undefined, backlog: listener.backlog }),
      ];
    }
    throw new Error(`listen ${listener.address}: no such socket was passed to this process (LISTEN_FDS)`);
  }

  get #all(): Server[] {
    return [...this.#servers.values()].flat();
  }
}
