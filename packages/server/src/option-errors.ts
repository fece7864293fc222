// option-errors.ts — errors about options: which one, what it is, what it should be.
import { ServerError } from "./errors.ts";
import { nearest } from "./nearest.ts";

export const unknown = (what: string, name: string, known: readonly string[]): ServerError => {
  const meant = nearest(name, known);
  return invalid(`unknown ${what} "${name}"${meant === null ? "" : `; did you mean "${meant}"?`}`);
};

export const invalid = (message: string): ServerError => new ServerError("ERR_OPTION_INVALID", message);

export const show = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? JSON.stringify(value) : "an object";
  return typeof value === "function" ? "a function" : String(value);
};
