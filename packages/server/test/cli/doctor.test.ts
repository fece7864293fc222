import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import t from "tap";
import { doctor } from "../../src/cli/doctor.ts";
import type { FactSources } from "../../src/cli/host-facts.ts";
import { execute, MAIN, percore } from "./command.ts";
import { failure, GOOD_REPORT } from "./sample-host.ts";

const report = (change: Partial<typeof GOOD_REPORT>): FactSources => ({
  read: () => undefined,
  env: {},
  loadHost: async () => ({ reportHost: () => ({ ...GOOD_REPORT, ...change }) }),
});

const print = async (sources: FactSources, options: { json?: boolean; colour?: boolean } = {}) => {
  const pieces: string[] = [];
  const status = await doctor({ ...options, sources, write: (text) => void pieces.push(text) });
  return { status, text: pieces.join("") };
};

t.test("exit status and conclusion", async (t) => {
  const good = await print(report({}));
  t.equal(good.status, 0);
  t.match(good.text, /Nothing stands in the way\.\n$/);

  const slow = await print(report({ trials: { uring: failure(constants.errno.EPERM), poll: undefined } }));
  t.equal(slow.status, 1);
  t.match(slow.text, /! io_uring +refused: EPERM at setup/);
  t.match(slow.text, /\n +→ /, "with a fix");
  t.match(slow.text, /slower than it could be\.\n$/);

  const broken = { ...report({}), loadHost: () => Promise.reject(new Error("no addon")) };
  const unusable = await print(broken);
  t.equal(unusable.status, 1);
  t.match(unusable.text, /✗ addon/);
  t.match(unusable.text, /cannot run here/);
});

t.test("no line of text is wider than a terminal, and no fix is broken", async (t) => {
  const { text } = await print(report({ nofile: { soft: 10, hard: 10 } }));
  for (const line of text.split("\n")) if (!line.includes("→")) t.ok(line.length <= 110, line);
  t.match(text, /→ docker run --ulimit nofile=65536:65536 …\n/);
});

t.test("colours only where they are asked for", async (t) => {
  t.notMatch((await print(report({}))).text, "\u001b[");
  t.match((await print(report({}), { colour: true })).text, process.env.NO_COLOR ? "✓" : "\u001b[");
});

t.test("--json is JSON, whatever the limits are", async (t) => {
  const unlimited = { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };
  const { text, status } = await print(report({ memlock: unlimited }), { json: true });
  t.equal(status, 0);
  const parsed = JSON.parse(text) as {
    findings: { area: string }[];
    facts: { addon: { report: { memlock: { soft: null } } } };
  };
  t.equal(parsed.facts.addon.report.memlock.soft, null);
  t.ok(parsed.findings.some(({ area }) => area === "io_uring"));
});

t.test("the command", async (t) => {
  const real = await percore(["doctor"]);
  t.match(real.stdout, /^percore doctor\n\n {2}✓ system/);
  t.equal(real.status, / {2}[!✗] /.test(real.stdout) ? 1 : 0, "status follows what it printed");

  const without = await percore(["doctor"], { PERCORE_ADDON: "/nowhere/percore.node" });
  t.equal(without.status, 1, "explains a missing addon instead of dying of it");
  t.match(without.stdout, /✗ addon +cannot be loaded/);
  t.equal(without.stderr, "");

  t.equal((await percore(["no-such-command"])).status, 1);
  t.match((await percore(["--help"])).stdout, /doctor/);
  t.match((await percore(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test("the command behind seccomp filters like those of containers", async (t) => {
  const source = fileURLToPath(new URL("../../../../../native/tools/deny.c", import.meta.url));
  const deny = `${t.testdir({})}/deny`;
  const compiled = await execute("cc", ["-O1", "-o", deny, source]);
  if (compiled.status !== 0) {
    t.plan(0, "no C compiler to build the filter with");
    return;
  }
  const { EPERM, ENOSYS } = constants.errno;
  for (const { name, errno, calls, wants } of [
    {
      name: "all of io_uring, EPERM",
      errno: EPERM,
      calls: "425,426,427",
      wants: /refused: EPERM at setup; by the seccomp filter/,
    },
    {
      name: "all of io_uring, ENOSYS",
      errno: ENOSYS,
      calls: "425,426,427",
      wants: /refused: ENOSYS at setup; by the seccomp filter/,
    },
    {
      name: "io_uring_register alone",
      errno: EPERM,
      calls: "427",
      wants: /refused: EPERM at register; by the seccomp filter/,
    },
  ]) {
    const { status, stdout, stderr } = await execute(deny, [`${errno}`, calls, "--", process.execPath, MAIN, "doctor"]);
    t.equal(status, 1, `${name}: status`);
    t.equal(stderr, "", `${name}: standard error`);
    t.match(stdout, wants, name);
    t.match(stdout, /→ .*seccomp/, `${name}: a fix`);
    t.match(stdout, /driver +poll \(epoll\), because io_uring is refused/, `${name}: what it will do`);
    t.match(stdout, /seccomp +filtered/, name);
  }
});
