// identity.ts — a certificate chain and its private key: read, checked against each other, and what is wrong with them in words.
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { TlsError } from "../errors.ts";
import { namesOf } from "./names.ts";
import {
  blocksOf,
  fileOf,
  isCertificate,
  isPrivateKey,
  type Pem,
  type PemBlock,
  type PemSource,
  readBytes,
  readPem,
} from "./pem.ts";

/** A certificate with its key, as options give it. */
export interface IdentityOptions {
  /** The certificate, followed by those that lead to its CA (the CA's own is not needed). */
  readonly cert: PemSource;
  /** Its private key. Default: the one in the same PEM. */
  readonly key?: PemSource;
  /** Of an encrypted key. */
  readonly passphrase?: string;
  /** OCSP response to staple, DER: the file or the bytes. */
  readonly ocsp?: string | URL | Uint8Array;
}

/** Checked. The key's bytes are the receiver's to wipe. */
export interface Identity {
  /** PEM, the own certificate first. */
  readonly chain: string;
  /** PEM of the private key, as given (encrypted ones stay so). */
  readonly key: Buffer;
  readonly passphrase: string | null;
  /** DER; null where there is none. */
  readonly ocsp: Buffer | null;
  /** DNS names it is good for, lower case, "*." for wildcards. */
  readonly names: readonly string[];
  /** "ec", "rsa", "ed25519", …: a client takes the kind it can verify. */
  readonly keyType: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Files it was read from. */
  readonly files: readonly string[];
  readonly origin: string;
}

/**
 * Reads a certificate and its key, and checks that they belong together and are valid now.
 *
 * @param what the option's name, for messages.
 * @param now milliseconds since 1970.
 * @throws {TlsError} by code; the message names the file and the fault.
 */
export const readIdentity = async (options: IdentityOptions, what: string, now: number): Promise<Identity> => {
  const certPem = await readPem(options.cert, what === "" ? "cert" : `${what}.cert`);
  const certificates = blocksOf(certPem).filter(isCertificate);
  if (certificates.length === 0) throw noCertificate(certPem, options.key !== undefined);
  const chain = certificates.map((block, index) => parseCertificate(block, index, certPem));

  const keyPem = options.key === undefined ? certPem : await readPem(options.key, what === "" ? "key" : `${what}.key`);
  const keyBlock = blocksOf(keyPem).find(isPrivateKey);
  if (keyBlock === undefined) throw noKey(keyPem, options.key === undefined);
  const key = parseKey(keyBlock, options.passphrase, keyPem);
  checkPair(chain, key, certPem, keyPem);
  checkTime(chain[0], certPem, now);

  const ocsp = options.ocsp === undefined ? null : await readOcsp(options.ocsp, what);
  const ocspFile = options.ocsp === undefined || options.ocsp instanceof Uint8Array ? null : fileOf(options.ocsp);
  return {
    chain: certificates.map(({ bytes }) => `${bytes.toString("latin1")}\n`).join(""),
    key: keyBlock.bytes,
    passphrase: options.passphrase ?? null,
    ocsp,
    names: namesOf(chain[0].subjectAltName),
    keyType: chain[0].publicKey.asymmetricKeyType ?? "unknown",
    notAfter: Date.parse(chain[0].validTo),
    files: [certPem.file, keyPem.file, ocspFile].filter((file) => file !== null),
    origin: certPem.origin,
  };
};

const noCertificate = (pem: Pem, hasKey: boolean): TlsError => {
  const swapped = hasKey && blocksOf(pem).some(isPrivateKey);
  const why = swapped
    ? "holds a private key and no certificate: are cert and key swapped?"
    : "holds no certificate (PEM)";
  return new TlsError("ERR_TLS_CERTIFICATE", `${pem.origin} ${why}`);
};

const noKey = (pem: Pem, shared: boolean): TlsError => {
  if (shared) return new TlsError("ERR_TLS_KEY", `${pem.origin} holds no private key, and no key was given`);
  const swapped = blocksOf(pem).some(isCertificate);
  const why = swapped
    ? "holds a certificate and no private key: are cert and key swapped?"
    : "holds no private key (PEM)";
  return new TlsError("ERR_TLS_KEY", `${pem.origin} ${why}`);
};

const parseCertificate = (block: PemBlock, index: number, pem: Pem): X509Certificate => {
  try {
    return new X509Certificate(block.bytes);
  } catch (cause) {
    const which = index === 0 ? "the certificate" : `certificate ${index + 1}`;
    throw new TlsError("ERR_TLS_CERTIFICATE", `${pem.origin}: ${which} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
};

const isEncrypted = ({ label, bytes }: PemBlock): boolean =>
  label.startsWith("ENCRYPTED") || bytes.includes("Proc-Type: 4,ENCRYPTED");

const parseKey = (block: PemBlock, passphrase: string | undefined, pem: Pem): KeyObject => {
  const encrypted = isEncrypted(block);
  if (encrypted && passphrase === undefined) {
    throw new TlsError("ERR_TLS_PASSPHRASE", `${pem.origin}: the key is encrypted; give its passphrase`);
  }
  try {
    return createPrivateKey(encrypted ? { key: block.bytes, passphrase } : { key: block.bytes });
  } catch (cause) {
    if (encrypted) throw new TlsError("ERR_TLS_PASSPHRASE", `${pem.origin}: the passphrase is wrong`, { cause });
    throw new TlsError("ERR_TLS_KEY", `${pem.origin}: the key cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
};

const checkPair = (chain: readonly X509Certificate[], key: KeyObject, certPem: Pem, keyPem: Pem): void => {
  if (chain[0].checkPrivateKey(key)) return;
  const at = chain.findIndex((certificate) => certificate.checkPrivateKey(key));
  const hint =
    at > 0 ? `; it belongs to certificate ${at + 1} there: the server's own certificate must be the first` : "";
  throw new TlsError(
    "ERR_TLS_KEY_MISMATCH",
    `${keyPem.origin}: key does not belong to certificate ${certPem.origin} (${titleOf(chain[0])})${hint}`,
  );
};

const checkTime = (certificate: X509Certificate, { origin }: Pem, now: number): void => {
  const until = Date.parse(certificate.validTo);
  if (now > until) {
    throw new TlsError(
      "ERR_TLS_CERTIFICATE_EXPIRED",
      `${origin}: certificate expired on ${day(until)} (${titleOf(certificate)})`,
    );
  }
  const from = Date.parse(certificate.validFrom);
  if (now < from) {
    throw new TlsError(
      "ERR_TLS_CERTIFICATE_EXPIRED",
      `${origin}: certificate is not valid before ${day(from)} (${titleOf(certificate)})`,
    );
  }
};

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const titleOf = (certificate: X509Certificate): string =>
  namesOf(certificate.subjectAltName)[0] ?? certificate.subject?.split("\n").at(-1) ?? "no subject";

/** First byte of a DER sequence: what an OCSP response is (RFC 6960 §4.2.1). */
const DER_SEQUENCE = 0x30;

const readOcsp = async (source: string | URL | Uint8Array, what: string): Promise<Buffer> => {
  const name = what === "" ? "ocsp" : `${what}.ocsp`;
  const bytes = source instanceof Uint8Array ? Buffer.from(source) : await readBytes(fileOf(source) as string, name);
  if (bytes[0] !== DER_SEQUENCE) {
    throw new TlsError("ERR_TLS_OPTION", `${name}: an OCSP response in DER is expected, this is none`);
  }
  return bytes;
};
