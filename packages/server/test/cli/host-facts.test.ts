import t from "tap";
import { type FactSources, gatherFacts } from "../../src/cli/host-facts.ts";
import { GOOD_REPORT } from "./sample-host.ts";

const sources = (files: Record<string, string>, env: Record<string, string> = {}): FactSources => ({
  read: (path) => files[path],
  env,
  loadHost: async () => ({ reportHost: () => GOOD_REPORT }),
});

t.test("the quota is the tightest on the way up", async (t) => {
  const rows: { name: string; files: Record<string, string>; want: number | undefined }[] = [
    { name: "no control groups at all", files: {}, want: undefined },
    {
      name: "v2, no quota",
      files: { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n" },
      want: undefined,
    },
    {
      name: "v2, inside a container's own namespace",
      files: { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n" },
      want: 1.5,
    },
    {
      name: "v2, a parent is tighter",
      files: {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
        "/sys/fs/cgroup/a/cpu.max": "200000 100000\n",
      },
      want: 2,
    },
    {
      name: "v1, own group",
      files: {
        "/proc/self/cgroup": "4:cpu,cpuacct:/docker/abc\n0::/\n",
        "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "50000\n",
        "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
      },
      want: 0.5,
    },
    {
      name: "v1, no quota is -1",
      files: {
        "/proc/self/cgroup": "1:cpu:/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      },
      want: undefined,
    },
    {
      name: "v1, cpuacct alone is another controller",
      files: { "/proc/self/cgroup": "2:cpuacct:/x\n", "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n" },
      want: undefined,
    },
  ];
  for (const { name, files, want } of rows) t.equal((await gatherFacts(sources(files))).cpuQuota, want, name);
});

t.test("what surrounds the process", async (t) => {
  const facts = await gatherFacts(
    sources(
      {
        "/proc/self/status": "Name:\tnode\nSeccomp:\t2\nSeccomp_filters:\t1\n",
        "/.dockerenv": "",
        "/proc/sys/kernel/io_uring_disabled": "1\n",
        "/proc/sys/net/core/somaxconn": "128\n",
        "/proc/sys/net/ipv4/tcp_available_ulp": "espintcp mptcp tls\n",
      },
      { PERCORE_DRIVER: "poll" },
    ),
  );
  t.match(facts, {
    seccomp: 2,
    container: "docker",
    uringDisabled: 1,
    somaxconn: 128,
    kernelTls: true,
    driverWanted: "poll",
    addon: { loaded: true },
  });
  t.equal((await gatherFacts(sources({ "/run/.containerenv": "" }))).container, "podman");
  t.equal(
    (await gatherFacts(sources({ "/.dockerenv": "" }, { KUBERNETES_SERVICE_HOST: "x" }))).container,
    "kubernetes",
  );
  t.match(await gatherFacts(sources({})), { seccomp: undefined, uringDisabled: undefined, kernelTls: undefined });
});

t.test("an addon that does not load is a fact, not a crash", async (t) => {
  const facts = await gatherFacts({ ...sources({}), loadHost: () => Promise.reject(new Error("no addon")) });
  t.same(facts.addon, { loaded: false, message: "no addon" });
});

t.test("this machine", async (t) => {
  const facts = await gatherFacts();
  t.equal(facts.addon.loaded, true);
  t.ok(facts.processors >= 1);
});
