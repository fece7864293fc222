// workspace.mjs — where things are in the tree, and which packages have what.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const BIN = path.join(ROOT, "node_modules", ".bin");
export const CACHE = path.join(ROOT, ".cache");

/** Leftmost first: the order in which rooms may build on each other. */
const ROOMS = ["native", "core", "http", "h1", "h2", "tls", "server", "proxy"];

export const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/**
 * Every workspace package that exists, leftmost room first, then the private ones.
 *
 * @returns {{ room: string, directory: string, manifest: Record<string, any> }[]}
 */
export const packages = () => {
  const found = [];
  for (const room of [...ROOMS, "examples", "bench"]) {
    const directory = [path.join(ROOT, "packages", room), path.join(ROOT, room)].find((candidate) =>
      existsSync(path.join(candidate, "package.json")),
    );
    if (directory) found.push({ room, directory, manifest: readJson(path.join(directory, "package.json")) });
  }
  return found;
};

/** What has a suite: every package, and these scripts. */
export const subjects = () => [
  ...packages(),
  { room: "scripts", directory: path.join(ROOT, "scripts"), manifest: { name: "scripts", private: true } },
];

/** All files below `directory`, skipping what is built or installed. */
export const filesBelow = (directory, skip = ["node_modules", "dist", "build", ".tap", ".cache"]) => {
  if (!existsSync(directory)) return [];
  const files = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (skip.includes(entry.name)) continue;
    const full = path.join(directory, entry.name);
    if (entry.isDirectory()) files.push(...filesBelow(full, skip));
    else if (entry.isFile()) files.push(full);
  }
  return files.sort();
};

/** Test files of a package: the compiled ones, or those of native/, which is not TypeScript. */
export const testFiles = (directory) => [
  ...filesBelow(path.join(directory, "build", "test"), []).filter((file) => file.endsWith(".test.js")),
  ...filesBelow(path.join(directory, "test")).filter((file) => file.endsWith(".test.mjs")),
];
