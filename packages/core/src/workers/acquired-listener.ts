// acquired-listener.ts — a worker's share of a listening address: its own socket, and those of workers that are down.
import { assert } from "../assert.ts";
import { adoptSocket } from "../bind.ts";
import { Listener, type ListenOptions } from "../listener.ts";
import { currentRuntime } from "../runtime.ts";
import type { SocketStream } from "../socket-stream.ts";
import type { PeerAddress } from "../stream.ts";

export type OnStream = (stream: SocketStream) => void;

/** Gives the address up: resolves with the descriptors that are now ours to close, none where others go on. */
export type Release = () => Promise<readonly number[]>;

/** Binds the address, or joins it: the sockets to accept on, and whether they are ours to close. */
export type Acquire = () => Promise<{ fds: readonly number[]; ownsFds: boolean; address: PeerAddress }>;

const NOWHERE: PeerAddress = Object.freeze({ family: "unix", address: "", port: 0 });

/** As a `Listener`, whoever owns the sockets. */
export class AcquiredListener {
  readonly #options: ListenOptions;
  readonly #onStream: OnStream;
  readonly #release: Release;
  readonly #listeners = new Map<number, Promise<Listener>>();
  readonly #open = new Set<Listener>();
  /** Closed, with connections that live on. */
  readonly #left = new Set<Listener>();
  #address: PeerAddress = NOWHERE;
  #opening: Promise<void> = Promise.resolve();
  #connectionsMax: number;
  #paused: boolean;
  #closed: Promise<void> | null = null;

  /** @param paused holds connections back until `resume`. */
  constructor(options: ListenOptions, onStream: OnStream, release: Release, paused: boolean) {
    this.#options = options;
    this.#onStream = onStream;
    this.#release = release;
    this.#connectionsMax = options.connectionsMax ?? Number.POSITIVE_INFINITY;
    this.#paused = paused;
  }

  /** Where it listens; the port is the real one where 0 was asked for. */
  get address(): PeerAddress {
    return this.#address;
  }

  /** Connections accepted here that are still open. */
  get connections(): number {
    let total = 0;
    for (const listener of this.#open) total += listener.connections;
    for (const listener of this.#left) total += listener.connections;
    return total;
  }

  /** See ListenOptions. It holds for each socket by itself, so while a worker is down another may take up to twice as many. */
  get connectionsMax(): number {
    return this.#connectionsMax;
  }

  set connectionsMax(connections: number) {
    this.#connectionsMax = connections;
    for (const listener of this.#open) listener.connectionsMax = connections;
  }

  /** Stops accepting; connections wait in the kernel's queue. */
  pause(): void {
    this.#paused = true;
    for (const listener of this.#open) listener.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const listener of this.#open) listener.resume();
  }

  /**
   * Stops listening. Other workers go on where they listen on the address too, and accept what is queued here; the last
   * one accepts what is queued anywhere and closes the sockets. Accepted connections live on.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Its maker's: starts to listen. */
  open(acquire: Acquire): Promise<void> {
    const opening = (async () => {
      const { fds, ownsFds, address } = await acquire();
      this.#address = address;
      await Promise.all(fds.map((fd) => this.adopt(fd, ownsFds)));
      this.#options.signal?.addEventListener("abort", () => void this.close(), { once: true });
    })();
    this.#opening = opening.catch(() => {});
    return opening;
  }

  /** Accepts on one more socket: ours to close in the end, or somebody else's. */
  async adopt(fd: number, ownsFd: boolean): Promise<void> {
    assert(!this.#listeners.has(fd), "a socket is adopted twice");
    const opening = this.#listen(fd, ownsFd);
    this.#listeners.set(fd, opening);
    await opening;
  }

  /** Stops accepting on it. What is queued is its owner's; our own is closed when what is queued has been accepted. */
  async giveBack(fd: number): Promise<void> {
    const opening = this.#listeners.get(fd);
    if (opening === undefined) return;
    this.#listeners.delete(fd);
    const listener = await opening;
    await listener.close();
    this.#open.delete(listener);
    if (listener.connections > 0) this.#left.add(listener);
  }

  async #close(): Promise<void> {
    await this.#opening;
    const owned = await this.#release();
    await Promise.all([...this.#listeners.keys()].map((fd) => this.giveBack(fd)));
    for (const fd of owned) await this.adopt(fd, true);
    await Promise.all(owned.map((fd) => this.giveBack(fd)));
  }

  async #listen(fd: number, ownsFd: boolean): Promise<Listener> {
    for (const listener of this.#left) if (listener.connections === 0) this.#left.delete(listener);
    const { signal: _, ...options } = this.#options;
    const runtime = options.runtime ?? currentRuntime();
    const listener = new Listener(runtime, adoptSocket(fd), { ...options, fd, ownsFd }, this.#onStream);
    listener.connectionsMax = this.#connectionsMax;
    // In this turn, before it begins to accept: whoever waits for privileges to be dropped must not be served by root.
    if (this.#paused) listener.pause();
    this.#open.add(listener);
    return listener;
  }
}
