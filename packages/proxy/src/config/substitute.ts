// substitute.ts — `${NAME}` and `${file:path}` in a configuration's strings: environment variables, and secrets from files.
import { readFileSync } from "node:fs";
import path from "node:path";
import { nearest } from "percore";
import type { PathStep, Problem } from "./problem.ts";

export interface SubstituteOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from. */
  readonly folder: string;
  /** Whether a string was written without quotes: then one that is a variable and nothing else may become a number. */
  readonly isPlain: (path: readonly PathStep[]) => boolean;
}

/** The value, and what could not be put in. */
export interface Substituted {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Files that were read: a change of one is a change of the configuration. */
  readonly files: readonly string[];
}

/** `$${` is a dollar sign that means itself. */
const REFERENCE = /\$(\$)?\{([^{}]*)\}/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** The largest file a value is taken from, bytes: keys and tokens are small, and a mistyped path may be anything. */
const SECRET_BYTES_MAX = 65_536;

/** Puts in what strings refer to, everywhere but in names. */
export const substitute = (value: unknown, options: SubstituteOptions): Substituted => {
  const problems: Problem[] = [];
  const files: string[] = [];
  const visit = (part: unknown, at: readonly PathStep[]): unknown => {
    if (typeof part === "string") return part.includes("${") ? replaced(part, at) : part;
    if (Array.isArray(part)) return part.map((item, index) => visit(item, [...at, index]));
    if (!isPlainObject(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, item]) => [name, visit(item, [...at, name])]));
  };
  const replaced = (text: string, at: readonly PathStep[]): unknown => {
    let wrong = false;
    const result = text.replace(REFERENCE, (whole: string, escaped: string | undefined, reference: string) => {
      if (escaped !== undefined) return whole.slice(1);
      const found = lookUp(reference, options, files);
      if (typeof found === "string") return found;
      wrong = true;
      problems.push({ path: at, message: found.wrong });
      return whole;
    });
    const isWhole = /^\$\{[^{}]*\}$/.test(text);
    return !wrong && isWhole && !text.startsWith("${file:") && options.isPlain(at) ? asScalar(result) : result;
  };
  return { value: visit(value, []), problems, files };
};

const lookUp = (
  reference: string,
  options: SubstituteOptions,
  files: string[],
): string | { readonly wrong: string } => {
  if (reference.startsWith("file:")) return readSecret(path.resolve(options.folder, reference.slice(5)), files);
  const match = NAME.exec(reference);
  if (match === null) return { wrong: `"\${${reference}}" is neither \${NAME}, \${NAME:-default} nor \${file:path}` };
  const [, name, fallback] = match;
  const value = options.environment[name];
  if (value !== undefined && value !== "") return value;
  if (fallback !== undefined) return fallback;
  const meant = nearest(name, Object.keys(options.environment));
  const hint = meant === null ? `a default is written \${${name}:-default}` : `did you mean "${meant}"?`;
  return { wrong: `the environment variable ${name} is not set; ${hint}` };
};

const readSecret = (file: string, files: string[]): string | { readonly wrong: string } => {
  files.push(file);
  try {
    const text = readFileSync(file);
    if (text.length > SECRET_BYTES_MAX) return { wrong: `${file} has more than ${SECRET_BYTES_MAX} bytes` };
    // Editors and `echo` end a file with a line break that is no part of the secret.
    return text.toString("utf8").replace(/\r?\n$/, "");
  } catch (error) {
    return { wrong: `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}` };
  }
};

/** "4" as 4 and "true" as true, as if it had been written in place of the variable. */
const asScalar = (text: string): unknown => {
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return Number(text);
  return text === "true" ? true : text === "false" ? false : text;
};

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);
