// Compiles our own C programs (floors, load generator) and the Rust peer when their sources are newer than the result.
import { existsSync, readdirSync, statSync } from "node:fs";
import { BENCH, CACHE, ensureDirectory } from "./paths.mjs";
import { run } from "./processes.mjs";

const newest = (folder) =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(`${entry.parentPath ?? entry.path}/${entry.name}`).mtimeMs),
  );

const isFresh = (result, folder) => existsSync(result) && statSync(result).mtimeMs > newest(folder);

const compileC = async (folder, source, name) => {
  const result = `${ensureDirectory(CACHE)}${name}`;
  if (isFresh(result, `${BENCH}${folder}`)) return result;
  await run(["gcc", "-O3", "-march=native", "-Wall", "-Wextra", "-o", result, `${BENCH}${folder}/${source}`]);
  return result;
};

export const buildLoad = () => compileC("load", "load.c", "load");
export const buildFloor = (kind) => compileC("floors", `${kind}.c`, `floor-${kind}`);

/** Debian's copies of the crates: librust-hyper-dev and what it depends on. */
const CRATES = "/usr/share/cargo/registry";

/** @returns {Promise<string>} the folder of the built binaries, `hello` and `uneven` */
export const buildHyper = async () => {
  const source = `${BENCH}peers/hyper`;
  const target = `${ensureDirectory(CACHE)}hyper`;
  const binaries = `${target}/release`;
  if (isFresh(`${binaries}/hello`, `${source}/src`)) return binaries;
  if (!existsSync(CRATES)) throw new Error("no crates: apt-get install librust-hyper-dev (npm run bench -- setup)");
  await run(
    ["cargo", "build", "--release", "--offline", "--target-dir", target]
      .concat(["--config", 'source.crates-io.replace-with="debian"'])
      .concat(["--config", `source.debian.directory="${CRATES}"`]),
    { cwd: source },
  );
  return binaries;
};
