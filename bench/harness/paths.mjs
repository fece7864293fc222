// Where the bench keeps what it builds, downloads and writes. Nothing outside bench/ and the system's temporary folder.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const BENCH = fileURLToPath(new URL("..", import.meta.url));
export const CACHE = fileURLToPath(new URL("../.cache/", import.meta.url));
export const RESULTS = fileURLToPath(new URL("../results/", import.meta.url));
export const PEERS = fileURLToPath(new URL("../peers/", import.meta.url));
export const SERVERS = fileURLToPath(new URL("../servers/", import.meta.url));

/** Files that the "from a file" cases serve: `file/1k`, `file/64k`, `file/1m` below this folder. */
export const WWW = `${CACHE}www/`;

export const ensureDirectory = (path) => {
  mkdirSync(path, { recursive: true });
  return path;
};
