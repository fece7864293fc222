// limits.ts — every limit and deadline of the server side, with its default and its reason. `serve` takes the same names.

/** Sizes and counts a peer may not pass. Passing one gives the status named beside it. */
export interface HttpLimits {
  /** Request line and fields of one head, bytes; also trailers. 431 (414 while still in the target). */
  readonly headBytesMax: number;
  /** Field lines in one head; also trailers. 431. */
  readonly fieldsMax: number;
  /** Request target, bytes. 414. */
  readonly targetBytesMax: number;
  /** Request body, bytes. 413. */
  readonly bodyBytesMax: number;
  /** Bytes of chunk size lines and extensions in one message beyond 18 per chunk, its CRLF included. 400. */
  readonly chunkOverheadBytesMax: number;
  /** Body bytes read and dropped to keep a connection alive whose handler did not want the body; above it the connection closes. */
  readonly discardBodyBytesMax: number;
  /** Requests of one connection that may wait for answers (pipelining); more are not read until some are answered. */
  readonly pipelinedMax: number;
  /** Requests on one connection before it is closed; 0 = no limit. */
  readonly requestsPerConnectionMax: number;
  /** Body bytes an exchange may hold in the arena before its connection is paused. */
  readonly bodyBufferBytes: number;
  /** Response bytes queued on a connection before `write` returns false. */
  readonly writeBufferBytes: number;
}

/** Milliseconds. 0 switches a deadline off. All run on the worker's coarse wheel (100 ms steps). */
export interface HttpTimeouts {
  /** From the first byte of a head (or the connection's start) to its last. 408. Slowloris. */
  readonly headersMs: number;
  /** Idle between requests on a kept-alive connection. Closed silently. */
  readonly idleMs: number;
  /** Longest silence in a request body. 408. */
  readonly receiveMs: number;
  /** Longest time without the peer taking a byte of what is queued. Reset. Slow readers. */
  readonly sendMs: number;
  /** Longest silence both ways in a tunnel (Upgrade, CONNECT). Reset. */
  readonly tunnelIdleMs: number;
  /** From the end of the head to the complete response; off by default, handlers may stream for hours. 503 or reset. */
  readonly handlerMs: number;
  /** Least bytes per second of a request body, averaged over 5 s windows. 408. */
  readonly bodyRateMin: number;
  /** After an error answer or a close: how long unread input is read and dropped so that the answer is not lost to a RST. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = Object.freeze({
  headBytesMax: 16_384,
  fieldsMax: 100,
  targetBytesMax: 8_192,
  bodyBytesMax: 128 * 1024 * 1024,
  chunkOverheadBytesMax: 16_384,
  discardBodyBytesMax: 262_144,
  pipelinedMax: 128,
  requestsPerConnectionMax: 0,
  bodyBufferBytes: 65_536,
  writeBufferBytes: 65_536,
});

export const DEFAULT_TIMEOUTS: HttpTimeouts = Object.freeze({
  headersMs: 15_000,
  idleMs: 60_000,
  receiveMs: 30_000,
  sendMs: 30_000,
  tunnelIdleMs: 600_000,
  handlerMs: 0,
  bodyRateMin: 240,
  lingerMs: 2_000,
});
