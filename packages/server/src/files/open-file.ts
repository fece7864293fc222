// open-file.ts — the file that a request gets: which variant, opened, with what is known of it.
import { closeSync, fstatSync, openSync } from "node:fs";
import { negotiate } from "@fastify/accept-negotiator";
import { ServerError } from "../errors.ts";
import type { ContentCoding, FileBody } from "./file-body.ts";
import type { Validators } from "./preconditions.ts";

export interface OpenedFile {
  readonly fd: number;
  readonly size: number;
  readonly coding: ContentCoding | null;
  readonly validators: Validators;
}

const ENDINGS: Readonly<Record<ContentCoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

/**
 * Opens what fits best: a precompressed variant the client accepts, else the file itself.
 *
 * The calls block. They touch cached metadata as a rule and cost a twentieth of a trip to the thread pool; a file
 * system that may stall (network mounts) is better served by a proxy in front of it.
 *
 * @param acceptEncoding the request's field.
 * @throws {ServerError} ERR_FILE_NOT_FOUND where there is no such regular file; what open(2) gives otherwise.
 */
export const openFile = (body: FileBody, acceptEncoding: string | undefined): OpenedFile => {
  const codings = body.options.precompressed;
  if (codings !== undefined && acceptEncoding !== undefined) {
    let left = [...codings];
    while (left.length > 0) {
      const coding = negotiate(acceptEncoding, [...left, "identity"]) as ContentCoding | "identity" | null;
      if (coding === null || coding === "identity") break;
      const opened = tryOpen(body, body.path + ENDINGS[coding], coding);
      if (opened !== null) return opened;
      left = left.filter((other) => other !== coding);
    }
  }
  const opened = tryOpen(body, body.path, null);
  if (opened === null) throw new ServerError("ERR_FILE_NOT_FOUND", `${body.path} is no file that could be sent`);
  return opened;
};

const tryOpen = (body: FileBody, path: string, coding: ContentCoding | null): OpenedFile | null => {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return null;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      closeSync(fd);
      return null;
    }
    return { fd, size: stats.size, coding, validators: validatorsOf(body, stats.size, stats.mtimeMs) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
};

/**
 * Tag and date of a file. The tag is strong: it holds the size and the microsecond of the last change, and an interrupted
 * download can go on by it. Whoever rewrites a file within a microsecond at the same size asks for "weak".
 */
const validatorsOf = (body: FileBody, size: number, mtimeMs: number): Validators => {
  const { etag, lastModified } = body.options;
  const seconds = Math.floor(mtimeMs / 1000) * 1000;
  let tag: string | null = null;
  if (etag === undefined || etag === "strong" || etag === "weak") {
    tag = `"${Math.round(mtimeMs * 1000).toString(36)}-${size.toString(36)}"`;
    if (etag === "weak") tag = `W/${tag}`;
  } else if (etag !== false) tag = etag;
  if (lastModified === false) return { etag: tag, lastModifiedMs: -1, lastModified: null };
  return { etag: tag, lastModifiedMs: seconds, lastModified: httpDate(seconds) };
};

let dateMs = -1;
let dateText = "";

/** The last date is kept: files asked for again and again have the same one. */
const httpDate = (ms: number): string => {
  if (ms !== dateMs) {
    dateMs = ms;
    dateText = new Date(ms).toUTCString();
  }
  return dateText;
};
