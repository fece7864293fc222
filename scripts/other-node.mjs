// other-node.mjs — a Node of another version, which npm provides, in .cache/node-<version>/.
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { SetupError } from "./setup.mjs";
import { CACHE, readJson } from "./workspace.mjs";

const INSTALL_MS = 10 * 60_000;

/** npm's package of Node binaries for this machine; it also carries the headers. */
const nodePackage = () => {
  const system = { linux: "linux", darwin: "darwin" }[process.platform];
  const processor = { x64: "x64", arm64: "arm64" }[process.arch];
  return system && processor ? `node-${system}-${processor}` : undefined;
};

/** Whether `text` is a version, or the beginning of one. */
export const isVersion = (text) => /^\d+(\.\d+){0,2}$/.test(text ?? "");

/**
 * Installs a Node unless it is there.
 *
 * @param {string} version or its beginning: 24
 * @returns {Promise<{ binary: string, version: string, home: string, env: NodeJS.ProcessEnv }>} `home` is a folder for
 *   what is made for it; `env` has that Node first on PATH, and its headers for node-gyp
 * @throws {SetupError} with npm's output
 */
export const installNode = async (version) => {
  const name = nodePackage();
  if (name === undefined) throw new SetupError(`npm has no Node for ${process.platform} ${process.arch}`);
  const home = path.join(CACHE, `node-${version}`);
  const directory = path.join(home, "node_modules", name);
  const binary = path.join(directory, "bin", "node");
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true });
    const args = ["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", `--prefix=${home}`];
    const result = await run("npm", [...args, `${name}@${version}`], { cwd: home, timeoutMs: INSTALL_MS });
    if (result.code !== 0) throw new SetupError(`npm install ${name}@${version} failed\n\n${result.output}`);
  }
  const PATH = `${path.dirname(binary)}${path.delimiter}${process.env.PATH}`;
  return {
    binary,
    version: readJson(path.join(directory, "package.json")).version,
    home,
    env: { ...process.env, npm_config_nodedir: directory, PATH },
  };
};
