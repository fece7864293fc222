// test-node.mjs — the compiled suites under another Node, which npm provides.
//
//   npm run test:node -- 24                          every suite
//   npm run test:node -- 24 native server/black-box  one package's, and one folder of another's
//
// The binary and an addon compiled against its headers live in .cache/node-<version>/; the tree's own addon stays.
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { compileAddonCopy } from "./addon-copy.mjs";
import { run } from "./command.mjs";
import { orExit, SetupError, setup } from "./setup.mjs";
import { CACHE, packages, readJson, testFiles } from "./workspace.mjs";

const INSTALL_MS = 10 * 60_000;
const SUITE_MS = 8 * 60_000;

const usage = (problem) => {
  const rooms = packages().map(({ room }) => room);
  process.stderr.write(
    `${problem}\nUsage: npm run test:node -- VERSION [package[/folder of its tests]…]     e.g. 24 core server/black-box\n`,
  );
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

/** That Node first on PATH, and its headers for node-gyp. */
const environment = (node) => ({
  ...process.env,
  npm_config_nodedir: node,
  PATH: `${path.join(node, "bin")}${path.delimiter}${process.env.PATH}`,
});

const [version, ...chosen] = process.argv.slice(2);
if (version === undefined || !/^\d+(\.\d+){0,2}$/.test(version)) usage("Which Node?");
const rooms = packages().map(({ room }) => room);
for (const name of chosen) if (!rooms.includes(name.split("/")[0])) usage(`Not known: ${name}`);

/** Whether a compiled test file belongs to what was asked for: a package, or a folder of its tests. */
const isOf = (name, { room, directory }, file) => {
  const within = path.relative(directory, file).replace(/^build\//, "");
  return name === room || (name.startsWith(`${room}/`) && within.startsWith(`test/${name.slice(room.length + 1)}/`));
};

const filesOf = (subject) => {
  const files = testFiles(subject.directory);
  return chosen.length === 0 ? files : files.filter((file) => chosen.some((name) => isOf(name, subject, file)));
};

const { node, addon } = await orExit(async () => {
  await setup();
  const installed = await installNode(version);
  const way = `Node ${readJson(path.join(installed, "package.json")).version}`;
  const env = environment(installed);
  return {
    node: installed,
    addon: await compileAddonCopy(path.join(CACHE, `node-${version}`, "native"), { way, env }),
  };
});
for (const name of chosen) {
  const some = packages().some((subject) => filesOf(subject).some((file) => isOf(name, subject, file)));
  if (!some) usage(`No tests: ${name}`);
}
const { Report } = await import("./report.mjs");
const { runSuite } = await import("./suite.mjs");

const report = new Report(`percore under Node ${readJson(path.join(node, "package.json")).version}`);
const env = { ...environment(node), PERCORE_ADDON: addon };
for (const subject of packages()) {
  const files = filesOf(subject);
  if (files.length === 0) continue;
  const { results, seconds } = await runSuite(subject, {
    files,
    timeoutMs: SUITE_MS,
    env,
    node: path.join(node, "bin", "node"),
  });
  report.suite(subject.manifest.name, results, seconds);
}
report.close();
