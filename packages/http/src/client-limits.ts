// client-limits.ts — every limit and deadline of the client side, with its default and its reason. A server may be as
// hostile as a client, and a proxy talks to servers for clients who chose neither.

/** Sizes and counts a server may not pass. Passing one fails the request with ERR_RESPONSE_INVALID and the connection with it. */
export interface ClientLimits {
  /** Status line and fields of one head, bytes; also trailers. */
  readonly headBytesMax: number;
  /** Field lines in one head; also trailers. */
  readonly fieldsMax: number;
  /** Interim responses (1xx) to one request. Each is small, but nothing else bounds their number. */
  readonly informsMax: number;
  /** Bytes of chunk size lines and extensions in one message beyond 18 per chunk, its CRLF included. */
  readonly chunkOverheadBytesMax: number;
  /** Body bytes a response may hold in the arena while its receiver pauses; the server is not read from above it. */
  readonly bodyBufferBytes: number;
  /** Request bytes queued on a connection before `write` returns false. */
  readonly writeBufferBytes: number;
}

/** Milliseconds. 0 switches a deadline off. All run on the worker's coarse wheel (100 ms steps). */
export interface ClientTimeouts {
  /**
   * From the last part given of a request, or an interim response, to the end of the response's head. Bytes of a head
   * do not put it off: a server that drips one is as late as one that is silent.
   */
  readonly responseMs: number;
  /** Longest silence in a response body. */
  readonly receiveMs: number;
  /** Longest time without the server taking a byte of what is queued. */
  readonly sendMs: number;
  /** Longest silence both ways in a tunnel (Upgrade, CONNECT). */
  readonly tunnelIdleMs: number;
  /** After the connection's last exchange: how long the server may take to close its side before it is reset. */
  readonly lingerMs: number;
}

export const DEFAULT_CLIENT_LIMITS: ClientLimits = Object.freeze({
  headBytesMax: 16_384,
  fieldsMax: 100,
  informsMax: 16,
  chunkOverheadBytesMax: 16_384,
  bodyBufferBytes: 65_536,
  writeBufferBytes: 65_536,
});

export const DEFAULT_CLIENT_TIMEOUTS: ClientTimeouts = Object.freeze({
  responseMs: 60_000,
  receiveMs: 60_000,
  sendMs: 30_000,
  tunnelIdleMs: 600_000,
  lingerMs: 2_000,
});
