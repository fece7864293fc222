// sample-host.ts — a machine on which everything is as it should be, to be spoilt one fact at a time.
import type { HostReport, RingFailure } from "@percore/core/host";
import type { HostFacts } from "../../src/cli/host-facts.ts";

export const GOOD_REPORT: HostReport = {
  probe: {
    setup: 0,
    enter: 0,
    register: 0,
    features: 0x3fff,
    setupFlags: {
      CQSIZE: 0,
      CLAMP: 0,
      SINGLE_ISSUER: 0,
      DEFER_TASKRUN: 0,
      SUBMIT_ALL: 0,
      COOP_TASKRUN: 0,
      NO_SQARRAY: 0,
    },
    operations: { ACCEPT: true, RECV: true, SEND: true },
    lastOperation: 60,
    registerOpcodes: { PROBE: 0, PBUF_RING: 0, RING_FDS: 0 },
    multishotReceive: 0,
    memlockNeeded: 400_000,
  },
  trials: { uring: undefined, poll: undefined },
  memlock: { soft: 8 << 20, hard: 8 << 20 },
  nofile: { soft: 1 << 20, hard: 1 << 20 },
  affinity: [0, 1, 2, 3],
};

export const GOOD_FACTS: HostFacts = {
  platform: "linux",
  arch: "x64",
  kernel: "6.12.1",
  node: "24.1.0",
  openssl: "3.5.8",
  opensslShared: false,
  addon: { loaded: true, report: GOOD_REPORT },
  driverWanted: undefined,
  uringDisabled: 0,
  seccomp: 0,
  container: undefined,
  processors: 4,
  cpuQuota: undefined,
  somaxconn: 4096,
  kernelTls: true,
};

/** The good machine with a different report. */
export const withReport = (report: Partial<HostReport>, facts: Partial<HostFacts> = {}): HostFacts => ({
  ...GOOD_FACTS,
  addon: { loaded: true, report: { ...GOOD_REPORT, ...report } },
  ...facts,
});

export const failure = (errno: number, more: Partial<RingFailure> = {}): RingFailure => ({
  step: "setup",
  errno,
  detail: "the detail",
  memlockNeeded: 0,
  ...more,
});
