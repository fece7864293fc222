// server-config.ts — a TLS server's configuration over time: read at the start, again when its files change, never half.
import { BroadcastChannel } from "node:worker_threads";
import { FileWatch } from "./file-watch.ts";
import type { TlsServerOptions } from "./options.ts";
import { ServerContexts } from "./server-contexts.ts";
import { readMaterial } from "./server-material.ts";

/** Asks every thread of the process to read its files again. */
const CHANNEL = "@percore/tls reload";

export class TlsServerConfig {
  readonly #options: TlsServerOptions;
  readonly #alpn: readonly string[];
  readonly #report: (error: Error) => void;
  readonly #watch: FileWatch | null;
  readonly #channel: BroadcastChannel;
  #contexts: ServerContexts;
  /** Reloads one after the other: the last one asked for counts. */
  #reloading: Promise<void> = Promise.resolve();
  #closed = false;

  /**
   * Reads the files and makes the contexts of this thread.
   *
   * @param alpn protocols, best first.
   * @param report told of failures that no handshake waits for: sniCallback, a reload where `onReload` is not given.
   * @throws {TlsError} by code; the message names the option or file and the fault.
   */
  static async open(
    options: TlsServerOptions,
    alpn: readonly string[],
    report: (error: Error) => void,
  ): Promise<TlsServerConfig> {
    const material = await readMaterial(options, Date.now());
    const contexts = new ServerContexts(options, material, alpn, Date.now, report);
    const config = new TlsServerConfig(options, alpn, report, contexts);
    await config.#watch?.follow(material.files);
    return config;
  }

  private constructor(
    options: TlsServerOptions,
    alpn: readonly string[],
    report: (error: Error) => void,
    contexts: ServerContexts,
  ) {
    this.#options = options;
    this.#alpn = alpn;
    this.#report = report;
    this.#contexts = contexts;
    this.#watch = options.watch === false ? null : new FileWatch(() => void this.#reload());
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = () => void this.#reload();
    // A server's configuration keeps no program alive. (Missing from the types of Node 20.)
    (this.#channel as unknown as { unref(): void }).unref();
  }

  /** What handshakes that begin now use. Those under way, and connections, keep what they began with. */
  get contexts(): ServerContexts {
    return this.#contexts;
  }

  /**
   * Reads everything again, in this thread and every other one of the process. Resolves when this thread's is in use.
   *
   * @throws {TlsError} what is wrong with the new state; the old one stays in use.
   */
  async reload(): Promise<void> {
    this.#channel.postMessage(null);
    const error = await this.#reload();
    if (error !== null) throw error;
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
    this.#channel.close();
  }

  #reload(): Promise<Error | null> {
    const next = this.#reloading.then(() => this.#readAgain());
    this.#reloading = next.then(() => undefined);
    return next;
  }

  async #readAgain(): Promise<Error | null> {
    if (this.#closed) return null;
    let failure: Error | null = null;
    try {
      const material = await readMaterial(this.#options, Date.now());
      this.#contexts = new ServerContexts(this.#options, material, this.#alpn, Date.now, this.#report);
      await this.#watch?.follow(material.files);
    } catch (error) {
      failure = error as Error;
    }
    const { onReload } = this.#options;
    if (onReload !== undefined) onReload(failure);
    else if (failure !== null) this.#report(failure);
    return failure;
  }
}

/** Asks every TLS server of the process to read its files again: what SIGHUP does. */
export const reloadAll = (): void => {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(null);
  channel.close();
};
