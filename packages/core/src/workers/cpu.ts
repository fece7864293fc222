// cpu.ts — how many workers a machine, a container and an affinity mask have room for, and which processor each gets.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { getAffinity } from "@percore/native";
import { CoreError } from "../errors.ts";

/** "none": the kernel decides. "spread": one worker per processor, whole cores before their second threads. */
export type CpusOption = "none" | "spread" | readonly number[];

/** Reads a small file of /proc or /sys; null where there is none. */
export type ReadText = (path: string) => string | null;

export const WORKERS_MAX = 1024;

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
};

/** Processors that the calling thread may run on. */
export const allowedCpus = (): number[] => {
  const mask = getAffinity();
  return typeof mask === "number" ? Array.from({ length: availableParallelism() }, (_, cpu) => cpu) : mask;
};

/**
 * The number of workers for "auto": the processors allowed, and no more than the cgroup's quota has time for (whole
 * processors, rounded down, at least one: a thread more than the quota only gets everybody throttled).
 */
export const autoWorkers = (allowed: number = allowedCpus().length, read: ReadText = readText): number =>
  Math.max(1, Math.min(allowed, Math.floor(cgroupCpus(read)), WORKERS_MAX));

/**
 * @returns the number that `workers` asks for.
 * @throws {CoreError} ERR_OPTION_INVALID.
 */
export const countWorkers = (workers: number | "auto"): number => {
  if (workers === "auto") return autoWorkers();
  if (Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX) return workers;
  throw new CoreError("ERR_OPTION_INVALID", `workers is ${workers}; it may be "auto" or 1..${WORKERS_MAX}`);
};

/** Processors' worth of time that the cgroup may use; Infinity without a limit. Looks at both cgroup versions. */
export const cgroupCpus = (read: ReadText = readText): number => {
  let limit = Number.POSITIVE_INFINITY;
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [id, controllers, path] = splitCgroupLine(line);
    if (path === null) continue;
    if (id === "0" && controllers === "") limit = Math.min(limit, lowestOnPath("/sys/fs/cgroup", path, read, quotaV2));
    if (controllers.split(",").includes("cpu")) {
      // The controller's mount is named after all controllers that share it, or linked by its own name.
      for (const mount of [controllers, "cpu"]) {
        limit = Math.min(limit, lowestOnPath(`/sys/fs/cgroup/${mount}`, path, read, quotaV1));
      }
    }
  }
  return limit;
};

const splitCgroupLine = (line: string): [id: string, controllers: string, path: string | null] => {
  const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
  return match === null ? ["", "", null] : [match[1], match[2], match[3]];
};

type Quota = (folder: string, read: ReadText) => number;

/** A limit on any level counts. In a container the path may be that of the host, of which only the root is mounted. */
const lowestOnPath = (mount: string, path: string, read: ReadText, quota: Quota): number => {
  let lowest = quota(mount, read);
  let folder = mount;
  for (const part of path.split("/").filter((name) => name !== "" && name !== "..")) {
    folder = `${folder}/${part}`;
    lowest = Math.min(lowest, quota(folder, read));
  }
  return lowest;
};

const quotaV2: Quota = (folder, read) => {
  const [quota, period] = (read(`${folder}/cpu.max`) ?? "max 100000").trim().split(" ").map(Number);
  return quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY;
};

const quotaV1: Quota = (folder, read) => {
  const quota = Number(read(`${folder}/cpu.cfs_quota_us`) ?? -1);
  const period = Number(read(`${folder}/cpu.cfs_period_us`) ?? 0);
  return quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY;
};

/**
 * The processor of each worker, by index; null where none is pinned. More workers than processors go round.
 * @throws {CoreError} ERR_OPTION_INVALID for a processor that this process may not run on.
 */
export const placeWorkers = (
  count: number,
  cpus: CpusOption,
  allowed: readonly number[] = allowedCpus(),
  read: ReadText = readText,
): (number | null)[] => {
  const order = cpus === "none" ? [] : cpus === "spread" ? spreadOrder(allowed, read) : checkCpus(cpus, allowed);
  return Array.from({ length: count }, (_, index) => (order.length === 0 ? null : order[index % order.length]));
};

const checkCpus = (cpus: readonly number[], allowed: readonly number[]): readonly number[] => {
  if (!Array.isArray(cpus) || cpus.length === 0) {
    throw new CoreError(
      "ERR_OPTION_INVALID",
      `cpus is ${String(cpus)}; it may be "none", "spread" or a list of processors`,
    );
  }
  for (const cpu of cpus) {
    if (allowed.includes(cpu)) continue;
    throw new CoreError(
      "ERR_OPTION_INVALID",
      `cpus: processor ${cpu} is not among those allowed (${allowed.join(", ")})`,
    );
  }
  return cpus;
};

/** Allowed processors, the first thread of every core before the second of any. */
const spreadOrder = (allowed: readonly number[], read: ReadText): number[] => {
  const rank = (cpu: number): number => {
    const siblings = parseCpuList(read(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`) ?? `${cpu}`);
    return siblings.filter((sibling) => allowed.includes(sibling) && sibling < cpu).length;
  };
  return allowed
    .map((cpu) => ({ cpu, rank: rank(cpu) }))
    .sort((left, right) => left.rank - right.rank || left.cpu - right.cpu)
    .map(({ cpu }) => cpu);
};

/** "0-2,8" → [0, 1, 2, 8]. */
const parseCpuList = (text: string): number[] =>
  text
    .trim()
    .split(",")
    .flatMap((range) => {
      const [first, last = first] = range.split("-").map(Number);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
    });
