// vm-matrix.mjs — the long suite "vm": the suites under other kernels, each in a short-lived virtual machine.
//
//   node scripts/vm-matrix.mjs [--kernel=6.1] [package[/folder]…]
//
// native, core and the server's black-box suite unless named, under each release unless one is.
// The machine is started by a `vm-run` program: PERCORE_VM_RUN, one on PATH, or ../shared/tools/vm-run. Kernels are taken
// from the folder VM_KERNELS, or downloaded once from Debian into .cache/kernels.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { choose } from "./chosen.mjs";
import { findProgram, run } from "./command.mjs";
import { orExit } from "./setup.mjs";
import { CACHE, ROOT } from "./workspace.mjs";

/** The oldest kernel we support, and the one of current long-term distributions. */
const RELEASES = ["6.1", "6.12"];
const KERNELS = process.env.VM_KERNELS ?? path.join(CACHE, "kernels");
const FETCH_MS = 10 * 60_000;
/** Without hardware virtualization a guest is an order of magnitude slower than its host. */
const GUEST_SECONDS = 60 * 60;
const SKIPPED = 77;
/** The machine opens its output by name, which works for a pipe and not for the socket that a child of node gets. */
const PIPED = 'set -o pipefail; "$@" 2>&1 | cat';

const say = (text) => process.stdout.write(`${text}\n`);

const skip = (reason) => {
  say(reason);
  process.exit(SKIPPED);
};

const named = process.env.PERCORE_VM_RUN;
const program = named ? findProgram(named) : findProgram("vm-run", path.join(ROOT, "..", "shared", "tools", "vm-run"));
if (program === undefined) skip("no vm-run program: set PERCORE_VM_RUN to the path of one");
if (process.arch !== "x64") skip(`the kernels of this matrix are for x64, this is ${process.arch}`);
for (const [tool, debian] of [
  ["qemu-system-x86_64", "qemu-system-x86"],
  ["busybox", "busybox-static"],
]) {
  if (findProgram(tool) === undefined) skip(`${tool} is missing: apt-get install -y ${debian}`);
}

const installed = () => {
  try {
    return execFileSync(program, ["--list", "-k", KERNELS], { encoding: "utf8" }).split("\n").filter(Boolean);
  } catch {
    return [];
  }
};

const isOf = (release) => (name) => name.startsWith(`${release}.`) || name.startsWith(`${release}-`);

/** Debian's newest cloud kernel of a release, by its package name. */
const debianKernel = (release) => {
  try {
    const pattern = `^linux-image-${release.replace(".", "\\.")}\\.[0-9].*cloud-amd64$`;
    const names = execFileSync("apt-cache", ["search", "--names-only", pattern], { encoding: "utf8" });
    const sorted = names
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ")[0]);
    return sorted.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
  } catch {
    return undefined;
  }
};

/** @returns {Promise<string | undefined>} the full version of a kernel of that release, downloaded when need be. */
const ensureKernel = async (release) => {
  const present = installed().filter(isOf(release)).at(-1);
  if (present !== undefined) return present;
  const name = debianKernel(release);
  if (name === undefined) return undefined;
  mkdirSync(KERNELS, { recursive: true });
  const fetched = await run(program, ["--fetch", KERNELS, name], { cwd: ROOT, timeoutMs: FETCH_MS });
  if (fetched.code !== 0) say(fetched.output.trimEnd());
  return installed().filter(isOf(release)).at(-1);
};

const args = process.argv.slice(2);
const only = args.find((argument) => argument.startsWith("--kernel="))?.slice("--kernel=".length);
const chosen = args.filter((argument) => !argument.startsWith("--"));
const names = chosen.length > 0 ? chosen : ["native", "core", "server/black-box"];
await orExit(() => choose(names));
const outcomes = [];
let failed = false;
for (const wanted of only === undefined ? RELEASES : [only]) {
  const version = await ensureKernel(wanted);
  if (version === undefined) {
    outcomes.push(`${wanted}: no kernel to be had`);
    failed = true;
    continue;
  }
  say(`\n# Linux ${version}\n`);
  const command = [process.execPath, "scripts/chosen.mjs", ...names].join(" ");
  // The tree is writable in the guest: tap keeps its records beside each package.
  const machine = ["-k", KERNELS, "-r", version, "-w", ROOT, "-m", "3072", "-t", String(GUEST_SECONDS)];
  const slow = ["-e", `PERCORE_SUITE_MINUTES=${GUEST_SECONDS / 60}`, "-e", "PERCORE_TEST_ROUNDS=10"];
  const result = await run("bash", ["-c", PIPED, "vm-run", program, ...machine, ...slow, "--", command], {
    timeoutMs: (GUEST_SECONDS + 60) * 1000,
  });
  say(result.output.trimEnd());
  const sum = /^\d+ passed, \d+ failed.*$/m.exec(result.output)?.[0] ?? `no result, status ${result.code}`;
  outcomes.push(`${version}: ${sum}`);
  failed ||= result.code !== 0;
}
say(`\n${outcomes.join("; ")}`);
process.exitCode = failed ? 1 : 0;
