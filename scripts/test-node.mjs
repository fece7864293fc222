// test-node.mjs — `npm run test:node -- 24 [package…]`: the compiled suites under another Node, which npm provides.
//
// The binary and an addon compiled against its headers live in .cache/node-<version>/; the tree's own addon stays.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { nativeSources, orExit, SetupError, setup } from "./setup.mjs";
import { CACHE, packages, ROOT, readJson, testFiles } from "./workspace.mjs";

const INSTALL_MS = 10 * 60_000;
const COMPILE_MS = 10 * 60_000;
const SUITE_MS = 8 * 60_000;

const usage = (problem) => {
  const rooms = packages().map(({ room }) => room);
  process.stderr.write(`${problem}\nUsage: npm run test:node -- VERSION [package…]     e.g. 24, or 22 core server\n`);
  process.stderr.write(`Packages: ${rooms.join(", ")}\n`);
  process.exit(64);
};

/** npm's package of Node binaries for this machine; it also carries the headers. */
const nodePackage = () => {
  const system = { linux: "linux", darwin: "darwin" }[process.platform];
  const processor = { x64: "x64", arm64: "arm64" }[process.arch];
  return system && processor ? `node-${system}-${processor}` : undefined;
};

/** Installs a Node. @returns the folder that holds bin/ and include/. */
const installNode = async (version) => {
  const name = nodePackage();
  if (name === undefined) throw new SetupError(`npm has no Node for ${process.platform} ${process.arch}`);
  const home = path.join(CACHE, `node-${version}`);
  const directory = path.join(home, "node_modules", name);
  if (existsSync(path.join(directory, "bin", "node"))) return directory;
  mkdirSync(home, { recursive: true });
  const args = ["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", `--prefix=${home}`];
  const result = await run("npm", [...args, `${name}@${version}`], { cwd: home, timeoutMs: INSTALL_MS });
  if (result.code !== 0) throw new SetupError(`npm install ${name}@${version} failed\n\n${result.output}`);
  return directory;
};

/** Compiles the addon for that Node from a copy of its sources. @returns the path of the .node file. */
const compileAddon = async (version, node) => {
  const native = path.join(ROOT, "native");
  const copy = path.join(CACHE, `node-${version}`, "native");
  const addon = path.join(copy, "build", "Release", "percore.node");
  const stamp = path.join(copy, ".stamp");
  const inputs = nativeSources();
  const release = readJson(path.join(node, "package.json")).version;
  const value = `${release} ${inputs.digest}`;
  if (existsSync(addon) && existsSync(stamp) && readFileSync(stamp, "utf8") === value) return addon;
  rmSync(copy, { recursive: true, force: true });
  for (const file of inputs.files) cpSync(file, path.join(copy, path.relative(native, file)));
  // The copy finds node-addon-api and node-gyp where the package itself does.
  symlinkSync(path.join(native, "node_modules"), path.join(copy, "node_modules"));
  const env = { ...process.env, npm_config_nodedir: node, PATH: `${path.join(node, "bin")}:${process.env.PATH}` };
  const result = await run("npm", ["run", "build"], { cwd: copy, env, timeoutMs: COMPILE_MS });
  if (result.code !== 0) throw new SetupError(`the addon does not compile for Node ${release}\n\n${result.output}`);
  writeFileSync(stamp, value);
  return addon;
};

const [version, ...chosen] = process.argv.slice(2);
if (version === undefined || !/^\d+(\.\d+){0,2}$/.test(version)) usage("Which Node?");
const rooms = packages().map(({ room }) => room);
for (const name of chosen) if (!rooms.includes(name)) usage(`Not known: ${name}`);

const { node, addon } = await orExit(async () => {
  await setup();
  const installed = await installNode(version);
  return { node: installed, addon: await compileAddon(version, installed) };
});
const { Report } = await import("./report.mjs");
const { runSuite } = await import("./suite.mjs");

const report = new Report(`percore under Node ${readJson(path.join(node, "package.json")).version}`);
const bin = path.join(node, "bin");
const env = { ...process.env, PERCORE_ADDON: addon, PATH: `${bin}:${process.env.PATH}` };
for (const subject of packages()) {
  if (chosen.length > 0 && !chosen.includes(subject.room)) continue;
  if (testFiles(subject.directory).length === 0) continue;
  const { results, seconds } = await runSuite(subject, { timeoutMs: SUITE_MS, env, node: path.join(bin, "node") });
  report.suite(subject.manifest.name, results, seconds);
}
report.close();
