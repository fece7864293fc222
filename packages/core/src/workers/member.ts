// member.ts — this thread as one of the workers, alone or under a supervisor: what it listens on, what it has to drain
// before it ends, and the memory it shares with the others.
import { adoptSocket, bindSocket } from "../bind.ts";
import { checkListenOptions, type ListenOptions } from "../listener.ts";
import type { PeerAddress } from "../stream.ts";
import { type Acquire, AcquiredListener, type OnStream } from "./acquired-listener.ts";
import { targetKey } from "./listener-registry.ts";
import type { Grant, ListenTarget } from "./messages.ts";

/** Called when draining starts: stop taking work, finish what there is. What it returns is waited for. */
export type DrainCallback = (deadlineMs: number) => void | Promise<void>;

export interface SharedBuffer {
  readonly worker: number;
  readonly buffer: SharedArrayBuffer;
}

/** The way to the supervisor. */
export interface Uplink {
  listen(key: string, target: ListenTarget): Promise<Grant>;
  release(key: string): Promise<readonly number[]>;
  share(name: string, buffer: SharedArrayBuffer): void;
  requestDrain(deadlineMs: number | undefined): Promise<void>;
}

export interface MemberOptions {
  readonly index: number;
  readonly workers: number;
  readonly uplink: Uplink | null;
  /** False holds connections back in the queue until `go`. */
  readonly accepting: boolean;
}

export class Member {
  readonly index: number;
  readonly workers: number;
  readonly #uplink: Uplink | null;
  readonly #listeners = new Map<string, AcquiredListener>();
  readonly #callbacks = new Set<DrainCallback>();
  readonly #shared = new Map<string, Map<number, SharedArrayBuffer>>();
  readonly #controller = new AbortController();
  #accepting: boolean;
  #signalTaken = false;
  #draining: Promise<void> | null = null;

  constructor(options: MemberOptions) {
    this.index = options.index;
    this.workers = options.workers;
    this.#uplink = options.uplink;
    this.#accepting = options.accepting;
  }

  /** Aborts when draining starts. */
  get signal(): AbortSignal {
    this.#signalTaken = true;
    return this.#controller.signal;
  }

  /** False where nobody would notice being drained: no listener, no callback, nobody who looks at the signal. */
  get hasToDrain(): boolean {
    return this.#signalTaken || this.#callbacks.size > 0 || this.#listeners.size > 0;
  }

  get draining(): boolean {
    return this.#draining !== null;
  }

  async acquire(options: ListenOptions, onStream: OnStream): Promise<AcquiredListener> {
    checkListenOptions(options);
    options.signal?.throwIfAborted();
    const { port, hostname, unix, unixMode, backlog, fd } = options;
    const target: ListenTarget = { port, hostname, unix, unixMode, backlog, fd };
    const key = this.#freeKey(target);
    const uplink = this.#uplink;
    const release = async (): Promise<readonly number[]> => {
      const fds = uplink === null ? [] : await uplink.release(key);
      this.#listeners.delete(key);
      return fds;
    };
    const listener = new AcquiredListener(options, onStream, release, !this.#accepting);
    // Entered at once: another call with the same words gets the next key, and sockets may be handed to us early.
    this.#listeners.set(key, listener);
    try {
      await listener.open(
        uplink === null
          ? () => bindOwn(options)
          : async () => ({ ...(await uplink.listen(key, target)), ownsFds: false }),
      );
    } catch (error) {
      this.#listeners.delete(key);
      throw error;
    }
    return listener;
  }

  /** The supervisor's: another worker's socket comes, or goes back. */
  async adopt(key: string, fd: number): Promise<void> {
    await this.#listeners.get(key)?.adopt(fd, false);
  }

  async giveBack(key: string, fd: number): Promise<void> {
    await this.#listeners.get(key)?.giveBack(fd);
  }

  /** Where this thread listens. */
  get addresses(): PeerAddress[] {
    return [...this.#listeners.values()].map((listener) => listener.address);
  }

  /** Connections wait in the queue until `go`. */
  hold(): void {
    this.#accepting = false;
    for (const listener of this.#listeners.values()) listener.pause();
  }

  /** Privileges have been dropped: begin to accept. */
  go(): void {
    if (this.#accepting) return;
    this.#accepting = true;
    for (const listener of this.#listeners.values()) listener.resume();
  }

  onDrain(callback: DrainCallback): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** Stops listening and runs the callbacks, all at once; resolves when they have. What they throw is told to `thrown`. */
  drain(deadlineMs: number, thrown: (error: unknown) => void): Promise<void> {
    this.#draining ??= this.#drain(deadlineMs, thrown);
    return this.#draining;
  }

  /** Asks for the whole program to be drained; null where there is no supervisor to ask. */
  requestDrain(deadlineMs: number | undefined): Promise<void> | null {
    return this.#uplink?.requestDrain(deadlineMs) ?? null;
  }

  share(name: string, buffer: SharedArrayBuffer): void {
    this.receiveShared(this.index, name, buffer);
    this.#uplink?.share(name, buffer);
  }

  receiveShared(worker: number, name: string, buffer: SharedArrayBuffer): void {
    const buffers = this.#shared.get(name) ?? new Map<number, SharedArrayBuffer>();
    buffers.set(worker, buffer);
    this.#shared.set(name, buffers);
  }

  sharedBuffers(name: string): SharedBuffer[] {
    const buffers = this.#shared.get(name) ?? new Map<number, SharedArrayBuffer>();
    return [...buffers]
      .map(([worker, buffer]) => ({ worker, buffer }))
      .sort((left, right) => left.worker - right.worker);
  }

  #freeKey(target: ListenTarget): string {
    let ordinal = 0;
    while (this.#listeners.has(targetKey(target, ordinal))) ordinal += 1;
    return targetKey(target, ordinal);
  }

  async #drain(deadlineMs: number, thrown: (error: unknown) => void): Promise<void> {
    this.#controller.abort(new DOMException("the worker is being drained", "AbortError"));
    const attempt = async (run: () => void | Promise<void>): Promise<void> => {
      try {
        await run();
      } catch (error) {
        thrown(error);
      }
    };
    // Whoever serves closes its listeners itself, in its own order; what nobody closed is closed here.
    await Promise.all([...this.#callbacks].map((callback) => attempt(() => callback(deadlineMs))));
    await Promise.all([...this.#listeners.values()].map((listener) => attempt(() => listener.close())));
  }
}

/** Without a supervisor the sockets are this thread's own, and closed with it; what was inherited stays open. */
const bindOwn = async (options: ListenOptions): Promise<Awaited<ReturnType<Acquire>>> => {
  const bound = options.fd === undefined ? await bindSocket(options) : adoptSocket(options.fd);
  return { fds: [bound.fd], ownsFds: options.fd === undefined, address: bound.address };
};

const KEY: unique symbol = Symbol.for("@percore/core.member");

/** This thread's member; one on its own where nobody has made another. */
export const currentMember = (): Member => {
  const holder = globalThis as { [KEY]?: Member };
  holder[KEY] ??= new Member({ index: 0, workers: 1, uplink: null, accepting: true });
  return holder[KEY];
};

export const setMember = (member: Member | null): void => {
  const holder = globalThis as { [KEY]?: Member };
  if (member === null) delete holder[KEY];
  else holder[KEY] = member;
};
