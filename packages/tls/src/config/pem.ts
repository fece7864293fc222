// pem.ts — PEM text where the program has it: in a string, in bytes, or in a file; cut into its blocks (RFC 7468).
import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { TlsError } from "../errors.ts";

/** PEM itself (text or bytes that hold "-----BEGIN"), or the file that holds it: its path, or a file: URL. */
export type PemSource = string | Uint8Array | URL;

/** What an option held. Bytes of keys are wiped by whoever has used them. */
export interface Pem {
  readonly bytes: Buffer;
  /** Absolute path; null where the option held the PEM itself. */
  readonly file: string | null;
  /** For messages: the path as given, or the option's name. */
  readonly origin: string;
}

export interface PemBlock {
  /** "CERTIFICATE", "PRIVATE KEY", … */
  readonly label: string;
  /** A view of the PEM's bytes, its encapsulation boundaries included. */
  readonly bytes: Buffer;
}

const BEGIN = "-----BEGIN ";
const DASHES = "-----";
/** A megabyte of certificates is a mistake, not a chain. */
const FILE_BYTES_MAX = 1024 * 1024;

/** The file behind a source, absolute; null where it is PEM itself. */
export const fileOf = (source: PemSource): string | null => {
  if (source instanceof URL) return fileURLToPath(source);
  if (typeof source !== "string" || source.includes(BEGIN)) return null;
  return path.resolve(source);
};

/**
 * Reads a source.
 *
 * @param what the option's name, for messages.
 * @throws {TlsError} ERR_TLS_FILE, which names the file and why.
 */
export const readPem = async (source: PemSource, what: string): Promise<Pem> => {
  const file = fileOf(source);
  if (file === null) {
    const bytes = typeof source === "string" ? Buffer.from(source) : Buffer.from(source as Uint8Array);
    return { bytes, file, origin: what };
  }
  return { bytes: await readBytes(file, what), file, origin: typeof source === "string" ? source : file };
};

/** A file's bytes, up to a megabyte. @throws {TlsError} ERR_TLS_FILE. */
export const readBytes = async (file: string, what: string): Promise<Buffer> => {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new TlsError("ERR_TLS_FILE", `${what}: ${reasonOf(file, cause as NodeJS.ErrnoException)}`, {
      cause,
    });
  }
  if (bytes.length > FILE_BYTES_MAX) {
    throw new TlsError("ERR_TLS_FILE", `${what}: ${file} has more than ${FILE_BYTES_MAX} bytes`);
  }
  return bytes;
};

const reasonOf = (file: string, { code, message }: NodeJS.ErrnoException): string => {
  if (code === "ENOENT") return `${file} does not exist`;
  if (code === "EACCES") return `${file} may not be read by this user`;
  if (code === "EISDIR") return `${file} is a folder`;
  return `${file} cannot be read: ${message}`;
};

/** The blocks of a PEM, in order. What is between them is commentary. */
export const blocksOf = ({ bytes }: Pem): PemBlock[] => {
  const blocks: PemBlock[] = [];
  let at = 0;
  for (;;) {
    const start = bytes.indexOf(BEGIN, at);
    if (start < 0) return blocks;
    const labelEnd = bytes.indexOf(DASHES, start + BEGIN.length);
    if (labelEnd < 0) return blocks;
    const label = bytes.toString("latin1", start + BEGIN.length, labelEnd);
    const closing = `-----END ${label}-----`;
    const end = bytes.indexOf(closing, labelEnd);
    if (end < 0) return blocks;
    at = end + closing.length;
    blocks.push({ label, bytes: bytes.subarray(start, at) });
  }
};

export const isCertificate = ({ label }: PemBlock): boolean => label === "CERTIFICATE" || label === "X509 CERTIFICATE";
export const isPrivateKey = ({ label }: PemBlock): boolean => label.endsWith("PRIVATE KEY");
