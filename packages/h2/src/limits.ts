// limits.ts — what a peer may ask of a connection, with defaults and reasons. Passing one ends the stream or the
// connection with the code named beside it, and is counted.

export interface H2Limits {
  /** Streams a peer may have open; announced, more are REFUSED_STREAM. */
  readonly streamsMax: number;
  /** Encoded header block, CONTINUATION included, bytes. ENHANCE_YOUR_CALM. What it decodes to: `HttpLimits.headBytesMax`. */
  readonly headerBlockBytesMax: number;
  /** CONTINUATION frames of one block; empty ones are never taken. ENHANCE_YOUR_CALM (CONTINUATION floods, CVE-2024-27316). */
  readonly continuationsMax: number;
  /** Our part of the compression table, bytes, each way. */
  readonly tableBytesMax: number;
  /** Span over which the counts below are kept, milliseconds. */
  readonly floodWindowMs: number;
  /**
   * Streams reset within the span, by the peer before they were answered (rapid reset, CVE-2023-44487) or by us because of
   * what the peer sent (MadeYouReset, CVE-2025-8671). ENHANCE_YOUR_CALM.
   */
  readonly resetsMax: number;
  /** SETTINGS frames within the span: each is answered. ENHANCE_YOUR_CALM. */
  readonly settingsMax: number;
  /** PING frames within the span: each is answered. ENHANCE_YOUR_CALM. */
  readonly pingsMax: number;
  /** PRIORITY, PRIORITY_UPDATE and unknown frames within the span: they do nothing and cost little. ENHANCE_YOUR_CALM. */
  readonly prioritiesMax: number;
  /** DATA frames without a byte, and not the last, within the span. ENHANCE_YOUR_CALM. */
  readonly emptyDataMax: number;
  /** DATA frames below 64 bytes, and not the last, within the span; messages of streaming calls are as small. ENHANCE_YOUR_CALM. */
  readonly tinyDataMax: number;
  /** WINDOW_UPDATE frames within the span beyond four for each DATA frame sent. ENHANCE_YOUR_CALM. */
  readonly windowUpdatesMax: number;
  /** Window for a stream's DATA at first, bytes. */
  readonly streamWindowBytes: number;
  /** What it may grow to while its receiver keeps up. */
  readonly streamWindowBytesMax: number;
  /** Window of the connection, bytes: the most that request bodies of one connection hold in memory. */
  readonly connectionWindowBytes: number;
  /** How long our SETTINGS may stay unacknowledged, milliseconds. SETTINGS_TIMEOUT. */
  readonly settingsTimeoutMs: number;
}

export const DEFAULT_H2_LIMITS: H2Limits = Object.freeze({
  streamsMax: 128,
  headerBlockBytesMax: 65_536,
  continuationsMax: 8,
  tableBytesMax: 4096,
  floodWindowMs: 10_000,
  resetsMax: 200,
  settingsMax: 64,
  pingsMax: 200,
  prioritiesMax: 2_000,
  emptyDataMax: 100,
  tinyDataMax: 100_000,
  windowUpdatesMax: 2_000,
  streamWindowBytes: 65_535,
  streamWindowBytesMax: 2 * 1024 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  settingsTimeoutMs: 10_000,
});
