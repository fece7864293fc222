// details.ts — what a TLS connection says about itself: what was agreed on, and who the peer is.
import type { PeerAddress, Stream, StreamInfo } from "@percore/core";
import type { SessionInfo } from "@percore/native/tls";

export interface TlsDetails {
  readonly protocol: "TLSv1.2" | "TLSv1.3";
  /** Standard name: TLS_AES_128_GCM_SHA256. */
  readonly cipher: string;
  /** Key exchange group, where OpenSSL says it: x25519, X25519MLKEM768; null for a resumption without key exchange. */
  readonly group: string | null;
  /** The name the client asked for (SNI), or null. */
  readonly serverName: string | null;
  /** The handshake continued an earlier session. */
  readonly resumed: boolean;
  /** The peer has shown a certificate, now or in the session that was resumed. */
  readonly hasPeerCertificate: boolean;
  /** It has, and nothing is wrong with it. */
  readonly authorized: boolean;
  /** What is wrong with the peer's certificate, in OpenSSL's words; null where nothing is, or nothing was looked at. */
  readonly verifyReason: string | null;
}

/** Few different texts, many connections: each is kept once. */
const texts = new Map<string, string>();

const kept = (text: string): string => {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size < TEXTS_MAX) texts.set(text, text);
  return text;
};

const TEXTS_MAX = 1000;

export const detailsOf = (info: SessionInfo): TlsDetails => ({
  protocol: kept(info.protocol) as TlsDetails["protocol"],
  cipher: kept(info.cipher ?? "none"),
  group: info.group === null ? null : kept(info.group),
  serverName: info.serverName === null ? null : kept(info.serverName),
  resumed: info.resumed,
  hasPeerCertificate: info.hasPeerCertificate,
  authorized: info.hasPeerCertificate && info.verifyError === 0,
  verifyReason: info.verifyReason === null ? null : kept(info.verifyReason),
});

/** The stream below, with encryption on it. Addresses are asked for when somebody wants to know them. */
export class TlsInfo implements StreamInfo {
  readonly fd = null;
  readonly kernelTls = false;
  readonly encrypted = true;
  readonly alpn: string | null;
  readonly #inner: Stream;

  constructor(inner: Stream, alpn: string | null) {
    this.#inner = inner;
    this.alpn = alpn;
  }

  get remote(): PeerAddress {
    return this.#inner.info.remote;
  }

  get local(): PeerAddress {
    return this.#inner.info.local;
  }
}
