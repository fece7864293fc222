// server-material.ts — everything a TLS server's options name, read from where it lies: what contexts are then made of.
import { Buffer } from "node:buffer";
import { TlsError } from "../errors.ts";
import { type Identity, type IdentityOptions, readIdentity } from "./identity.ts";
import { isServerName } from "./names.ts";
import { checkOptions, defaultIdentities, listOf, type TlsServerOptions } from "./options.ts";
import { blocksOf, fileOf, isCertificate, type Pem, type PemSource, readBytes, readPem } from "./pem.ts";

/** Bytes of a ticket key: name 16, MAC key 32, cipher key 32. */
export const TICKET_KEY_BYTES = 80;
const TICKET_KEYS_MAX = 16;

export interface ServerMaterial {
  /** Of the default certificates; empty where there is none. */
  readonly identities: readonly Identity[];
  /** By the names they were given for. */
  readonly named: ReadonlyMap<string, readonly Identity[]>;
  readonly ca: readonly Buffer[];
  readonly crl: readonly Buffer[];
  /** One behind the other; empty where none were given. The reader's to wipe. */
  readonly ticketKeys: Buffer;
  /** Every file that was read. */
  readonly files: readonly string[];
}

/**
 * Reads what the options name, and checks it.
 *
 * @param now milliseconds since 1970.
 * @throws {TlsError} by code; the message names the option or file and the fault.
 */
export const readMaterial = async (options: TlsServerOptions, now: number): Promise<ServerMaterial> => {
  checkOptions(options);
  const identities = await readAll(defaultIdentities(options), "tls", now);
  const named = new Map<string, readonly Identity[]>();
  for (const [name, given] of Object.entries(options.sni ?? {})) {
    if (!isServerName(name.startsWith("*.") ? name.slice(2) : name))
      throw new TlsError("ERR_TLS_OPTION", `tls.sni: ${JSON.stringify(name)} is no server name`);
    named.set(name, await readAll(listOf(given), `tls.sni["${name}"]`, now));
  }
  const ca = await readPems(options.ca, "tls.ca");
  for (const pem of ca)
    if (!blocksOf(pem).some(isCertificate))
      throw new TlsError("ERR_TLS_CA", `${pem.origin} holds no certificate (PEM)`);
  const crl = await readPems(options.crl, "tls.crl");
  for (const pem of crl)
    if (!blocksOf(pem).some(({ label }) => label === "X509 CRL"))
      throw new TlsError("ERR_TLS_CRL", `${pem.origin} holds no revocation list (PEM)`);
  const keys = await readTicketKeys(options.ticketKeys);
  const all = [...identities, ...[...named.values()].flat()];
  const files = [
    ...all.flatMap((identity) => identity.files),
    ...[...ca, ...crl].map(({ file }) => file),
    ...keys.files,
  ];
  return {
    identities,
    named,
    ca: ca.map(({ bytes }) => bytes),
    crl: crl.map(({ bytes }) => bytes),
    ticketKeys: keys.bytes,
    files: files.filter((file) => file !== null),
  };
};

/** Several certificates for the same names. @throws as readIdentity; ERR_TLS_OPTION for two keys of one kind. */
export const readAll = async (given: readonly IdentityOptions[], what: string, now: number): Promise<Identity[]> => {
  const identities: Identity[] = [];
  for (const [index, options] of given.entries()) {
    const identity = await readIdentity(options, given.length === 1 ? what : `${what}[${index}]`, now);
    if (identities.some(({ keyType }) => keyType === identity.keyType)) {
      throw new TlsError(
        "ERR_TLS_OPTION",
        `${what}: two certificates have ${identity.keyType} keys; for one name, one of each kind is served (names of their own go into tls.sni)`,
      );
    }
    identities.push(identity);
  }
  return identities;
};

/** Wipes the private keys. */
export const wipe = (identities: Iterable<Identity>): void => {
  for (const { key } of identities) key.fill(0);
};

const readPems = (given: PemSource | readonly PemSource[] | undefined, what: string): Promise<Pem[]> =>
  Promise.all(listOf(given).map((source) => readPem(source, what)));

const readTicketKeys = async (given: TlsServerOptions["ticketKeys"]): Promise<{ bytes: Buffer; files: string[] }> => {
  const files: string[] = [];
  const parts: Buffer[] = [];
  for (const source of listOf(given)) {
    if (source instanceof Uint8Array) parts.push(Buffer.from(source));
    else {
      const file = fileOf(source) as string;
      files.push(file);
      parts.push(await readBytes(file, "tls.ticketKeys"));
    }
    const { length } = parts.at(-1) as Buffer;
    if (length !== TICKET_KEY_BYTES)
      throw new TlsError("ERR_TLS_OPTION", `tls.ticketKeys: a key has ${TICKET_KEY_BYTES} bytes, not ${length}`);
  }
  if (parts.length > TICKET_KEYS_MAX)
    throw new TlsError("ERR_TLS_OPTION", `tls.ticketKeys: ${parts.length} keys; at most ${TICKET_KEYS_MAX} are kept`);
  const bytes = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return { bytes, files };
};
