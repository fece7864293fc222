// make.ts — certificates for tests, made in memory: authorities, chains, names, times, keys of several kinds.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto as never);

export type KeyKind = "ec" | "rsa";

export interface Made {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
  /** PEM of the certificate alone. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface Wish {
  readonly name?: string;
  /** DNS names; addresses are told by their form. */
  readonly names?: readonly string[];
  readonly kind?: KeyKind;
  /** Who signs; itself where there is none. */
  readonly issuer?: Made;
  readonly authority?: boolean;
  readonly client?: boolean;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly serial?: string;
}

const DAY_MS = 86_400_000;
const ALGORITHMS = {
  ec: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
};
let serials = 0;

export const make = async (wish: Wish = {}): Promise<Made> => {
  const { name = "localhost", names = ["localhost", "127.0.0.1"], kind = "ec", issuer, authority = false } = wish;
  const algorithm = ALGORITHMS[kind];
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
  const extensions: x509.Extension[] = [new x509.BasicConstraintsExtension(authority, undefined, true)];
  if (authority)
    extensions.push(new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true));
  else {
    extensions.push(new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true));
    extensions.push(
      new x509.ExtendedKeyUsageExtension([
        wish.client ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
      ]),
    );
    extensions.push(
      new x509.SubjectAlternativeNameExtension(
        names.map((one) => ({ type: /^[\d.]+$|:/.test(one) ? ("ip" as const) : ("dns" as const), value: one })),
      ),
    );
  }
  serials += 1;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: wish.serial ?? serials.toString(16).padStart(4, "0"),
    subject: `CN=${name}`,
    issuer: issuer === undefined ? `CN=${name}` : issuer.certificate.subject,
    notBefore: wish.notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: wish.notAfter ?? new Date(Date.now() + 30 * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: (issuer ?? { keys }).keys.privateKey,
    signingAlgorithm:
      issuer === undefined ? algorithm : ALGORITHMS[issuer.keys.privateKey.algorithm.name === "ECDSA" ? "ec" : "rsa"],
    extensions,
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate,
    keys,
    cert: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
};

/** A list of revoked serial numbers, PEM. */
export const revoke = async (issuer: Made, serials: readonly string[]): Promise<string> => {
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(Date.now() - DAY_MS),
    nextUpdate: new Date(Date.now() + DAY_MS),
    signingAlgorithm: ALGORITHMS.ec,
    signingKey: issuer.keys.privateKey,
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date() })),
  });
  return `${x509.PemConverter.encode(list.rawData, "X509 CRL")}\n`;
};
