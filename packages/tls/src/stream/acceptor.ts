// acceptor.ts — the server's side: takes a fresh stream, does the handshake on it, gives on the encrypted one.
import { type Stream, WheelEntry } from "@percore/core";
import { TlsContext } from "../context.ts";
import { TlsError } from "../errors.ts";
import { ALERT_UNRECOGNIZED_NAME } from "./alerts.ts";
import type { Clock } from "./clock.ts";
import { Connection, type HandshakeOwner } from "./connection.ts";
import { detailsOf } from "./details.ts";
import { HandshakeGate, type HandshakeLimits, type Waiting } from "./handshake-gate.ts";
import { TlsThread } from "./thread.ts";
import { TlsStream } from "./tls-stream.ts";

/**
 * Chooses the context for the name a client asks for (null = none): calls `choose` once, now or later, with null to refuse
 * by the alert unrecognized_name, or with the number of another alert (RFC 8446 §6).
 */
export type SelectContext = (serverName: string | null, choose: (context: TlsContext | number | null) => void) => void;

export interface TlsAcceptorOptions extends HandshakeLimits {
  /** The thread's runtime, or a test's clock. */
  readonly clock: Clock;
  /** Begins every handshake. */
  readonly context: TlsContext;
  /** Called for each handshake where `context` was made with `clientHello: true`. */
  readonly select?: SelectContext;
  /** From the connection to the end of its handshake, waiting included; 0 = none. Default 10000. */
  readonly handshakeTimeoutMs?: number;
}

/** Told once: the stream, to be attached to before this returns or any time later; or why there is none. */
export type TlsDone = (error: Error | null, stream: TlsStream | null) => void;

export interface TlsAcceptorStats {
  readonly handshakes: number;
  readonly waiting: number;
  readonly completed: number;
  readonly resumed: number;
  readonly failed: number;
  /** Of the failed: not even begun, for there were too many. */
  readonly refused: number;
}

export const HANDSHAKE_TIMEOUT_MS = 10_000;

export class TlsAcceptor {
  /** Begins every handshake from now on: replaced by a reload. Handshakes and connections that have begun keep theirs. */
  context: TlsContext;
  readonly clock: Clock;
  readonly gate: HandshakeGate;
  readonly select: SelectContext | null;
  readonly timeoutMs: number;
  #completed = 0;
  #resumed = 0;
  #failed = 0;
  #refused = 0;

  constructor(options: TlsAcceptorOptions) {
    this.context = options.context;
    this.clock = options.clock;
    this.select = options.select ?? null;
    this.timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.gate = new HandshakeGate(options);
  }

  get stats(): TlsAcceptorStats {
    return {
      handshakes: this.gate.active,
      waiting: this.gate.waiting,
      completed: this.#completed,
      resumed: this.#resumed,
      failed: this.#failed,
      refused: this.#refused,
    };
  }

  /** @param inner a stream that nobody is attached to; the acceptor's from now on. */
  accept(inner: Stream, done: TlsDone): void {
    const handshake = new Handshake(this, inner, done);
    if (this.gate.enter(handshake)) {
      handshake.entered();
      return;
    }
    this.#refused += 1;
    this.#failed += 1;
    inner.reset();
    done(new TlsError("ERR_TLS_HANDSHAKE_LIMIT", "too many handshakes are waiting"), null);
  }

  /** A handshake is over. */
  count(stream: TlsStream | null): void {
    if (stream === null) this.#failed += 1;
    else this.#completed += 1;
    if (stream?.tls.resumed === true) this.#resumed += 1;
  }
}

class Handshake implements HandshakeOwner, Waiting {
  readonly #acceptor: TlsAcceptor;
  readonly #inner: Stream;
  readonly #done: TlsDone;
  #context: TlsContext | null = null;
  #begun = false;
  /** When the handshake must be complete; the entry on the wheel is for the time it waits. */
  readonly #dueAt: number;
  #deadline: WheelEntry | null = null;

  constructor(acceptor: TlsAcceptor, inner: Stream, done: TlsDone) {
    this.#acceptor = acceptor;
    this.#inner = inner;
    this.#done = done;
    this.#dueAt = acceptor.clock.now + acceptor.timeoutMs;
  }

  /** It has begun, or waits from now on. */
  entered(): void {
    const { clock, gate, timeoutMs } = this.#acceptor;
    if (this.#begun || timeoutMs === 0) return;
    this.#deadline = new WheelEntry(() => {
      gate.forget(this);
      this.#inner.reset();
      this.#acceptor.count(null);
      this.#done(new TlsError("ERR_TLS_HANDSHAKE_TIMEOUT", "the handshake's turn did not come in time"), null);
    });
    clock.wheel.set(this.#deadline, this.#dueAt);
  }

  begin(): void {
    const { context, clock, timeoutMs } = this.#acceptor;
    this.#begun = true;
    this.#context = context;
    if (this.#deadline !== null) clock.wheel.remove(this.#deadline);
    this.#deadline = null;
    const handle = TlsThread.of(this.#inner.arena).engine.open(context.native, null, null, null, null);
    if (handle < 0) {
      this.#inner.reset();
      this.#acceptor.gate.leave();
      this.#acceptor.count(null);
      this.#done(new TlsError("ERR_TLS_SESSIONS", "OpenSSL has no session for another connection"), null);
      return;
    }
    // At least a millisecond: 0 would be none.
    const left = timeoutMs === 0 ? 0 : Math.max(1, this.#dueAt - clock.now);
    new Connection(this.#inner, handle, clock, this).start(left);
  }

  mayStep(connection: Connection): boolean {
    return this.#acceptor.gate.mayStep(connection, this.#acceptor.clock.now);
  }

  onHello(connection: Connection, serverName: string | null): void {
    const { select } = this.#acceptor;
    if (select === null) {
      connection.choose(this.#acceptor.context.native);
      return;
    }
    let answered = false;
    select(serverName, (context) => {
      if (answered) return;
      answered = true;
      if (context instanceof TlsContext) {
        this.#context = context;
        connection.choose(context.native);
      } else connection.choose(context ?? ALERT_UNRECOGNIZED_NAME);
    });
  }

  onShaken(connection: Connection, error: Error | null): void {
    this.#acceptor.gate.leave();
    if (error !== null) {
      this.#acceptor.count(null);
      this.#done(error, null);
      return;
    }
    const info = connection.thread.engine.info(connection.handle);
    if (info === null) return;
    const stream = new TlsStream(connection, detailsOf(info), this.#context?.alpn[info.alpn] ?? null);
    this.#acceptor.count(stream);
    this.#done(null, stream);
  }

  /** Servers are given none. */
  onSession(): void {}
}
