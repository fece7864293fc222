// sanitize.mjs — builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer beside the ordinary build, and runs the
// tests on it: `node tools/sanitize.mjs build`, `node tools/sanitize.mjs test [FILE...]`.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "build", "asan");
const gyp = join(dirname(createRequire(import.meta.url).resolve("node-gyp/package.json")), "bin", "node-gyp.js");

const build = () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ["binding.gyp", "package.json", "src"])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  const run = spawnSync(process.execPath, [gyp, "rebuild", "--jobs=2", "--", "-Dsanitize=1"], {
    cwd: folder,
    stdio: "inherit",
  });
  return run.status ?? 1;
};

const library = (name) => execFileSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();

const test = (names) => {
  const files = names.length > 0 ? names : readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.mjs"));
  const env = {
    ...process.env,
    LD_PRELOAD: `${library("libasan.so")} ${library("libubsan.so")}`,
    // Node keeps memory to its end on purpose; leaks of ours are what the descriptor counts of the tests look for.
    ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=1",
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
    PERCORE_ADDON: join(folder, "build", "Release", "percore.node"),
    PERCORE_TEST_ROUNDS: process.env.PERCORE_TEST_ROUNDS ?? "20",
    TAP_TIMEOUT: "600",
  };
  let failed = 0;
  for (const name of files) {
    const run = spawnSync(process.execPath, [join(root, "test", name)], {
      env,
      encoding: "utf8",
      maxBuffer: 1 << 28,
      cwd: root,
    });
    const good = run.status === 0;
    failed += good ? 0 : 1;
    console.log(`${good ? "ok" : "not ok"} - ${name}`);
    if (!good) console.log(`${run.stdout}\n${run.stderr}`);
  }
  console.log(`${files.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
};

const [, , command, ...names] = process.argv;
if (command !== "build" && command !== "test") {
  console.error("usage: node tools/sanitize.mjs build | test [FILE...]");
  process.exit(2);
}
process.exit(command === "build" ? build() : test(names));
