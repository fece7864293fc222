// command.ts — runs the compiled `percore` command the way a shell does.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const MAIN: string = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));

const COMMAND_MS = 60_000;

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs any program to its end. */
export const execute = (file: string, args: string[], env: Record<string, string> = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: COMMAND_MS };
    const child = execFile(file, args, options, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, stdout, stderr });
    });
  });

export const percore = (args: string[], env: Record<string, string> = {}): Promise<Outcome> =>
  execute(process.execPath, [MAIN, ...args], env);

/** A command that goes on until it is told to end. */
export class Service {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";

  constructor(args: string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
  }

  /** Resolves with the match once standard output has it. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (this.child.exitCode !== null)
        throw new Error(`ended without saying ${pattern}: ${this.stdout}${this.stderr}`);
      await Promise.race([once(this.child.stdout ?? this.child, "data"), once(this.child, "exit")]);
    }
  }

  /** @returns how it ended: an exit status or a signal's name. */
  async end(signal: NodeJS.Signals): Promise<number | string> {
    const ended = this.child.exitCode === null && this.child.signalCode === null ? once(this.child, "exit") : undefined;
    this.child.kill(signal);
    await ended;
    return this.child.exitCode ?? this.child.signalCode ?? "unknown";
  }
}
