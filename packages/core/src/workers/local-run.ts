// local-run.ts — one worker is no worker: main in the calling thread, with the same draining and dropping of privileges.
import { gettid } from "@percore/native";
import { CoreError } from "../errors.ts";
import { currentRuntime, openRuntime, type Runtime, type RuntimeOptions } from "../runtime.ts";
import type { PeerAddress } from "../stream.ts";
import { currentMember, Member, setMember } from "./member.ts";
import { pinNow, warmThreadPool } from "./pin.ts";
import { dropPrivileges, type Identity, privilegesLate, READY_MS_MAX } from "./privileges.ts";
import type { Controller } from "./running.ts";
import type { RunEvent } from "./supervisor.ts";
import type { WorkerReport } from "./worker-slot.ts";

export interface LocalOptions {
  readonly runtime: RuntimeOptions;
  readonly cpu: number | null;
  readonly identity: Identity | null;
  readonly drainMs: number;
  readonly onEvent: (event: RunEvent) => void;
  readonly main: (here: LocalRun, runtime: Runtime) => unknown;
}

export class LocalRun implements Controller {
  readonly member: Member;
  readonly ended: Promise<void>;
  readonly closed: Promise<void>;
  readonly #options: LocalOptions;
  #runtime: Runtime | null = null;
  #mainEnded = false;
  #dropped: boolean;
  #resolveClosed: () => void = () => {};

  constructor(options: LocalOptions) {
    this.#options = options;
    this.#dropped = options.identity === null;
    // A program may run one thing after another; what was drained once stays drained.
    const present = currentMember();
    this.member = present.draining ? new Member({ index: 0, workers: 1, uplink: null, accepting: true }) : present;
    setMember(this.member);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.ended = this.#run();
  }

  /** Ports are bound: privileges are dropped, and accepting begins. */
  ready(): void {
    const { identity, onEvent } = this.#options;
    if (this.#dropped || identity === null) return;
    dropPrivileges(identity);
    this.#dropped = true;
    onEvent({ kind: "privileges-dropped", uid: identity.uid, gid: identity.gid });
    this.member.go();
  }

  /** Drains; resets what is left at the deadline. */
  async drain(deadlineMs: number = this.#options.drainMs): Promise<{ idle: boolean }> {
    if (!this.member.hasToDrain) return { idle: true };
    const deadline = setTimeout(() => {
      this.#options.onEvent({ kind: "drain-deadline", worker: 0 });
      void this.terminate();
    }, deadlineMs);
    deadline.unref();
    const rethrow = (error: unknown): void => queueMicrotask(() => raise(error));
    await Promise.race([this.member.drain(deadlineMs, rethrow), this.closed]);
    clearTimeout(deadline);
    this.#resolveClosed();
    return { idle: false };
  }

  /** Resets every connection of this thread; the thread itself is not ours to end. */
  async terminate(): Promise<void> {
    this.#runtime?.close();
    this.#resolveClosed();
  }

  scale(): Promise<never> {
    return Promise.reject(
      new CoreError("ERR_OPTION_INVALID", "one worker runs in the calling thread; start with more to scale"),
    );
  }

  restart(): Promise<never> {
    return Promise.reject(
      new CoreError("ERR_OPTION_INVALID", "one worker runs in the calling thread, which cannot be replaced"),
    );
  }

  reports(): WorkerReport[] {
    const runtime = this.#runtime;
    return [
      {
        index: 0,
        state: "running",
        up: this.#mainEnded,
        restarts: 0,
        cpu: this.#options.cpu,
        tid: gettid(),
        driver: runtime?.driver.kind ?? null,
        stats: runtime?.counters.snapshot() ?? null,
      },
    ];
  }

  async addresses(): Promise<PeerAddress[]> {
    return this.member.addresses;
  }

  async #run(): Promise<void> {
    const { cpu, identity, main, runtime } = this.#options;
    // main begins after the caller's turn, as it does in a worker.
    await Promise.resolve();
    if (cpu !== null) {
      await warmThreadPool();
      pinNow(cpu);
    }
    this.#runtime = threadRuntime(runtime);
    this.member.share("core", this.#runtime.counters.buffer);
    if (identity === null) await main(this, this.#runtime);
    else await this.#runPrivileged(async () => main(this, this.#runtime as Runtime));
    this.#mainEnded = true;
    if (!this.member.hasToDrain) this.#resolveClosed();
  }

  async #runPrivileged(main: () => Promise<unknown>): Promise<void> {
    this.member.hold();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((_, reject) => {
      timer = setTimeout(() => {
        if (this.#dropped) return;
        // Nothing was accepted, and nothing will be.
        void this.terminate();
        reject(privilegesLate("main is"));
      }, READY_MS_MAX).unref();
    });
    try {
      await Promise.race([main(), late]);
    } finally {
      clearTimeout(timer);
    }
    this.ready();
  }
}

/** The runtime of this thread; opened with these options where there is none. */
const threadRuntime = (options: RuntimeOptions): Runtime => {
  try {
    return openRuntime(options);
  } catch (error) {
    const asked = Object.values(options).some((value) => value !== undefined);
    if (asked || !(error instanceof CoreError) || error.code !== "ERR_RUNTIME_EXISTS") throw error;
    return currentRuntime();
  }
};

const raise = (error: unknown): never => {
  throw error;
};
