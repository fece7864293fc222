// exchange.ts — one request and its response, whatever the protocol: what every handler and adapter is written against.
import type { Lease, PeerAddress, Stream } from "@percore/core";
import type { FieldList, Fields } from "./fields.ts";

/**
 * Answers a request. Called in the same turn as the completion that brought the request head; nothing between the
 * kernel and the handler awaits. It may answer now or keep the exchange and answer later; an error it throws or
 * rejects with becomes a 500 (or a reset when the head is out) and a report, never more.
 */
export type Handler = (exchange: Exchange) => void | Promise<void>;

export type HttpVersion = "1.0" | "1.1" | "2";

/** What the exchanges of one connection share. */
export interface ConnectionInfo {
  /** Counts up per worker. */
  readonly id: number;
  readonly protocol: "h1" | "h2";
  readonly encrypted: boolean;
  readonly remote: PeerAddress;
  readonly local: PeerAddress;
  /** ALPN protocol, or null. */
  readonly alpn: string | null;
}

/** Receives a request body. Attached once by `exchange.receive`. */
export interface BodyReceiver {
  /** Part of the body; the lease is yours (release it, or write it to a stream). Never called while paused. */
  onBody(lease: Lease): void;
  /** The body is complete; trailers where the message had any. */
  onBodyEnd(trailers: Fields | null): void;
  /** The body will never be complete (client left, bad framing, limit, deadline). Last call. */
  onBodyError(error: Error): void;
}

export type Body = string | Uint8Array | null;

export interface Exchange {
  // — request head: readable until the exchange is complete, and afterwards where `retain()` was called in time —
  readonly method: string;
  /** The request target as sent: origin-form, absolute-form, authority-form or "*" (RFC 9112 §3.2). */
  readonly target: string;
  /** Path and query: "/a?b=1"; "*" for OPTIONS *; "" for CONNECT. */
  readonly path: string;
  /** Host, from the target, :authority or the Host field in that order; "" where HTTP/1.0 has none. */
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly version: HttpVersion;
  /** The one protocol asked for by Upgrade (h1) or :protocol (h2 extended CONNECT), or null. */
  readonly upgrade: string | null;
  readonly fields: Fields;
  readonly connection: ConnectionInfo;
  /**
   * Keeps the head readable for as long as somebody holds the exchange. Needed only where the response is complete when
   * the handler returns and the head is read later (a log line, say): the receive buffer it lies in is reused then, and
   * `target`, `path`, `authority` and `fields` throw ERR_HEAD_GONE. Setting `onFinish` does the same. Costs a copy.
   */
  retain(): void;

  // — request body —
  /** Bytes announced by content-length; 0 where there is no body; -1 where the length is not known beforehand. */
  readonly bodyLength: number;
  /**
   * Starts the body's delivery (at once, from within this call, where bytes are there already). Sends 100 Continue first
   * where the client waits for it and automatic continue is on. A body nobody receives is discarded up to
   * `limits.discardBodyBytesMax` when the response is complete, then the connection closes.
   */
  receive(receiver: BodyReceiver): void;
  pauseBody(): void;
  resumeBody(): void;
  /**
   * Gives the rest of the body up: its receiver hears no more of it, and it is dealt with like a body nobody received. A
   * receiver that only pauses keeps the connection waiting for it.
   */
  abandonBody(): void;

  // — response —
  /** True once a final response head was given. */
  readonly responded: boolean;
  /** An interim response: 100, 102, 103 (RFC 9110 §15.2). Ignored towards HTTP/1.0, which knows none. */
  inform(status: number, fields: FieldList): void;
  /**
   * The whole response at once: the fastest way. content-length is added; date too unless given. `body` is left out for
   * HEAD, 204, 304, its length still announced where it is right to.
   * @throws {HttpError} ERR_RESPONSE_STARTED, ERR_FIELD_INVALID, ERR_STATUS_INVALID.
   */
  respond(status: number, fields: FieldList, body: Body): void;
  /**
   * Response head with a body to follow by `write`, `writeLease`, `sendFile` and `end`.
   * @param bodyLength bytes that will follow, announced as content-length; -1 where not known (chunked, or the close of
   *   the connection towards HTTP/1.0). More or fewer bytes than announced is ERR_BODY_LENGTH and a reset.
   */
  begin(status: number, fields: FieldList, bodyLength: number): void;
  /** Sends a copy. Returns false when a writer should wait for `onDrain`. */
  write(chunk: string | Uint8Array): boolean;
  /** Sends the lease's range without a copy; the lease passes to the exchange. */
  writeLease(lease: Lease): boolean;
  /** Sends a part of an open file; see Stream.sendFile. Later writes follow it. */
  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void;
  /** Completes the response. Trailers go out only where the framing has a place for them. */
  end(trailers?: FieldList): void;
  /** Called when a write returned false and the queue has drained. */
  onDrain: (() => void) | null;

  // — life —
  /**
   * Turns the exchange into a bare stream: h1 Upgrade answers 101 and `fields`, CONNECT answers 200; h2 extended CONNECT
   * answers 200. Bytes already received come first.
   * @throws {HttpError} ERR_NO_TUNNEL where the request asked for none.
   */
  tunnel(fields: FieldList): Stream;
  /**
   * Called once when the exchange can no longer be completed: the client left, a deadline passed, the connection failed.
   * Not called for an exchange whose response was completed. Its `code` says why.
   */
  onAbort: ((reason: Error) => void) | null;
  /** Called once, last: the response was handed to the kernel whole (`null`) or the exchange was aborted. */
  onFinish: ((error: Error | null) => void) | null;
  /** Gives the exchange up: h1 closes the connection with a reset, h2 resets the stream. */
  abort(error?: Error): void;
  /** True while it can still be answered. */
  readonly open: boolean;
}
