// worker-slot.ts — one worker's place under the supervisor: the thread that fills it, its crashes and its restarts.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { Stats, type StatsSnapshot } from "../stats.ts";
import { bootstrapOf, workerExecArgv } from "./entry.ts";
import { type FromWorker, SEED_KEY, type ToWorker, type WorkerSeed } from "./messages.ts";

//   starting ──run() called──▶ running ──exit 0, or drained──▶ finished
//      ▲                          │ crash
//      └──── back-off over ── waiting
export type SlotState = "starting" | "running" | "waiting" | "finished";

/** A worker that has run for so long is up, whether it says so or not, milliseconds. */
const UP_MS = 1000;

export interface WorkerReport {
  readonly index: number;
  readonly state: SlotState;
  /** It serves: main has returned or said so, or has run for a second. */
  readonly up: boolean;
  readonly restarts: number;
  /** The processor it is pinned to, or null. */
  readonly cpu: number | null;
  /** The kernel's thread number, 0 before it has started. */
  readonly tid: number;
  readonly driver: string | null;
  /** Its counters; null before it has any. */
  readonly stats: StatsSnapshot | null;
}

export interface SlotEvents {
  onMessage(slot: WorkerSlot, message: FromWorker): void;
  /** The thread is gone. `error` is what ended it, where something was thrown. */
  onExit(slot: WorkerSlot, code: number, error: unknown): void;
}

export interface SlotOptions {
  readonly index: number;
  readonly cpu: number | null;
  readonly run: number;
  readonly entry: URL;
  readonly argv: readonly string[];
  readonly events: SlotEvents;
}

export class WorkerSlot {
  readonly index: number;
  readonly cpu: number | null;
  state: SlotState = "waiting";
  /** The first thread in this place has not been up yet: what fails now fails the program. */
  first = true;
  /** main has returned in the present thread. */
  mainEnded = false;
  /** Said by the thread: main has returned, or declared itself ready. */
  ready = false;
  /** What becomes of the place when its thread ends: by default a crash is followed by a restart. */
  intent: "stay" | "leave" | "replace" = "stay";
  /** What main failed with in the present thread. */
  failure: Error | null = null;
  restarts = 0;
  /** Crashes since it last held out; the back-off grows with it. */
  crashes = 0;
  tid = 0;
  driver: string | null = null;
  readonly shared: Map<string, SharedArrayBuffer> = new Map();
  readonly #options: SlotOptions;
  #worker: Worker | null = null;
  #port: MessagePort | null = null;
  #timer: NodeJS.Timeout | null = null;
  #deadline: NodeJS.Timeout | null = null;
  #runningSince = 0;

  constructor(options: SlotOptions) {
    this.index = options.index;
    this.cpu = options.cpu;
    this.#options = options;
  }

  get alive(): boolean {
    return this.#worker !== null;
  }

  /** It serves, as far as can be told: it has said so, or has been running for a while. */
  get up(): boolean {
    return this.ready || this.runningMs >= UP_MS;
  }

  /** How long the present thread has been in run(). */
  get runningMs(): number {
    return this.state === "running" ? performance.now() - this.#runningSince : 0;
  }

  report(): WorkerReport {
    const { index, state, up, restarts, cpu, tid, driver } = this;
    const buffer = this.shared.get("core");
    const stats = buffer === undefined ? null : new Stats(buffer).snapshot();
    return { index, state, up, restarts, cpu, tid, driver, stats };
  }

  /** Starts a thread in this place. */
  start(workers: number, accepting: boolean): void {
    const { run, entry, argv, events } = this.#options;
    const channel = new MessageChannel();
    const seed: WorkerSeed = { run, index: this.index, workers, cpu: this.cpu, accepting, port: channel.port2 };
    this.state = "starting";
    this.ready = false;
    this.mainEnded = false;
    this.failure = null;
    this.intent = "stay";
    const worker = new Worker(bootstrapOf(entry), {
      argv: [...argv],
      execArgv: workerExecArgv(),
      name: `percore ${this.index}`,
      workerData: { [SEED_KEY]: seed },
      transferList: [channel.port2],
    });
    this.#worker = worker;
    this.#port = channel.port1;
    channel.port1.on("message", (message: FromWorker) => events.onMessage(this, message));
    // The thread keeps the process alive, its wire does not.
    channel.port1.unref();
    let thrown: unknown = null;
    worker.on("error", (error) => {
      thrown = error;
    });
    worker.on("exit", (code) => {
      if (this.#deadline !== null) clearTimeout(this.#deadline);
      this.#deadline = null;
      // What it said last may be waiting still.
      for (let last = receiveMessageOnPort(channel.port1); last; last = receiveMessageOnPort(channel.port1)) {
        events.onMessage(this, last.message);
      }
      channel.port1.close();
      this.#worker = null;
      this.#port = null;
      this.shared.clear();
      events.onExit(this, code, thrown);
    });
  }

  /** The thread has called run(). */
  running(tid: number, driver: string): void {
    this.state = "running";
    this.#runningSince = performance.now();
    this.tid = tid;
    this.driver = driver;
  }

  /** Starts again after `delayMs`. */
  startLater(delayMs: number, workers: number, accepting: boolean): void {
    this.state = "waiting";
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.restarts += 1;
      this.start(workers, accepting);
    }, delayMs);
  }

  /** Takes back a start that is still to come. True where there was one. */
  cancelStart(): boolean {
    if (this.#timer === null) return false;
    clearTimeout(this.#timer);
    this.#timer = null;
    return true;
  }

  send(message: ToWorker): void {
    this.#port?.postMessage(message);
  }

  /** Lets the thread finish its work and end; terminates it after `deadlineMs`, which is told to `onDeadline`. */
  drain(deadlineMs: number, intent: "leave" | "replace", onDeadline: () => void): void {
    this.intent = intent;
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      onDeadline();
      this.terminate();
    }, deadlineMs);
    this.send({ type: "drain", deadlineMs });
  }

  terminate(): void {
    void this.#worker?.terminate();
  }
}
