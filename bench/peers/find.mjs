// Looks for a peer's program: named by an environment variable, on PATH, or in a known place. Absent is an answer, not an error.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Debian puts servers into sbin, which is not on everyone's PATH. */
const folders = () => [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];

/**
 * @param {string} name the program's name on PATH
 * @param {{ env: string, versionArgs?: string[], places?: string[], advice?: string }} options
 * @returns {{ binary: string, version: string } | { absent: string }}
 */
export const findProgram = (
  name,
  { env, versionArgs = ["--version"], places = [], advice = "npm run bench -- setup" },
) => {
  const named = process.env[env];
  const candidates = named ? [named] : [...places, ...folders().map((folder) => `${folder}/${name}`)];
  const binary = candidates.find(isExecutable);
  if (binary === undefined) return { absent: named ? `${env} names no program: ${named}` : `not found (${advice})` };
  return { binary, version: versionArgs.length === 0 ? "unknown" : versionOf(binary, versionArgs) };
};

const versionOf = (binary, args) => {
  const { stdout, stderr } = spawnSync(binary, args, { encoding: "utf8", timeout: 5000 });
  return /\d+\.\d+(\.\d+)?([-+][\w.+-]*)?/.exec(`${stdout}${stderr}`)?.[0] ?? "unknown";
};
