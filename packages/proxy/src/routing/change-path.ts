// change-path.ts — the target that an upstream is asked for, made of the one the client asked for.
import type { PathChange } from "../config/routes-of.ts";
import { type Filler, fillTemplate } from "./template.ts";

/**
 * Path and query for the upstream. `path` and `query` are in normal form; "*" (OPTIONS *) and "" (CONNECT) stay.
 * What a template is filled with stands in the path as it came, escapes and all.
 */
export const changePath = (change: PathChange, path: string, query: string, filler: Filler): string => {
  if (!path.startsWith("/")) return path;
  switch (change.kind) {
    case "keep":
      return path + query;
    case "rewrite": {
      const target = fillTemplate(change.to, filler);
      return change.keepsQuery ? target + query : target;
    }
    case "prefix":
      return change.add + withoutPrefix(path, change.strip) + query;
  }
};

/** "/api/x" without "/api" is "/x", "/api" is "/"; "/apis" does not begin with it. */
const withoutPrefix = (path: string, prefix: string): string => {
  if (prefix === "" || !path.startsWith(prefix)) return path;
  if (path.length === prefix.length) return "/";
  return path[prefix.length] === "/" ? path.slice(prefix.length) : path;
};

/**
 * A redirect's Location. What a client sent may stand at its beginning: "//elsewhere" would lead to another host, so
 * slashes at the beginning are one. A backslash cannot be there, since paths with one are refused.
 */
export const locationOf = (text: string): string => (text.startsWith("//") ? text.replace(/^\/+/, "/") : text);
