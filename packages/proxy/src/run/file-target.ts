// file-target.ts — static files: which file of a folder a path means, and that it is in the folder.
import { realpathSync, statSync } from "node:fs";
import path from "node:path";
import type { Exchange } from "@percore/http";
import { type FileOptions, file, Response, sendResponse } from "percore";
import type { FilesPlan } from "../config/routes-of.ts";

/**
 * Answers with a file: 404 where there is none, 405 for other methods than GET and HEAD, a redirect to "path/" for a folder.
 *
 * The path is in normal form, so it has no dot segments; what a symbolic link leads to must lie in the folder too.
 */
export const answerWithFile = (
  exchange: Exchange,
  plan: FilesPlan,
  urlPath: string,
  query: string,
  report: (error: unknown) => void,
): void => {
  if (exchange.method !== "GET" && exchange.method !== "HEAD") {
    exchange.respond(405, ["allow", "GET, HEAD", "content-type", PLAIN], "Method Not Allowed\n");
    return;
  }
  const name = decoded(urlPath.startsWith(plan.below) ? urlPath.slice(plan.below.length) : urlPath);
  const found = name === null ? null : find(plan, name);
  if (found === "folder") {
    exchange.respond(308, ["location", `${urlPath}/${query}`], null);
    return;
  }
  const chosen = found ?? (plan.notFound === null ? null : inside(plan.root, path.join(plan.root, plan.notFound)));
  if (chosen === null) {
    exchange.respond(404, ["content-type", PLAIN], "Not Found\n");
    return;
  }
  const { cacheControl, precompressed } = plan;
  const options: FileOptions = {
    ...(cacheControl === null ? {} : { cacheControl }),
    ...(precompressed.length === 0 ? {} : { precompressed }),
  };
  const body = file(chosen, options);
  sendResponse(exchange, new Response(body, { headers: { "content-type": body.type } }), report);
};

const PLAIN = "text/plain;charset=utf-8";

/** The path's name in the file system; null for what is none. */
const decoded = (name: string): string | null => {
  try {
    const text = decodeURIComponent(name);
    // An encoded slash may be allowed in paths, but names of files have none.
    return text.includes("\0") || /%2f/i.test(name) ? null : text;
  } catch {
    return null;
  }
};

/** The file; "folder" where a slash is missing at the end; null for nothing. */
const find = (plan: FilesPlan, name: string): string | "folder" | null => {
  const wanted = inside(plan.root, path.join(plan.root, name));
  if (wanted === null) return null;
  if (!statSync(wanted).isDirectory()) return name.endsWith("/") ? null : wanted;
  if (name !== "" && !name.endsWith("/")) return "folder";
  const index = inside(plan.root, path.join(wanted, plan.index));
  return index !== null && statSync(index).isFile() ? index : null;
};

/** Where a path really leads; null where that is nothing, or outside the folder. */
const inside = (root: string, wanted: string): string | null => {
  try {
    const real = realpathSync(wanted);
    const folder = realpathSync(root);
    return real === folder || real.startsWith(folder + path.sep) ? real : null;
  } catch {
    return null;
  }
};
