// websocket-key.ts — WebSocket between versions: HTTP/1.1 proves with a key that both sides mean it (RFC 6455 §4), HTTP/2 has
// no such key (RFC 8441 §5), so whoever stands between makes one up, or answers it.
import { createHash, randomBytes } from "node:crypto";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export const newKey = (): string => randomBytes(16).toString("base64");

/** Sec-WebSocket-Accept for a key. */
export const acceptOf = (key: string): string =>
  createHash("sha1")
    .update(key + GUID)
    .digest("base64");
