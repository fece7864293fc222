// supervisor.ts — the main thread of a program with several workers: starts, watches, restarts, drains them, and owns
// their listening sockets. It serves nothing itself.
import { CoreError } from "../errors.ts";
import type { PeerAddress } from "../stream.ts";
import { entryRequired } from "./entry.ts";
import { ListenerRegistry } from "./listener-registry.ts";
import { currentMember } from "./member.ts";
import { type FromWorker, fromWire, toWire } from "./messages.ts";
import { warmThreadPool } from "./pin.ts";
import { dropPrivileges, type Identity, privilegesLate, READY_MS_MAX } from "./privileges.ts";
import type { Controller } from "./running.ts";
import { type WorkerReport, WorkerSlot } from "./worker-slot.ts";

/** What an operator would want in a log. */
export type RunEvent =
  | { readonly kind: "up"; readonly worker: number }
  | { readonly kind: "crashed"; readonly worker: number; readonly error: unknown; readonly restartInMs: number | null }
  | { readonly kind: "exited"; readonly worker: number }
  | { readonly kind: "drain-deadline"; readonly worker: number }
  | { readonly kind: "privileges-dropped"; readonly uid: number; readonly gid: number };

export interface SupervisorOptions {
  readonly run: number;
  readonly entry: URL;
  readonly argv: readonly string[];
  /** The processor of each worker, or null; its length is the number of workers. */
  readonly cpus: readonly (number | null)[];
  readonly identity: Identity | null;
  readonly drainMs: number;
  readonly restartDelayMs: number;
  readonly restartDelayMsMax: number;
  readonly onEvent: (event: RunEvent) => void;
  /** The processor for a worker that is added later. */
  readonly placeCpu: (index: number) => number | null;
}

/** A worker that holds out so long starts again with the shortest delay, milliseconds. */
const STABLE_MS = 10_000;

/** What a thread ends with whose program waits at top level for a promise that nobody is left to settle. */
const UNSETTLED_AWAIT = 13;

export class Supervisor implements Controller {
  /** Resolves when every main has ended; rejects when the program cannot start. */
  readonly ended: Promise<void>;
  /** Resolves when every worker is gone. */
  readonly closed: Promise<void>;
  readonly #options: SupervisorOptions;
  readonly #slots: WorkerSlot[] = [];
  readonly #registry: ListenerRegistry;
  readonly #waiting = new Set<() => void>();
  #accepting: boolean;
  #readyTimer: NodeJS.Timeout | null = null;
  #failure: Error | null = null;
  /** Every worker that was asked to drain had nothing to drain. */
  #idle = true;
  #settleEnded: { resolve(): void; reject(error: Error): void } = { resolve: () => {}, reject: () => {} };
  #resolveClosed: () => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#accepting = options.identity === null;
    this.#registry = new ListenerRegistry((worker, message) => this.#slots[worker].send(message));
    this.ended = new Promise((resolve, reject) => {
      this.#settleEnded = { resolve, reject };
    });
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    void this.#start();
    if (options.identity !== null) {
      this.#readyTimer = setTimeout(() => this.#notReady(), READY_MS_MAX);
      this.#readyTimer.unref();
    }
  }

  reports(): WorkerReport[] {
    return this.#slots.map((slot) => slot.report());
  }

  addresses(): Promise<PeerAddress[]> {
    return this.#registry.addresses();
  }

  /**
   * Lets every worker finish what it has and end; terminates those that have not by `deadlineMs`.
   * @returns whether nobody had anything to finish.
   */
  async drain(deadlineMs: number = this.#options.drainMs): Promise<{ idle: boolean }> {
    for (const slot of this.#slots) this.#drainSlot(slot, deadlineMs, "leave");
    await this.closed;
    return { idle: this.#idle };
  }

  /** Ends every worker at once; their connections are reset. */
  async terminate(): Promise<void> {
    for (const slot of this.#slots) {
      slot.intent = "leave";
      if (slot.cancelStart()) this.#finish(slot);
      slot.terminate();
    }
    await this.closed;
  }

  /** Adds workers, or drains the last ones. Resolves when those are up and these are gone. */
  async scale(workers: number, deadlineMs: number = this.#options.drainMs): Promise<void> {
    const staying = this.#slots.filter((slot) => slot.state !== "finished");
    for (const slot of staying.slice(workers)) this.#drainSlot(slot, deadlineMs, "leave");
    const added: WorkerSlot[] = [];
    for (let more = staying.length; more < workers; more += 1) {
      added.push(this.#addSlot(this.#options.placeCpu(this.#slots.length)));
    }
    const leaving = staying.slice(workers);
    await this.#until(() => added.every(settled) && leaving.every((slot) => slot.state === "finished"));
  }

  /** Replaces every worker by a new one, one after another; the others serve meanwhile. */
  async restart(deadlineMs: number = this.#options.drainMs): Promise<void> {
    for (const slot of this.#slots.filter((candidate) => candidate.alive)) {
      const { restarts } = slot;
      this.#drainSlot(slot, deadlineMs, "replace");
      await this.#until(() => slot.state === "finished" || (slot.restarts > restarts && settled(slot)));
    }
  }

  async #start(): Promise<void> {
    const { cpus } = this.#options;
    if (cpus.some((cpu) => cpu !== null)) await warmThreadPool();
    for (const cpu of cpus) this.#addSlot(cpu);
  }

  #addSlot(cpu: number | null): WorkerSlot {
    const { run, entry, argv } = this.#options;
    const slot = new WorkerSlot({
      index: this.#slots.length,
      cpu,
      run,
      entry,
      argv,
      events: {
        onMessage: (from, message) => this.#onMessage(from, message),
        onExit: (from, code, error) => this.#onExit(from, code, error),
      },
    });
    this.#slots.push(slot);
    slot.start(Math.max(this.#options.cpus.length, this.#slots.length), this.#accepting);
    return slot;
  }

  #drainSlot(slot: WorkerSlot, deadlineMs: number, intent: "leave" | "replace"): void {
    if (slot.cancelStart()) {
      this.#finish(slot);
      return;
    }
    if (!slot.alive) return;
    slot.drain(deadlineMs, intent, () => {
      this.#idle = false;
      this.#options.onEvent({ kind: "drain-deadline", worker: slot.index });
    });
  }

  #onMessage(slot: WorkerSlot, message: FromWorker): void {
    switch (message.type) {
      case "hello":
        slot.running(message.tid, message.driver);
        for (const other of this.#slots) {
          if (other === slot) continue;
          for (const [name, buffer] of other.shared) slot.send({ type: "shared", worker: other.index, name, buffer });
        }
        break;
      case "up":
        this.#onUp(slot);
        break;
      case "ended":
        slot.mainEnded = true;
        break;
      case "failed":
        slot.failure = fromWire(message.error);
        break;
      case "listen":
        void this.#listen(slot, message);
        break;
      case "release":
        void this.#release(slot, message);
        break;
      case "drained":
        if (message.idle) slot.terminate();
        else this.#idle = false;
        break;
      case "requestDrain":
        void this.drain(message.deadlineMs ?? undefined);
        break;
      case "share":
        this.#share(slot, message.name, message.buffer);
        break;
    }
    this.#check();
  }

  async #listen(slot: WorkerSlot, request: FromWorker & { type: "listen" }): Promise<void> {
    const { id, key, target } = request;
    try {
      const grant = await this.#registry.acquire(slot.index, key, target);
      slot.send({ type: "granted", id, grant });
      if (!slot.alive) await this.#registry.leave(slot.index);
    } catch (error) {
      slot.send({ type: "refused", id, error: toWire(error) });
    }
  }

  async #release(slot: WorkerSlot, request: FromWorker & { type: "release" }): Promise<void> {
    const fds = await this.#registry.release(slot.index, request.key);
    slot.send({ type: "released", id: request.id, fds });
  }

  #share(slot: WorkerSlot, name: string, buffer: SharedArrayBuffer): void {
    slot.shared.set(name, buffer);
    currentMember().receiveShared(slot.index, name, buffer);
    for (const other of this.#slots) {
      if (other !== slot && other.alive) other.send({ type: "shared", worker: slot.index, name, buffer });
    }
  }

  #onUp(slot: WorkerSlot): void {
    if (slot.ready) return;
    slot.ready = true;
    slot.first = false;
    this.#options.onEvent({ kind: "up", worker: slot.index });
    const { identity } = this.#options;
    if (this.#accepting || identity === null || !this.#slots.every((one) => one.ready)) return;
    try {
      dropPrivileges(identity);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#accepting = true;
    if (this.#readyTimer !== null) clearTimeout(this.#readyTimer);
    this.#options.onEvent({ kind: "privileges-dropped", uid: identity.uid, gid: identity.gid });
    for (const one of this.#slots) one.send({ type: "go" });
  }

  #notReady(): void {
    const missing = this.#slots.filter((slot) => !slot.ready).map((slot) => slot.index);
    this.#fail(privilegesLate(`workers ${missing.join(", ")} are`));
  }

  #onExit(slot: WorkerSlot, code: number, thrown: unknown): void {
    const wasUp = slot.up;
    const { runningMs, intent, first } = slot;
    const called = slot.state === "running";
    slot.state = "waiting";
    void this.#registry.leave(slot.index);
    const inOrder = code === 0 || (code === UNSETTLED_AWAIT && slot.mainEnded);
    const error = slot.failure ?? thrown ?? (inOrder ? null : exitError(code));
    if (intent === "leave" || this.#failure !== null) {
      this.#finish(slot);
    } else if (intent === "replace") {
      slot.startLater(0, this.#slots.length, this.#accepting);
    } else if (!called && (first || error === null)) {
      this.#fail(entryFailed(this.#options.entry, error));
      this.#finish(slot);
    } else if (error === null) {
      this.#options.onEvent({ kind: "exited", worker: slot.index });
      this.#finish(slot);
    } else if (first && !wasUp) {
      this.#fail(error instanceof Error ? error : new CoreError("ERR_WORKER_FAILED", String(error)));
      this.#finish(slot);
    } else {
      this.#restartCrashed(slot, error, runningMs);
    }
    this.#check();
  }

  #restartCrashed(slot: WorkerSlot, error: unknown, runningMs: number): void {
    const { restartDelayMs, restartDelayMsMax, onEvent } = this.#options;
    if (runningMs >= STABLE_MS) slot.crashes = 0;
    const delayMs = Math.min(restartDelayMsMax, restartDelayMs * 2 ** slot.crashes);
    slot.crashes += 1;
    slot.first = false;
    onEvent({ kind: "crashed", worker: slot.index, error, restartInMs: delayMs });
    slot.startLater(delayMs, this.#slots.length, this.#accepting);
  }

  /** The program cannot run: ends every worker, then tells. */
  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    void this.terminate();
  }

  #finish(slot: WorkerSlot): void {
    slot.state = "finished";
    slot.mainEnded = true;
    if (this.#slots.every((one) => one.state === "finished")) void this.#close();
  }

  async #close(): Promise<void> {
    if (this.#readyTimer !== null) clearTimeout(this.#readyTimer);
    await this.#registry.close();
    if (this.#failure !== null) this.#settleEnded.reject(this.#failure);
    this.#resolveClosed();
  }

  #check(): void {
    // Two turns later, when the last lines that workers printed have gone through this thread.
    if (this.#failure === null && this.#slots.every((slot) => slot.mainEnded)) {
      setImmediate(() => setImmediate(this.#settleEnded.resolve));
    }
    for (const wake of this.#waiting) wake();
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        if (!condition()) return;
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      wake();
    });
  }
}

const settled = (slot: WorkerSlot): boolean => slot.ready || slot.state === "finished";

const exitError = (code: number): Error =>
  new CoreError(
    "ERR_WORKER_FAILED",
    code === UNSETTLED_AWAIT
      ? "the worker ended with its main unfinished: nothing was left that could have continued it"
      : `the worker ended with exit code ${code}`,
  );

const entryFailed = (entry: URL, error: unknown): Error =>
  error === null
    ? entryRequired(`${entry.href} ran to its end without calling run()`)
    : entryRequired(
        `${entry.href} failed before it called run(): ${error instanceof Error ? error.message : error}`,
        error,
      );
