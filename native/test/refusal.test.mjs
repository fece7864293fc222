// refusal.test.mjs — where io_uring is forbidden or there is too little locked memory: one clear answer, and poll works.
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { errno, openRing, probeRing } from "@percore/native";
import t from "tap";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "percore-deny-"));
t.teardown(() => rmSync(folder, { recursive: true }));
const deny = join(folder, "deny");
execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", deny, join(root, "tools/deny.c")]);

/** Opens both kinds in a process behind `wrapper` and tells what came of it. */
const openBehind = async (wrapper, sizes = "sqEntries: 4096, cqEntries: 8192") => {
  const text = `
    import { openRing, probeRing, OP } from "@percore/native"; import { Raw } from "./test/raw.mjs";
    const arena = new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer;
    const uring = openRing({ kind: "uring", ${sizes}, arena });
    const poll = new Raw("poll"); const nop = await poll.once(OP.NOP, {}); poll.close();
    console.log(JSON.stringify({ failure: "layout" in uring ? null : uring, nop, probe: probeRing() }));
    if ("layout" in uring) uring.close();`;
  const [command, ...args] = [...wrapper, process.execPath, "--input-type=module", "-e", text];
  const { stdout } = await run(command, args, { cwd: root, timeout: 20000 });
  return JSON.parse(stdout);
};

t.test("seccomp: io_uring_setup answers EPERM, as Docker's profile does", async (t) => {
  const { failure, nop, probe } = await openBehind([deny, "1", "425,426,427", "--"]);
  t.match(failure, { step: "setup", errno: errno.EPERM, detail: /seccomp/ });
  t.equal(nop, 0, "the poll driver works");
  t.match(probe, { setup: errno.EPERM, enter: -1, register: -1, multishotReceive: -1, lastOperation: -1 });
});

t.test("ENOSYS: not built into the kernel", async (t) => {
  const { failure, nop, probe } = await openBehind([deny, "38", "425,426,427", "--"]);
  t.match(failure, { step: "setup", errno: errno.ENOSYS });
  t.equal(nop, 0);
  t.equal(probe.setup, errno.ENOSYS);
});

t.test("io_uring_register alone is refused", async (t) => {
  const { failure, nop, probe } = await openBehind([deny, "1", "427", "--"]);
  t.match(failure, { step: "register", errno: errno.EPERM, detail: /seccomp/ });
  t.equal(nop, 0);
  t.match(probe, { setup: 0, enter: 0, register: errno.EPERM, multishotReceive: errno.EPERM });
});

/** libuv of Node 24 and later enters a ring of its own and aborts when that is refused: not a machine to run on. */
const nodeNeedsEnter = () => {
  try {
    execFileSync(deny, ["1", "426", "--", process.execPath, "-e", ""], { stdio: "ignore" });
    return false;
  } catch {
    return `Node ${process.versions.node} itself does not run where io_uring_enter alone is refused`;
  }
};

t.test("io_uring_enter alone is refused", { skip: nodeNeedsEnter() }, async (t) => {
  const { failure, nop, probe } = await openBehind([deny, "1", "426", "--"]);
  t.match(failure, { step: "probe", errno: errno.EPERM, detail: /io_uring_enter refused.*seccomp/ });
  t.equal(nop, 0);
  t.match(probe, { setup: 0, enter: errno.EPERM, register: 0 });
});

/** Linux counts rings as locked memory since 6.14; before, the memory cgroup alone does. */
const ringsAreLocked = () => {
  const [major, minor] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 14);
};

t.test("too little locked memory", async (t) => {
  // A user of this run's own: locked memory is counted for all processes of a user, other runs of this test included.
  const user = String(20_000 + (process.pid % 40_000));
  // Room for a small ring of ours beside those that libuv of Node 22 and later locks for itself.
  const wrapper = [
    "prlimit",
    "--memlock=131072:131072",
    "setpriv",
    `--reuid=${user}`,
    "--regid=65534",
    "--clear-groups",
  ];
  if (process.getuid() !== 0) return t.plan(0, "needs root to become somebody without CAP_IPC_LOCK");
  try {
    execFileSync(wrapper[0], [...wrapper.slice(1), process.execPath, join(root, "index.js")], { stdio: "ignore" });
  } catch {
    return t.plan(0, "prlimit or setpriv is missing, or another user cannot read this folder");
  }
  const { failure, nop } = await openBehind(wrapper);
  if (failure === null && !ringsAreLocked())
    return t.plan(0, `Linux ${release()} does not count rings as locked memory`);
  t.match(failure, { step: "setup", errno: errno.ENOMEM, detail: /needs \d+ KiB .* limit is 128 KiB/ });
  t.ok(failure.memlockNeeded >= 128 * 1024 && failure.memlockNeeded < 1 << 20, `${failure.memlockNeeded} bytes`);
  t.equal(nop, 0, "the poll driver needs none");
  const small = await openBehind(wrapper, "sqEntries: 64, cqEntries: 128");
  t.equal(small.failure, null, "a small ring fits");
  const buffers = await openBehind(wrapper, "sqEntries: 64, cqEntries: 128, bufferEntries: 16384");
  t.match(
    buffers.failure,
    { step: "register", errno: errno.ENOMEM, detail: /needs 268 KiB .* limit is 128 KiB/, memlockNeeded: 268 * 1024 },
    "but not with the buffers that are to be registered",
  );
});

t.test("wrong arguments throw", async (t) => {
  const arena = new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer;
  const good = { kind: "poll", sqEntries: 8, cqEntries: 8, arena };
  for (const wrong of [
    { kind: "x" },
    { arena: {} },
    { sqEntries: 0 },
    { sqEntries: 16 },
    { cqEntries: 1 << 20 },
    { sqEntries: "8" },
    { bufferEntries: 32769 },
  ]) {
    t.throws(() => openRing({ ...good, ...wrong }), TypeError, JSON.stringify(wrong));
  }
  t.throws(() => openRing(), TypeError);
});

t.test("probeRing on this machine", async (t) => {
  const probe = probeRing();
  if (probe.setup !== 0) return t.plan(0, `io_uring_setup: errno ${probe.setup}`);
  t.equal(probe.register, 0);
  t.equal(probe.registerOpcodes.PBUF_RING, 0);
  t.equal(probe.operations.RECV, true);
});
