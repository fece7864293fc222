// host-facts.ts — everything `percore doctor` looks at, gathered without judging it.
import { readFileSync } from "node:fs";
import os from "node:os";
import type { HostReport } from "@percore/core/host";

/** The addon's own report, or why there is none: without the addon nothing of Percore runs. */
export type AddonFacts =
  | { readonly loaded: true; readonly report: HostReport }
  | { readonly loaded: false; readonly message: string };

export interface HostFacts {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** uname -r */
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  /** Node was built against the system's OpenSSL rather than its own copy. */
  readonly opensslShared: boolean;
  readonly addon: AddonFacts;
  /** PERCORE_DRIVER, when set. */
  readonly driverWanted: string | undefined;
  /** kernel.io_uring_disabled: 0 allowed, 1 for members of a group and administrators, 2 for nobody. */
  readonly uringDisabled: number | undefined;
  /** Seccomp mode of this process: 0 none, 1 strict, 2 filtered. */
  readonly seccomp: number | undefined;
  readonly container: "docker" | "podman" | "kubernetes" | undefined;
  /** Processors that are online. */
  readonly processors: number;
  /** Processors' worth of time the control group may use, undefined = no quota. */
  readonly cpuQuota: number | undefined;
  /** Ceiling of every listener's accept queue. */
  readonly somaxconn: number | undefined;
  /** Whether the kernel's TLS module is loaded; undefined = the kernel does not say. */
  readonly kernelTls: boolean | undefined;
}

/** Reads a small system file; undefined when it is not there or not ours to read. */
export type ReadFile = (path: string) => string | undefined;

export interface FactSources {
  readonly read: ReadFile;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly loadHost: () => Promise<{ reportHost(): HostReport }>;
}

const readSystemFile: ReadFile = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

export const SYSTEM_SOURCES: FactSources = {
  read: readSystemFile,
  env: process.env,
  loadHost: () => import("@percore/core/host"),
};

const readNumber = (read: ReadFile, path: string): number | undefined => {
  const text = read(path)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
};

const loadAddon = async (sources: FactSources): Promise<AddonFacts> => {
  try {
    const host = await sources.loadHost();
    return { loaded: true, report: host.reportHost() };
  } catch (error) {
    return { loaded: false, message: error instanceof Error ? error.message : String(error) };
  }
};

const seccompMode = (read: ReadFile): number | undefined => {
  const match = /^Seccomp:\s*(\d)/m.exec(read("/proc/self/status") ?? "");
  return match === null ? undefined : Number(match[1]);
};

const containerKind = ({ read, env }: FactSources): HostFacts["container"] => {
  if (env.KUBERNETES_SERVICE_HOST !== undefined) return "kubernetes";
  if (read("/run/.containerenv") !== undefined) return "podman";
  return read("/.dockerenv") === undefined ? undefined : "docker";
};

/** The tightest quota on the way from this process's group up to the root (cgroup v2), or v1's own. */
const cgroupQuota = (read: ReadFile): number | undefined => {
  const groups = read("/proc/self/cgroup") ?? "";
  const own = /^0::(\/.*)$/m.exec(groups)?.[1];
  let tightest: number | undefined;
  const consider = (quota: number, period: number): void => {
    if (!(quota > 0 && period > 0)) return;
    tightest = Math.min(tightest ?? Number.POSITIVE_INFINITY, quota / period);
  };
  for (let group = own; group !== undefined; group = parentGroup(group)) {
    const [quota, period] = (read(`/sys/fs/cgroup${group === "/" ? "" : group}/cpu.max`) ?? "").trim().split(" ");
    consider(Number(quota), Number(period));
  }
  const controller = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(\/.*)$/m.exec(groups)?.[1];
  for (const group of controller === undefined ? [] : [controller, "/"]) {
    const directory = `/sys/fs/cgroup/cpu${group === "/" ? "" : group}`;
    consider(
      Number(read(`${directory}/cpu.cfs_quota_us`) ?? Number.NaN),
      Number(read(`${directory}/cpu.cfs_period_us`) ?? Number.NaN),
    );
  }
  return tightest;
};

const parentGroup = (group: string): string | undefined => {
  if (group === "/") return undefined;
  const cut = group.lastIndexOf("/");
  return cut <= 0 ? "/" : group.slice(0, cut);
};

const kernelTls = (read: ReadFile): boolean | undefined =>
  read("/proc/sys/net/ipv4/tcp_available_ulp")?.split(/\s+/).includes("tls");

/** Looks at the machine. Changes nothing, and opens nothing that it does not close. */
export const gatherFacts = async (sources: FactSources = SYSTEM_SOURCES): Promise<HostFacts> => {
  const { read, env } = sources;
  return {
    platform: process.platform,
    arch: process.arch,
    kernel: os.release(),
    node: process.versions.node,
    openssl: process.versions.openssl,
    opensslShared: (process.config.variables as { node_shared_openssl?: unknown }).node_shared_openssl === true,
    addon: await loadAddon(sources),
    driverWanted: env.PERCORE_DRIVER,
    uringDisabled: readNumber(read, "/proc/sys/kernel/io_uring_disabled"),
    seccomp: seccompMode(read),
    container: containerKind(sources),
    processors: os.cpus().length,
    cpuQuota: cgroupQuota(read),
    somaxconn: readNumber(read, "/proc/sys/net/core/somaxconn"),
    kernelTls: kernelTls(read),
  };
};
