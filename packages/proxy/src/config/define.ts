// define.ts — configurations in TypeScript: an upstream, a limit or a parameter that does not exist is a compile error.
import type { Exchange } from "@percore/http";
import type { HandlerContext } from "./route-schema.ts";
import type { ConfigInput } from "./schema.ts";

type RouteInput = ConfigInput["routes"][number];
type BuiltIn = "client" | "host" | "id" | "method" | "path" | "query" | "scheme";

/** Names of the parameters of a path: "/users/{id:int}/{tab}" has "id" and "tab". */
export type ParameterNames<Path extends string> = keyof Parameters<Path> & string;

/** The parameters of a path, decoded. */
export type Parameters<Path extends string> = Path extends `${string}{${infer Inner}}${infer Rest}`
  ? { readonly [Name in Inner extends `${infer Before}:${string}` ? Before : Inner]: string } & Parameters<Rest>
  : unknown;

/** Names in braces of a template. */
type UsedNames<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | UsedNames<Rest>
  : never;

/** The text, where all its names are known; else a message in its place. */
type Checked<Text, Known extends string> = Text extends string
  ? [Exclude<UsedNames<Text>, Known>] extends [never]
    ? Text
    : `there is no {${Exclude<UsedNames<Text>, Known>}} here`
  : Text;

type Path = { readonly path?: string | readonly string[] };
type PathOf<Route> = Route extends { readonly path: infer Given extends string } ? Given : string;
type NamesOf<Route> = string extends PathOf<Route> ? string : ParameterNames<PathOf<Route>> | BuiltIn;

/** A route's names against those that the configuration has. */
type CheckedRoute<Route, Upstream extends string, Limit extends string> = {
  readonly [Key in keyof Route]: Key extends "upstream" | "fallback"
    ? Upstream
    : Key extends "split"
      ? { readonly [Name in keyof Route[Key]]: Name extends Upstream ? number : never }
      : Key extends "rateLimit"
        ? Limit | readonly Limit[]
        : Key extends "rewrite"
          ? Checked<Route[Key], NamesOf<Route>>
          : Key extends "redirect"
            ? Route[Key] extends string
              ? Checked<Route[Key], NamesOf<Route>>
              : Route[Key]
            : Key extends keyof RouteInput
              ? Route[Key]
              : never;
};

/** A route of defineConfig() before its names are checked. */
interface LooseRoute
  extends Omit<RouteInput, "handler" | "path" | "host" | "method" | "allow" | "deny" | "rateLimit">,
    Path {
  readonly host?: string | readonly string[];
  readonly method?: string | readonly string[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly rateLimit?: string | readonly string[];
  readonly handler?: (exchange: Exchange, context: HandlerContext<never>) => void | Promise<void>;
}

/** What defineConfig() gives: a configuration for proxy(), `--config` and testProxy(). */
export type DefinedConfig = ConfigInput;

/**
 * A configuration whose names are checked by the compiler: `upstream`, `split`, `fallback` and `rateLimit` must be defined in
 * it, `rewrite` and `redirect` may use the parameters of the route's own path only.
 */
export const defineConfig = <
  const Upstreams extends Readonly<Record<string, unknown>>,
  const Routes extends readonly LooseRoute[],
  const Limits extends Readonly<Record<string, unknown>> = Readonly<Record<never, unknown>>,
>(
  config: Omit<ConfigInput, "upstreams" | "routes" | "rateLimits"> & {
    readonly upstreams?: Upstreams & ConfigInput["upstreams"];
    readonly rateLimits?: Limits & ConfigInput["rateLimits"];
    readonly routes: Routes & {
      readonly [Index in keyof Routes]: CheckedRoute<Routes[Index], keyof Upstreams & string, keyof Limits & string>;
    };
  },
): DefinedConfig => config as unknown as DefinedConfig;

/**
 * A handler for a route's path with its parameters typed: `handler: onPath("/users/{id:int}", (exchange, { params }) => …)`.
 * The route's `path` has to be the same.
 */
export const onPath = <const Text extends string>(
  _path: Text,
  handler: (exchange: Exchange, context: HandlerContext<Parameters<Text>>) => void | Promise<void>,
): NonNullable<LooseRoute["handler"]> => handler as NonNullable<LooseRoute["handler"]>;
