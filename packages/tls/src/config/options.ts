// options.ts — what a TLS server takes, with every default, and what is wrong with what it was given.
import type { PeerAddress } from "@percore/core";
import { TlsError } from "../errors.ts";
import type { IdentityOptions } from "./identity.ts";
import type { PemSource } from "./pem.ts";

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** What becomes of a client's certificate; "request" and "optional" differ in what a bad one does. */
export type ClientAuth =
  /** None is asked for. */
  | "none"
  /** Asked for; the handshake succeeds whatever comes, `authorized` says what it was worth. */
  | "request"
  /** Asked for; none is fine, one that does not verify ends the handshake. */
  | "optional"
  /** One that verifies, or no connection. */
  | "require";

export interface TlsServerOptions {
  /** The certificate chain: PEM, or the file that holds it. A list gives several for the same names: ECDSA and RSA, say. */
  readonly cert?: PemSource | readonly PemSource[];
  /** The private key of each `cert`, in the same order. Default: in the same PEM. */
  readonly key?: PemSource | readonly PemSource[];
  /** Of encrypted keys: one for all, or one for each. */
  readonly passphrase?: string | readonly string[];
  /** OCSP responses to staple, DER, one for each `cert`: the file, or the bytes. */
  readonly ocsp?: string | URL | Uint8Array | readonly (string | URL | Uint8Array)[];

  /** Further certificates by server name: "www.example.com", "*.example.com". The default one serves its own names too. */
  readonly sni?: { readonly [name: string]: IdentityOptions | readonly IdentityOptions[] };
  /** Asked for names that no certificate has; null = the default certificate. Answers are kept for `sniCacheMs`. */
  readonly sniCallback?: (name: string) => SniAnswer | Promise<SniAnswer>;
  /** How long an answer of sniCallback stands, milliseconds. Default 300,000. */
  readonly sniCacheMs?: number;
  /** Names whose answers are kept. Default 1,000. */
  readonly sniCacheMax?: number;
  /** Names that no certificate has, and clients that send none: "default" serves the default certificate, "refuse" ends the handshake with unrecognized_name (RFC 6066 §3). Default "default". */
  readonly unknownNames?: "default" | "refuse";

  /** Who may have signed client certificates: PEM. */
  readonly ca?: PemSource | readonly PemSource[];
  /** Revoked client certificates: PEM. With any, each certificate of a chain needs the list of its issuer. */
  readonly crl?: PemSource | readonly PemSource[];
  /** Default "none"; "require" where `ca` is given. */
  readonly clientAuth?: ClientAuth;

  /** Default "TLSv1.2". */
  readonly minVersion?: TlsVersion;
  /** Default "TLSv1.3". */
  readonly maxVersion?: TlsVersion;
  /** OpenSSL's names, colons between: those of TLS 1.3 begin with "TLS_". Default: DEFAULT_CIPHERS and DEFAULT_CIPHERSUITES. */
  readonly ciphers?: string;
  /** Key exchange groups, best first. Default: DEFAULT_GROUPS. */
  readonly groups?: readonly string[];

  /** Sessions that clients resume by ticket. Default true. */
  readonly tickets?: boolean;
  /** Ticket keys of 80 bytes (name 16, MAC 32, cipher 32), the first seals, the others still open. Default: random ones of this process, a new one every `ticketRotateMs`. */
  readonly ticketKeys?: readonly (Uint8Array | string | URL)[];
  /** Milliseconds. Default 43,200,000 (12 hours); a key opens tickets for twice as long. */
  readonly ticketRotateMs?: number;

  /** From the accept to the end of the handshake, milliseconds. Default 10,000. */
  readonly handshakeMs?: number;
  /** Handshakes of a worker at a time; further ones wait. Default 256. */
  readonly handshakesMax?: number;
  /** Loads files again when they change. Default true. SIGHUP and `reload()` do it at any time. */
  readonly watch?: boolean;
  /** Told of every reload: null when it succeeded, else why the old certificates stay. Default: failures on standard error. */
  readonly onReload?: (error: Error | null) => void;
  /** Told why a handshake failed, for logs. */
  readonly onHandshakeError?: (error: Error, remote: PeerAddress) => void;
}

/** A certificate for the name asked for, or null for the default one. */
export type SniAnswer = IdentityOptions | readonly IdentityOptions[] | null;

export const DEFAULT_SNI_CACHE_MS = 300_000;
export const DEFAULT_SNI_CACHE_MAX = 1_000;
export const DEFAULT_TICKET_ROTATE_MS: number = 12 * 3_600_000;

const VERSIONS: readonly TlsVersion[] = ["TLSv1.2", "TLSv1.3"];
const CLIENT_AUTHS: readonly ClientAuth[] = ["none", "request", "optional", "require"];
const MS_MAX = 2_147_483_647;

const wrong = (message: string): TlsError => new TlsError("ERR_TLS_OPTION", message);

export const listOf = <Item>(value: Item | readonly Item[] | undefined): readonly Item[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly Item[]) : [value as Item];

/** The default identities, from the lists that stand side by side. @throws {TlsError} ERR_TLS_OPTION. */
export const defaultIdentities = ({ cert, key, passphrase, ocsp }: TlsServerOptions): IdentityOptions[] => {
  const certs = listOf(cert);
  const side = <Item>(name: string, value: Item | readonly Item[] | undefined): readonly Item[] => {
    const list = listOf(value);
    if (list.length > 0 && list.length !== certs.length)
      throw wrong(
        `tls.${name} has ${list.length} entries and tls.cert ${certs.length}: each certificate needs its own`,
      );
    return list;
  };
  const keys = side("key", key);
  const responses = side("ocsp", ocsp);
  const passphrases = typeof passphrase === "string" ? certs.map(() => passphrase) : side("passphrase", passphrase);
  return certs.map((one, index) => ({
    cert: one,
    key: keys[index],
    passphrase: passphrases[index],
    ocsp: responses[index],
  }));
};

/** Checks what does not need a file to be read. @throws {TlsError} ERR_TLS_OPTION, which names the option. */
export const checkOptions = (options: TlsServerOptions): void => {
  const { cert, key, sni, sniCallback, minVersion, maxVersion, clientAuth, ca, unknownNames } = options;
  if (cert === undefined && sni === undefined && sniCallback === undefined)
    throw wrong("tls.cert is missing: the certificate as PEM, or its file");
  if (cert === undefined && key !== undefined) throw wrong("tls.key without tls.cert");
  if (cert === undefined && unknownNames !== "refuse")
    throw wrong('without tls.cert there is no default certificate: give one, or unknownNames: "refuse"');
  oneOf("minVersion", minVersion, VERSIONS);
  oneOf("maxVersion", maxVersion, VERSIONS);
  if (minVersion === "TLSv1.3" && maxVersion === "TLSv1.2") throw wrong("tls.minVersion is above tls.maxVersion");
  oneOf("clientAuth", clientAuth, CLIENT_AUTHS);
  oneOf("unknownNames", unknownNames, ["default", "refuse"]);
  if ((clientAuth === "optional" || clientAuth === "require") && listOf(ca).length === 0)
    throw wrong(`tls.clientAuth is "${clientAuth}": give tls.ca, whose certificates are trusted`);
  whole("sniCacheMs", options.sniCacheMs, 0, MS_MAX);
  whole("sniCacheMax", options.sniCacheMax, 1, 1_000_000);
  whole("ticketRotateMs", options.ticketRotateMs, 60_000, MS_MAX);
  whole("handshakeMs", options.handshakeMs, 1, MS_MAX);
  whole("handshakesMax", options.handshakesMax, 1, 1_000_000);
};

const oneOf = (name: string, value: string | undefined, words: readonly string[]): void => {
  if (value !== undefined && !words.includes(value))
    throw wrong(`tls.${name} is ${JSON.stringify(value)}; it must be ${words.map((one) => `"${one}"`).join(" or ")}`);
};

const whole = (name: string, value: number | undefined, min: number, max: number): void => {
  if (value !== undefined && !(Number.isInteger(value) && value >= min && value <= max))
    throw wrong(`tls.${name} is ${String(value)}; it must be a whole number, ${min}..${max}`);
};
