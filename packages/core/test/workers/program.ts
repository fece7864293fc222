// program.ts — runs a program as a child process and watches what it prints: for what only a whole process shows.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly execPath?: string;
  /** Killed after this, milliseconds. */
  readonly timeoutMs?: number;
  /** Descriptors for the child from 3 on. */
  readonly fds?: readonly number[];
}

/** Anything that ends a child at the end of a test. */
export interface Test {
  teardown(run: () => unknown): unknown;
}

export class Program {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  #stdout = "";
  #stderr = "";
  #over = false;
  readonly #waiting = new Set<() => void>();

  constructor(t: Test, args: readonly string[], options: ProgramOptions = {}) {
    const { nodeArgs = [], env = {}, cwd, stdin, execPath = process.execPath, timeoutMs = 90_000, fds = [] } = options;
    this.child = spawn(execPath, [...nodeArgs, ...args], {
      cwd,
      // Coverage and test runners must not reach into programs that are themselves under test.
      env: { ...withoutRunner(process.env), ...env },
      stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", ...fds],
    });
    if (stdin !== undefined) this.child.stdin?.end(stdin);
    this.child.stdout?.on("data", (chunk) => this.#grow(() => (this.#stdout += chunk)));
    this.child.stderr?.on("data", (chunk) => this.#grow(() => (this.#stderr += chunk)));
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeoutMs);
    this.exited = new Promise((resolve) => {
      this.child.on("close", (code, signal) => {
        clearTimeout(timer);
        this.#grow(() => (this.#over = true));
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    t.teardown(async () => {
      this.child.kill("SIGKILL");
      await this.exited;
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get lines(): string[] {
    return this.#stdout.split("\n").filter((line) => line !== "");
  }

  /** Descriptors that the process has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Resolves with the match when `pattern` has matched `count` times in what was printed; rejects when it is over before. */
  async printed(pattern: RegExp, count = 1): Promise<RegExpExecArray> {
    const all = new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`);
    for (;;) {
      const matches = [...this.#stdout.matchAll(all)];
      if (matches.length >= count) return matches[count - 1] as RegExpExecArray;
      if (this.#over) throw new Error(`over before ${pattern}:\n${this.#stdout}\n${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  #grow(change: () => void): void {
    change();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

const withoutRunner = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const kept = { ...environment };
  for (const name of Object.keys(kept)) {
    if (/^(NODE_OPTIONS|NODE_V8_COVERAGE|NODE_TEST_CONTEXT|TAP|TAP_|_TAPJS)/.test(name)) delete kept[name];
  }
  return kept;
};

/** One of the programs beside this file. */
export const programPath = (name: string): string => fileURLToPath(new URL(`programs/${name}.js`, import.meta.url));
