// coverage.mjs — one table of what the whole run executed, by package, from V8's own counters of every process.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { BIN, CACHE, packages, ROOT, readJson } from "./workspace.mjs";

const RAW = path.join(CACHE, "coverage", "raw");
const REPORT = path.join(CACHE, "coverage", "report");
const REPORT_MS = 5 * 60_000;
const KINDS = ["lines", "branches", "functions"];

/** Empties the folder of raw counters. @returns the environment that makes children write theirs into it. */
export const startCoverage = () => {
  rmSync(path.dirname(RAW), { recursive: true, force: true });
  mkdirSync(RAW, { recursive: true });
  return { ...process.env, NODE_V8_COVERAGE: RAW };
};

const percent = (sum) => (sum.total === 0 ? "    –" : `${((100 * sum.covered) / sum.total).toFixed(1).padStart(5)}`);

const row = (name, sums) =>
  `  ${name.padEnd(12)}${KINDS.map((kind) => `${percent(sums[kind])} % ${kind}`).join("   ")}`;

const emptySums = () => Object.fromEntries(KINDS.map((kind) => [kind, { covered: 0, total: 0 }]));

const addTo = (sums, figures) => {
  for (const kind of KINDS) {
    sums[kind].covered += figures[kind].covered;
    sums[kind].total += figures[kind].total;
  }
};

/**
 * @param {string[]} chosen packages to show; all when empty
 * @returns {Promise<string>} the table, or why there is none.
 */
export const coverageTable = async (chosen) => {
  const args = ["report", `--temp-directory=${RAW}`, `--reports-dir=${REPORT}`, "--reporter=json-summary"];
  // --all: a file that no test loads counts as not covered at all.
  const only = [
    "--all",
    "--include=packages/*/src/**",
    "--exclude-after-remap",
    "--exclude=**/*.d.ts",
    "--exclude=**/test/**",
  ];
  const outcome = await run(path.join(BIN, "c8"), [...args, ...only], { cwd: ROOT, timeoutMs: REPORT_MS });
  const summary = path.join(REPORT, "coverage-summary.json");
  rmSync(RAW, { recursive: true, force: true });
  if (outcome.code !== 0 || !existsSync(summary)) return `  no figures: ${outcome.output.trim()}`;
  const total = emptySums();
  const rooms = new Map();
  for (const [file, figures] of Object.entries(readJson(summary))) {
    const found = packages().find(({ directory }) => file.startsWith(path.join(directory, "src") + path.sep));
    if (found === undefined || (chosen.length > 0 && !chosen.includes(found.room))) continue;
    if (!rooms.has(found.room)) rooms.set(found.room, emptySums());
    addTo(rooms.get(found.room), figures);
    addTo(total, figures);
  }
  return [...[...rooms].map(([room, sums]) => row(room, sums)), row("all", total)].join("\n");
};
