// tls-stage.ts — connections on their way through the handshake to the protocol that ALPN agreed on.
import type { PeerAddress, Runtime, Stream } from "@percore/core";
import type { ConnectionInfo } from "@percore/http";
import { TlsAcceptor, TlsServerConfig, type TlsServerOptions, type TlsStream } from "@percore/tls";
import { rememberTls } from "./tls-info.ts";

/** Takes a stream; gives the connection that its exchanges will name. */
export type ProtocolStage = (stream: Stream) => ConnectionInfo;

export interface TlsStageOptions {
  readonly tls: TlsServerOptions;
  readonly runtime: Runtime;
  /** Null where the protocol is not served. */
  readonly h1: ProtocolStage | null;
  readonly h2: ProtocolStage | null;
  /** What a connection that does not shake hands may still take once the server drains, milliseconds. */
  readonly lingerMs: number;
  readonly report: (error: unknown) => void;
}

export class TlsStage {
  readonly #config: TlsServerConfig;
  readonly #acceptor: TlsAcceptor;
  readonly #options: TlsStageOptions;
  /** Streams whose handshake is not over. */
  readonly #shaking = new Set<Stream>();
  #draining: NodeJS.Timeout | null = null;
  #whenEmpty: (() => void)[] = [];

  /** Reads certificates and keys. @throws {TlsError} by code; the message names the option or file and the fault. */
  static async open(options: TlsStageOptions): Promise<TlsStage> {
    const alpn = [...(options.h2 === null ? [] : ["h2"]), ...(options.h1 === null ? [] : ["http/1.1"])];
    return new TlsStage(await TlsServerConfig.open(options.tls, alpn, options.report), options);
  }

  private constructor(config: TlsServerConfig, options: TlsStageOptions) {
    this.#config = config;
    this.#options = options;
    const { handshakeMs, handshakesMax } = options.tls;
    this.#acceptor = new TlsAcceptor({
      clock: options.runtime,
      context: config.contexts.first,
      handshakeTimeoutMs: handshakeMs,
      handshakesMax,
      select: (name, choose) => {
        const choice = config.contexts.choose(name);
        if (choice instanceof Promise) void choice.then(choose);
        else choose(choice);
      },
    });
  }

  /** Connections whose handshake is not over. */
  get size(): number {
    return this.#shaking.size;
  }

  get stats(): { completed: number; resumed: number; failed: number } {
    return this.#acceptor.stats;
  }

  accept(inner: Stream): void {
    const { onHandshakeError } = this.#options.tls;
    // Asked for before the handshake: a socket that has closed does not know its peer any more.
    const remote = onHandshakeError === undefined ? null : inner.info.remote;
    this.#shaking.add(inner);
    this.#acceptor.context = this.#config.contexts.first;
    this.#acceptor.accept(inner, (error, stream) => {
      // First the protocol, so that a drain sees it in one place or the other.
      if (stream !== null) this.#serve(stream);
      this.#forget(inner);
      if (error !== null && remote !== null) this.#tell(error, remote);
    });
  }

  /** Reads certificates and keys again, in all threads. @throws {TlsError}; the old ones stay in use. */
  reload(): Promise<void> {
    return this.#config.reload();
  }

  /** Gives handshakes as long as an idle connection has. Resolves when none is left. */
  drain(): Promise<void> {
    this.#draining ??= setTimeout(() => this.#resetAll(), this.#options.lingerMs).unref();
    if (this.#shaking.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  close(): void {
    if (this.#draining !== null) clearTimeout(this.#draining);
    this.#resetAll();
    this.#config.close();
  }

  #serve(stream: TlsStream): void {
    const { h1, h2 } = this.#options;
    const serve = stream.info.alpn === "h2" || h1 === null ? h2 : h1;
    rememberTls((serve as ProtocolStage)(stream), stream);
  }

  #tell(error: Error, remote: PeerAddress): void {
    try {
      this.#options.tls.onHandshakeError?.(error, remote);
    } catch (thrown) {
      this.#options.report(thrown);
    }
  }

  #resetAll(): void {
    for (const stream of [...this.#shaking]) stream.reset();
  }

  #forget(inner: Stream): void {
    this.#shaking.delete(inner);
    if (this.#shaking.size > 0) return;
    const resolved = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of resolved) resolve();
  }
}
