// tls-info.ts — what a handler can ask about the encryption of its connection, and about who is at the other end.
import { X509Certificate } from "node:crypto";
import type { PeerCertificate } from "node:tls";
import type { ConnectionInfo } from "@percore/http";
import type { TlsDetails, TlsStream } from "@percore/tls";

const streams = new WeakMap<ConnectionInfo, TlsStream>();

/** For the stage that does handshakes: this connection runs on that stream. */
export const rememberTls = (connection: ConnectionInfo, stream: TlsStream): void => {
  streams.set(connection, stream);
};

/** What is known of a connection's encryption; null where it has none. */
export const tlsOf = (connection: ConnectionInfo): TlsInfo | null => {
  const stream = streams.get(connection);
  return stream === undefined ? null : new TlsInfo(stream);
};

export class TlsInfo implements TlsDetails {
  readonly #stream: TlsStream;
  #chain: X509Certificate[] | null = null;

  constructor(stream: TlsStream) {
    this.#stream = stream;
  }

  get protocol(): TlsDetails["protocol"] {
    return this.#stream.tls.protocol;
  }

  get cipher(): string {
    return this.#stream.tls.cipher;
  }

  get group(): string | null {
    return this.#stream.tls.group;
  }

  /** The name the client asked for (SNI), or null. */
  get serverName(): string | null {
    return this.#stream.tls.serverName;
  }

  get resumed(): boolean {
    return this.#stream.tls.resumed;
  }

  get hasPeerCertificate(): boolean {
    return this.#stream.tls.hasPeerCertificate;
  }

  /** The client has shown a certificate, and nothing is wrong with it. */
  get authorized(): boolean {
    return this.#stream.tls.authorized;
  }

  /** What is wrong with the client's certificate; null where nothing is. */
  get verifyReason(): string | null {
    return this.#stream.tls.verifyReason;
  }

  /** The client's certificates, its own first; empty where it has shown none. */
  get peerCertificates(): readonly X509Certificate[] {
    this.#chain ??= this.#stream.peerCertificates.map((der) => new X509Certificate(der));
    return this.#chain;
  }

  /** The client's certificate in the form of node's `getPeerCertificate()`, with its DER in `raw`; null where it has shown none. */
  get peerCertificate(): PeerCertificate | null {
    const [own] = this.peerCertificates;
    return own === undefined ? null : (own.toLegacyObject() as PeerCertificate);
  }
}
