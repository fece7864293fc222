// option-names.ts — limits and timeouts under our names, which carry their units, or the WinterTC draft's.
import type { ProxyProtocolOptions, RuntimeOptions } from "@percore/core";
import { DEFAULT_H2_LIMITS, type H2Limits } from "@percore/h2";
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type HttpLimits, type HttpTimeouts } from "@percore/http";
import type { TlsServerOptions } from "@percore/tls";
import { invalid, show, unknown } from "./option-errors.ts";

const LIMIT_ALIASES: Readonly<Record<string, keyof HttpLimits | "connectionsMax">> = {
  maxHeaderSize: "headBytesMax",
  maxRequestBodySize: "bodyBytesMax",
  maxRequestsPerConnection: "requestsPerConnectionMax",
  maxConnections: "connectionsMax",
};

const TIMEOUT_ALIASES: Readonly<Record<string, keyof HttpTimeouts | "waitUntilMs">> = {
  idle: "idleMs",
  headers: "headersMs",
  receive: "receiveMs",
  send: "sendMs",
  tunnelIdle: "tunnelIdleMs",
  waitUntil: "waitUntilMs",
};

export interface CheckedLimits {
  readonly http: Partial<HttpLimits>;
  readonly connectionsMax: number | undefined;
}

export interface CheckedTimeouts {
  readonly http: Partial<HttpTimeouts>;
  readonly waitUntilMs: number | undefined;
}

/** @throws {ServerError} ERR_OPTION_INVALID, which names the limit. */
export const checkLimits = (given: object | undefined): CheckedLimits => {
  const { connectionsMax, ...http } = resolve("limits", given, LIMIT_ALIASES, Object.keys(DEFAULT_LIMITS));
  return { http, connectionsMax: connectionsMax === 0 ? undefined : connectionsMax };
};

/** @throws {ServerError} ERR_OPTION_INVALID, which names the timeout. */
export const checkTimeouts = (given: object | undefined): CheckedTimeouts => {
  const known = [...Object.keys(DEFAULT_TIMEOUTS), "waitUntilMs"];
  const { waitUntilMs, ...http } = resolve("timeouts", given, TIMEOUT_ALIASES, known);
  return { http, waitUntilMs };
};

/** @throws {ServerError} ERR_OPTION_INVALID, which names the limit. */
export const checkH2Limits = (given: object): Partial<H2Limits> =>
  resolve("http2", given, {}, Object.keys(DEFAULT_H2_LIMITS));

/** Every name of an object, against those it may have. Its values are checked by whoever takes them. */
type Names<Of> = { readonly [Name in keyof Required<Of>]: true };

const RUNTIME: Names<Omit<RuntimeOptions, "driver">> = {
  arenaBytes: true,
  sqEntries: true,
  cqEntries: true,
  receiveBufferBytes: true,
  receiveBuffers: true,
  upstreamReceiveBuffers: true,
  native: true,
  onError: true,
};

const PROXY_PROTOCOL: Names<ProxyProtocolOptions> = {
  trusted: true,
  untrusted: true,
  required: true,
  headerBytesMax: true,
  headerTimeoutMs: true,
};

const TLS: Names<TlsServerOptions> = {
  cert: true,
  key: true,
  passphrase: true,
  ocsp: true,
  sni: true,
  sniCallback: true,
  sniCacheMs: true,
  sniCacheMax: true,
  unknownNames: true,
  ca: true,
  crl: true,
  clientAuth: true,
  minVersion: true,
  maxVersion: true,
  ciphers: true,
  groups: true,
  tickets: true,
  ticketKeys: true,
  ticketRotateMs: true,
  handshakeMs: true,
  handshakesMax: true,
  watch: true,
  onReload: true,
  onHandshakeError: true,
};

/** @throws {ServerError} ERR_OPTION_INVALID for a name that none of the objects has. */
export const checkNames = (
  runtime: object | undefined,
  proxyProtocol: object | undefined,
  tls: object | undefined,
): void => {
  for (const [group, given, names] of [
    ["runtime", runtime, RUNTIME],
    ["proxyProtocol", proxyProtocol, PROXY_PROTOCOL],
    ["tls", tls, TLS],
  ] as const) {
    for (const name of Object.keys(given ?? {})) {
      if (!Object.hasOwn(names, name)) throw unknown(`name in ${group}:`, name, Object.keys(names));
    }
  }
  const trusted = (proxyProtocol as Partial<ProxyProtocolOptions> | undefined)?.trusted;
  if (proxyProtocol !== undefined && !Array.isArray(trusted)) {
    throw invalid(`proxyProtocol.trusted is ${show(trusted)}; it must be a list of addresses and CIDR ranges`);
  }
};

const resolve = (
  group: string,
  given: object | undefined,
  aliases: Readonly<Record<string, string>>,
  known: readonly string[],
): Record<string, number> => {
  const values: Record<string, number> = {};
  for (const [name, value] of Object.entries(given ?? {})) {
    const own = Object.hasOwn(aliases, name) ? aliases[name] : name;
    if (own === name && !known.includes(name)) {
      throw unknown(`name in ${group}:`, name, [...known, ...Object.keys(aliases)]);
    }
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 0) {
      throw invalid(`${group}.${name} is ${show(value)}; it must be a whole number, 0 or more`);
    }
    if (own === "headBytesMax" && value === 0) throw invalid(`${group}.${name} cannot be 0: a head needs some room`);
    if (Object.hasOwn(values, own)) throw invalid(`${group}.${own} is given twice, once by the draft's name; give one`);
    // The draft's 0 switches a limit off; ours has names for what has no limit.
    values[own] = value === 0 && name === "maxRequestBodySize" ? Number.MAX_SAFE_INTEGER : value;
  }
  return values;
};
