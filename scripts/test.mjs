// test.mjs — `npm test`: sets up, checks the source, runs every suite, and closes with the sum.
//
//   npm test                       everything
//   npm test -- h1 server          the suites of these packages only, no static checks
//   npm test -- --no-coverage      without counting coverage (faster)
//   npm test -- --built core       as the tree is, without setting up (in a virtual machine, say)
import { orExit, setup } from "./setup.mjs";
import { subjects, testFiles } from "./workspace.mjs";

/** PERCORE_SUITE_MINUTES is for emulated machines, an order of magnitude slower. */
const SUITE_MS = Number(process.env.PERCORE_SUITE_MINUTES ?? 8) * 60_000;

const args = process.argv.slice(2);
const chosen = args.filter((argument) => !argument.startsWith("--"));
const OPTIONS = ["--no-coverage", "--built"];
const unknown = args.filter((argument) => argument.startsWith("--") && !OPTIONS.includes(argument));
const rooms = subjects().map(({ room }) => room);
for (const name of chosen) if (!rooms.includes(name)) unknown.push(name);
if (unknown.length > 0) {
  process.stderr.write(
    `Not known: ${unknown.join(", ")}. Packages: ${rooms.join(", ")}; options: ${OPTIONS.join(", ")}\n`,
  );
  process.exit(64);
}

if (!args.includes("--built")) await orExit(setup);
const { runChecks } = await import("./checks.mjs");
const { coverageTable, startCoverage } = await import("./coverage.mjs");
const { describeMachine } = await import("./machine.mjs");
const { Report } = await import("./report.mjs");
const { runSuite } = await import("./suite.mjs");

const report = new Report(`percore: ${describeMachine()}`);
if (chosen.length === 0) await runChecks((...result) => report.check(...result));

const coverage = !args.includes("--no-coverage");
const env = coverage ? startCoverage() : process.env;
for (const subject of subjects()) {
  if (chosen.length > 0 && !chosen.includes(subject.room)) continue;
  if (testFiles(subject.directory).length === 0) continue;
  const { results, seconds } = await runSuite(subject, { timeoutMs: SUITE_MS, env });
  report.suite(subject.manifest.name, results, seconds);
}
if (coverage) report.section("Coverage", await coverageTable(chosen));
report.close();
