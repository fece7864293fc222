// local-server.ts — the part of a server that one thread serves: listener, protocol, drain.
import { acquireListener, currentRuntime, onDrain, type PeerAddress, type Runtime } from "@percore/core";
import { H1Server } from "@percore/h1";
import { H2Server } from "@percore/h2";
import type { Handler } from "@percore/http";
import { Acceptor, type Stage } from "./acceptor.ts";
import { ServerError } from "./errors.ts";
import { fetchHandler } from "./fetch/adapter.ts";
import type { Report } from "./fetch/outcome.ts";
import type { Request } from "./fetch/request.ts";
import type { Response } from "./fetch/response.ts";
import { fetchFromMemory } from "./memory-client.ts";
import { DEFAULT_PORT, type Settings } from "./options.ts";
import { PrefaceGate } from "./preface.ts";
import { type ProtocolCounters, sumCounters } from "./server-stats.ts";
import { TlsStage } from "./tls-stage.ts";
import { Waiting } from "./waiting.ts";

type AcquiredListener = Awaited<ReturnType<typeof acquireListener>>;

export class LocalServer {
  readonly #settings: Settings;
  readonly #report: Report;
  readonly #waiting: Waiting;
  #runtime: Runtime | null = null;
  #h1: H1Server | null = null;
  #h2: H2Server | null = null;
  #gate: PrefaceGate | null = null;
  #tls: TlsStage | null = null;
  #acceptor: Acceptor | null = null;
  #listener: AcquiredListener | null = null;
  #forgetDrain: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #resolveClosed: () => void = () => undefined;
  readonly #closed: Promise<void> = new Promise((resolve) => {
    this.#resolveClosed = resolve;
  });

  constructor(settings: Settings, report: Report) {
    this.#settings = settings;
    this.#report = report;
    this.#waiting = new Waiting(report);
  }

  get address(): PeerAddress | null {
    return this.#listener?.address ?? null;
  }

  get runtime(): Runtime | null {
    return this.#runtime;
  }

  get counters(): ProtocolCounters | null {
    return this.#h1 === null ? null : sumCounters(this.#h1.counters, this.#h2?.counters ?? null, this.#gate, this.#tls);
  }

  /** Resolves when it has been closed, by whomever. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Binds and begins to serve. @throws what acquireListener throws; {HttpError} ERR_OPTION_INVALID for a limit. */
  async listen(runtime: Runtime): Promise<void> {
    const { given, connectionsMax, drainMs } = this.#settings;
    const acceptor = await this.#prepareToListen(runtime);
    const { unix, unixMode, fd, hostname, backlog } = given;
    const port = unix === undefined && fd === undefined ? (given.port ?? DEFAULT_PORT) : undefined;
    this.#listener = await acquireListener({ port, hostname, unix, unixMode, fd, backlog, connectionsMax }, (stream) =>
      acceptor.accept(stream),
    );
    this.#forgetDrain = onDrain((deadlineMs) => this.close(Math.min(deadlineMs, drainMs)));
    // Closed while it was still being opened.
    if (this.#closing !== null) await this.#listener.close();
  }

  /** Reads certificates and keys again. @throws {TlsError}; {ServerError} ERR_OPTION_INVALID where there are none. */
  reloadTls(): Promise<void> {
    if (this.#tls === null) throw new ServerError("ERR_OPTION_INVALID", "this server has no tls to reload");
    return this.#tls.reload();
  }

  /** Answers without listening anywhere. */
  prepare(): void {
    this.#prepare(currentRuntime());
  }

  async fetch(request: Request): Promise<Response> {
    if (this.#closing !== null) throw new ServerError("ERR_SERVER_CLOSED", "the server has been closed");
    const acceptor = this.#prepare(this.#runtime ?? currentRuntime());
    // It speaks HTTP/1.1, whatever is served outside.
    const accept: Stage =
      this.#settings.given.http1 === false
        ? (stream) => void this.#h1?.accept(stream)
        : (stream) => acceptor.accept(stream);
    return fetchFromMemory((this.#runtime as Runtime).arena, accept, request);
  }

  /**
   * Stops listening, lets everybody finish, resets who has not by the deadline. Requests in flight are answered; a client
   * on an idle connection that is just sending one is answered too.
   */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  /** Ends everything now. */
  async reset(): Promise<void> {
    const stopped = this.#listener?.close();
    this.#closeAll();
    this.#closing ??= Promise.resolve();
    await stopped;
    this.#forgetDrain?.();
    this.#resolveClosed();
  }

  async #close(deadlineMs: number): Promise<void> {
    const end = Date.now() + deadlineMs;
    const late = setTimeout(() => this.#closeAll(), deadlineMs);
    // At once, so that the next answer on every connection says that it is the last.
    void this.#drainAll();
    // What is queued on the listener is accepted first, and drained with the others.
    await this.#listener?.close();
    await this.#drainAll();
    clearTimeout(late);
    this.#tls?.close();
    await this.#waiting.settle(Math.min(this.#settings.waitUntilMs, Math.max(0, end - Date.now())));
    this.#forgetDrain?.();
    this.#resolveClosed();
  }

  async #drainAll(): Promise<void> {
    // Who is told apart meanwhile goes to a server that drains already.
    const served = [this.#h1?.drain(), this.#h2?.drain()];
    await this.#tls?.drain();
    await this.#gate?.drain();
    await Promise.all(served);
    await Promise.all([this.#h1?.drain(), this.#h2?.drain()]);
  }

  #closeAll(): void {
    this.#tls?.close();
    this.#gate?.close();
    this.#h1?.close();
    this.#h2?.close();
  }

  #prepare(runtime: Runtime): Acceptor {
    if (this.#acceptor !== null) return this.#acceptor;
    const { given, limits, timeouts, h2 } = this.#settings;
    const { arena } = runtime;
    const { autoContinue = true, allowHalfClose } = given;
    this.#runtime = runtime;
    const shared = {
      arena,
      clock: runtime,
      handler: this.#handler(autoContinue),
      limits,
      timeouts,
      autoContinue,
      allowHalfClose,
      report: (error: unknown) => this.#report(error),
    };
    this.#h1 = new H1Server(shared);
    if (h2 !== null) this.#h2 = new H2Server({ ...shared, h2 });
    this.#acceptor = new Acceptor(this.#protocol(runtime), given.proxyProtocol);
    return this.#acceptor;
  }

  /** As `#prepare`, with the handshake before the protocol where there is one. */
  async #prepareToListen(runtime: Runtime): Promise<Acceptor> {
    const acceptor = this.#prepare(runtime);
    const { given, timeouts } = this.#settings;
    if (given.tls === undefined) return acceptor;
    const { http1 } = given;
    const [h1, h2] = [this.#h1 as H1Server, this.#h2];
    const tls = await TlsStage.open({
      tls: given.tls,
      runtime,
      h1: http1 === false ? null : (stream) => h1.accept(stream),
      h2: h2 === null ? null : (stream) => h2.accept(stream),
      lingerMs: timeouts.lingerMs,
      report: (error) => this.#report(error),
    });
    this.#tls = tls;
    return new Acceptor((stream) => tls.accept(stream), given.proxyProtocol);
  }

  /** The protocol that connections speak, or what tells which. */
  #protocol(runtime: Runtime): Stage {
    const { given, timeouts } = this.#settings;
    const h1: Stage = (stream) => void this.#h1?.accept(stream);
    const h2: Stage = (stream) => void this.#h2?.accept(stream);
    if (this.#h2 === null) return h1;
    if (given.http1 === false) return h2;
    const gate = new PrefaceGate(runtime, timeouts.headersMs, timeouts.lingerMs, h1, h2);
    this.#gate = gate;
    return (stream) => gate.accept(stream);
  }

  #handler(autoContinue: boolean): Handler {
    const { given, self, contextOnly } = this.#settings;
    if (given.handler !== undefined) return given.handler;
    const { fetch, connect = null, error = null } = given;
    const host = { autoContinue, waitUntil: (promise: PromiseLike<unknown>) => this.#waiting.add(promise) };
    return fetchHandler(
      { self, fetch: fetch as NonNullable<typeof fetch>, connect, error, contextOnly },
      host,
      this.#report,
    );
  }
}
