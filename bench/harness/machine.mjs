// What the figures were measured on, and the processors that the bench uses.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** The server's processor and the load's. With a single one nothing here means anything. */
export const SERVER_CPU = 0;
export const LOAD_CPU = 1;

const firstLine = (path) => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
};

export const describeMachine = () => ({
  processor: cpus()[0]?.model.trim() ?? "unknown",
  processors: availableParallelism(),
  memoryBytes: totalmem(),
  kernel: release(),
  virtual: /^flags.*\bhypervisor\b/m.test(firstLine("/proc/cpuinfo")),
  congestionControl: firstLine("/proc/sys/net/ipv4/tcp_congestion_control"),
  node: process.version,
  priorityRaised: process.getuid?.() === 0 && firstLine("/proc/sys/kernel/sched_autogroup_enabled") === "1",
});

/** @throws when the machine cannot carry the bench, with what is missing */
export const requireMachine = () => {
  if (process.platform !== "linux")
    throw new Error("the bench reads CPU times from /proc and pins processes: Linux only");
  if (availableParallelism() < 2)
    throw new Error("the bench needs two processors: one for the server, one for the load");
};
