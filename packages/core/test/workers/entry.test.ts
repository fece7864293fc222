import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import t from "tap";
import { resolveEntry, type Startup } from "../../src/workers/entry.ts";
import { type Exit, Program, type ProgramOptions } from "./program.ts";

t.setTimeout(180_000);
const core = new URL("../../src/index.js", import.meta.url);
const corePath = fileURLToPath(core);
// Below the package, so that the programs find @percore/native and tsx.
const folder = mkdtempSync(join(dirname(dirname(corePath)), "entry-"));
t.teardown(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string): string => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

const MAIN = `({ index }) => console.log("main", index, ...process.argv.slice(2))`;
const AFTER = `.then(() => console.log("after"), (error) => console.log(error.code, error.message))`;
const program = (options = "{ workers: 2 }"): string =>
  `import { run } from ${JSON.stringify(corePath)};\nrun(${MAIN}, ${options})${AFTER};\n`;
const typed = program().replace("({ index })", "({ index }: { index: number }): void");
const common = program().replace(/^import.*/, `const { run } = require(${JSON.stringify(corePath)});`);

const ESM = file("app.mjs", program());
file("package.json", '{ "type": "commonjs" }');
file("app.js", common);
file("folder/index.js", common);
file("module/package.json", '{ "type": "module", "main": "./start.js" }');
file("module/start.js", program());
file("typed/package.json", '{ "type": "module" }');
const TYPED = file("typed/app.ts", typed);
symlinkSync(ESM, join(folder, "link.mjs"));

const lines = (exit: Exit): string[] => exit.stdout.split("\n").filter((line) => line !== "");
const want = ["after", "main 0 a b", "main 1 a b"];
const [major, minor] = process.versions.node.split(".").map(Number);
const strips = major > 22 || (major === 22 && minor >= 18);
const tsx = createRequire(import.meta.url).resolve("tsx/cli");

t.test("every kind of main module is started again in workers, with its arguments", async (t) => {
  const forms: { name: string; args: string[]; options?: ProgramOptions; skip?: string | false }[] = [
    { name: "ESM", args: [ESM, "a", "b"] },
    { name: "ESM by relative path", args: ["./app.mjs", "a", "b"] },
    { name: "CommonJS", args: ["app.js", "a", "b"] },
    { name: "CommonJS without extension", args: ["app", "a", "b"] },
    { name: "a folder", args: ["folder", "a", "b"] },
    { name: "a package", args: ["./module", "a", "b"] },
    { name: "a link", args: ["link.mjs", "a", "b"] },
    { name: "tsx", args: [tsx, TYPED, "a", "b"] },
    { name: "--import tsx", args: [TYPED, "a", "b"], options: { nodeArgs: ["--import", "tsx"] } },
    { name: "type stripping", args: [TYPED, "a", "b"], skip: strips ? false : "needs Node 22.18 or later" },
  ];
  for (const { name, args, options, skip } of forms) {
    if (skip) {
      t.comment(`${name} skipped: ${skip}`);
      continue;
    }
    const exit = await new Program(t, args, { cwd: folder, ...options }).exited;
    t.same(lines(exit).sort(), want, `${name} ${exit.stderr}`);
    t.equal(exit.code, 0, name);
    t.equal(lines(exit).at(-1), "after", `${name}: main ends before run() resolves`);
  }
});

t.test("a bundle, core included", async (t) => {
  const outfile = join(folder, "bundle.mjs");
  buildSync({
    entryPoints: [ESM],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    external: ["@percore/native"],
  });
  const exit = await new Program(t, [outfile, "a", "b"]).exited;
  t.same(lines(exit).sort(), want, exit.stderr);
});

t.test("where there is no main module, entry is asked for, and does", async (t) => {
  const entry = file("entry.mjs", program("{}"));
  const withEntry = program(`{ workers: 2, entry: ${JSON.stringify(entry)}, argv: ["a", "b"] }`);
  const module = ["--input-type=module"];
  const test = (body: string): string =>
    `import test from "node:test"; import { run } from ${JSON.stringify(core.href)};
     test("t", async () => { await run(${MAIN}, ${body})${AFTER}; });`;
  const forms: { name: string; args: (source: string) => string[]; options?: (source: string) => ProgramOptions }[] = [
    { name: "-e", args: (source) => ["-e", source], options: () => ({ nodeArgs: module }) },
    { name: "--eval=", args: (source) => [`--eval=${source}`, "x"], options: () => ({ nodeArgs: module }) },
    { name: "-p", args: (source) => ["-p", `import(${JSON.stringify(file("p.mjs", source))}); ""`] },
    { name: "stdin", args: () => [], options: (stdin) => ({ nodeArgs: module, stdin }) },
    { name: "-", args: () => ["-", "x"], options: (stdin) => ({ nodeArgs: module, stdin }) },
    {
      name: "--test",
      args: (source) => [
        "--test",
        file(
          "x.test.mjs",
          test(
            source.includes("entry:")
              ? `{ workers: 2, entry: ${JSON.stringify(entry)}, argv: ["a", "b"] }`
              : "{ workers: 2 }",
          ),
        ),
      ],
    },
  ];
  for (const { name, args, options } of forms) {
    const source = program();
    const refused = await new Program(t, args(source), { cwd: folder, ...options?.(source) }).exited;
    t.match(refused.stdout, /ERR_WORKER_ENTRY workers cannot run this program again: .*Give run\(\) an entry/, name);
    t.notMatch(refused.stdout, /main \d/, name);
    const exit = await new Program(t, args(withEntry), { cwd: folder, ...options?.(withEntry) }).exited;
    for (const line of want) t.match(exit.stdout, line, `${name} with entry: ${exit.stderr}`);
  }
});

t.test("an entry that does not do says so", async (t) => {
  for (const { name, content, message } of [
    { name: "never.mjs", content: "", message: /never\.mjs ran to its end without calling run\(\)/ },
    {
      name: "throws.mjs",
      content: "throw new Error('not today')",
      message: /throws\.mjs failed before it called run\(\): not today/,
    },
    { name: "syntax.mjs", content: "let x: number = 1;", message: /syntax\.mjs failed before it called run\(\)/ },
    { name: "ends.mjs", content: "process.exit(0)", message: /ends\.mjs ran to its end without calling run\(\)/ },
  ]) {
    const app = file("app-entry.mjs", program(`{ workers: 2, entry: ${JSON.stringify(file(name, content))} }`));
    const exit = await new Program(t, [app]).exited;
    t.match(exit.stdout, /^ERR_WORKER_ENTRY/m, name);
    t.match(exit.stdout, message, name);
  }
  const missing = file("app-missing.mjs", program('{ workers: 2, entry: "./nowhere.mjs" }'));
  t.match((await new Program(t, [missing]).exited).stdout, /^(ERR_WORKER_ENTRY|MODULE_NOT_FOUND)/);
});

t.test("a program with several runs has workers for each", async (t) => {
  const app = file(
    "twice.mjs",
    `import { run } from ${JSON.stringify(core.href)};
     await run(({ index }) => console.log("first", index), { workers: 2 });
     console.log("between");
     await run(() => console.log("alone"));
     await run(({ index }) => console.log("third", index), { workers: 2 });
     console.log("after");`,
  );
  const exit = await new Program(t, [app]).exited;
  const times = (word: string): number => lines(exit).filter((line) => line.startsWith(word)).length;
  // The program between the runs belongs to the workers of the third, too.
  t.same(
    [times("first"), times("between"), times("alone"), times("third"), times("after")],
    [2, 3, 1, 2, 1],
    exit.stderr,
  );
  t.equal(lines(exit).at(-1), "after");
  t.equal(exit.stderr, "", "no warning of an await that never settles");
});

t.test("which module it is", async (t) => {
  const startup: Startup = {
    argv: ["/bin/node", ESM],
    execArgv: [],
    execPath: "/bin/node",
    env: {},
    cwd: folder,
    isMainThread: true,
  };
  t.equal(resolveEntry(undefined, startup).href, pathToFileURL(ESM).href);
  t.equal(resolveEntry("./app.mjs", startup).href, pathToFileURL(ESM).href);
  t.equal(resolveEntry(ESM, { ...startup, isMainThread: false }).href, pathToFileURL(ESM).href);
  t.equal(resolveEntry(new URL("data:text/javascript,1"), startup).href, "data:text/javascript,1");
  t.equal(resolveEntry(pathToFileURL(ESM).href, startup).href, pathToFileURL(ESM).href);
  for (const [name, change] of Object.entries<Partial<Startup>>({
    "a worker": { isMainThread: false },
    "-pe": { execArgv: ["-pe", "1"] },
    "an executable": { argv: ["/bin/node", "/bin/node"] },
    // The REPL, for one.
    nothing: { argv: ["/bin/node"] },
    "a file that is gone": { argv: ["/bin/node", "/gone.mjs"] },
  })) {
    t.throws(() => resolveEntry(undefined, { ...startup, ...change }), { code: "ERR_WORKER_ENTRY" }, name);
  }
});
