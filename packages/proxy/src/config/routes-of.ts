// routes-of.ts — the routes of a checked configuration as the table and the engine have them.
import path from "node:path";
import type { FieldList } from "@percore/http";
import type { ContentCoding } from "percore";
import { Networks } from "../limits/networks.ts";
import type { NamedRate, RouteLimitsPlan } from "../limits/route-limits.ts";
import type { ForwardRoute } from "../plan.ts";
import type { Conditions, NamedTest, ValueTest } from "../routing/conditions.ts";
import { type HostPattern, parseHostPattern } from "../routing/host.ts";
import { type PathPattern, parsePattern } from "../routing/pattern.ts";
import type { Matchable } from "../routing/route-table.ts";
import { parseTemplate, type Template } from "../routing/template.ts";
import type { LoadedConfig } from "./load.ts";
import { fieldChanges, keyPlan } from "./plan-of.ts";
import type { HandlerTarget } from "./route-schema.ts";
import type { Config } from "./schema.ts";
import { parseRate } from "./units.ts";
import { toList } from "./values.ts";

/** What becomes of the requests that a route takes. */
export type Action =
  | { readonly kind: "forward"; readonly to: readonly WeightedUpstream[]; readonly path: PathChange }
  | { readonly kind: "redirect"; readonly status: number; readonly to: Template; readonly keepsQuery: boolean }
  | { readonly kind: "respond"; readonly status: number; readonly fields: FieldList; readonly body: string }
  | ({ readonly kind: "files" } & FilesPlan)
  | { readonly kind: "handler"; readonly handler: HandlerTarget };

export interface WeightedUpstream {
  readonly upstream: string;
  /** The sum of the weights up to and with this one, of the sum of all: 0..1. */
  readonly until: number;
}

export interface FilesPlan {
  /** Absolute, without a slash at its end. */
  readonly root: string;
  /** What of the path stands before the file's name: the literal beginning of the route's prefix. */
  readonly below: string;
  readonly index: string;
  readonly notFound: string | null;
  readonly cacheControl: string | null;
  readonly precompressed: readonly ContentCoding[];
}

/** How the path that the upstream is asked for comes about. */
export type PathChange =
  | { readonly kind: "keep" }
  | { readonly kind: "rewrite"; readonly to: Template; readonly keepsQuery: boolean }
  | { readonly kind: "prefix"; readonly strip: string; readonly add: string };

export interface RoutePlan extends Matchable, ForwardRoute {
  readonly action: Action;
  readonly limits: RouteLimitsPlan;
  readonly logged: boolean;
}

type Route = Config["routes"][number];

/** A row for each path of each route, in the order of the configuration. */
export const routesOf = ({ config, folder }: LoadedConfig): RoutePlan[] => {
  const names = new Map<string, number>();
  return config.routes.flatMap((route) => {
    const shared = sharedOf(config, route, uniqueName(route, names));
    return toList(route.path).map((text) => {
      const pattern = parsePattern(text) as PathPattern;
      return { ...shared, pattern, action: actionOf(route, pattern, folder) };
    });
  });
};

/** "GET example.com/api/*"; with its number where another route has the same. */
const uniqueName = (route: Route, names: Map<string, number>): string => {
  if (route.name !== undefined) return route.name;
  const hosts = toList(route.host).join(",");
  const methods = route.method === undefined ? "" : `${toList(route.method).join(",")} `;
  const name = `${methods}${hosts === "*" ? "" : hosts}${toList(route.path).join(",")}`;
  const times = (names.get(name) ?? 0) + 1;
  names.set(name, times);
  return times === 1 ? name : `${name}#${times}`;
};

const sharedOf = (config: Config, route: Route, name: string): Omit<RoutePlan, "pattern" | "action"> => ({
  name,
  hosts: toList(route.host).map((text) => parseHostPattern(text) as HostPattern),
  conditions: conditionsOf(route),
  fallback: route.fallback ?? null,
  requestFields: fieldChanges(route.requestHeaders),
  responseFields: fieldChanges(route.responseHeaders),
  totalMs: route.timeout ?? null,
  bodyBytesMax: route.bodyMax ?? null,
  allowUpgrade: route.upgrade,
  allowConnect: route.connect,
  limits: limitsOf(config, route),
  logged: route.log,
});

const conditionsOf = ({ scheme, method, headers, query }: Route): Conditions => ({
  scheme: scheme ?? null,
  methods: method === undefined ? null : new Set(toList(method)),
  headers: testsOf(headers, (name) => name.toLowerCase()),
  query: testsOf(query, (name) => name),
});

const testsOf = (tests: Route["headers"], nameOfTest: (name: string) => string): NamedTest[] =>
  Object.entries(tests).map(([name, test]) => ({ name: nameOfTest(name), test: testOf(test) }));

const testOf = (test: Route["headers"][string]): ValueTest => {
  if (typeof test === "boolean") return { kind: test ? "present" : "absent" };
  if (typeof test === "string") return { kind: "equals", value: test };
  if (Array.isArray(test)) return { kind: "one-of", values: new Set(test) };
  if ("prefix" in test) return { kind: "prefix", value: test.prefix };
  return "suffix" in test ? { kind: "suffix", value: test.suffix } : { kind: "contains", value: test.contains };
};

const limitsOf = ({ rateLimits }: Config, { allow, deny, rateLimit, concurrency }: Route): RouteLimitsPlan => ({
  allow: allow === undefined ? null : new Networks(allow),
  deny: deny === undefined ? null : new Networks(deny),
  rates: toList(rateLimit ?? []).map((name) => rateOf(name, rateLimits[name])),
  concurrency:
    concurrency === undefined
      ? null
      : typeof concurrency === "number"
        ? { max: concurrency, by: { kind: "route" } }
        : { max: concurrency.max, by: keyPlan(concurrency.by) },
});

const rateOf = (name: string, limit: Config["rateLimits"][string]): NamedRate => {
  const { perSecond, count } = parseRate(limit.rate) as { perSecond: number; count: number };
  return { name, rate: { perSecond, burst: limit.burst ?? count }, by: keyPlan(limit.by) };
};

const actionOf = (route: Route, pattern: PathPattern, folder: string): Action => {
  const { upstream, split, redirect, respond, files } = route;
  if (upstream !== undefined) return { kind: "forward", to: [{ upstream, until: 1 }], path: pathChange(route) };
  if (split !== undefined) return { kind: "forward", to: weighted(split), path: pathChange(route) };
  if (redirect !== undefined) {
    const { to, status } = typeof redirect === "string" ? { to: redirect, status: 308 } : redirect;
    return { kind: "redirect", status, to: parseTemplate(to), keepsQuery: !to.includes("?") };
  }
  if (respond !== undefined) {
    const fields = Object.entries(respond.headers).flat();
    const named = Object.keys(respond.headers).some((name) => name.toLowerCase() === "content-type");
    const typed = named || respond.body === "" ? fields : [...fields, "content-type", "text/plain;charset=utf-8"];
    return { kind: "respond", status: respond.status, fields: typed, body: respond.body };
  }
  if (files !== undefined) return { kind: "files", ...filesPlan(files, pattern, folder) };
  // The check has seen that there is one.
  return { kind: "handler", handler: route.handler as HandlerTarget };
};

const weighted = (split: Readonly<Record<string, number>>): WeightedUpstream[] => {
  const rows = Object.entries(split).filter(([, weight]) => weight > 0);
  const total = rows.reduce((sum, [, weight]) => sum + weight, 0);
  let sum = 0;
  return rows.map(([upstream, weight]) => {
    sum += weight;
    return { upstream, until: sum / total };
  });
};

const pathChange = ({ rewrite, stripPrefix, addPrefix }: Route): PathChange => {
  if (rewrite !== undefined) {
    return { kind: "rewrite", to: parseTemplate(rewrite), keepsQuery: !rewrite.includes("?") };
  }
  if (stripPrefix === undefined && addPrefix === undefined) return { kind: "keep" };
  const trimmed = (prefix: string | undefined): string => (prefix ?? "").replace(/\/+$/, "");
  return { kind: "prefix", strip: trimmed(stripPrefix), add: trimmed(addPrefix) };
};

const filesPlan = (files: NonNullable<Route["files"]>, pattern: PathPattern, folder: string): FilesPlan => {
  const given = typeof files === "string" ? { root: files, index: "index.html", precompressed: [] } : files;
  const literals = pattern.segments.filter((segment) => typeof segment === "string");
  return {
    root: path.resolve(folder, given.root),
    // "/static/*" serves root/a for /static/a; an exact path serves root/path.
    below:
      pattern.prefix && literals.length === pattern.segments.length ? `/${literals.join("/")}`.replace(/\/$/, "") : "",
    index: given.index,
    notFound: "notFound" in given ? (given.notFound ?? null) : null,
    cacheControl: "cacheControl" in given ? (given.cacheControl ?? null) : null,
    precompressed: given.precompressed,
  };
};
