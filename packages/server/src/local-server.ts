// local-server.ts — the part of a server that one thread serves: listener, protocol, drain.
import { acquireListener, currentRuntime, onDrain, type PeerAddress, type Runtime } from "@percore/core";
import { type H1Counters, H1Server } from "@percore/h1";
import type { Handler } from "@percore/http";
import { Acceptor } from "./acceptor.ts";
import { ServerError } from "./errors.ts";
import { fetchHandler } from "./fetch/adapter.ts";
import type { Report } from "./fetch/outcome.ts";
import type { Request } from "./fetch/request.ts";
import type { Response } from "./fetch/response.ts";
import { fetchFromMemory } from "./memory-client.ts";
import { DEFAULT_PORT, type Settings } from "./options.ts";
import { Waiting } from "./waiting.ts";

type AcquiredListener = Awaited<ReturnType<typeof acquireListener>>;

export class LocalServer {
  readonly #settings: Settings;
  readonly #report: Report;
  readonly #waiting: Waiting;
  #runtime: Runtime | null = null;
  #h1: H1Server | null = null;
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

  get counters(): H1Counters | null {
    return this.#h1?.counters ?? null;
  }

  /** Resolves when it has been closed, by whomever. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Binds and begins to serve. @throws what acquireListener throws; {HttpError} ERR_OPTION_INVALID for a limit. */
  async listen(runtime: Runtime): Promise<void> {
    const { given, connectionsMax, drainMs } = this.#settings;
    const acceptor = this.#prepare(runtime);
    const { unix, unixMode, fd, hostname, backlog } = given;
    const port = unix === undefined && fd === undefined ? (given.port ?? DEFAULT_PORT) : undefined;
    this.#listener = await acquireListener({ port, hostname, unix, unixMode, fd, backlog, connectionsMax }, (stream) =>
      acceptor.accept(stream),
    );
    this.#forgetDrain = onDrain((deadlineMs) => this.close(Math.min(deadlineMs, drainMs)));
    // Closed while it was still being opened.
    if (this.#closing !== null) await this.#listener.close();
  }

  /** Answers without listening anywhere. */
  prepare(): void {
    this.#prepare(currentRuntime());
  }

  async fetch(request: Request): Promise<Response> {
    if (this.#closing !== null) throw new ServerError("ERR_SERVER_CLOSED", "the server has been closed");
    const acceptor = this.#prepare(this.#runtime ?? currentRuntime());
    return fetchFromMemory((this.#runtime as Runtime).arena, (stream) => acceptor.accept(stream), request);
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
    this.#h1?.close();
    this.#closing ??= Promise.resolve();
    await stopped;
    this.#forgetDrain?.();
    this.#resolveClosed();
  }

  async #close(deadlineMs: number): Promise<void> {
    const end = Date.now() + deadlineMs;
    const h1 = this.#h1;
    const late = setTimeout(() => h1?.close(), deadlineMs);
    // At once, so that the next answer on every connection says that it is the last.
    void h1?.drain();
    // What is queued on the listener is accepted first, and drained with the others.
    await this.#listener?.close();
    await h1?.drain();
    clearTimeout(late);
    await this.#waiting.settle(Math.min(this.#settings.waitUntilMs, Math.max(0, end - Date.now())));
    this.#forgetDrain?.();
    this.#resolveClosed();
  }

  #prepare(runtime: Runtime): Acceptor {
    if (this.#acceptor !== null) return this.#acceptor;
    const { given, limits, timeouts } = this.#settings;
    const { arena } = runtime;
    const { autoContinue = true, allowHalfClose } = given;
    this.#runtime = runtime;
    this.#h1 = new H1Server({
      arena,
      clock: runtime,
      handler: this.#handler(autoContinue),
      limits,
      timeouts,
      autoContinue,
      allowHalfClose,
      report: (error) => this.#report(error),
    });
    this.#acceptor = new Acceptor(this.#h1, given.proxyProtocol);
    return this.#acceptor;
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
