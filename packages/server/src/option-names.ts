// option-names.ts — limits and timeouts under our names, which carry their units, or the WinterTC draft's.
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type HttpLimits, type HttpTimeouts } from "@percore/http";
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
    if (Object.hasOwn(values, own)) throw invalid(`${group}.${own} is given twice, once by the draft's name; give one`);
    values[own] = value;
  }
  return values;
};
