// errors.ts — every code of this package with its meaning, and what an error says about its connection.
import { CodedError } from "@percore/core";

/** Codes of operating errors. Decide by `code`; the message is for people and may change. */
export const TLS_ERRORS = {
  ERR_TLS_ALPN: "The two sides have no application protocol in common (RFC 7301 §3.2).",
  ERR_TLS_CA: "A CA certificate cannot be read.",
  ERR_TLS_CERTIFICATE: "A certificate or its chain cannot be read or used.",
  ERR_TLS_CERTIFICATE_EXPIRED: "A certificate of one's own is expired, or not valid yet.",
  ERR_TLS_CRL: "A certificate revocation list cannot be read.",
  ERR_TLS_ENDED: "The peer ended the connection before the handshake was complete.",
  ERR_TLS_FILE: "A file that an option names cannot be read.",
  ERR_TLS_HANDSHAKE: "The handshake failed: the two sides have nothing in common, or the peer broke the protocol.",
  ERR_TLS_HANDSHAKE_LIMIT: "So many handshakes were under way or waiting already that this one was refused.",
  ERR_TLS_HANDSHAKE_TIMEOUT: "The handshake was not complete within handshakeTimeoutMs.",
  ERR_TLS_HOST: "The server's certificate is not for the name that was asked for.",
  ERR_TLS_KEY: "A private key cannot be read.",
  ERR_TLS_KEY_MISMATCH: "A private key does not belong to its certificate.",
  ERR_TLS_OPTION: "An option has a value that it cannot have or that OpenSSL refuses, or contradicts another.",
  ERR_TLS_PASSPHRASE: "A private key's passphrase is missing or wrong.",
  ERR_TLS_PEER_ALERT: "The peer ended the connection with a fatal alert; `alertReceived` is its number.",
  ERR_TLS_RECORD: "The peer sent a record that cannot be decrypted or has no place here.",
  ERR_TLS_SERVER_NAME: "The name the client asks for is not served here.",
  ERR_TLS_SESSIONS: "The thread has as many TLS sessions as it can have, or OpenSSL has no memory for another.",
  ERR_TLS_TRUNCATED: "The connection ended without close_notify: what was received may not be all (RFC 8446 §6.1).",
  ERR_TLS_VERIFY: "The peer's certificate is missing, not trusted, expired or revoked; the message says which.",
} as const;

export type TlsErrorCode = keyof typeof TLS_ERRORS;

export interface TlsErrorDetail {
  /** Number of the alert (RFC 8446 §6) that the peer was told, or null. */
  readonly alertSent?: number | null;
  /** Number of the alert that the peer sent, or null. */
  readonly alertReceived?: number | null;
  readonly cause?: unknown;
}

export class TlsError extends CodedError<TlsErrorCode> {
  readonly alertSent: number | null;
  readonly alertReceived: number | null;

  constructor(code: TlsErrorCode, message: string, detail: TlsErrorDetail = {}) {
    super(code, message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.alertSent = detail.alertSent ?? null;
    this.alertReceived = detail.alertReceived ?? null;
  }
}
