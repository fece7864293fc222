// refused.test.ts — io_uring forbidden or short of locked memory: by name a clear error, under "auto" the poll driver
// with the reason, and it works.
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { release, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";

const PROGRAM = fileURLToPath(new URL("./refused-program.js", import.meta.url));
const DENY_SOURCE = fileURLToPath(new URL("../../../../native/tools/deny.c", import.meta.url));
const RUN_MS = 30_000;
/** A user of this run's own: locked memory is counted for all processes of a user, other runs of this test included. */
const SOMEBODY = String(20_000 + (process.pid % 40_000));
/** Less than the rings need, and enough for them but not for the receive buffers' rings beside them. */
const MEMLOCK_KIB = [64, 408];

const folder = mkdtempSync(path.join(tmpdir(), "percore-refused-"));
t.teardown(() => rmSync(folder, { recursive: true }));
const deny = path.join(folder, "deny");
execFileSync("cc", ["-O1", "-o", deny, DENY_SOURCE]);

interface Outcome {
  readonly kind?: string;
  readonly reason?: string;
  readonly echo?: string;
  readonly code?: string;
  readonly message?: string;
}

const runBehind = async (wrapper: readonly string[], driver: string): Promise<Outcome> => {
  const [command, ...args] = [...wrapper, process.execPath, PROGRAM, driver];
  const env = { ...process.env };
  delete env.PERCORE_DRIVER;
  const { stdout } = await promisify(execFile)(command, args, { timeout: RUN_MS, env });
  return JSON.parse(stdout) as Outcome;
};

/** libuv of Node 24 and later enters a ring of its own and aborts when that is refused: not a machine to run on. */
const nodeNeedsEnter = (): string | false => {
  try {
    execFileSync(deny, ["1", "426", "--", process.execPath, "-e", ""], { stdio: "ignore" });
    return false;
  } catch {
    return `Node ${process.versions.node} itself does not run where io_uring_enter alone is refused`;
  }
};

/** Numbers of the system calls: 425 io_uring_setup, 426 io_uring_enter, 427 io_uring_register. */
for (const { name, wrapper, errno, skip = false } of [
  {
    name: "seccomp answers EPERM, as container runtimes do",
    wrapper: [deny, "1", "425,426,427", "--"],
    errno: "EPERM",
  },
  { name: "ENOSYS, as without io_uring in the kernel", wrapper: [deny, "38", "425,426,427", "--"], errno: "ENOSYS" },
  { name: "io_uring_register alone is refused", wrapper: [deny, "1", "427", "--"], errno: "EPERM" },
  {
    name: "io_uring_enter alone is refused",
    wrapper: [deny, "1", "426", "--"],
    errno: "EPERM",
    skip: nodeNeedsEnter(),
  },
]) {
  t.test(name, { skip }, async (t) => {
    const asked = await runBehind(wrapper, "uring");
    t.equal(asked.code, "ERR_DRIVER_UNAVAILABLE", 'driver "uring" is refused');
    t.match(asked.message ?? "", `io_uring refused: ${errno}`, "with the errno");
    t.match(asked.message ?? "", /seccomp/, "and what to look at");
    const auto = await runBehind(wrapper, "auto");
    t.match(auto, { kind: "poll", echo: "hello" }, '"auto" takes poll, and it works');
    t.match(auto.reason ?? "", `io_uring refused: ${errno}`, "with the reason");
    const poll = await runBehind(wrapper, "poll");
    t.match(poll, { kind: "poll", echo: "hello", reason: "the poll driver was asked for" });
  });
}

/** Linux counts rings as locked memory since 6.14; before, the memory cgroup alone does. */
const ringsAreLocked = (): boolean => {
  const [major, minor] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 14);
};

t.test("RLIMIT_MEMLOCK too small, without CAP_IPC_LOCK", async (t) => {
  if (process.getuid?.() !== 0) {
    t.plan(0, "needs root to become somebody without CAP_IPC_LOCK");
    return;
  }
  for (const limit of MEMLOCK_KIB) {
    const become = ["setpriv", `--reuid=${SOMEBODY}`, `--regid=${SOMEBODY}`, "--clear-groups"];
    const wrapper = ["prlimit", `--memlock=${limit * 1024}:${limit * 1024}`, ...become];
    try {
      execFileSync(wrapper[0], [...wrapper.slice(1), process.execPath, "--check", PROGRAM], { stdio: "ignore" });
    } catch {
      t.plan(0, `prlimit or setpriv is missing, or user ${SOMEBODY} cannot read this folder`);
      return;
    }
    await t.test(`${limit} KiB`, async (t) => {
      const numbers = new RegExp(`needs \\d+ KiB locked, the limit is ${limit} KiB`);
      const asked = await runBehind(wrapper, "uring");
      if (asked.kind === "uring" && !ringsAreLocked()) {
        t.plan(0, `Linux ${release()} does not count rings as locked memory`);
        return;
      }
      t.equal(asked.code, "ERR_MEMLOCK_LIMIT", 'driver "uring" is refused');
      t.match(asked.message ?? "", numbers, "with both numbers");
      t.ok(Number(/needs (\d+) KiB/.exec(asked.message ?? "")?.[1]) > limit, "the need above the limit");
      t.match(asked.message ?? "", /ulimit -l/, "and the remedy");
      const auto = await runBehind(wrapper, "auto");
      t.match(auto, { kind: "poll", echo: "hello" }, '"auto" takes poll, and it works');
      t.match(auto.reason ?? "", numbers, "with the numbers as its reason");
    });
  }
});

t.test("a driver that does not exist", async (t) => {
  const { code, message } = await runBehind([], "kqueue");
  t.equal(code, "ERR_OPTION_INVALID");
  t.match(message ?? "", /"kqueue".*"auto", "uring" or "poll"/);
});
