// server.ts — what serve() returns: where it listens, how it is doing, how it ends.
import { isMainThread } from "node:worker_threads";
import { currentRuntime, type DriverReport, isSupervised, type PeerAddress, type Running, run } from "@percore/core";
import { reloadAll } from "@percore/tls";
import type { Report } from "./fetch/outcome.ts";
import { Request, type RequestInit } from "./fetch/request.ts";
import type { Response } from "./fetch/response.ts";
import { LocalServer } from "./local-server.ts";
import type { ServeOptions, Settings } from "./options.ts";
import { publishStats, readStats, type ServerStats, sumStats } from "./server-stats.ts";

export class Server {
  /** Resolves when it listens (with workers: when all of them do); rejects when it cannot. */
  readonly ready: Promise<void>;
  /** Resolves when it has closed and nothing of it is left. */
  readonly closed: Promise<void>;
  readonly #settings: Settings;
  readonly #local: LocalServer;
  /** The program's run; null where this thread serves by itself. */
  #running: Running | null = null;
  /** This thread serves; else it supervises workers that do. */
  #serves = false;
  /** False in the workers of this very server: their supervisor calls onListen, once. */
  #announces = true;
  #addresses: readonly PeerAddress[] = [];
  #closing: Promise<void> | null = null;
  #resolveClosed: () => void = () => undefined;

  /** Use serve(). */
  constructor(settings: Settings, report: Report) {
    this.#settings = settings;
    this.#local = new LocalServer(settings, report);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    // A signal, or a supervisor that takes the worker away, closes it without asking here.
    void this.#local.closed.then(() => this.#resolveClosed());
    // Nobody else handles its rejection: a port in use is heard of, by whoever waits or as an unhandled rejection.
    this.ready = this.#start().then(
      () => {
        if (this.#announces) settings.given.onListen?.(this);
      },
      (error: unknown) => {
        this.#resolveClosed();
        throw error;
      },
    );
    this.#reloadOnSignal();
    const { signal } = settings.given;
    if (signal === undefined) return;
    const onAbort = (): void => void this.close();
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    // A signal may outlive many servers.
    void this.closed.then(() => signal.removeEventListener("abort", onAbort));
  }

  /** Where it listens; null before `ready`, and where it listens nowhere. */
  get address(): PeerAddress | null {
    return this.#local.address ?? this.#addresses[0] ?? null;
  }

  /** `http://localhost:3000`, `https:` with tls; null for Unix sockets and where `address` is null. */
  get url(): string | null {
    const { address } = this;
    if (address === null || address.family === "unix" || address.family === "memory") return null;
    const host = WILDCARDS.has(address.address) ? "localhost" : address.address;
    const scheme = this.#settings.given.tls === undefined ? "http" : "https";
    return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
  }

  /** The driver of this thread and why it was chosen; null in a supervisor, see `workers()`. */
  get driver(): DriverReport | null {
    return this.#local.runtime?.driver ?? null;
  }

  /** The worker threads; none where this thread serves. */
  workers(): ReturnType<Running["workers"]> {
    return this.#serves ? [] : (this.#running?.workers() ?? []);
  }

  /** Counters of this thread's part; in a supervisor the sum over the workers, as of the last half second. */
  stats(): ServerStats {
    const { counters, runtime } = this.#local;
    if (counters !== null && runtime !== null) return readStats(counters, runtime);
    return sumStats();
  }

  /** Answers a request without a socket, through everything a request passes but the socket. For tests. */
  async fetch(input: Request | globalThis.Request | string | URL, init?: RequestInit): Promise<Response> {
    const absolute = typeof input === "string" && input.startsWith("/") ? `http://localhost${input}` : input;
    return this.#local.fetch(new Request(absolute, init));
  }

  /**
   * Closes it gracefully: no new connections, every request in flight is answered, and clients that are just sending one on
   * an idle connection are answered too. What is left at the deadline is reset.
   *
   * @param deadlineMs default: `drainMs`.
   */
  close(deadlineMs: number = this.#settings.drainMs): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  /**
   * Reads certificates and keys of `tls` again, in all threads of the process; connections are not touched. Resolves when this
   * thread's are in use.
   *
   * @throws {TlsError} what is wrong with the new ones: the old ones stay in use. {ServerError} ERR_OPTION_INVALID without `tls`.
   */
  async reloadTls(): Promise<void> {
    if (this.#serves || this.#settings.given.tls === undefined) await this.#local.reloadTls();
    else reloadAll();
  }

  /** Ends it at once: connections are reset. */
  destroy(): void {
    const ended = this.#serves || this.#running === null ? this.#local.reset() : this.#running.terminate();
    this.#closing ??= ended;
    void ended.then(() => this.#resolveClosed());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Signals reach the main thread alone; it tells the others. */
  #reloadOnSignal(): void {
    const { tls, signals = true } = this.#settings.given;
    if (tls === undefined || !signals || !isMainThread) return;
    process.on("SIGHUP", reloadAll);
    void this.closed.then(() => process.removeListener("SIGHUP", reloadAll));
  }

  async #start(): Promise<void> {
    const { given } = this.#settings;
    if (given.listen === false) {
      this.#serves = true;
      this.#local.prepare();
      return;
    }
    if ((given.workers ?? 1) === 1 && isSupervised()) {
      this.#serves = true;
      await this.#local.listen(currentRuntime());
      return;
    }
    const { workers, cpus, entry, signals, drainMs, setuid, setgid } = given;
    const { driver, runtime } = runtimeOptions(given);
    await new Promise<void>((resolve, reject) => {
      const main = async (context: {
        runtime: Parameters<LocalServer["listen"]>[0];
        workers: number;
      }): Promise<void> => {
        this.#serves = true;
        openedWith ??= runtimeWish(given);
        await this.#local.listen(context.runtime);
        this.#announces = !isSupervised();
        if (isSupervised()) publishStats(() => this.stats());
        resolve();
      };
      this.#running = run(main, { workers, cpus, entry, driver, runtime, signals, drainMs, setuid, setgid });
      // In a worker this promise stays pending; main has said all there is to say.
      this.#running.then(resolve, reject);
    });
    if (this.#serves || this.#running === null) return;
    const supervised: Running = this.#running;
    this.#addresses = await supervised.addresses();
    void supervised.closed.then(() => this.#resolveClosed());
  }

  async #close(deadlineMs: number): Promise<void> {
    await this.ready.catch(() => undefined);
    if (this.#serves || this.#running === null) await this.#local.close(deadlineMs);
    else await this.#running.drain(deadlineMs);
    this.#resolveClosed();
  }
}

const WILDCARDS: ReadonlySet<string> = new Set(["::", "0.0.0.0"]);

/** What an earlier server of this thread opened the runtime with. */
let openedWith: string | null = null;

const runtimeWish = ({ driver, runtime }: ServeOptions): string => JSON.stringify({ driver, ...runtime });

/** A thread has one runtime. A second server that asks for the same one shares it; one that asks for another is refused. */
const runtimeOptions = (given: ServeOptions): Pick<ServeOptions, "driver" | "runtime"> =>
  runtimeWish(given) === openedWith ? {} : { driver: given.driver, runtime: given.runtime };
