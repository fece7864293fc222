import { constants } from "node:os";
import t from "tap";
import { type Finding, isSerious, judge } from "../../src/cli/findings.ts";
import type { HostFacts } from "../../src/cli/host-facts.ts";
import { failure, GOOD_FACTS, GOOD_REPORT, withReport } from "./sample-host.ts";

const { EPERM, ENOSYS, ENOMEM, EINVAL, EACCES, EMFILE, EIO } = constants.errno;

const of = (facts: HostFacts, area: string): Finding[] => judge(facts).filter((finding) => finding.area === area);

t.test("a machine without fault has no serious finding", async (t) => {
  t.same(
    judge(GOOD_FACTS).filter(({ level }) => level !== "ok"),
    [],
  );
  t.ok(
    judge(GOOD_FACTS).every(({ fix }) => fix === undefined),
    "and nothing to mend",
  );
});

t.test("every fault is named with the line that mends it", async (t) => {
  const uring = (errno: number, facts: Partial<HostFacts> = {}): HostFacts =>
    withReport(
      { trials: { uring: failure(errno), poll: undefined }, probe: { ...GOOD_REPORT.probe, setup: errno } },
      facts,
    );
  const probe = (change: Partial<typeof GOOD_REPORT.probe>): HostFacts =>
    withReport({ probe: { ...GOOD_REPORT.probe, ...change } });
  const rows: { name: string; facts: HostFacts; area: string; level: string; text: RegExp; fix: RegExp }[] = [
    {
      name: "not Linux",
      facts: { ...GOOD_FACTS, platform: "darwin" },
      area: "system",
      level: "unusable",
      text: /darwin/,
      fix: /Linux/,
    },
    {
      name: "Node older than the oldest that works",
      facts: { ...GOOD_FACTS, node: "20.18.3" },
      area: "node",
      level: "unusable",
      text: /20\.19/,
      fix: /Node\.js 24/,
    },
    {
      name: "Node past its end of life",
      facts: { ...GOOD_FACTS, node: "20.19.0" },
      area: "node",
      level: "note",
      text: /security/,
      fix: /Node\.js 24/,
    },
    {
      name: "no addon",
      facts: { ...GOOD_FACTS, addon: { loaded: false, message: "no addon for riscv64\nand a second line" } },
      area: "addon",
      level: "unusable",
      text: /no addon for riscv64$/,
      fix: /npm rebuild @percore\/native/,
    },
    {
      name: "io_uring switched off by the administrator",
      facts: uring(EPERM, { uringDisabled: 2 }),
      area: "io_uring",
      level: "slow",
      text: /EPERM.*io_uring_disabled is 2/,
      fix: /sysctl -w kernel\.io_uring_disabled=0/,
    },
    {
      name: "refused by Docker's seccomp profile",
      facts: uring(EPERM, { seccomp: 2, container: "docker" }),
      area: "io_uring",
      level: "slow",
      text: /EPERM.*seccomp filter of docker/,
      fix: /--security-opt seccomp=/,
    },
    {
      name: "refused by a seccomp filter that says ENOSYS",
      facts: uring(ENOSYS, { seccomp: 2, container: "kubernetes" }),
      area: "io_uring",
      level: "slow",
      text: /ENOSYS.*seccomp filter of kubernetes/,
      fix: /seccompProfile/,
    },
    {
      name: "refused by a filter outside any container",
      facts: uring(EPERM, { seccomp: 2 }),
      area: "io_uring",
      level: "slow",
      text: /seccomp filter$/,
      fix: /io_uring_setup, io_uring_enter and io_uring_register/,
    },
    {
      name: "a kernel built without io_uring",
      facts: uring(ENOSYS),
      area: "io_uring",
      level: "slow",
      text: /built without/,
      fix: /CONFIG_IO_URING/,
    },
    {
      name: "a security module",
      facts: uring(EACCES),
      area: "io_uring",
      level: "slow",
      text: /EACCES.*security module/,
      fix: /policy/,
    },
    {
      name: "too little memory may be locked",
      facts: withReport({ trials: { uring: failure(ENOMEM, { memlockNeeded: 397_312 }), poll: undefined } }),
      area: "io_uring",
      level: "slow",
      text: /ENOMEM.*the detail/,
      fix: /ulimit -l 388\n.*LimitMEMLOCK=397312/,
    },
    {
      name: "a kernel before 6.1",
      facts: withReport({ trials: { uring: failure(EINVAL), poll: undefined } }),
      area: "io_uring",
      level: "slow",
      text: /EINVAL/,
      fix: /Linux 6\.1/,
    },
    {
      name: "no descriptor left for a ring",
      facts: withReport({ trials: { uring: failure(EMFILE), poll: undefined } }),
      area: "io_uring",
      level: "slow",
      text: /EMFILE/,
      fix: /ulimit -n/,
    },
    {
      name: "an errno nobody expected",
      facts: withReport({ trials: { uring: failure(EIO, { step: "mmap" }), poll: undefined } }),
      area: "io_uring",
      level: "slow",
      text: /EIO at mmap; the detail/,
      fix: /./,
    },
    {
      name: "a required setup flag is missing",
      facts: probe({ setupFlags: { ...GOOD_REPORT.probe.setupFlags, DEFER_TASKRUN: EINVAL } }),
      area: "features",
      level: "slow",
      text: /DEFER_TASKRUN: EINVAL$/,
      fix: /Linux 6\.1/,
    },
    {
      name: "a setup flag that only saves a little is missing",
      facts: probe({ setupFlags: { ...GOOD_REPORT.probe.setupFlags, NO_SQARRAY: EINVAL } }),
      area: "features",
      level: "note",
      text: /NO_SQARRAY: EINVAL; works without/,
      fix: /Linux 6\.6/,
    },
    {
      name: "registering buffers alone is refused",
      facts: probe({ registerOpcodes: { ...GOOD_REPORT.probe.registerOpcodes, PBUF_RING: EPERM } }),
      area: "features",
      level: "slow",
      text: /PBUF_RING: EPERM/,
      fix: /5\.19/,
    },
    {
      name: "an operation is missing",
      facts: probe({ operations: { ACCEPT: true, RECV: false } }),
      area: "features",
      level: "slow",
      text: /operation RECV/,
      fix: /Linux 6\.1/,
    },
    {
      name: "multishot receive does not work",
      facts: probe({ multishotReceive: EINVAL }),
      area: "features",
      level: "slow",
      text: /multishot receive.*EINVAL/,
      fix: /Linux 6\.1/,
    },
    {
      name: "a small memlock limit that nothing has run into yet",
      facts: withReport({ memlock: { soft: 65_536, hard: 65_536 } }),
      area: "memlock",
      level: "note",
      text: /64 KiB may be locked, a ring needs 391 KiB/,
      fix: /ulimit -l 391/,
    },
    {
      name: "PERCORE_DRIVER names no driver",
      facts: { ...GOOD_FACTS, driverWanted: "epoll" },
      area: "driver",
      level: "unusable",
      text: /PERCORE_DRIVER=epoll/,
      fix: /unset/,
    },
    {
      name: "PERCORE_DRIVER=uring where io_uring is refused",
      facts: uring(EPERM, { driverWanted: "uring" }),
      area: "driver",
      level: "unusable",
      text: /will not start/,
      fix: /unset/,
    },
    {
      name: "PERCORE_DRIVER=poll where io_uring works",
      facts: { ...GOOD_FACTS, driverWanted: "poll" },
      area: "driver",
      level: "slow",
      text: /PERCORE_DRIVER/,
      fix: /unset/,
    },
    {
      name: "no driver works",
      facts: withReport({ trials: { uring: failure(EPERM), poll: failure(EMFILE, { step: "epoll" }) } }),
      area: "driver",
      level: "unusable",
      text: /EMFILE at epoll/,
      fix: /ulimit -n/,
    },
    {
      name: "half a processor",
      facts: { ...GOOD_FACTS, cpuQuota: 0.5 },
      area: "processors",
      level: "slow",
      text: /quota of 0\.5/,
      fix: /--cpus=1/,
    },
    {
      name: "few descriptors",
      facts: withReport({ nofile: { soft: 1024, hard: 1024 } }),
      area: "files",
      level: "slow",
      text: /1024/,
      fix: /ulimit -n 65536\n.*LimitNOFILE=65536/,
    },
    {
      name: "a short accept queue",
      facts: { ...GOOD_FACTS, somaxconn: 128 },
      area: "accept queue",
      level: "note",
      text: /128/,
      fix: /sysctl -w net\.core\.somaxconn=4096/,
    },
    {
      name: "a distribution's OpenSSL",
      facts: { ...GOOD_FACTS, opensslShared: true },
      area: "openssl",
      level: "note",
      text: /system's/,
      fix: /nodejs\.org/,
    },
    {
      name: "no kernel TLS",
      facts: { ...GOOD_FACTS, kernelTls: false },
      area: "kernel tls",
      level: "note",
      text: /not loaded/,
      fix: /modprobe tls/,
    },
  ];
  for (const { name, facts, area, level, text, fix } of rows) {
    await t.test(name, async (t) => {
      const found = of(facts, area).filter((finding) => finding.level !== "ok");
      t.equal(found.length, 1, "one finding");
      t.equal(found[0]?.level, level);
      t.match(found[0]?.text ?? "", text);
      t.match(found[0]?.fix?.join("\n") ?? "", fix);
    });
  }
});

t.test("where io_uring is refused for another reason, its features are not blamed", async (t) => {
  const facts = withReport({
    trials: { uring: failure(EPERM), poll: undefined },
    probe: { ...GOOD_REPORT.probe, setup: EPERM, setupFlags: { DEFER_TASKRUN: EPERM }, multishotReceive: -1 },
  });
  t.same(of(facts, "features"), []);
  t.same(of(facts, "driver"), [{ area: "driver", level: "ok", text: "poll (epoll), because io_uring is refused" }]);
});

t.test("slow and unusable are serious, ok and note are not", async (t) => {
  const serious = (["ok", "note", "slow", "unusable"] as const).map((level) =>
    isSerious({ area: "a", level, text: "t" }),
  );
  t.same(serious, [false, false, true, true]);
});

t.test("limits at their edges", async (t) => {
  const level = (facts: HostFacts, area: string): string | undefined => of(facts, area)[0]?.level;
  t.equal(level(withReport({ nofile: { soft: 4095, hard: 4096 } }), "files"), "slow");
  t.equal(level(withReport({ nofile: { soft: 4096, hard: 4096 } }), "files"), "ok");
  t.equal(
    level(withReport({ nofile: { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY } }), "files"),
    "ok",
  );
  t.equal(level({ ...GOOD_FACTS, somaxconn: 1023 }, "accept queue"), "note");
  t.equal(level({ ...GOOD_FACTS, somaxconn: 1024 }, "accept queue"), "ok");
  t.equal(level({ ...GOOD_FACTS, somaxconn: undefined }, "accept queue"), undefined, "not said, not judged");
  t.equal(level({ ...GOOD_FACTS, cpuQuota: 1 }, "processors"), "ok");
  t.equal(level(withReport({ memlock: { soft: 400_000, hard: 400_000 } }), "memlock"), "ok");
  t.equal(level(withReport({ memlock: { soft: 399_999, hard: 400_000 } }), "memlock"), "note");
});
