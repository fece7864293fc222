// dev-certificate.ts — `percore cert dev`: a certificate for this machine, signed by itself, to develop against.
import "reflect-metadata";
import { Buffer } from "node:buffer";
import { webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import path from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

export interface DevCertificateOptions {
  /** DNS names and addresses. */
  readonly names: readonly string[];
  /** Folder that gets cert.pem and key.pem. */
  readonly out: string;
  readonly days: number;
  /** For a client: to be shown to servers. */
  readonly client: boolean;
  /** Replaces files that are there. */
  readonly force: boolean;
}

export interface DevCertificate {
  readonly cert: string;
  readonly key: string;
  readonly notAfter: Date;
}

const DAY_MS = 86_400_000;
/** Clocks of containers and machines differ. */
const EARLY_MS = 3_600_000;
export const DEFAULT_NAMES: readonly string[] = ["localhost", "127.0.0.1", "::1"];

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate and its key as PEM. @param client to show to servers that ask for one, instead of to clients. */
export const makeDevCertificate = async (
  names: readonly string[],
  days: number,
  client = false,
): Promise<DevCertificate> => {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const now = Date.now();
  const notAfter = new Date(now + days * DAY_MS);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // 64 random bits, positive (RFC 5280 §4.1.2.2).
    serialNumber: Buffer.from(
      webcrypto.getRandomValues(new Uint8Array(8)).map((byte, at) => (at === 0 ? (byte & 0x7f) | 1 : byte)),
    ).toString("hex"),
    name: "CN=Percore development certificate",
    notBefore: new Date(now - EARLY_MS),
    notAfter,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // Not an authority: whoever trusts it trusts these names and no others.
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([client ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
      ),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: `${certificate.toString("pem")}\n`, key: `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`, notAfter };
};

/**
 * Writes cert.pem and key.pem (for its owner only).
 *
 * @param write takes what there is to say.
 * @throws {Error} EEXIST where a file is there and `force` is false; the message says what to do.
 */
export const writeDevCertificate = async (
  options: DevCertificateOptions,
  write: (text: string) => void,
): Promise<void> => {
  const { out, days, client, force } = options;
  const names = options.names.length === 0 ? DEFAULT_NAMES : options.names;
  const { cert, key, notAfter } = await makeDevCertificate(names, days, client);
  const [certFile, keyFile] = [path.join(out, "cert.pem"), path.join(out, "key.pem")];
  await mkdir(out, { recursive: true });
  const flag = force ? "w" : "wx";
  try {
    await writeFile(keyFile, key, { mode: 0o600, flag });
    await writeFile(certFile, cert, { mode: 0o644, flag });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    const { path: file } = cause as NodeJS.ErrnoException;
    throw new Error(`${file} exists already; --force replaces it`, { cause });
  }
  const [host] = names;
  const usage = client
    ? `Show it with:

  curl --cert ${certFile} --key ${keyFile} https://…
  serve({ tls: { …, ca: ${JSON.stringify(certFile)}, clientAuth: "require" } })   lets its holder in`
    : `Serve with it:

  serve({ port: 8443, tls: { cert: ${JSON.stringify(certFile)}, key: ${JSON.stringify(keyFile)} }, fetch })
  curl --cacert ${certFile} https://${host.includes(":") ? `[${host}]` : host}:8443/`;
  write(`A certificate for ${names.join(", ")}, good until ${notAfter.toISOString().slice(0, 10)}:

  ${certFile}
  ${keyFile}

${usage}

Nobody but you should trust it: it is signed by itself, for development.
`);
};
