// sanitizers.mjs — the long suite "sanitizers": the suites on an addon built with AddressSanitizer and
// UndefinedBehaviorSanitizer. Their first report aborts the process, which the suite shows as a failure. For the addon's own
// tests alone there is native/tools/sanitize.mjs.
//
//   node scripts/sanitizers.mjs [package…]      native, core, h1 and server unless named
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { run } from "./command.mjs";
import { addonEnvironment } from "./node-headers.mjs";
import { Report } from "./report.mjs";
import { runSuite } from "./suite.mjs";
import { packages, ROOT, testFiles } from "./workspace.mjs";

const COMPILE_MS = 15 * 60_000;
const SUITE_MS = 30 * 60_000;
const SKIPPED = 77;

const runtime = (name) => {
  try {
    const file = execFileSync(process.env.CXX ?? "g++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
    return path.isAbsolute(file) && existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
};

const libraries = ["libasan.so", "libubsan.so"].map(runtime);
if (libraries.includes(undefined)) {
  process.stdout.write("the compiler has no libasan and libubsan\n");
  process.exit(SKIPPED);
}

const tool = path.join(ROOT, "native", "tools", "sanitize.mjs");
const built = await run(process.execPath, [tool, "build"], { env: addonEnvironment(), timeoutMs: COMPILE_MS });
if (built.code !== 0) {
  process.stdout.write(`${built.output}\nthe addon does not compile with sanitizers\n`);
  process.exit(1);
}

const env = {
  ...process.env,
  PERCORE_ADDON: path.join(ROOT, "native", "build", "asan", "build", "Release", "percore.node"),
  // Node itself is not instrumented: the runtimes must be there before it, and what it never frees is not ours.
  LD_PRELOAD: libraries.join(" "),
  ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1",
  // An instrumented addon takes several times as long; the tests that repeat a race repeat it less often.
  PERCORE_TEST_ROUNDS: process.env.PERCORE_TEST_ROUNDS ?? "20",
  UBSAN_OPTIONS: "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
};
const rooms = process.argv.length > 2 ? process.argv.slice(2) : ["native", "core", "h1", "server"];
const report = new Report("percore on an addon with AddressSanitizer and UndefinedBehaviorSanitizer");
for (const subject of packages()) {
  if (!rooms.includes(subject.room) || testFiles(subject.directory).length === 0) continue;
  const { results, seconds } = await runSuite(subject, { timeoutMs: SUITE_MS, env });
  report.suite(subject.manifest.name, results, seconds);
}
report.close();
