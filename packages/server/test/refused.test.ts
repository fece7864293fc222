// refused.test.ts — a server where io_uring is refused, as in most containers: "auto" serves on the poll driver and says why,
// "uring" is an error that names the refusal and what to look at.
import { execFile, execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";

const PROGRAM = fileURLToPath(new URL("./programs/refused.js", import.meta.url));
const DENY_SOURCE = fileURLToPath(new URL("../../../../native/tools/deny.c", import.meta.url));
const RUN_MS = 60_000;
t.setTimeout(3 * RUN_MS);

const deny = path.join(t.testdir({}), "deny");
execFileSync("cc", ["-O1", "-o", deny, DENY_SOURCE]);

interface Outcome {
  readonly kind?: string;
  readonly reason?: string;
  readonly kinds?: readonly string[];
  readonly answer?: string;
  readonly code?: string;
  readonly message?: string;
}

const serveBehind = async (errno: number, calls: string, driver: string, workers: number): Promise<Outcome> => {
  const env = { ...process.env };
  delete env.PERCORE_DRIVER;
  const args = [String(errno), calls, "--", process.execPath, PROGRAM, driver, String(workers)];
  const { stdout } = await promisify(execFile)(deny, args, { timeout: RUN_MS, env });
  return JSON.parse(stdout) as Outcome;
};

/** libuv of Node 22 and later enters a ring of its own and aborts when that is refused: not a machine to run on. */
const nodeNeedsEnter = (): string | false => {
  try {
    execFileSync(deny, ["1", "426", "--", process.execPath, "-e", ""], { stdio: "ignore" });
    return false;
  } catch {
    return `Node ${process.versions.node} itself does not run where io_uring_enter alone is refused`;
  }
};

/** Numbers of the system calls: 425 io_uring_setup, 426 io_uring_enter, 427 io_uring_register; errno 1 EPERM, 38 ENOSYS. */
for (const { name, errno, calls, want, skip = false } of [
  { name: "all of io_uring, EPERM", errno: 1, calls: "425,426,427", want: /io_uring refused: EPERM at setup.*seccomp/ },
  { name: "all of it, ENOSYS", errno: 38, calls: "425,426,427", want: /io_uring refused: ENOSYS at setup.*seccomp/ },
  { name: "io_uring_register alone", errno: 1, calls: "427", want: /io_uring refused: EPERM at register.*seccomp/ },
  {
    name: "io_uring_enter alone",
    errno: 1,
    calls: "426",
    want: /io_uring refused: EPERM at probe.*io_uring_enter/,
    skip: nodeNeedsEnter(),
  },
]) {
  t.test(name, { skip }, async (t) => {
    const auto = await serveBehind(errno, calls, "auto", 1);
    t.match(auto, { kind: "poll", answer: "served" }, '"auto" serves on poll');
    t.match(auto.reason ?? "", want, "with the reason");
    const asked = await serveBehind(errno, calls, "uring", 1);
    t.equal(asked.code, "ERR_DRIVER_UNAVAILABLE", '"uring" is an error');
    t.match(asked.message ?? "", want, "with the same reason");
  });
}

t.test("two workers", async (t) => {
  const auto = await serveBehind(1, "425,426,427", "auto", 2);
  t.same(auto.kinds, ["poll", "poll"], "each is on poll");
  t.equal(auto.answer, "served");
});
