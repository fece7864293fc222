// checks.mjs — what is true of the source without running it: format, lint, room walls, dead code, publish hygiene.
import { existsSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { BIN, packages, ROOT } from "./workspace.mjs";

const CHECK_MS = 4 * 60_000;

const bin = (name) => path.join(BIN, name);

/** Packages that people install: not private, and with something built to look at. */
const published = () =>
  packages().filter(
    ({ manifest, directory }) =>
      !manifest.private && ["dist", "index.js"].some((built) => existsSync(path.join(directory, built))),
  );

/** @type {() => { name: string, command: string, args: string[], cwd?: string }[]} */
const list = () => [
  { name: "format and lint", command: "biome", args: ["ci", "--colors=off", "--error-on-warnings", "."] },
  { name: "room walls", command: "depcruise", args: ["--config", ".dependency-cruiser.cjs", "packages", "native"] },
  { name: "dead code", command: "knip", args: ["--no-config-hints"] },
  ...published().flatMap(({ manifest, directory }) => [
    { name: `publint ${manifest.name}`, command: "publint", args: ["--strict", "--pack", "pnpm"], cwd: directory },
    {
      name: `types of ${manifest.name}`,
      command: "attw",
      args: ["--pack", ".", "--profile", "esm-only", "--no-color", "--no-emoji"],
      cwd: directory,
    },
  ]),
];

/**
 * Runs every static check and reports each as it ends.
 *
 * @param {(name: string, ok: boolean, seconds: number, output: string) => void} report
 */
export const runChecks = async (report) => {
  for (const check of list()) {
    const result = await run(bin(check.command), check.args, {
      cwd: check.cwd ?? ROOT,
      env: { ...process.env, NO_COLOR: "1" },
      timeoutMs: CHECK_MS,
    });
    report(check.name, result.code === 0, result.seconds, result.output);
  }
};
