// setup.mjs — from a fresh clone to a built tree: checks the machine, gets pnpm, installs, compiles. A step whose
// inputs have not changed since it last succeeded is not run again.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./command.mjs";
import { addonEnvironment } from "./node-headers.mjs";
import { compilerProblem, nodeProblem } from "./requirements.mjs";
import { BIN, filesBelow, packages, ROOT, readJson } from "./workspace.mjs";

const INSTALL_MS = 10 * 60_000;
const COMPILE_MS = 10 * 60_000;
const STAMPS = path.join(ROOT, "node_modules", ".percore");
const TOOLS = path.join(ROOT, ".tools");
const NATIVE = path.join(ROOT, "native");
const PNPM_VERSION = readJson(path.join(ROOT, "package.json")).packageManager.split("@")[1];

/** A setup step failed in a way the person at the terminal can mend; the message is all they need. */
export class SetupError extends Error {}

const digest = (files, ...more) => {
  const hash = createHash("sha256").update(JSON.stringify(more));
  for (const file of files) hash.update(path.relative(ROOT, file)).update(readFileSync(file));
  return hash.digest("hex");
};

const stampFile = (name) => path.join(STAMPS, name);
const isStamped = (name, value) => existsSync(stampFile(name)) && readFileSync(stampFile(name), "utf8") === value;
const stamp = (name, value) => {
  mkdirSync(STAMPS, { recursive: true });
  writeFileSync(stampFile(name), value);
};

const step = async (title, file, args, options) => {
  process.stderr.write(`  ${title} … `);
  const result = await run(file, args, options);
  process.stderr.write(result.code === 0 ? `${result.seconds.toFixed(1)} s\n` : "failed\n");
  if (result.code === 0) return;
  const why = result.timedOut ? `no end after ${options.timeoutMs / 1000} s` : `exit status ${result.code}`;
  throw new SetupError(`${path.basename(file)} ${args.join(" ")}: ${why}\n\n${result.output}`);
};

/** The pinned pnpm: installed in the tree already, else fetched once through npm into .tools/. */
export const ensurePnpm = async () => {
  for (const home of [ROOT, TOOLS]) {
    const manifest = path.join(home, "node_modules", "pnpm", "package.json");
    const binary = path.join(home, "node_modules", ".bin", "pnpm");
    if (existsSync(manifest) && existsSync(binary) && readJson(manifest).version === PNPM_VERSION) return binary;
  }
  mkdirSync(TOOLS, { recursive: true });
  const args = ["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", `--prefix=${TOOLS}`];
  await step(`pnpm ${PNPM_VERSION}`, "npm", [...args, `pnpm@${PNPM_VERSION}`], { cwd: TOOLS, timeoutMs: INSTALL_MS });
  return path.join(TOOLS, "node_modules", ".bin", "pnpm");
};

/** What the addon is compiled from, and one hash over all of it. */
export const nativeSources = () => {
  const files = filesBelow(NATIVE).filter((file) =>
    /\.(cc|h|gyp|gypi)$|\/native\/(package\.json|index\..*)$/.test(file),
  );
  return { files, digest: digest(files, process.arch) };
};

const isAddonBuilt = () => filesBelow(path.join(NATIVE, "build", "Release"), []).some((file) => file.endsWith(".node"));

const install = async () => {
  const manifests = packages().map((found) => path.join(found.directory, "package.json"));
  const inputs = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"].map((name) => path.join(ROOT, name));
  const value = digest([...inputs, ...manifests], process.versions.modules);
  if (isStamped("install", value)) return;
  const pnpm = await ensurePnpm();
  // --ignore-scripts: the addon is compiled below, once, and no dependency of ours needs a script.
  const args = ["install", "--frozen-lockfile", "--ignore-scripts"];
  await step("dependencies", pnpm, args, { cwd: ROOT, timeoutMs: INSTALL_MS, env: { ...process.env, CI: "true" } });
  stamp("install", value);
};

const compileAddon = async () => {
  const value = `${process.version} ${nativeSources().digest}`;
  if (isAddonBuilt() && isStamped("native", value)) return;
  const problem = compilerProblem();
  if (problem !== undefined) throw new SetupError(problem);
  const pnpm = await ensurePnpm();
  await step("addon (C++)", pnpm, ["run", "build"], { cwd: NATIVE, timeoutMs: COMPILE_MS, env: addonEnvironment() });
  stamp("native", value);
};

/** What a package's `prepare` makes: the files that its own .gitignore names. */
const generatedFiles = (directory) => {
  const ignore = path.join(directory, ".gitignore");
  if (!existsSync(ignore)) return [];
  const lines = readFileSync(ignore, "utf8").split("\n");
  return lines.filter((line) => /^[^#!*]+\.\w+$/.test(line)).map((line) => path.join(directory, line));
};

/** Runs `prepare` in every package that has one: sources that are made rather than committed. */
const prepare = async () => {
  const lock = path.join(ROOT, "pnpm-lock.yaml");
  for (const { room, directory, manifest } of packages()) {
    if (manifest.scripts?.prepare === undefined) continue;
    const generated = generatedFiles(directory);
    const inputs = [...filesBelow(path.join(directory, "scripts")), ...filesBelow(path.join(directory, "src"))];
    const value = digest([...inputs.filter((file) => !file.endsWith(".ts")), lock], manifest.scripts.prepare);
    if (generated.every((file) => existsSync(file)) && isStamped(`prepare-${room}`, value)) continue;
    const pnpm = await ensurePnpm();
    await step(`sources of ${room}`, pnpm, ["run", "prepare"], { cwd: directory, timeoutMs: COMPILE_MS });
    stamp(`prepare-${room}`, value);
  }
};

/** Removes compiled files whose source is gone: a deleted test must not go on passing. */
const prune = () => {
  for (const { directory } of packages()) {
    for (const [output, source] of [
      ["dist", "src"],
      ["build/src", "src"],
      ["build/test", "test"],
    ]) {
      const from = path.join(directory, output);
      for (const file of filesBelow(from, ["node_modules"])) {
        const origin = path.join(directory, source, path.relative(from, file));
        if (/\.(js|d\.ts)(\.map)?$/.test(file) && !existsSync(origin.replace(/\.(js|d\.ts)(\.map)?$/, ".ts"))) {
          rmSync(file);
        }
      }
    }
  }
};

/**
 * Makes the tree ready to run.
 *
 * @throws {SetupError} with the problem and, where there is one, the line that mends it.
 */
export const setup = async () => {
  const problem = nodeProblem();
  if (problem !== undefined) throw new SetupError(problem);
  if (process.platform === "win32") throw new SetupError("Percore runs on Linux and macOS; on Windows use WSL 2.");
  if (!existsSync(path.join(ROOT, "node_modules")) && !isAddonBuilt()) {
    const missing = compilerProblem(); // before the download, not after it
    if (missing !== undefined) throw new SetupError(missing);
  }
  await install();
  await compileAddon();
  await prepare();
  prune();
  const started = performance.now();
  const compiled = await run(path.join(BIN, "tsc"), ["-b"], { cwd: ROOT, timeoutMs: COMPILE_MS });
  if (compiled.code !== 0) throw new SetupError(`tsc -b failed\n\n${compiled.output}`);
  const seconds = (performance.now() - started) / 1000;
  if (seconds > 3) process.stderr.write(`  TypeScript … ${seconds.toFixed(1)} s\n`);
};

/** Runs `work` for a script: a SetupError becomes its message and exit status 1, never a stack trace. */
export const orExit = async (work) => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exit(1);
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await orExit(setup);
