// entry.ts — which module a worker imports: the program's own main module, where a worker can import that.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import { CoreError } from "../errors.ts";

/** How this process was started, as far as it decides whether its main module can be started again. */
export interface Startup {
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly execPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly isMainThread: boolean;
}

const currentStartup = (): Startup => ({
  argv: process.argv,
  execArgv: process.execArgv,
  execPath: process.execPath,
  env: process.env,
  cwd: process.cwd(),
  isMainThread,
});

/**
 * The module that workers are to run.
 *
 * @param entry what the program says; left out, its main module.
 * @throws {CoreError} ERR_WORKER_ENTRY where there is no main module that a worker could import; the message says why.
 */
export const resolveEntry = (entry: string | URL | undefined, startup: Startup = currentStartup()): URL => {
  if (entry !== undefined) return toUrl(entry, startup.cwd);
  const reason = whyNoMain(startup);
  if (reason !== null) throw entryRequired(reason);
  try {
    // As node finds its main module: with or without an extension, a folder by its package.json or index.
    return pathToFileURL(createRequire(join(startup.cwd, "main")).resolve(startup.argv[1]));
  } catch (error) {
    throw entryRequired(`the main module ${startup.argv[1]} cannot be found`, error);
  }
};

/** An error for a program whose workers need an `entry` and have none. */
export const entryRequired = (reason: string, cause?: unknown): CoreError =>
  new CoreError(
    "ERR_WORKER_ENTRY",
    `workers cannot run this program again: ${reason}. Give run() an entry, the module that each worker is to import: ` +
      "{ entry: new URL('./worker.js', import.meta.url) }; it must call run() too.",
    { cause },
  );

const toUrl = (entry: string | URL, cwd: string): URL => {
  if (entry instanceof URL) return entry;
  if (/^(file|data):/.test(entry)) return new URL(entry);
  return pathToFileURL(createRequire(join(cwd, "main")).resolve(resolve(cwd, entry)));
};

const EVAL_FLAGS = /^(-e|-p|-pe|-i|--eval|--print|--interactive)(=|$)/;

const whyNoMain = ({ argv, execArgv, execPath, env, isMainThread: inMain }: Startup): string | null => {
  if (!inMain) return "run() was called in a worker thread, which has no main module of its own";
  if (execArgv.some((flag) => EVAL_FLAGS.test(flag)))
    return "it was given on the command line (node -e), not as a file";
  if (argv.length < 2 || argv[1] === "-") return "it was read from standard input or typed into the REPL";
  if (argv[1] === execPath) return "it is part of a single executable";
  // Each worker would be the test file once more, and report its tests into the middle of the first one's.
  if (env.NODE_TEST_CONTEXT !== undefined || execArgv.includes("--test")) return "it is a test under node --test";
  return null;
};

interface TsxManifest {
  readonly exports: Readonly<Record<"./cjs/api" | "./esm/api", { readonly import: { readonly default: string } }>>;
}

/**
 * Options of node for workers, where those of this process do not suit them: what says how to read the program from the
 * command line is an error for a module that is a file. Undefined where workers may inherit what there is.
 */
export const workerExecArgv = (execArgv: readonly string[] = process.execArgv): string[] | undefined => {
  if (!execArgv.some((flag) => flag.startsWith("--input-type"))) return undefined;
  const kept: string[] = [];
  for (const [at, argument] of execArgv.entries()) {
    const [flag] = argument.split("=");
    if (FOR_WORKERS.has(flag)) kept.push(...(flag === argument ? execArgv.slice(at, at + 2) : [argument]));
  }
  return kept;
};

/** Options with a value that decide how modules are found and loaded. */
const FOR_WORKERS: ReadonlySet<string> = new Set(["--import", "--require", "-r", "--loader", "--conditions", "-C"]);

/**
 * The module to start a worker with, so that it imports `entry` as this process would.
 *
 * Hooks that `--import tsx` registers stay in the main thread in Node 20; a worker would not know what to do with a
 * TypeScript file. It registers them itself, then.
 */
export const bootstrapOf = (entry: URL, execArgv: readonly string[] = process.execArgv): URL => {
  if (!/\.[cm]?tsx?$/.test(entry.pathname)) return entry;
  const tsx = execArgv
    .map((flag) => flag.replace(/^--(import|loader)=/, ""))
    .find((flag) => /(^|\/)tsx(\/|$)/.test(flag));
  if (tsx === undefined) return entry;
  const require = createRequire(tsx.startsWith("file:") ? tsx : join(process.cwd(), "main"));
  const manifest = require.resolve("tsx/package.json");
  // What `import` would resolve to, which require.resolve cannot tell.
  const exported = (require(manifest) as TsxManifest).exports;
  const api = (name: "./cjs/api" | "./esm/api"): string =>
    JSON.stringify(new URL(exported[name].import.default, pathToFileURL(manifest)).href);
  const source = `
    import { register as registerRequire } from ${api("./cjs/api")};
    import { register } from ${api("./esm/api")};
    registerRequire();
    register();
    process.argv.splice(1, 0, ${JSON.stringify(fileURLToPath(entry))});
    await import(${JSON.stringify(entry.href)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
};
