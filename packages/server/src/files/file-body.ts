// file-body.ts — a file as the body of a response. What is sent of it is decided when it is sent, from the request's
// Range and conditional fields.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { lookup } from "mrmime";

export type ContentCoding = "br" | "zstd" | "gzip";

export interface FileOptions {
  /** Content-type; by default what the name's ending says, with charset=utf-8 for text. */
  readonly type?: string;
  /** "strong" (default) or "weak" from size and time of change, a tag of your own in quotes, or false for none. */
  readonly etag?: "strong" | "weak" | `"${string}"` | `W/"${string}"` | false;
  /** Sends Last-Modified and answers If-Modified-Since. Default true. */
  readonly lastModified?: boolean;
  /** Value of Cache-Control. None by default. */
  readonly cacheControl?: string;
  /** Answers Range. Default true. */
  readonly ranges?: boolean;
  /** Looks for `path.br`, `path.zst` and `path.gz` and sends the one the client likes best. Default none. */
  readonly precompressed?: readonly ContentCoding[];
}

export class FileBody {
  readonly path: string;
  readonly options: FileOptions;
  readonly type: string;

  constructor(path: string, options: FileOptions) {
    this.path = path;
    this.options = options;
    this.type = options.type ?? typeOfName(path);
  }

  /** The whole file, for those who read the response instead of sending it. */
  async read(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await readFile(this.path));
  }

  stream(): ReadableStream<Uint8Array> {
    return Readable.toWeb(createReadStream(this.path)) as unknown as ReadableStream<Uint8Array>;
  }
}

/**
 * A file to answer with: `new Response(file("index.html"))`. Range, conditional requests, HEAD and compressed variants
 * are answered as RFC 9110 §13–§14 say.
 *
 * @param path path in the file system; nothing of the request goes into it unless you put it there.
 */
export const file = (path: string | URL, options: FileOptions = {}): FileBody =>
  new FileBody(path instanceof URL ? fileUrlPath(path) : path, options);

const fileUrlPath = (url: URL): string => {
  if (url.protocol !== "file:") throw new TypeError(`file(): ${url.href} is no file: URL`);
  return decodeURIComponent(url.pathname);
};

/** Content-type by the name's ending; unknown endings are bytes. */
const typeOfName = (path: string): string => {
  const type = lookup(path);
  if (type === undefined) return "application/octet-stream";
  return /^text\/|^application\/(?:javascript|json|xml)|\+(?:json|xml)$/.test(type) ? `${type};charset=utf-8` : type;
};
