// context.ts — what the connections of a server or a client share, as an SSL_CTX of this thread, with defaults that are safe.
import { type ContextFailure, type ContextOptions, makeContext, type SecureContext } from "@percore/native/tls";
import { TlsError, type TlsErrorCode } from "./errors.ts";

export type { CertificateSource, SecureContext, TicketRing } from "@percore/native/tls";
export { openTicketRing } from "@percore/native/tls";

/** As the native ContextOptions, but protocols by name, and with defaults for what is left out. */
export interface TlsContextOptions extends Omit<ContextOptions, "alpn" | "server"> {
  /**
   * Protocols (RFC 7301), best first; a server refuses clients that offer others only. Default none: nothing is negotiated.
   */
  readonly alpn?: readonly string[];
}

/** Forward secrecy and AEAD only; ECDSA before RSA, AES before ChaCha20 (machines with AES instructions). */
export const DEFAULT_CIPHERS: string =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:" +
  "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
export const DEFAULT_CIPHERSUITES: string =
  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/** The hybrid with ML-KEM first where OpenSSL has it (3.5 and later, Node 22 and later). */
export const DEFAULT_GROUPS: readonly string[] = Object.freeze(["?X25519MLKEM768", "X25519", "P-256", "P-384"]);

const ALPN_NAME_BYTES_MAX = 255;

export class TlsContext {
  readonly native: SecureContext;
  readonly server: boolean;
  readonly alpn: readonly string[];

  constructor(native: SecureContext, server: boolean, alpn: readonly string[]) {
    this.native = native;
    this.server = server;
    this.alpn = alpn;
  }
}

/**
 * @throws {TlsError} ERR_TLS_CERTIFICATE, ERR_TLS_KEY, ERR_TLS_PASSPHRASE, ERR_TLS_KEY_MISMATCH, ERR_TLS_CA, ERR_TLS_CRL,
 *   ERR_TLS_OPTION.
 */
export const serverContext = (options: TlsContextOptions): TlsContext => make(options, true);

/**
 * Without `verify` it is "require". `ca` are the trusted certificates; there is no default here, `rootContext` of client.ts
 * takes node's.
 * @throws {TlsError} as `serverContext`.
 */
export const clientContext = (options: TlsContextOptions): TlsContext => make({ verify: "require", ...options }, false);

const make = (options: TlsContextOptions, server: boolean): TlsContext => {
  const alpn = options.alpn ?? [];
  const made = makeContext({
    ciphers: DEFAULT_CIPHERS,
    ciphersuites: DEFAULT_CIPHERSUITES,
    groups: DEFAULT_GROUPS,
    ...options,
    server,
    alpn: alpnWire(alpn),
  });
  if ("step" in made) throw contextError(made);
  return new TlsContext(made, server, alpn);
};

const CODES: Record<ContextFailure["step"], TlsErrorCode> = {
  certificate: "ERR_TLS_CERTIFICATE",
  key: "ERR_TLS_KEY",
  passphrase: "ERR_TLS_PASSPHRASE",
  mismatch: "ERR_TLS_KEY_MISMATCH",
  ca: "ERR_TLS_CA",
  crl: "ERR_TLS_CRL",
  versions: "ERR_TLS_OPTION",
  ciphers: "ERR_TLS_OPTION",
  ciphersuites: "ERR_TLS_OPTION",
  groups: "ERR_TLS_OPTION",
  sessionIdContext: "ERR_TLS_OPTION",
  openssl: "ERR_TLS_OPTION",
};

const contextError = (failure: ContextFailure): TlsError => {
  const where = failure.index < 0 ? failure.step : `${failure.step} (number ${failure.index + 1})`;
  return new TlsError(CODES[failure.step], `${where}: ${failure.reason}`);
};

/**
 * RFC 7301 §3.1: each name behind its length.
 * @throws {TlsError} ERR_TLS_OPTION for an empty name or one of more than 255 bytes.
 */
export const alpnWire = (names: readonly string[]): Uint8Array => {
  const encoded = names.map((name) => new TextEncoder().encode(name));
  const wire = new Uint8Array(encoded.reduce((sum, name) => sum + 1 + name.length, 0));
  let at = 0;
  for (const name of encoded) {
    if (name.length === 0 || name.length > ALPN_NAME_BYTES_MAX) {
      throw new TlsError("ERR_TLS_OPTION", `alpn: a protocol's name has 1..255 bytes, not ${name.length}`);
    }
    wire[at] = name.length;
    wire.set(name, at + 1);
    at += 1 + name.length;
  }
  return wire;
};
