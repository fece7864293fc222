// test-long.mjs — `npm run test:long`: what takes longer than `npm test` may, its results written to docs/results/.
//
//   npm run test:long                    every long suite of every package
//   npm run test:long -- --list          their names
//   npm run test:long -- h1:fuzz server  these only: a suite, or all of a package
//   npm run test:long -- --minutes=10    no suite longer than that; one that is cut off has failed
//
// A long suite is a package.json script whose name begins with "long:". It prints TAP or plain text, exits with 0 when it
// passed, with 77 when it cannot run here (its last line says why), and with anything else when it failed.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { addonEnvironment } from "./node-headers.mjs";
import { orExit, setup } from "./setup.mjs";
import { packages, ROOT, readJson } from "./workspace.mjs";

const MINUTES_MAX = 150;
const SKIPPED = 77;
/** Kept of each suite's output: enough to see figures and failures, not a log. */
const LINES_KEPT = 200;
const PREFIX = "long:";

const suites = () => {
  const root = { room: "workspace", directory: ROOT, manifest: readJson(path.join(ROOT, "package.json")) };
  return [...packages(), root].flatMap(({ room, directory, manifest }) =>
    Object.entries(manifest.scripts ?? {})
      .filter(([script]) => script.startsWith(PREFIX))
      .map(([script, command]) => ({ name: `${room}:${script.slice(PREFIX.length)}`, script, directory, command })),
  );
};

const commit = () => {
  try {
    const git = (...args) => execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
    return `${git("rev-parse", "--short=12", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with local changes"}`;
  } catch {
    return "not a git checkout";
  }
};

const lastLine = (output) => output.trimEnd().split("\n").at(-1) ?? "";

/** The closing sum of a TAP stream, when the output is one. */
const tapSum = async (output) => {
  if (!/^TAP version 1[34]$/m.test(output)) return undefined;
  const { TapResults } = await import("./tap-results.mjs");
  const results = new TapResults();
  const parser = results.parser();
  await new Promise((resolve) => {
    parser.once("complete", resolve);
    parser.end(output.slice(output.search(/^TAP version 1[34]$/m)));
  });
  return results;
};

const judge = async (outcome) => {
  if (outcome.timedOut) return { verdict: "failed", why: `no end after ${minutesMax} minutes` };
  if (outcome.code === SKIPPED) return { verdict: "skipped", why: lastLine(outcome.output) };
  const results = await tapSum(outcome.output);
  const verdict = outcome.code === 0 && (results === undefined || results.failed === 0) ? "passed" : "failed";
  return {
    verdict,
    why: results?.toString() ?? (verdict === "passed" ? lastLine(outcome.output) : `exit status ${outcome.code}`),
  };
};

const writeResult = (suite, outcome, { verdict, why }, when, machine) => {
  const lines = outcome.output.trimEnd().split("\n");
  const left = lines.length - LINES_KEPT;
  const kept = left > 0 ? [`… ${left} lines left out …`, ...lines.slice(-LINES_KEPT)] : lines;
  const text = [
    `# ${suite.name}: ${verdict}`,
    "",
    `- Date: ${when.toISOString().slice(0, 16).replace("T", " ")} UTC, ${(outcome.seconds / 60).toFixed(1)} minutes`,
    `- Machine: ${machine}`,
    `- Commit: ${commit()}`,
    `- Command: \`npm run test:long -- ${suite.name}\` (\`${suite.command}\`)`,
    `- Result: ${why}`,
    "",
    "```text",
    ...kept,
    "```",
    "",
  ].join("\n");
  const directory = path.join(ROOT, "docs", "results");
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, `${when.toISOString().slice(0, 10)}-${suite.name.replaceAll(":", "-")}.md`);
  writeFileSync(file, text);
  return path.relative(ROOT, file);
};

const args = process.argv.slice(2);
const all = suites();
if (args.includes("--list")) {
  for (const { name, command } of all) process.stdout.write(`${name.padEnd(24)} ${command}\n`);
  process.exit(0);
}
const limit = args.find((argument) => argument.startsWith("--minutes="))?.slice("--minutes=".length);
const minutesMax = Number(limit ?? MINUTES_MAX);
if (!(minutesMax > 0)) {
  process.stderr.write(`--minutes=${limit}: a number above 0\n`);
  process.exit(64);
}
const chosen = args.filter((argument) => argument !== `--minutes=${limit}`);
const isOf = (name, suite) => name === suite.name || name === suite.name.split(":")[0];
const unknown = chosen.filter((name) => !all.some((suite) => isOf(name, suite)));
if (unknown.length > 0) {
  process.stderr.write(`Not known: ${unknown.join(", ")}. There are: ${all.map(({ name }) => name).join(", ")}\n`);
  process.exit(64);
}

await orExit(setup);
const { describeMachine } = await import("./machine.mjs");
const machine = describeMachine();
process.stdout.write(`percore, long suites: ${machine}\n\n`);
const sums = { passed: 0, failed: 0, skipped: 0 };
for (const suite of all) {
  if (chosen.length > 0 && !chosen.some((name) => isOf(name, suite))) continue;
  const when = new Date();
  const options = { cwd: suite.directory, env: addonEnvironment(), timeoutMs: minutesMax * 60_000 };
  const outcome = await run("npm", ["run", "--silent", suite.script], options);
  const judgement = await judge(outcome);
  sums[judgement.verdict] += 1;
  const minutes = (outcome.seconds / 60).toFixed(1);
  process.stdout.write(
    `  ${judgement.verdict.padEnd(8)} ${suite.name.padEnd(24)} ${minutes.padStart(6)} min  ${judgement.why}\n`,
  );
  // A suite that could not run has measured nothing worth keeping.
  if (judgement.verdict !== "skipped") {
    process.stdout.write(`           ${writeResult(suite, outcome, judgement, when, machine)}\n`);
  }
}
const skipped = sums.skipped === 0 ? "" : `, ${sums.skipped} skipped`;
process.stdout.write(`\n${sums.passed} passed, ${sums.failed} failed${skipped}\n`);
process.exitCode = sums.failed === 0 && sums.passed > 0 ? 0 : 1;
