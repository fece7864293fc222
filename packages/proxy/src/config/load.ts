// load.ts — a configuration from a file or an object: read, filled in, checked; every problem of it at once.
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { nearest } from "percore";
import { problemsOf } from "./issues.ts";
import { ConfigError, type PlacedProblem, type Problem } from "./problem.ts";
import { crossCheck, type Referring } from "./references.ts";
import { routeSchema } from "./route-schema.ts";
import { type Config, configSchema } from "./schema.ts";
import { type ConfigSource, readTextSource, type TextSource, valueSource } from "./source.ts";
import { type Substituted, substitute } from "./substitute.ts";

export interface LoadedConfig {
  readonly config: Config;
  /** Folder that relative paths in it start from. */
  readonly folder: string;
  /** How it is called in messages: relative to `base`. */
  readonly file: string;
  readonly base: string;
  /** "code": a program that made it, whose functions live in the thread that ran it. */
  readonly kind: "data" | "code";
  /** Files it was made of, absolute: a change of one is a change of it. */
  readonly files: readonly string[];
}

export interface LoadOptions {
  /** Default: process.env. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: the working directory. */
  readonly folder?: string;
}

const TEXT_ENDINGS: readonly string[] = [".yaml", ".yml", ".json"];
const CODE_ENDINGS: readonly string[] = [".ts", ".mts", ".js", ".mjs"];

/** Files looked for where none is named. */
export const DEFAULT_FILES: readonly string[] = ["yaml", "yml", "json", "ts", "mts", "js", "mjs"].map(
  (ending) => `percore.${ending}`,
);

/**
 * Reads a configuration file: YAML, JSON, or a program whose default export is one.
 *
 * @param file relative to `options.folder`.
 * @throws {ConfigError} with every problem of it.
 */
export const loadConfig = async (file: string, options: LoadOptions = {}): Promise<LoadedConfig> => {
  const base = options.folder ?? process.cwd();
  const absolute = path.resolve(base, file);
  const folder = path.dirname(absolute);
  if (!existsSync(absolute)) throw unreadable(file, "there is no such file");
  const ending = path.extname(absolute);
  if (CODE_ENDINGS.includes(ending)) {
    const source = valueSource(await importDefault(absolute, file), file, folder);
    return {
      ...checked(source, { value: source.value, problems: [], files: [] }),
      base,
      kind: "code",
      files: [absolute],
    };
  }
  if (!TEXT_ENDINGS.includes(ending)) {
    const meant = nearest(ending, [...TEXT_ENDINGS, ...CODE_ENDINGS]);
    const hint =
      meant === null ? `it may end in ${[...TEXT_ENDINGS, ...CODE_ENDINGS].join(", ")}` : `did you mean "${meant}"?`;
    throw unreadable(file, `a configuration's name does not end in "${ending}"; ${hint}`);
  }
  const source = readSource(absolute, file, folder);
  if (source.syntax.length > 0) throw new ConfigError(source.syntax);
  const filled = substitute(source.value, {
    environment: options.environment ?? process.env,
    folder,
    isPlain: (at) => source.isPlain(at),
  });
  return { ...checked(source, filled), base, kind: "data", files: [absolute, ...filled.files] };
};

/** Checks a configuration that a program made. @throws {ConfigError} with every problem of it. */
export const checkConfig = (value: unknown, options: LoadOptions = {}): LoadedConfig => {
  const source = valueSource(value, "configuration", options.folder ?? process.cwd());
  const base = source.folder;
  return { ...checked(source, { value, problems: [], files: [] }), base, kind: "code", files: [] };
};

const checked = (
  source: ConfigSource,
  { value, problems }: Substituted,
): Omit<LoadedConfig, "kind" | "files" | "base"> => {
  // Where a value could not be put in, what the schema says of the name in its place is beside the point.
  const place = (found: readonly Problem[]): PlacedProblem[] => inOrder(found.map((problem) => source.place(problem)));
  const wrongAt = new Set(problems.map((problem) => JSON.stringify(problem.path)));
  const result = configSchema.safeParse(value === null ? {} : value);
  if (!result.success) {
    const found = problemsOf(result.error.issues, value).filter((one) => !wrongAt.has(JSON.stringify(one.path)));
    // Routes that are right in themselves are looked at further: what else is wrong is not kept for the next try.
    throw new ConfigError(place([...problems, ...found, ...crossCheck(referring(value))]));
  }
  const all = [...problems, ...crossCheck(result.data)];
  if (all.length > 0) throw new ConfigError(place(all));
  return { config: result.data, folder: source.folder, file: source.file };
};

/** Of a configuration with problems, what can be checked all the same. */
const referring = (value: unknown): Referring => {
  const { upstreams, rateLimits, routes } = (value ?? {}) as { readonly [Name in keyof Referring]?: unknown };
  return {
    upstreams: asObject(upstreams),
    rateLimits: asObject(rateLimits),
    routes: (Array.isArray(routes) ? routes : []).map((route) => routeSchema.safeParse(route).data ?? null),
  };
};

const asObject = (value: unknown): object => (typeof value === "object" && value !== null ? value : {});

/** As a reader comes upon them. */
const inOrder = (problems: PlacedProblem[]): PlacedProblem[] =>
  problems.sort(
    (one, other) =>
      (one.span?.line ?? 0) - (other.span?.line ?? 0) || (one.span?.column ?? 0) - (other.span?.column ?? 0),
  );

const readSource = (absolute: string, file: string, folder: string): TextSource => {
  try {
    return readTextSource(absolute, file, folder);
  } catch (error) {
    throw unreadable(file, `it cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
};

/** Runs a program anew, whatever ran before: its functions may have changed. */
const importDefault = async (absolute: string, file: string): Promise<unknown> => {
  // Loaded here: a proxy whose configuration is YAML starts without it.
  const { createJiti } = await import("jiti");
  const jiti = createJiti(pathToFileURL(absolute).href, { moduleCache: false, fsCache: false });
  try {
    const value = await jiti.import(absolute, { default: true });
    return typeof value === "function" ? await (value as () => unknown)() : value;
  } catch (error) {
    throw unreadable(file, `it failed: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const unreadable = (file: string, message: string): ConfigError =>
  new ConfigError([{ file, path: [], message, span: null, source: null }]);
