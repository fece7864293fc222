// plan-of.ts — a checked configuration as what is carried out: texts parsed, files read, defaults in their places.
import { readFileSync } from "node:fs";
import path from "node:path";
import { Networks } from "../limits/networks.ts";
import type { BalancePlan, FieldChanges, HealthPlan, KeyPlan, ProxyPlan, ServerPlan, UpstreamPlan } from "../plan.ts";
import { parseTemplate } from "../routing/template.ts";
import { parseServerAddress, type ServerAddress } from "./address.ts";
import type { LoadedConfig } from "./load.ts";
import { ConfigError } from "./problem.ts";
import type { Config } from "./schema.ts";
import { type UpstreamObject, upstreamObject } from "./upstream-schema.ts";
import { toList } from "./values.ts";

/**
 * The forwarder's part of a configuration.
 * @throws {ConfigError} for a certificate or key that cannot be read.
 */
export const planOf = (loaded: LoadedConfig): ProxyPlan => {
  const { config } = loaded;
  const { trust, send, via } = config.forwarded;
  return {
    upstreams: new Map(Object.keys(config.upstreams).map((name) => [name, upstreamPlan(loaded, name)])),
    forwarded: {
      trust: new Networks(trust),
      xForwarded: send === "x-forwarded" || send === "both",
      forwarded: send === "forwarded" || send === "both",
      via,
    },
  };
};

const upstreamPlan = (loaded: LoadedConfig, name: string): UpstreamPlan => {
  const given = loaded.config.upstreams[name];
  const upstream: UpstreamObject =
    typeof given === "string" || Array.isArray(given) ? upstreamObject.parse({ servers: given }) : given;
  const servers = toList(upstream.servers).map((server) => serverPlan(server));
  const { pool, limits, timeouts, retries, ejection, dns } = upstream;
  return {
    name,
    servers,
    protocol: upstream.protocol,
    tls: tlsPlan(loaded, name, upstream, servers),
    host: hostPlan(upstream.host),
    proxyProtocol: upstream.proxyProtocol ?? null,
    balance: balancePlan(upstream.balance),
    health: upstream.health === undefined ? null : healthPlan(upstream.health),
    ejection:
      ejection === false
        ? null
        : {
            failures: ejection.failures,
            timeMs: ejection.time,
            timeMaxMs: ejection.timeMax,
            ejectedPercentMax: ejection.ejectedMax,
            panicPercent: ejection.panic,
          },
    pool: {
      idleMax: pool.idleMax,
      idleTimeoutMs: pool.idleTimeout,
      ageMs: pool.age,
      requestsMax: pool.requests,
    },
    limits: {
      connectionsMax: limits.connections ?? null,
      requestsMax: limits.requests ?? null,
      pendingMax: limits.pending,
      pendingTimeoutMs: limits.pendingTimeout,
      responseHeadBytesMax: limits.responseHead ?? null,
    },
    timeouts: {
      connectMs: timeouts.connect,
      firstByteMs: timeouts.firstByte,
      idleMs: timeouts.idle,
      totalMs: timeouts.total,
      tunnelIdleMs: timeouts.tunnelIdle,
    },
    retries:
      retries === false
        ? null
        : {
            attempts: retries.attempts,
            on: new Set(retries.on),
            methods: new Set(retries.methods),
            budgetPercent: retries.budget,
            bodyBytesMax: retries.bodyMax,
          },
    dns: { ttlMinMs: dns.ttlMin, ttlMaxMs: Math.max(dns.ttlMin, dns.ttlMax) },
  };
};

type Server = Exclude<UpstreamObject["servers"], readonly unknown[]>;

const serverPlan = (server: Server): ServerPlan => {
  const { address: text, weight } = typeof server === "string" ? { address: server, weight: 1 } : server;
  // The schema has let it through, so it is an address.
  return { text, address: parseServerAddress(text) as ServerAddress, weight };
};

const tlsPlan = (
  loaded: LoadedConfig,
  name: string,
  upstream: UpstreamObject,
  servers: readonly ServerPlan[],
): UpstreamPlan["tls"] => {
  const { tls } = upstream;
  if (tls === undefined && !servers.some(({ address }) => address.tls)) return null;
  const read = (file: string, option: string): string => readPem(loaded, file, ["upstreams", name, "tls", option]);
  return {
    serverName: tls?.serverName ?? null,
    ca: tls?.ca === undefined ? null : toList(tls.ca).map((file) => read(file, "ca")),
    cert: tls?.cert === undefined ? null : read(tls.cert, "cert"),
    key: tls?.key === undefined ? null : read(tls.key, "key"),
    verify: tls?.verify ?? true,
  };
};

/** @throws {ConfigError} */
const readPem = ({ file: source, folder }: LoadedConfig, file: string, at: readonly string[]): string => {
  try {
    return readFileSync(path.resolve(folder, file), "utf8");
  } catch (error) {
    const message = `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
    throw new ConfigError([{ file: source, path: at, message, span: null, source: null }]);
  }
};

const hostPlan = (host: string): UpstreamPlan["host"] => {
  if (host === "keep" || host === "server") return { kind: host };
  return { kind: "name", name: host };
};

const balancePlan = (balance: UpstreamObject["balance"]): BalancePlan =>
  typeof balance === "string"
    ? { kind: balance }
    : { kind: "hash", by: keyPlan(balance.hash), loadMax: balance.load / 100 };

type Key =
  | UpstreamHash
  | Exclude<Config["routes"][number]["concurrency"], number | undefined>["by"]
  | Config["rateLimits"][string]["by"];
type UpstreamHash = Exclude<UpstreamObject["balance"], string>["hash"];

export const keyPlan = (key: Key): KeyPlan => {
  if (typeof key === "string") return { kind: key };
  return "header" in key ? { kind: "header", name: key.header.toLowerCase() } : { kind: "cookie", name: key.cookie };
};

const healthPlan = (health: NonNullable<UpstreamObject["health"]>): HealthPlan => ({
  path: health.path ?? null,
  host: health.host ?? null,
  statuses: new Set(
    (health.status === undefined ? ["2xx", "3xx"] : toList(health.status)).flatMap((one) => statusesOf(one)),
  ),
  intervalMs: health.interval,
  timeoutMs: health.timeout,
  healthyAfter: health.healthy,
  unhealthyAfter: health.unhealthy,
});

/** 204, or every status of "2xx". */
const statusesOf = (status: number | string): number[] => {
  if (typeof status === "number") return [status];
  const first = Number(status[0]) * 100;
  return Array.from({ length: 100 }, (_, more) => first + more);
};

type HeaderChanges = NonNullable<Config["routes"][number]["requestHeaders"]>;

export const fieldChanges = (changes: HeaderChanges | undefined): FieldChanges | null => {
  if (changes === undefined) return null;
  const list = (fields: Readonly<Record<string, string>>): FieldChanges["set"] =>
    Object.entries(fields).map(([name, value]) => ({ name: name.toLowerCase(), value: parseTemplate(value) }));
  return {
    remove: new Set(changes.remove.map((name) => name.toLowerCase())),
    set: list(changes.set),
    add: list(changes.add),
  };
};
