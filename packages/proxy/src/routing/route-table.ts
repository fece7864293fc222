// route-table.ts — which route takes a request: the most specific by host, then path, then conditions.
import { type Conditions, compareConditions, hold, type RouteRequest } from "./conditions.ts";
import { type HostPattern, hostOf } from "./host.ts";
import { capturesOf, comparePatterns, PathTree } from "./path-tree.ts";
import type { PathPattern } from "./pattern.ts";

/** What of a route decides whether it takes a request. */
export interface Matchable {
  readonly hosts: readonly HostPattern[];
  readonly pattern: PathPattern;
  readonly conditions: Conditions;
}

/** Authorities whose hosts are remembered; more than a proxy has names, less than would hurt where clients make them up. */
const AUTHORITIES_MAX = 1024;

type Trees<Route> = readonly PathTree<Route>[];

/**
 * Order of routes, most specific first: (1) an exact host before a wildcard, a longer wildcard before a shorter one, any
 * host last; (2) the path as comparePatterns() says; (3) conditions as compareConditions() says; (4) the order in the
 * configuration. The first in that order whose host, path and conditions all fit takes the request.
 */
export class RouteTable<Route extends Matchable> {
  readonly #exact = new Map<string, PathTree<Route>>();
  readonly #wildcards = new Map<string, PathTree<Route>>();
  readonly #any = new PathTree<Route>();
  /** Host patterns but "any": without them no authority has to be looked at. */
  readonly #named: boolean;
  readonly #anyOnly: Trees<Route> = [this.#any];
  readonly #known = new Map<string, Trees<Route>>();
  #request: RouteRequest | null = null;
  readonly #take = (route: Route): boolean => hold(route.conditions, this.#request as RouteRequest);

  /** @param routes in the order of the configuration. */
  constructor(routes: readonly Route[]) {
    const sorted = [...routes].sort((one, other) => compareConditions(one.conditions, other.conditions));
    for (const route of sorted) {
      for (const host of route.hosts) this.#treeOf(host).add(route.pattern, route);
    }
    this.#named = this.#exact.size + this.#wildcards.size > 0;
  }

  /** The route that takes the request, or null. */
  match(request: RouteRequest): Route | null {
    this.#request = request;
    for (const tree of this.#named ? this.#treesFor(request.authority) : this.#anyOnly) {
      const route = tree.find(request.path, this.#take);
      if (route !== null) return route;
    }
    return null;
  }

  #treesFor(authority: string): Trees<Route> {
    const known = this.#known.get(authority);
    if (known !== undefined) return known;
    const trees = this.#collect(hostOf(authority));
    if (this.#known.size < AUTHORITIES_MAX) this.#known.set(authority, trees);
    return trees;
  }

  #collect(host: string): Trees<Route> {
    const trees: PathTree<Route>[] = [];
    const exact = this.#exact.get(host);
    if (exact !== undefined) trees.push(exact);
    for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
      const wildcard = dot === 0 ? undefined : this.#wildcards.get(host.slice(dot));
      if (wildcard !== undefined) trees.push(wildcard);
    }
    trees.push(this.#any);
    return trees;
  }

  #treeOf(host: HostPattern): PathTree<Route> {
    switch (host.kind) {
      case "any":
        return this.#any;
      case "exact":
        return entryOf(this.#exact, host.host);
      case "wildcard":
        return entryOf(this.#wildcards, host.suffix);
    }
  }
}

const entryOf = <Route>(trees: Map<string, PathTree<Route>>, name: string): PathTree<Route> => {
  let tree = trees.get(name);
  if (tree === undefined) {
    tree = new PathTree();
    trees.set(name, tree);
  }
  return tree;
};

/** A route with one of its hosts: a row of the table as people read it. */
export interface RouteRow<Route> {
  readonly host: HostPattern;
  readonly route: Route;
}

/** The rows in the order in which they are tried: what the table does, written down. */
export const orderRoutes = <Route extends Matchable>(routes: readonly Route[]): RouteRow<Route>[] =>
  routes
    .flatMap((route) => route.hosts.map((host) => ({ host, route })))
    .sort(
      (one, other) =>
        rankOfHost(other.host) - rankOfHost(one.host) ||
        comparePatterns(one.route.pattern, other.route.pattern) ||
        compareConditions(one.route.conditions, other.route.conditions),
    );

const rankOfHost = (pattern: HostPattern): number => {
  switch (pattern.kind) {
    case "any":
      return 0;
    case "exact":
      return HOST_LENGTH_MAX + 1;
    case "wildcard":
      return pattern.suffix.length;
  }
};

/** With the dot before it. RFC 1035 §2.3.4. */
const HOST_LENGTH_MAX = 254;

/** Parameters of a route's path in a request, decoded; a value whose escapes are no UTF-8 stays as it is. */
export const parametersOf = (pattern: PathPattern, path: string): Record<string, string> => {
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  const captures = capturesOf(pattern, path) ?? [];
  for (const [at, name] of pattern.names.entries()) parameters[name] = decode(captures[at] ?? "");
  return parameters;
};

const decode = (text: string): string => {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
