import t from "tap";
import { autoWorkers, cgroupCpus, countWorkers, placeWorkers, type ReadText } from "../../src/workers/cpu.ts";

const files =
  (contents: Record<string, string>): ReadText =>
  (path) =>
    contents[path] ?? null;

t.test("the cgroup's quota, in processors", async (t) => {
  for (const { name, contents, want } of [
    { name: "no cgroup", contents: {}, want: Number.POSITIVE_INFINITY },
    {
      name: "v2, no limit",
      contents: { "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/cpu.max": "max 100000\n" },
      want: Number.POSITIVE_INFINITY,
    },
    {
      name: "v2, one and a half",
      contents: { "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/cpu.max": "150000 100000\n" },
      want: 1.5,
    },
    {
      name: "v2, the parent's is lower",
      contents: {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/cpu.max": "50000 100000",
        "/sys/fs/cgroup/a/b/cpu.max": "200000 100000",
      },
      want: 0.5,
    },
    {
      name: "v2, a container that sees the host's path and only its own root",
      contents: { "/proc/self/cgroup": "0::/../../docker/1\n", "/sys/fs/cgroup/cpu.max": "300000 100000" },
      want: 3,
    },
    {
      name: "v1, controllers mounted together",
      contents: {
        "/proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
      },
      want: 2.5,
    },
    {
      name: "v1, no limit",
      contents: {
        "/proc/self/cgroup": "4:cpu:/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
      },
      want: Number.POSITIVE_INFINITY,
    },
    {
      name: "both, the lower counts",
      contents: {
        "/proc/self/cgroup": "4:cpu:/\n0::/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "/sys/fs/cgroup/cpu.max": "200000 100000",
      },
      want: 2,
    },
    { name: "nonsense", contents: { "/proc/self/cgroup": "x\n0::/\n", "/sys/fs/cgroup/cpu.max": "?" }, want: Infinity },
  ]) {
    t.equal(cgroupCpus(files(contents as unknown as Record<string, string>)), want, name);
  }
});

t.test("auto: what the mask allows and the quota has time for, at least one", async (t) => {
  const quota = (cpus: string): ReadText =>
    files({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": `${cpus} 100000` });
  t.equal(autoWorkers(8, quota("max")), 8);
  t.equal(autoWorkers(8, quota("350000")), 3);
  t.equal(autoWorkers(2, quota("350000")), 2);
  t.equal(autoWorkers(8, quota("10000")), 1);
  t.ok(countWorkers("auto") >= 1);
});

t.test("wrong numbers of workers are refused", async (t) => {
  t.equal(countWorkers(1), 1);
  t.equal(countWorkers(1024), 1024);
  for (const workers of [0, -1, 1.5, Number.NaN, 1025, "2" as unknown as number]) {
    t.throws(() => countWorkers(workers), { code: "ERR_OPTION_INVALID" }, `${workers}`);
  }
});

t.test("placement: spread takes whole cores first, lists go round, foreign processors are refused", async (t) => {
  const siblings = (cpu: number, list: string): [string, string] => [
    `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`,
    `${list}\n`,
  ];
  const neighbours = files(Object.fromEntries([0, 1, 2, 3].map((cpu) => siblings(cpu, cpu < 2 ? "0-1" : "2-3"))));
  t.same(placeWorkers(4, "spread", [0, 1, 2, 3], neighbours), [0, 2, 1, 3]);
  const halves = files(Object.fromEntries([0, 1, 2, 3].map((cpu) => siblings(cpu, cpu % 2 === 0 ? "0,2" : "1,3"))));
  t.same(placeWorkers(5, "spread", [0, 1, 2, 3], halves), [0, 1, 2, 3, 0]);
  t.same(placeWorkers(2, "spread", [1, 3], neighbours), [1, 3]);
  t.same(placeWorkers(2, "spread", [5, 6], files({})), [5, 6]);
  t.same(placeWorkers(3, "none", [0, 1]), [null, null, null]);
  t.same(placeWorkers(3, [1, 0], [0, 1]), [1, 0, 1]);
  t.throws(() => placeWorkers(1, [2], [0, 1]), { code: "ERR_OPTION_INVALID" });
  t.throws(() => placeWorkers(1, [], [0, 1]), { code: "ERR_OPTION_INVALID" });
  t.throws(() => placeWorkers(1, "all" as "none", [0, 1]), { code: "ERR_OPTION_INVALID" });
});
