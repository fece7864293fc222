// trace-context.ts — W3C Trace Context: which trace a request belongs to, and who asks on its behalf from here on.
import { randomFillSync } from "node:crypto";

/** What is said on in `traceparent` and `tracestate`. */
export interface TraceContext {
  readonly traceId: string;
  /** Our own span: what the upstream is told as its parent. */
  readonly spanId: string;
  /** The client's span; null where the trace begins here. */
  readonly parentId: string | null;
  /** The sampled flag (bit 0) and the random flag (bit 1) of level 2; further bits are not passed on. */
  readonly flags: number;
}

const VERSION_00 = 55;
const HEX = /^[0-9a-f]+$/;
const ZERO_TRACE = "0".repeat(32);
const ZERO_SPAN = "0".repeat(16);

/**
 * Reads a `traceparent` (§3.2). Higher versions are read as far as they begin like version 00.
 * @returns null for what is to be ignored: then a new trace begins, and `tracestate` is dropped.
 */
export const parseTraceparent = (
  text: string | undefined,
): { traceId: string; parentId: string; flags: number } | null => {
  if (text === undefined || text.length < VERSION_00) return null;
  const version = text.slice(0, 2);
  if (!HEX.test(version) || version === "ff") return null;
  if (text[2] !== "-" || text[35] !== "-" || text[52] !== "-") return null;
  if (version === "00" ? text.length !== VERSION_00 : text.length > VERSION_00 && text[VERSION_00] !== "-") return null;
  const traceId = text.slice(3, 35);
  const parentId = text.slice(36, 52);
  const flags = text.slice(53, 55);
  if (!HEX.test(traceId) || !HEX.test(parentId) || !HEX.test(flags)) return null;
  if (traceId === ZERO_TRACE || parentId === ZERO_SPAN) return null;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) & 0x03 };
};

/** The context of a request: the client's trace with a span of ours, or a trace of our own. */
export const traceOf = (traceparent: string | undefined): TraceContext => {
  const given = parseTraceparent(traceparent);
  const spanId = randomHex(8);
  if (given === null) return { traceId: randomHex(16), spanId, parentId: null, flags: 0x02 };
  return { ...given, spanId };
};

export const traceparentOf = (trace: TraceContext): string =>
  `00-${trace.traceId}-${trace.spanId}-0${trace.flags.toString(16)}`;

/** Random bytes are fetched in bulk: a call for each request would cost more than the rest of the line. */
const POOL = new Uint8Array(4_096);
let used: number = POOL.length;

const HEX_BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Hexadecimal digits of `bytes` random bytes, not all of them zero. */
export const randomHex = (bytes: number): string => {
  if (used + bytes > POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  let text = "";
  let sum = 0;
  for (let at = 0; at < bytes; at += 1) {
    sum |= POOL[used + at];
    text += HEX_BYTES[POOL[used + at]];
  }
  used += bytes;
  return sum === 0 ? randomHex(bytes) : text;
};
