// connect.ts — the client's side: a handshake on a connected stream, the server verified, sessions kept for the next time.
import type { Stream } from "@percore/core";
import type { ResumableSession } from "@percore/native/tls";
import { alpnWire, type TlsContext } from "../context.ts";
import { TlsError } from "../errors.ts";
import { HANDSHAKE_TIMEOUT_MS, type TlsDone } from "./acceptor.ts";
import type { Clock } from "./clock.ts";
import { Connection, type HandshakeOwner } from "./connection.ts";
import { detailsOf } from "./details.ts";
import type { SessionCache } from "./session-cache.ts";
import { TlsThread } from "./thread.ts";
import { TlsStream } from "./tls-stream.ts";

export interface TlsConnectOptions {
  /** The thread's runtime, or a test's clock. */
  readonly clock: Clock;
  readonly context: TlsContext;
  /**
   * Host name or address of the server: asked for (SNI; not for an address, RFC 6066 §3) and looked for in its certificate.
   */
  readonly serverName: string;
  /** Another name to look for in the certificate; null = any. Whoever has a certificate of a trusted CA is believed then. */
  readonly verifyName?: string | null;
  /** Protocols, best first. Default: the context's. */
  readonly alpn?: readonly string[];
  /** Where sessions of this server are kept; with one, a later connection resumes. */
  readonly sessions?: SessionCache;
  /** Default 10000; 0 = none. */
  readonly handshakeTimeoutMs?: number;
}

/**
 * Does the handshake on a connected stream that nobody is attached to.
 *
 * `done` is told once: with the stream; or ERR_TLS_VERIFY, ERR_TLS_HOST, ERR_TLS_ALPN, ERR_TLS_SERVER_NAME,
 * ERR_TLS_PEER_ALERT, ERR_TLS_HANDSHAKE, ERR_TLS_HANDSHAKE_TIMEOUT, ERR_TLS_ENDED, ERR_TLS_SESSIONS, ERR_TLS_OPTION; or the
 * error of the stream below.
 */
export const connectTls = (inner: Stream, options: TlsConnectOptions, done: TlsDone): void => {
  const names = options.alpn ?? options.context.alpn;
  const name = options.serverName;
  const verifyName = options.verifyName === undefined ? name : options.verifyName;
  const key = `${name}\n${verifyName ?? ""}\n${names.join()}`;
  const session = options.sessions?.take(key) ?? null;
  const handle = TlsThread.of(inner.arena).engine.open(
    options.context.native,
    isAddress(name) ? null : name,
    verifyName,
    names.length === 0 ? null : alpnWire(names),
    session,
  );
  if (handle < 0) {
    inner.reset();
    queueMicrotask(() => done(new TlsError("ERR_TLS_OPTION", `OpenSSL takes no server name ${name}`), null));
    return;
  }
  const keep = (given: ResumableSession): void => options.sessions?.put(key, given);
  const handshake = new ClientHandshake(names, session, keep, done);
  const connection = new Connection(inner, handle, options.clock, handshake);
  connection.start(options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS);
  connection.greet();
};

const TLS_1_2 = 0x0303;

const isAddress = (name: string): boolean => name.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(name);

class ClientHandshake implements HandshakeOwner {
  readonly #names: readonly string[];
  /** The session that is to be resumed. */
  readonly #session: ResumableSession | null;
  readonly #keep: (session: ResumableSession) => void;
  readonly #done: TlsDone;

  constructor(
    names: readonly string[],
    session: ResumableSession | null,
    keep: (session: ResumableSession) => void,
    done: TlsDone,
  ) {
    this.#names = names;
    this.#session = session;
    this.#keep = keep;
    this.#done = done;
  }

  mayStep(): boolean {
    return true;
  }

  onHello(): void {}

  onShaken(connection: Connection, error: Error | null): void {
    const info = error === null ? connection.thread.engine.info(connection.handle) : null;
    // A TLS 1.2 session may be used again, and the server gives no new one while its ticket is fresh.
    if (info?.resumed === true && info.version === TLS_1_2 && this.#session !== null) this.#keep(this.#session);
    if (info === null) this.#done(error, null);
    else this.#done(null, new TlsStream(connection, detailsOf(info), this.#names[info.alpn] ?? null));
  }

  onSession(connection: Connection): void {
    const { engine } = connection.thread;
    let session = engine.takeSession(connection.handle);
    while (session !== null) {
      this.#keep(session);
      session = engine.takeSession(connection.handle);
    }
  }
}
