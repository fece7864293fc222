// target-process.ts — starts target.ts as a child process and asks it what it has seen.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { RawClient } from "./raw-client.ts";
import type { Gauges, ServiceOptions } from "./service.ts";
import type { Question } from "./target.ts";

const PROGRAM = fileURLToPath(new URL("./target.js", import.meta.url));
const SETTLE_MS = 10_000;

export interface TargetOptions extends ServiceOptions {
  readonly driver?: "uring" | "poll";
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Target {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exit: Promise<string>;
  readonly #answers: ((value: unknown) => void)[] = [];
  #stderr = "";
  /** "status 0" once the process has ended. */
  exited: string | null = null;
  /** Gauges when nothing had connected yet. */
  before!: Gauges;

  private constructor(child: ChildProcess, exit: Promise<string>, port: number) {
    this.#child = child;
    this.#exit = exit;
    this.port = port;
    child.on("message", (message: { value: unknown }) => this.#answers.shift()?.(message.value));
    void exit.then((how) => {
      this.exited = how;
      for (const waiter of this.#answers.splice(0)) waiter(null);
    });
  }

  static async start(options: TargetOptions): Promise<Target> {
    const { driver, ...rest } = options;
    const env = { ...process.env, ...(driver === undefined ? {} : { PERCORE_DRIVER: driver }) };
    const child = fork(PROGRAM, [JSON.stringify(rest)], {
      env,
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    const exit = new Promise<string>((resolve) =>
      child.once("exit", (code, signal) => resolve(signal ?? `status ${code}`)),
    );
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      if (target !== undefined) target.#stderr = stderr;
    });
    let target: Target | undefined;
    const port = await Promise.race([
      new Promise<number>((resolve) => child.once("message", (message: { port: number }) => resolve(message.port))),
      exit.then((how) => Promise.reject(new Error(`the target ended at its start, ${how}\n${stderr}`))),
    ]);
    target = new Target(child, exit, port);
    target.#stderr = stderr;
    // One exchange first: what is loaded and opened lazily must not look like a leak.
    const client = await RawClient.open(port);
    await client.send("GET /warm HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await client.closed(5_000);
    await client.dispose();
    await target.idle();
    await target.take();
    target.before = await target.gauges();
    return target;
  }

  /** What the process wrote to its standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  #ask(question: Question): Promise<unknown> {
    if (this.exited !== null) return Promise.reject(new Error(`the target ended, ${this.exited}\n${this.#stderr}`));
    return new Promise((resolve, reject) => {
      this.#answers.push((value) =>
        this.exited === null ? resolve(value) : reject(new Error(`the target ended, ${this.exited}\n${this.#stderr}`)),
      );
      this.#child.send(question, (error) => {
        if (error) reject(error);
      });
    });
  }

  gauges(): Promise<Gauges> {
    return this.#ask({ ask: "gauges" }) as Promise<Gauges>;
  }

  /** Gauges after a garbage collection. */
  collect(): Promise<Gauges> {
    return this.#ask({ ask: "collect" }) as Promise<Gauges>;
  }

  /** Gauges after a garbage collection, with V8's young generation at its final size: to be compared with each other. */
  weigh(): Promise<Gauges> {
    return this.#ask({ ask: "weigh" }) as Promise<Gauges>;
  }

  /** What the handler was called for since the last time, in order. */
  take(): Promise<string[]> {
    return this.#ask({ ask: "take" }) as Promise<string[]>;
  }

  async keepLog(on: boolean): Promise<void> {
    await this.#ask({ ask: "keep", on });
  }

  /** Waits until a gauge says so. */
  async until(condition: (gauges: Gauges) => boolean, ms: number = SETTLE_MS): Promise<Gauges> {
    const deadline = performance.now() + ms;
    for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
      const now = await this.gauges();
      if (condition(now) || performance.now() > deadline) return now;
      await pause(wait);
    }
  }

  /** Waits until no connection is left. */
  idle(ms: number = SETTLE_MS): Promise<Gauges> {
    return this.until((gauges) => gauges.connections === 0, ms);
  }

  /** Everything the server took for its connections is given back: the same descriptors, no lease, no deadline. */
  async settled(ms: number = SETTLE_MS): Promise<Gauges> {
    const { before } = this;
    return this.until(
      (now) =>
        now.connections === 0 &&
        now.leases <= before.leases &&
        now.timers <= before.timers &&
        now.descriptors <= before.descriptors,
      ms,
    );
  }

  /** Closes the server, then the process. @returns the gauges after the close. */
  async stop(): Promise<Gauges> {
    const after = (await this.#ask({ ask: "close" })) as Gauges;
    this.#child.disconnect();
    await this.#exit;
    return after;
  }

  /** For a teardown after a failure. */
  kill(): void {
    if (this.exited === null) this.#child.kill("SIGKILL");
  }
}
