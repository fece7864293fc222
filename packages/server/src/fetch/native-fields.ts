// native-fields.ts — the fields of a response of Node's own, as they may be sent on.
import * as zlib from "node:zlib";

/** What Node's fetch() decodes by itself. It leaves the fields that speak of the encoded body as they were. */
const DECODED: ReadonlySet<string> = new Set(["gzip", "x-gzip", "deflate", "br"]);
const DECODES_ZSTD: boolean =
  Number.parseInt(process.versions.undici ?? "0", 10) >= 7 && "createZstdDecompress" in zlib;

/** Of the connection the response came by, not of the response (RFC 9110 §7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The fields of a response that a program made are sent as they are. Those of one that fetch() brought are sent without what
 * concerned its connection, and without content-encoding and content-length where fetch() has decoded the body: they
 * would make rubbish of it for the client.
 */
export const fieldsOfNative = (native: globalThis.Response): string[] => {
  const { headers } = native;
  const list = [...headers].flat();
  if (native.url === "") return list;
  const decoded = native.body !== null && isDecoded(headers.get("content-encoding"));
  const kept: string[] = [];
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index];
    if (HOP_BY_HOP.has(name) || (decoded && (name === "content-encoding" || name === "content-length"))) continue;
    kept.push(name, list[index + 1]);
  }
  return kept;
};

/** One coding that fetch() does not know, and it decodes none of them. */
const isDecoded = (encoding: string | null): boolean =>
  encoding?.split(",").every((part) => {
    const coding = part.trim().toLowerCase();
    return DECODED.has(coding) || (DECODES_ZSTD && coding === "zstd");
  }) === true;
