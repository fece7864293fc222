// path-tree.ts — the routes of one host by path: the most specific one that takes a request, found without trying each.
import { fitsType, PARAMETER_TYPES, type ParameterType, type PathPattern } from "./pattern.ts";

/** Decides about a route whose path fits. */
export type Take<Route> = (route: Route) => boolean;

interface Node<Route> {
  literals: Map<string, Node<Route>> | null;
  /** Most specific type first. */
  parameters: { readonly type: ParameterType; readonly node: Node<Route> }[];
  /** Routes whose path ends here, most specific conditions first. */
  exact: Route[];
  /** Routes whose prefix ends here. */
  prefix: Route[];
}

const newNode = <Route>(): Node<Route> => ({ literals: null, parameters: [], exact: [], prefix: [] });

/**
 * The order in which routes are tried is that of comparePatterns(): segment by segment a literal before a parameter,
 * typed parameters before untyped ones, anything before a prefix that ends there. The search walks the tree in that order
 * and goes back where a route's other conditions do not hold.
 */
export class PathTree<Route> {
  readonly #root: Node<Route> = newNode();
  /** Paths without parameters, whole: no other pattern is more specific, so they are looked up first. */
  readonly #plain = new Map<string, Route[]>();
  /** There are parameters or prefixes: the tree has to be walked. */
  #walk = false;

  /** Routes of one pattern in the order in which they are to be tried. */
  add(pattern: PathPattern, route: Route): void {
    let node = this.#root;
    for (const segment of pattern.segments) {
      node = typeof segment === "string" ? literalOf(node, segment) : parameterOf(node, segment.type);
    }
    (pattern.prefix ? node.prefix : node.exact).push(route);
    if (pattern.prefix || pattern.names.length > 0) this.#walk = true;
    else this.#plain.set(pattern.text, node.exact);
  }

  find(path: string, take: Take<Route>): Route | null {
    const plain = this.#plain.get(path);
    if (plain !== undefined) for (const route of plain) if (take(route)) return route;
    return this.#walk ? search(this.#root, path, 0, take) : null;
  }
}

const search = <Route>(node: Node<Route>, path: string, at: number, take: Take<Route>): Route | null => {
  if (at >= path.length) {
    for (const route of node.exact) if (take(route)) return route;
  } else if (node.literals !== null || node.parameters.length > 0) {
    const next = path.indexOf("/", at + 1);
    const end = next < 0 ? path.length : next;
    const literal = node.literals?.get(path.slice(at + 1, end));
    if (literal !== undefined) {
      const found = search(literal, path, end, take);
      if (found !== null) return found;
    }
    for (const { type, node: child } of node.parameters) {
      if (!fitsType(type, path, at + 1, end)) continue;
      const found = search(child, path, end, take);
      if (found !== null) return found;
    }
  }
  for (const route of node.prefix) if (take(route)) return route;
  return null;
};

const literalOf = <Route>(node: Node<Route>, segment: string): Node<Route> => {
  node.literals ??= new Map();
  let child = node.literals.get(segment);
  if (child === undefined) {
    child = newNode();
    node.literals.set(segment, child);
  }
  return child;
};

const parameterOf = <Route>(node: Node<Route>, type: ParameterType): Node<Route> => {
  const known = node.parameters.find((parameter) => parameter.type === type);
  if (known !== undefined) return known.node;
  const child = newNode<Route>();
  node.parameters.push({ type, node: child });
  node.parameters.sort((one, other) => PARAMETER_TYPES.indexOf(one.type) - PARAMETER_TYPES.indexOf(other.type));
  return child;
};

/** Negative where `one` is the more specific pattern. */
export const comparePatterns = (one: PathPattern, other: PathPattern): number => {
  const shared = Math.min(one.segments.length, other.segments.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = rankOf(one.segments[at]) - rankOf(other.segments[at]);
    if (difference !== 0) return difference;
  }
  return other.segments.length - one.segments.length || Number(one.prefix) - Number(other.prefix);
};

const rankOf = (segment: PathPattern["segments"][number]): number =>
  typeof segment === "string" ? 0 : 1 + PARAMETER_TYPES.indexOf(segment.type);

/** What a pattern's parameters are in a path, as they stand there (escaped), in the order of `names`; null where it does not fit. */
export const capturesOf = (pattern: PathPattern, path: string): string[] | null => {
  const captures: string[] = [];
  let at = 0;
  for (const segment of pattern.segments) {
    if (at >= path.length) return null;
    const next = path.indexOf("/", at + 1);
    const end = next < 0 ? path.length : next;
    if (typeof segment === "string") {
      if (end - at - 1 !== segment.length || !path.startsWith(segment, at + 1)) return null;
    } else {
      if (!fitsType(segment.type, path, at + 1, end)) return null;
      captures.push(path.slice(at + 1, end));
    }
    at = end;
  }
  if (at < path.length && !pattern.prefix) return null;
  if (pattern.rest !== null) captures.push(path.slice(at + 1));
  return captures;
};
