// Child processes of the bench: each in a process group and session of its own, pinned, gone when the bench goes.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const running = new Set();

const signalGroup = (child, signal) => {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is empty: already gone.
  }
};

process.on("exit", () => {
  for (const child of running) signalGroup(child, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

/**
 * Other work on the machine runs in other autogroups, between which `nice` means nothing; this gives ours more weight.
 * Needs root; without it the run is only noisier, and the report says so.
 */
const raisePriority = (pid) => {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, "-10");
  } catch {
    // Not root, or a kernel without autogroups.
  }
};

/**
 * Starts a program.
 *
 * @param {string[]} command program and arguments
 * @param {{ cpus?: string, env?: Record<string, string>, cwd?: string, input?: boolean }} options `cpus` as for taskset
 */
export const start = (command, { cpus, env = {}, cwd, input = false } = {}) => {
  const pin = cpus === undefined ? [] : ["taskset", "-c", cpus];
  // pdeathsig: a bench that is killed hard must not leave a server behind.
  const [program, ...args] = ["setpriv", "--pdeathsig", "TERM", ...pin, ...command];
  const child = spawn(program, args, {
    detached: true,
    cwd,
    env: { ...process.env, ...env },
    stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
  });
  running.add(child);
  raisePriority(child.pid);
  const output = { out: "", error: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output.error = (output.error + text).slice(-4000);
  });
  const ended = new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(signal ?? code));
  }).finally(() => running.delete(child));
  return { child, group: child.pid, output, ended };
};

/** Ends a program: politely, then for good. */
export const stop = async (started) => {
  signalGroup(started.child, "SIGTERM");
  const ended = await Promise.race([started.ended.then(() => true), sleep(3000, false, { ref: false })]);
  signalGroup(started.child, "SIGKILL");
  if (!ended) await started.ended;
};

/** Waits for a line of the program's standard output. @throws when the program ends first or the time is over */
export const waitForLine = (started, line, timeoutMs) => {
  const { child, output } = started;
  return new Promise((resolve, reject) => {
    const finish = (error) => {
      clearTimeout(timer);
      child.stdout.off("data", look);
      child.off("close", gone);
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = () => output.out.split("\n").slice(0, -1).includes(line) && finish();
    const gone = () => finish(new Error(`ended before it said "${line}": ${output.error.trim()}`));
    const timer = setTimeout(() => finish(new Error(`did not say "${line}" in ${timeoutMs} ms`)), timeoutMs);
    child.stdout.on("data", look);
    child.on("close", gone);
    look();
  });
};

/** A port of 127.0.0.1 that is free now. */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Runs a program to its end. @throws with its last words unless it ends with status 0 */
export const run = async (command, options) => {
  const started = start(command, options);
  const status = await started.ended;
  if (status !== 0) throw new Error(`${command.join(" ")}: ${status}\n${started.output.error.trim()}`);
  return started.output.out;
};
