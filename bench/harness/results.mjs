// Results as files: one JSON per run, complete enough to make every table and picture again.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { describeMachine } from "./machine.mjs";
import { ensureDirectory, RESULTS } from "./paths.mjs";

/** Raised when a reader of older files would misread newer ones. */
const SCHEMA = 1;

const stamp = (date) => date.toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");

/**
 * @param {"h1" | "h2" | "tls" | "proxy" | "cores" | "idle"} kind
 * @param {object} content
 * @param {string | undefined} out the file's name when the user chose one
 * @returns {string} the file's path
 */
export const writeResult = (kind, content, out) => {
  const when = new Date();
  const path = out === undefined ? `${ensureDirectory(RESULTS)}${kind}-${stamp(when)}.json` : resolve(out);
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`;
  writeFileSync(
    path,
    `${JSON.stringify({ schema: SCHEMA, kind, when: when.toISOString(), command, machine: describeMachine(), ...content }, null, 1)}\n`,
  );
  return path;
};

/** @throws when the file is no result that this version understands */
export const readResult = (path) => {
  const result = JSON.parse(readFileSync(path, "utf8"));
  if (result.schema !== SCHEMA) throw new Error(`${path}: schema ${result.schema}, this version reads ${SCHEMA}`);
  return result;
};

/** @returns {string | undefined} the newest result of a kind in bench/results */
export const newestResult = (kind) => {
  const names = readdirSync(ensureDirectory(RESULTS)).filter(
    (name) => name.startsWith(`${kind}-`) && name.endsWith(".json"),
  );
  return names.length === 0 ? undefined : `${RESULTS}${names.sort().at(-1)}`;
};
