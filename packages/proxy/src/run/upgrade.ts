// upgrade.ts — another version of the program takes over: it gets the listening sockets, and when it serves, this one drains.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import { handedName, type ListeningSocket, listeningSockets } from "./handed-sockets.ts";
import type { ListenerStatus } from "./messages.ts";

/** What the new process has to be up. Milliseconds. */
const READY_MS = 30_000;

/** Names the descriptor on which the new process says that it serves. */
const READY_VARIABLE = "PERCORE_READY_FD";

export interface UpgradeOptions {
  /** The program and its arguments; default: this process's own. */
  readonly command?: readonly string[];
  readonly readyMs?: number;
}

/**
 * Starts the program anew with this process's listening sockets. No connection is refused meanwhile: the sockets are the
 * same ones, with the same queues.
 *
 * @param listeners where this process listens.
 * @returns the new process's id, once it serves.
 * @throws when it ends before, or is not up in time: then it has been killed, and this process goes on.
 */
export const startSuccessor = async (
  listeners: readonly ListenerStatus[],
  options: UpgradeOptions = {},
): Promise<number> => {
  const { command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)], readyMs = READY_MS } = options;
  const handed = handedOver(listeners, listeningSockets());
  const readyFd = 3 + handed.length;
  // LISTEN_PID must name the process that reads it, which is known only when it is there; exec keeps the number.
  const child = spawn("/bin/sh", ["-c", 'LISTEN_PID=$$ exec "$0" "$@"', ...command], {
    detached: true,
    env: {
      ...process.env,
      LISTEN_FDS: String(handed.length),
      LISTEN_FDNAMES: handed.map(({ name }) => name).join(":"),
      [READY_VARIABLE]: String(readyFd),
    },
    stdio: ["inherit", "inherit", "inherit", ...handed.map(({ fd }) => fd), "pipe"],
  });
  await isReady(child, readyFd, readyMs);
  child.unref();
  return child.pid as number;
};

/** Each listening descriptor with the name of the listener that the configuration calls it by. */
const handedOver = (
  listeners: readonly ListenerStatus[],
  sockets: readonly ListeningSocket[],
): { readonly fd: number; readonly name: string }[] =>
  listeners.flatMap(({ listen, addresses }) =>
    sockets.filter(({ address }) => addresses.includes(address)).map(({ fd }) => ({ fd, name: handedName(listen) })),
  );

const isReady = (child: ChildProcess, readyFd: number, readyMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const pipe = child.stdio[readyFd] as NodeJS.ReadableStream & { destroy(): void; unref?(): void };
    const settle = (error: Error | null): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      pipe.removeAllListeners();
      pipe.destroy();
      if (error === null) {
        resolve();
        return;
      }
      child.kill("SIGKILL");
      reject(error);
    };
    const timer = setTimeout(() => settle(new Error(`the new process was not up within ${readyMs} ms`)), readyMs);
    child.once("error", (error) => settle(error));
    child.once("exit", (code, signal) =>
      settle(new Error(`the new process ended with ${signal ?? `status ${code}`}; its messages say why`)),
    );
    pipe.once("data", () => settle(null));
  });

/** Tells the process that started us for an upgrade, if one did, that we serve. */
export const tellReady = (environment: NodeJS.ProcessEnv = process.env): void => {
  const fd = Number(environment[READY_VARIABLE]);
  delete environment[READY_VARIABLE];
  if (!Number.isInteger(fd) || fd < 3) return;
  try {
    writeSync(fd, "ready\n");
    closeSync(fd);
  } catch {
    // It has given up on us, and will say so itself.
  }
};
