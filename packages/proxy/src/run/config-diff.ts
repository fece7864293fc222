// config-diff.ts — what a reload changes, in words; and what of it waits for the next start.
import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/schema.ts";
import { listenersOf } from "./listeners.ts";

export interface ConfigDiff {
  /** "routes: 1 added, 2 changed"; empty for no change. */
  readonly changes: readonly string[];
  /** Names of options that hold from the next start, or upgrade, on. */
  readonly later: readonly string[];
}

/** What is read when the program starts. */
const AT_START = ["workers", "cpus", "driver", "drain", "watch", "user", "admin", "client"] as const;

export const diffConfigs = (from: Config, to: Config): ConfigDiff => {
  const changes: string[] = [];
  const note = (what: string, text: string | null): void => {
    if (text !== null) changes.push(`${what}: ${text}`);
  };
  note("routes", compareRoutes(from.routes, to.routes));
  for (const group of ["upstreams", "rateLimits"] as const) note(group, compareNamed(from[group], to[group]));
  note("listen", compareNamed(byAddress(from), byAddress(to)));
  for (const option of ["paths", "forwarded", "requestId", "tracing", "accessLog"] as const) {
    if (!isDeepStrictEqual(from[option], to[option])) changes.push(`${option}: changed`);
  }
  const later: string[] = AT_START.filter((option) => !isDeepStrictEqual(from[option], to[option]));
  const before = byAddress(from);
  for (const [address, listener] of Object.entries(byAddress(to))) {
    if (before[address] !== undefined && !isDeepStrictEqual(before[address], listener)) later.push(`listen ${address}`);
  }
  return { changes, later };
};

const byAddress = (config: Config): Record<string, unknown> =>
  Object.fromEntries(listenersOf(config).map((listener) => [listener.address, listener]));

const compareNamed = (
  from: Readonly<Record<string, unknown>>,
  to: Readonly<Record<string, unknown>>,
): string | null => {
  const added = Object.keys(to).filter((name) => !Object.hasOwn(from, name));
  const removed = Object.keys(from).filter((name) => !Object.hasOwn(to, name));
  const changed = Object.keys(to).filter(
    (name) => Object.hasOwn(from, name) && !isDeepStrictEqual(from[name], to[name]),
  );
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(", ")}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(", ")}`] : []),
    ...(changed.length > 0 ? [`changed ${changed.join(", ")}`] : []),
  ];
  return parts.length > 0 ? parts.join("; ") : null;
};

const compareRoutes = (from: Config["routes"], to: Config["routes"]): string | null => {
  const same = (one: unknown, others: readonly unknown[]): boolean =>
    others.some((other) => isDeepStrictEqual(one, other));
  const added = to.filter((route) => !same(route, from)).length;
  const removed = from.filter((route) => !same(route, to)).length;
  if (added + removed === 0) return isDeepStrictEqual(from, to) ? null : "in another order";
  return `${added} new or changed, ${removed} gone`;
};
