// references.ts — what a configuration says about itself: names that must exist, things that exclude each other.
import { nearest } from "percore";
import { parsePattern } from "../routing/pattern.ts";
import { templateNames } from "../routing/template.ts";
import type { PathStep, Problem } from "./problem.ts";
import type { Config } from "./schema.ts";
import { toList } from "./values.ts";

type Route = Config["routes"][number];

/** What of a configuration can refer to each other; a route that is wrong in itself is null. */
export interface Referring {
  readonly listen?: Config["listen"];
  readonly upstreams: object;
  readonly rateLimits: object;
  readonly routes: readonly (Route | null)[];
}

/** Every problem that one part of the configuration has with another. */
export const crossCheck = (config: Referring): Problem[] => [
  ...config.routes.flatMap((route, index) => (route === null ? [] : routeProblems(config, route, ["routes", index]))),
  ...repeatedNames(config),
  ...repeatedAddresses(config.listen),
];

/** What may answer a request; a route has one of them. */
const TARGETS = ["upstream", "split", "redirect", "respond", "files", "handler"] as const;
/** What means something for requests that go to an upstream, and nothing for others. */
const UPSTREAM_ONLY = ["fallback", "rewrite", "stripPrefix", "addPrefix", "requestHeaders", "timeout"] as const;

const routeProblems = (config: Referring, route: Route, path: readonly PathStep[]): Problem[] => [
  ...targetProblems(route, path),
  ...upstreamProblems(config, route, path),
  ...limitProblems(config, route, path),
  ...templateProblems(route, path),
];

const targetProblems = (route: Route, path: readonly PathStep[]): Problem[] => {
  const given = TARGETS.filter((target) => route[target] !== undefined);
  if (given.length === 0) return [{ path, message: `the route leads nowhere; give it one of ${TARGETS.join(", ")}` }];
  const problems: Problem[] = given.slice(1).map((target) => ({
    path: [...path, target],
    atName: true,
    message: `the route has "${given[0]}" already, and leads to one place only`,
  }));
  if (given[0] !== "upstream" && given[0] !== "split") {
    for (const option of UPSTREAM_ONLY) {
      if (route[option] === undefined) continue;
      const message = `goes with "upstream" and "split" only, and this route has "${given[0]}"`;
      problems.push({ path: [...path, option], atName: true, message });
    }
  }
  if (route.rewrite !== undefined) {
    for (const option of ["stripPrefix", "addPrefix"] as const) {
      if (route[option] === undefined) continue;
      problems.push({ path: [...path, option], atName: true, message: '"rewrite" writes the whole path already' });
    }
  }
  return problems;
};

const upstreamProblems = ({ upstreams }: Referring, route: Route, path: readonly PathStep[]): Problem[] => {
  const problems: Problem[] = [];
  const check = (wanted: string, at: readonly PathStep[], atName: boolean): void => {
    if (!Object.hasOwn(upstreams, wanted))
      problems.push({ path: at, atName, message: missing("upstream", wanted, upstreams) });
  };
  if (route.upstream !== undefined) check(route.upstream, [...path, "upstream"], false);
  if (route.fallback !== undefined) check(route.fallback, [...path, "fallback"], false);
  const weights = Object.entries(route.split ?? {});
  for (const [upstream] of weights) check(upstream, [...path, "split", upstream], true);
  if (route.split !== undefined && !weights.some(([, weight]) => weight > 0)) {
    problems.push({ path: [...path, "split"], atName: true, message: "one of the weights must be above 0" });
  }
  return problems;
};

const limitProblems = ({ rateLimits }: Referring, route: Route, path: readonly PathStep[]): Problem[] =>
  toList(route.rateLimit ?? []).flatMap((limit, index) =>
    Object.hasOwn(rateLimits, limit)
      ? []
      : [
          {
            path: [...path, "rateLimit", ...(Array.isArray(route.rateLimit) ? [index] : [])],
            message: missing("rate limit", limit, rateLimits),
          },
        ],
  );

const missing = (what: string, wanted: string, there: object): string => {
  const known = Object.keys(there);
  const meant = nearest(wanted, known);
  const hint =
    meant === null
      ? known.length === 0
        ? "there is none"
        : `there are ${known.join(", ")}`
      : `did you mean "${meant}"?`;
  return `there is no ${what} "${wanted}"; ${hint}`;
};

/** Names that templates may use beside the parameters of the route's path. */
export const TEMPLATE_NAMES = ["client", "host", "id", "method", "path", "query", "scheme"] as const;

const templateProblems = (route: Route, path: readonly PathStep[]): Problem[] => {
  const patterns = toList(route.path).map((text) => parsePattern(text));
  // A parameter counts where every path of the route has it.
  const [first, ...others] = patterns.map((pattern) => (typeof pattern === "string" ? [] : pattern.names));
  const parameters = first.filter((name) => others.every((names) => names.includes(name)));
  const known = [...parameters, ...TEMPLATE_NAMES];
  const check = (template: string | undefined, at: readonly PathStep[]): Problem[] =>
    (template === undefined ? [] : templateNames(template))
      .filter((name) => !known.includes(name))
      .map((name) => ({ path: [...path, ...at], message: unknownParameter(name, parameters, known) }));
  const redirect = route.redirect;
  return [
    ...check(route.rewrite, ["rewrite"]),
    ...(typeof redirect === "object" ? check(redirect.to, ["redirect", "to"]) : check(redirect, ["redirect"])),
    ...(["requestHeaders", "responseHeaders"] as const).flatMap((group) =>
      (["set", "add"] as const).flatMap((kind) =>
        Object.entries(route[group]?.[kind] ?? {}).flatMap(([field, template]) =>
          check(template, [group, kind, field]),
        ),
      ),
    ),
  ];
};

const unknownParameter = (name: string, parameters: readonly string[], known: readonly string[]): string => {
  const meant = nearest(name, known);
  const hint =
    meant !== null
      ? `did you mean {${meant}}?`
      : parameters.length === 0
        ? "the route's path has no parameters"
        : `the route's path has ${parameters.map((one) => `{${one}}`).join(", ")}`;
  return `there is no {${name}}; ${hint}`;
};

/** Listeners are known by their addresses as they are written. */
const repeatedAddresses = (listen: Config["listen"] | undefined): Problem[] => {
  const seen = new Set<string>();
  return (Array.isArray(listen) ? listen : []).flatMap((one, index) => {
    const address = typeof one === "string" ? one : one.address;
    if (!seen.has(address)) {
      seen.add(address);
      return [];
    }
    const at = typeof one === "string" ? [] : ["address"];
    return [{ path: ["listen", index, ...at], message: "it listens on this address already" }];
  });
};

const repeatedNames = ({ routes }: Referring): Problem[] => {
  const seen = new Map<string, number>();
  const problems: Problem[] = [];
  for (const [index, route] of routes.entries()) {
    const name = route?.name;
    if (name === undefined) continue;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, index);
    else problems.push({ path: ["routes", index, "name"], message: `routes[${first}] has this name already` });
  }
  return problems;
};
