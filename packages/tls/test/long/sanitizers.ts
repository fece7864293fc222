// sanitizers.ts — starts a program again on an addon that was built with AddressSanitizer and UndefinedBehaviorSanitizer.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const SKIPPED = 77;
const NATIVE = fileURLToPath(new URL("../../../../../native/", import.meta.url));

const runtime = (name: string): string => {
  try {
    return execFileSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
  } catch {
    return name;
  }
};

/**
 * False in the program that is to go on. In the one that was started by hand: builds the addon, runs the program again on it
 * and exits with its status; with 77 where the compiler has no sanitizers.
 */
export const underSanitizers = async (program: string): Promise<boolean> => {
  if (process.env.PERCORE_SANITIZED === "1") return false;
  const libraries = ["libasan.so", "libubsan.so"].map(runtime);
  if (!libraries.every((library) => path.isAbsolute(library) && existsSync(library))) {
    console.log("the compiler has no libasan and libubsan");
    process.exit(SKIPPED);
  }
  const built = spawnSync(process.execPath, [path.join(NATIVE, "tools", "sanitize.mjs"), "build"], {
    encoding: "utf8",
    env: { npm_config_nodedir: nodeDirectory(), ...process.env },
  });
  if (built.status !== 0) {
    console.log(`${built.stdout}\n${built.stderr}\nthe addon does not compile with sanitizers`);
    process.exit(1);
  }
  const run = spawnSync(process.execPath, [fileURLToPath(program)], {
    stdio: "inherit",
    env: {
      ...process.env,
      PERCORE_SANITIZED: "1",
      PERCORE_ADDON: path.join(NATIVE, "build", "asan", "build", "Release", "percore.node"),
      // Node itself is not instrumented: the runtimes must be there before it.
      LD_PRELOAD: libraries.join(" "),
      ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1",
      UBSAN_OPTIONS: "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    },
  });
  process.exit(run.status ?? 1);
};

/** Where node's headers are installed beside it, so that node-gyp need not fetch them. */
const nodeDirectory = (): string => {
  const directory = path.dirname(path.dirname(process.execPath));
  return existsSync(path.join(directory, "include", "node", "node_version.h")) ? directory : "";
};
