// addon-copy.mjs — compiles the addon elsewhere, in another way, without touching the tree's own build.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { nativeSources, SetupError } from "./setup.mjs";
import { ROOT } from "./workspace.mjs";

const COMPILE_MS = 10 * 60_000;
const NATIVE = path.join(ROOT, "native");

/**
 * Compiles a copy of native/ in `directory`, unless what is there was made of the same sources in the same way.
 *
 * @param {string} directory emptied and filled
 * @param {{ way: string, env: NodeJS.ProcessEnv }} how `way` names what it is compiled for, for the comparison
 * @returns {Promise<string>} the path of the .node file, for PERCORE_ADDON
 * @throws {SetupError} with the compiler's output
 */
export const compileAddonCopy = async (directory, { way, env }) => {
  const addon = path.join(directory, "build", "Release", "percore.node");
  const stamp = path.join(directory, ".stamp");
  const inputs = nativeSources();
  const value = `${way} ${inputs.digest}`;
  if (existsSync(addon) && existsSync(stamp) && readFileSync(stamp, "utf8") === value) return addon;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const file of inputs.files) cpSync(file, path.join(directory, path.relative(NATIVE, file)));
  // The copy finds node-addon-api and node-gyp where the package itself does.
  symlinkSync(path.join(NATIVE, "node_modules"), path.join(directory, "node_modules"));
  const gyp = path.join(NATIVE, "node_modules", ".bin", "node-gyp");
  const result = await run(gyp, ["rebuild"], { cwd: directory, env, timeoutMs: COMPILE_MS });
  if (result.code !== 0) throw new SetupError(`the addon does not compile (${way})\n\n${result.output}`);
  writeFileSync(stamp, value);
  return addon;
};
