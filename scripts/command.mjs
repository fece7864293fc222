// command.mjs — child processes that cannot outlive their time or their parent.
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";

const GRACE_MS = 3_000;
const running = new Set();

const killGroup = (child, signal) => {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group has ended already.
  }
};

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    for (const child of running) killGroup(child, "SIGTERM");
    process.exit(signal === "SIGINT" ? 130 : 143);
  });
}
process.on("exit", () => {
  for (const child of running) killGroup(child, "SIGKILL");
});

/**
 * Runs a command in a process group of its own and ends the group when its time is over.
 *
 * @param {string} file
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs: number, show?: boolean, onStdout?: (chunk: Buffer) => void }} options
 *   `show` passes the output on as it comes; otherwise it is collected, both streams in the order of arrival.
 *   `onStdout` takes standard output instead of collecting it.
 * @returns {Promise<{ code: number, timedOut: boolean, output: string, seconds: number }>}
 */
export const run = (file, args, options) => {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      detached: true,
      stdio: ["ignore", options.show ? "inherit" : "pipe", options.show ? "inherit" : "pipe"],
    });
    const chunks = [];
    let timedOut = false;
    running.add(child);
    child.stdout?.on("data", options.onStdout ?? ((chunk) => chunks.push(chunk)));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child, "SIGTERM");
      setTimeout(() => killGroup(child, "SIGKILL"), GRACE_MS).unref();
    }, options.timeoutMs);
    const finish = (code) => {
      clearTimeout(timer);
      if (child.pid !== undefined) killGroup(child, "SIGKILL"); // what the command itself left running
      running.delete(child);
      const seconds = (performance.now() - started) / 1000;
      resolve({ code, timedOut, output: Buffer.concat(chunks).toString(), seconds });
    };
    child.once("error", (error) => {
      chunks.push(Buffer.from(`${error.message}\n`));
      finish(127);
    });
    // "exit", then a moment for the pipes: a grandchild that keeps them open must not hang us.
    child.once("exit", (code, signal) => {
      const status = code ?? (signal ? 128 : 1);
      const late = setTimeout(() => finish(status), GRACE_MS);
      child.once("close", () => {
        clearTimeout(late);
        finish(status);
      });
    });
  });
};

/** @returns {string | undefined} the first of `names` that can be executed: a path, or a name looked up on PATH. */
export const findProgram = (...names) => {
  const directories = (process.env.PATH ?? "").split(path.delimiter);
  const candidates = names.flatMap((name) =>
    name.includes("/") ? [name] : directories.map((directory) => path.join(directory, name)),
  );
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
};
