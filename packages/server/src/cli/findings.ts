// findings.ts — judges the facts of a machine: what is fine, what is slow or in the way, and the line that mends it.
import { getSystemErrorName } from "node:util";
import type { HostReport, RingFailure } from "@percore/core/host";
import type { HostFacts } from "./host-facts.ts";

/** `note` informs; `slow` and `unusable` make `percore doctor` exit with status 1. */
export type Level = "ok" | "note" | "slow" | "unusable";

export interface Finding {
  readonly area: string;
  readonly level: Level;
  readonly text: string;
  /** Commands or settings, one a line, each exact enough to copy. */
  readonly fix?: readonly string[];
}

/** Connections of a busy server, and what it opens besides. */
const NOFILE_WANTED = 65_536;
/** Below this a server runs out of descriptors before it runs out of processor. */
const NOFILE_MIN = 4_096;
/** Linux's own default since 5.4. */
const SOMAXCONN_WANTED = 4_096;
const SOMAXCONN_MIN = 1_024;

/** Since which Linux each part of io_uring is there, and whether the uring driver can do without it. */
const FEATURES = [
  { kind: "setup", name: "CQSIZE", since: "5.5", required: true },
  { kind: "setup", name: "CLAMP", since: "5.6", required: true },
  { kind: "setup", name: "SINGLE_ISSUER", since: "6.0", required: true },
  { kind: "setup", name: "DEFER_TASKRUN", since: "6.1", required: true },
  { kind: "setup", name: "SUBMIT_ALL", since: "5.18", required: false },
  { kind: "setup", name: "COOP_TASKRUN", since: "5.19", required: false },
  { kind: "setup", name: "NO_SQARRAY", since: "6.6", required: false },
  { kind: "register", name: "PROBE", since: "5.6", required: true },
  { kind: "register", name: "PBUF_RING", since: "5.19", required: true },
  { kind: "register", name: "RING_FDS", since: "5.18", required: false },
] as const;

const SECCOMP_FIX: Readonly<Record<string, readonly string[]>> = {
  docker: [
    "docker run --security-opt seccomp=profile.json …",
    "profile.json: Docker's default profile with io_uring_setup, io_uring_enter and io_uring_register allowed",
  ],
  podman: [
    "podman run --security-opt seccomp=profile.json …",
    "profile.json: Podman's default profile with io_uring_setup, io_uring_enter and io_uring_register allowed",
  ],
  kubernetes: [
    "securityContext: { seccompProfile: { type: Localhost, localhostProfile: percore.json } }",
    "percore.json: the runtime's default profile with io_uring_setup, io_uring_enter and io_uring_register allowed",
  ],
  none: [
    "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp filter (systemd: SystemCallFilter=@io-uring)",
  ],
};

const errnoText = (errno: number): string => (errno > 0 ? getSystemErrorName(-errno) : String(errno));

const kib = (bytes: number): string => (Number.isFinite(bytes) ? `${Math.ceil(bytes / 1024)} KiB` : "unlimited");

const platform = (facts: HostFacts): Finding => {
  const text = `${facts.platform} ${facts.arch}, kernel ${facts.kernel}`;
  if (facts.platform === "linux") return { area: "system", level: "ok", text };
  return { area: "system", level: "unusable", text, fix: ["run Percore on Linux (6.1 or newer for io_uring)"] };
};

const node = (facts: HostFacts): Finding => {
  const [major = 0, minor = 0] = facts.node.split(".").map(Number);
  const fix = ["install Node.js 24: https://nodejs.org/en/download"];
  if (major < 20 || (major === 20 && minor < 19)) {
    return { area: "node", level: "unusable", text: `${facts.node}; 20.19 is the oldest that works`, fix };
  }
  if (major < 22) return { area: "node", level: "note", text: `${facts.node}; gets no security fixes any more`, fix };
  return { area: "node", level: "ok", text: facts.node };
};

const openssl = (facts: HostFacts): Finding => {
  const area = "openssl";
  if (!facts.opensslShared) return { area, level: "ok", text: `${facts.openssl}, Node's own` };
  const text = `${facts.openssl}, the system's: TLS in the addon needs the copy inside Node`;
  return { area, level: "note", text, fix: ["use a Node.js from https://nodejs.org for TLS"] };
};

const addonMissing = (message: string): Finding => ({
  area: "addon",
  level: "unusable",
  text: `cannot be loaded: ${message.split("\n", 1)[0]}`,
  fix: [
    "npm rebuild @percore/native",
    "pnpm: pnpm approve-builds, choose @percore/native, then pnpm rebuild @percore/native",
  ],
});

const memlockFix = (bytes: number): readonly string[] => [
  `ulimit -l ${Math.ceil(bytes / 1024)}`,
  `systemd: LimitMEMLOCK=${bytes}`,
  `docker run --ulimit memlock=${bytes}:${bytes} …`,
];

/** Why the kernel refused a ring. The errno alone is ambiguous; the rest of the facts tell the cases apart. */
const refusal = (facts: HostFacts, failure: RingFailure): Finding => {
  const area = "io_uring";
  const base = `refused: ${errnoText(failure.errno)} at ${failure.step}`;
  const name = errnoText(failure.errno);
  if (facts.uringDisabled !== undefined && facts.uringDisabled > 0 && name === "EPERM") {
    const text = `${base}; kernel.io_uring_disabled is ${facts.uringDisabled}`;
    return { area, level: "slow", text, fix: ["sysctl -w kernel.io_uring_disabled=0"] };
  }
  if ((facts.seccomp ?? 0) > 0 && (name === "EPERM" || name === "ENOSYS" || name === "EACCES")) {
    const where = facts.container === undefined ? "" : ` of ${facts.container}`;
    const fix = SECCOMP_FIX[facts.container ?? "none"] ?? [];
    return { area, level: "slow", text: `${base}; by the seccomp filter${where}`, fix };
  }
  switch (name) {
    case "ENOSYS":
      return {
        area,
        level: "slow",
        text: `${base}; the kernel is built without it`,
        fix: ["a kernel with CONFIG_IO_URING=y"],
      };
    case "ENOMEM":
      return { area, level: "slow", text: `${base}; ${failure.detail}`, fix: memlockFix(failure.memlockNeeded) };
    case "EINVAL":
      return { area, level: "slow", text: `${base}; ${failure.detail}`, fix: ["Linux 6.1 or newer"] };
    case "EPERM":
    case "EACCES":
      return {
        area,
        level: "slow",
        text: `${base}; a security module or sandbox forbids it`,
        fix: ["allow io_uring in its policy"],
      };
    case "EMFILE":
      return { area, level: "slow", text: `${base}; no descriptor is left`, fix: [`ulimit -n ${NOFILE_WANTED}`] };
    default:
      return { area, level: "slow", text: `${base}; ${failure.detail}`, fix: ["Linux 6.1 or newer"] };
  }
};

const uring = (facts: HostFacts, report: HostReport): Finding[] => {
  const failure = report.trials.uring;
  const first: Finding =
    failure === undefined
      ? { area: "io_uring", level: "ok", text: "allowed, and a ring of full size opens" }
      : refusal(facts, failure);
  // Where not even a plain ring can be had, every feature "fails" for that one reason.
  return report.probe.setup === 0 ? [first, ...features(report)] : [first];
};

const features = ({ probe }: HostReport): Finding[] => {
  const area = "features";
  const missing: Finding[] = [];
  const present: string[] = [];
  for (const { kind, name, since, required } of FEATURES) {
    const errno = (kind === "setup" ? probe.setupFlags : probe.registerOpcodes)[name];
    if (errno === undefined) continue;
    if (errno === 0) {
      present.push(name);
      continue;
    }
    const text = `${name}: ${errnoText(errno)}${required ? "" : "; works without, a little slower"}`;
    missing.push({ area, level: required ? "slow" : "note", text, fix: [`Linux ${since} or newer`] });
  }
  const operations = Object.entries(probe.operations);
  for (const [name, supported] of operations) {
    if (supported) continue;
    missing.push({ area, level: "slow", text: `operation ${name} is not supported`, fix: ["Linux 6.1 or newer"] });
  }
  if (probe.multishotReceive === 0) present.push("multishot receive into provided buffers");
  else {
    const text = `multishot receive into provided buffers: ${errnoText(probe.multishotReceive)}`;
    missing.push({ area, level: "slow", text, fix: ["Linux 6.1 or newer"] });
  }
  const supported = operations.filter(([, works]) => works).length;
  const text = `${present.join(", ")}; ${supported} of ${operations.length} operations`;
  return [{ area, level: "ok", text }, ...missing];
};

const memlock = ({ memlock: limit, probe }: HostReport): Finding => {
  const area = "memlock";
  const text = `${kib(limit.soft)} may be locked, a ring needs ${kib(probe.memlockNeeded)}`;
  // Whether the limit applies depends on kernel and capabilities: only a refused ring (above) is more than a remark.
  if (limit.soft >= probe.memlockNeeded) return { area, level: "ok", text };
  return { area, level: "note", text: `${text} for each worker`, fix: memlockFix(probe.memlockNeeded) };
};

const driver = (facts: HostFacts, report: HostReport): Finding => {
  const area = "driver";
  const wanted = facts.driverWanted ?? "auto";
  const works = { uring: report.trials.uring === undefined, poll: report.trials.poll === undefined };
  if (wanted !== "auto" && wanted !== "uring" && wanted !== "poll") {
    return { area, level: "unusable", text: `PERCORE_DRIVER=${wanted} names no driver`, fix: ["unset PERCORE_DRIVER"] };
  }
  if (wanted === "poll" && works.poll) {
    const level = works.uring ? "slow" : "note";
    return { area, level, text: "poll, because PERCORE_DRIVER says so", fix: ["unset PERCORE_DRIVER"] };
  }
  if (wanted === "uring" && !works.uring) {
    const text = "PERCORE_DRIVER=uring, and io_uring is refused: servers will not start";
    return { area, level: "unusable", text, fix: ["unset PERCORE_DRIVER (the poll driver then serves)"] };
  }
  if (works.uring && wanted !== "poll") return { area, level: "ok", text: "uring" };
  if (works.poll) return { area, level: "ok", text: "poll (epoll), because io_uring is refused" };
  const failure = report.trials.poll;
  const why = failure === undefined ? "" : `: ${errnoText(failure.errno)} at ${failure.step}, ${failure.detail}`;
  return { area, level: "unusable", text: `no driver works${why}`, fix: [`ulimit -n ${NOFILE_WANTED}`] };
};

const seccomp = (facts: HostFacts): Finding => {
  const mode = ["none", "strict", "filtered"][facts.seccomp ?? 0] ?? `mode ${facts.seccomp}`;
  const where = facts.container === undefined ? "" : `, in ${facts.container}`;
  return { area: "seccomp", level: "ok", text: `${mode}${where}` };
};

const processors = (facts: HostFacts, report: HostReport): Finding => {
  const area = "processors";
  const allowed = report.affinity?.length ?? facts.processors;
  const parts = [`${facts.processors} online`];
  if (allowed < facts.processors) parts.push(`${allowed} allowed by the affinity mask`);
  if (facts.cpuQuota !== undefined) parts.push(`a quota of ${Number(facts.cpuQuota.toFixed(2))}`);
  const text = parts.join(", ");
  if (facts.cpuQuota !== undefined && facts.cpuQuota < 1) {
    const fix = ["docker run --cpus=1 …", "Kubernetes: resources.limits.cpu of at least 1, or no limit"];
    return { area, level: "slow", text: `${text}: the kernel will stop the server for part of every period`, fix };
  }
  return { area, level: "ok", text };
};

const descriptors = ({ nofile }: HostReport): Finding => {
  const area = "files";
  const text = `${Number.isFinite(nofile.soft) ? nofile.soft : "unlimited"} descriptors may be open`;
  if (nofile.soft >= NOFILE_MIN) return { area, level: "ok", text };
  const fix = [
    `ulimit -n ${NOFILE_WANTED}`,
    `systemd: LimitNOFILE=${NOFILE_WANTED}`,
    `docker run --ulimit nofile=${NOFILE_WANTED}:${NOFILE_WANTED} …`,
  ];
  return { area, level: "slow", text: `${text}: every connection takes one`, fix };
};

const acceptQueue = (facts: HostFacts): Finding[] => {
  if (facts.somaxconn === undefined) return [];
  const area = "accept queue";
  const text = `net.core.somaxconn is ${facts.somaxconn}`;
  if (facts.somaxconn >= SOMAXCONN_MIN) return [{ area, level: "ok", text }];
  const fix = [`sysctl -w net.core.somaxconn=${SOMAXCONN_WANTED}`];
  return [{ area, level: "note", text: `${text}: bursts of new connections are dropped`, fix }];
};

const kernelTls = (facts: HostFacts): Finding => {
  const area = "kernel tls";
  if (facts.kernelTls === true) return { area, level: "ok", text: "available" };
  return {
    area,
    level: "note",
    text: "the module is not loaded; TLS is encrypted in the process",
    fix: ["modprobe tls"],
  };
};

/** @returns every finding, in the order in which a person would mend them. */
export const judge = (facts: HostFacts): Finding[] => {
  const first = [platform(facts), node(facts)];
  const last = [openssl(facts), kernelTls(facts)];
  if (!facts.addon.loaded) return [...first, addonMissing(facts.addon.message), ...last];
  const { report } = facts.addon;
  return [
    ...first,
    driver(facts, report),
    ...uring(facts, report),
    memlock(report),
    seccomp(facts),
    processors(facts, report),
    descriptors(report),
    ...acceptQueue(facts),
    ...last,
  ];
};

/** Something makes a server slow or keeps it from running. */
export const isSerious = ({ level }: Finding): boolean => level === "slow" || level === "unusable";
