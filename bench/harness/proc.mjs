// What Linux tells about processes and processors: CPU time of a whole process group, memory, load of each processor.
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ: the unit of the times in /proc, fixed by the kernel's ABI. */
const TICK_NS = 10_000_000;

const read = (path) => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // the process or thread has ended meanwhile
  }
};

/** Fields of /proc/PID/stat after the command name, which may itself hold spaces and brackets. */
const statFields = (pid) => {
  const text = read(`/proc/${pid}/stat`);
  return text === "" ? undefined : text.slice(text.lastIndexOf(")") + 2).split(" ");
};

/** Ids of the processes of a group; a server's helpers and workers stay in the group it was started in. */
export const groupMembers = (group) =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name) && statFields(name)?.[2] === String(group));

/**
 * CPU time of a process group. The total comes from the scheduler (nanoseconds, of every living thread); the split into user and
 * system, and the total when threads have ended, from the clock ticks, which are exact to 10 ms only. `waits` counts how often a
 * thread went to sleep: fewer per request means bigger batches.
 */
export const groupCpu = (group) => {
  const sum = { scheduled: 0, userTicks: 0, systemTicks: 0, waits: 0, threads: new Map() };
  for (const pid of groupMembers(group)) {
    const fields = statFields(pid);
    if (fields === undefined) continue;
    sum.userTicks += Number(fields[11]);
    sum.systemTicks += Number(fields[12]);
    for (const thread of listThreads(pid)) {
      const spent = Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0] || 0);
      sum.scheduled += spent;
      sum.threads.set(thread, spent);
      sum.waits += Number(
        /^voluntary_ctxt_switches:\s+(\d+)/m.exec(read(`/proc/${pid}/task/${thread}/status`))?.[1] ?? 0,
      );
    }
  }
  return sum;
};

const listThreads = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
};

/** @returns nanoseconds of user and system time between two readings of `groupCpu` */
export const cpuBetween = (before, after) => {
  const userTicks = after.userTicks - before.userTicks;
  const systemTicks = after.systemTicks - before.systemTicks;
  const ticked = (userTicks + systemTicks) * TICK_NS;
  const scheduled = after.scheduled - before.scheduled;
  const total = scheduled >= ticked * 0.97 ? scheduled : ticked;
  const user = userTicks + systemTicks === 0 ? 0 : (total * userTicks) / (userTicks + systemTicks);
  return { total, user, system: total - user };
};

/** Busy nanoseconds of each thread of the group between two readings, largest first: the skew between workers. */
export const threadsBetween = (before, after) =>
  [...after.threads].map(([thread, spent]) => spent - (before.threads.get(thread) ?? 0)).sort((a, b) => b - a);

/** Ticks that each processor has been busy and stolen since boot. */
export const processorTimes = () =>
  read("/proc/stat")
    .split("\n")
    .filter((line) => /^cpu\d/.test(line))
    .map((line) => {
      const [user, nice, system, idle, iowait, irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number);
      const busy = user + nice + system + irq + softirq;
      return { busy: busy * TICK_NS, stolen: steal * TICK_NS, all: (busy + idle + iowait + steal) * TICK_NS };
    });

const statusField = (pid, field) =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;

/** Most memory that the group's processes have held resident, bytes. Pages shared between them count in each. */
export const groupPeakRss = (group) => groupMembers(group).reduce((sum, pid) => sum + statusField(pid, "VmHWM"), 0);

/** Memory that would be free if the group ended, bytes, now. */
export const groupPrivateMemory = (group) =>
  groupMembers(group).reduce((sum, pid) => {
    const text = read(`/proc/${pid}/smaps_rollup`);
    const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].reduce(
      (all, m) => all + Number(m[1]),
      0,
    );
    return sum + kilobytes * 1024;
  }, 0);

export const groupRss = (group) => groupMembers(group).reduce((sum, pid) => sum + statusField(pid, "VmRSS"), 0);

/** The kernel's unswappable memory, bytes: slabs (sockets live there), page tables, and memory of TCP buffers. */
export const kernelMemory = () => {
  const kilobytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(read("/proc/meminfo"))?.[1] ?? 0);
  return (kilobytes("Slab") + kilobytes("PageTables")) * 1024;
};
