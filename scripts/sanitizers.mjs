// sanitizers.mjs — the long suite "sanitizers": the suites on an addon built with AddressSanitizer and
// UndefinedBehaviorSanitizer. Their first report aborts the process, which the suite shows as a failure. For the addon's own
// tests alone there is native/tools/sanitize.mjs.
//
//   node scripts/sanitizers.mjs [--node=24] [package[/folder]…]
//
// native, core, h1 and the server's black-box suite unless named; under this Node, or another that npm provides.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { choose, runChosen } from "./chosen.mjs";
import { run } from "./command.mjs";
import { addonEnvironment } from "./node-headers.mjs";
import { installNode } from "./other-node.mjs";
import { orExit } from "./setup.mjs";
import { ROOT } from "./workspace.mjs";

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

const args = process.argv.slice(2);
const version = args.find((argument) => argument.startsWith("--node="))?.slice("--node=".length);
const node = version === undefined ? undefined : await orExit(() => installNode(version));

const tool = path.join(ROOT, "native", "tools", "sanitize.mjs");
const built = await run(process.execPath, [tool, "build"], {
  env: node?.env ?? addonEnvironment(),
  timeoutMs: COMPILE_MS,
});
if (built.code !== 0) {
  process.stdout.write(`${built.output}\nthe addon does not compile with sanitizers\n`);
  process.exit(1);
}

const env = {
  ...(node?.env ?? process.env),
  PERCORE_ADDON: path.join(ROOT, "native", "build", "asan", "build", "Release", "percore.node"),
  // Node itself is not instrumented: the runtimes must be there before it, and what it never frees is not ours.
  LD_PRELOAD: libraries.join(" "),
  ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1",
  // An instrumented addon takes several times as long; the tests that repeat a race repeat it less often.
  PERCORE_TEST_ROUNDS: process.env.PERCORE_TEST_ROUNDS ?? "20",
  UBSAN_OPTIONS: "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
};
const names = args.filter((argument) => !argument.startsWith("--"));
const chosen = await orExit(() => choose(names.length > 0 ? names : ["native", "core", "h1", "server/black-box"]));
await runChosen(
  `percore on an addon with AddressSanitizer and UndefinedBehaviorSanitizer, Node ${node?.version ?? process.versions.node}`,
  chosen,
  { timeoutMs: SUITE_MS, env, node: node?.binary },
);
