// supervised.ts — the worker's end of the wire to its supervisor: requests, orders, and main's outcome.
import type { MessagePort } from "node:worker_threads";
import type { Runtime } from "../runtime.ts";
import { Member, type Uplink } from "./member.ts";
import {
  type FromWorker,
  fromWire,
  type Grant,
  type ListenTarget,
  type ToWorker,
  toWire,
  type WorkerSeed,
} from "./messages.ts";

interface Request<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

export class Supervised implements Uplink {
  readonly member: Member;
  readonly #port: MessagePort;
  readonly #listens = new Map<number, Request<Grant>>();
  readonly #releases = new Map<number, Request<readonly number[]>>();
  #requests = 0;
  #mainDone = false;

  constructor(seed: WorkerSeed) {
    this.#port = seed.port;
    this.member = new Member({ index: seed.index, workers: seed.workers, uplink: this, accepting: seed.accepting });
    this.#port.on("message", (message: ToWorker) => this.#onMessage(message));
    // Orders alone do not keep a worker alive whose work is done; a request that waits for its answer does.
    this.#port.unref();
  }

  hello(runtime: Runtime, tid: number): void {
    this.#send({ type: "hello", tid, driver: runtime.driver.kind, reason: runtime.driver.reason });
    this.member.share("core", runtime.counters.buffer);
  }

  up(): void {
    this.#send({ type: "up" });
  }

  /** main has returned. The program behind `await run()` is the supervisor's alone. */
  async ended(): Promise<void> {
    // What main printed goes through the main thread, which must not get ahead of it.
    await Promise.all([written(process.stdout), written(process.stderr)]);
    this.#mainDone = true;
    this.up();
    this.#send({ type: "ended" });
    // The promise that run() gave out in this thread stays pending; at top level node would warn of that at the end. Who
    // has something of its own to do then keeps the last word, and the warning.
    process.once("beforeExit", (code) => {
      if (process.listenerCount("beforeExit") === 0) process.exit(code);
    });
  }

  /** main has failed: tells why, then ends this thread. */
  failed(error: unknown): void {
    this.#send({ type: "failed", error: toWire(error) });
    process.exit(1);
  }

  listen(key: string, target: ListenTarget): Promise<Grant> {
    return this.#request(this.#listens, (id) => ({ type: "listen", id, key, target }));
  }

  release(key: string): Promise<readonly number[]> {
    return this.#request(this.#releases, (id) => ({ type: "release", id, key }));
  }

  share(name: string, buffer: SharedArrayBuffer): void {
    this.#send({ type: "share", name, buffer });
  }

  /** Resolves when this worker has been drained; the others may take longer. */
  requestDrain(deadlineMs: number | undefined): Promise<void> {
    this.#send({ type: "requestDrain", deadlineMs: deadlineMs ?? null });
    return new Promise((resolve) => {
      this.member.onDrain(() => {
        setImmediate(resolve);
      });
    });
  }

  #request<T>(requests: Map<number, Request<T>>, build: (id: number) => FromWorker): Promise<T> {
    this.#requests += 1;
    const id = this.#requests;
    this.#port.ref();
    this.#send(build(id));
    return new Promise((resolve, reject) => requests.set(id, { resolve, reject }));
  }

  #answered(): void {
    if (this.#listens.size === 0 && this.#releases.size === 0) this.#port.unref();
  }

  #onMessage(message: ToWorker): void {
    switch (message.type) {
      case "granted":
        take(this.#listens, message.id)?.resolve(message.grant);
        break;
      case "released":
        take(this.#releases, message.id)?.resolve(message.fds);
        break;
      case "refused":
        take(this.#listens, message.id)?.reject(fromWire(message.error));
        break;
      case "adopt":
        this.#attempt(this.member.adopt(message.key, message.fd));
        break;
      case "giveBack":
        this.#attempt(this.member.giveBack(message.key, message.fd));
        break;
      case "drain":
        this.#drain(message.deadlineMs);
        break;
      case "go":
        this.member.go();
        break;
      case "shared":
        this.member.receiveShared(message.worker, message.name, message.buffer);
        break;
    }
    this.#answered();
  }

  #drain(deadlineMs: number): void {
    if (!this.member.hasToDrain) {
      this.#send({ type: "drained", idle: !this.#mainDone });
      return;
    }
    this.#attempt(
      this.member
        .drain(deadlineMs, (error) =>
          queueMicrotask(() => {
            throw error;
          }),
        )
        .then(() => this.#send({ type: "drained", idle: false })),
    );
  }

  /** What fails here is a defect; it ends the worker like any other error that nobody catches. */
  #attempt(work: Promise<void>): void {
    work.catch((error) =>
      queueMicrotask(() => {
        throw error;
      }),
    );
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

/** Resolves when the main thread has asked for more than what was written so far. */
const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => stream.write("", () => resolve()));

const take = <T>(requests: Map<number, Request<T>>, id: number): Request<T> | undefined => {
  const request = requests.get(id);
  requests.delete(id);
  return request;
};
