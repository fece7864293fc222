// client.ts — one request sent and its response, whatever the protocol: what the proxy and other clients are written against.
import type { Lease, Stream } from "@percore/core";
import type { BodyReceiver } from "./exchange.ts";
import type { FieldList, Fields } from "./fields.ts";

/** The head of a request to send. Written anew by the protocol; nothing of another message's head is ever passed on raw. */
export interface ClientRequest {
  /** A token (RFC 9110 §9); sent as given. */
  readonly method: string;
  readonly scheme: "http" | "https";
  /** Host and port as Host or :authority carry it. */
  readonly authority: string;
  /** Origin-form path and query, "*" for OPTIONS *, "" for CONNECT. */
  readonly path: string;
  /**
   * Fields without Host, content-length, transfer-encoding and connection-specific ones (RFC 9110 §7.6.1): the protocol
   * writes those itself. `te: trailers` and `expect: 100-continue` are the caller's to give.
   */
  readonly fields: FieldList;
  /** The protocol to ask for by Upgrade (h1) or :protocol (h2 extended CONNECT, RFC 8441); null for none. */
  readonly upgrade: string | null;
  /** Body bytes that will follow, announced as content-length; 0 for none; -1 where not known beforehand. */
  readonly bodyLength: number;
}

/** Receives one response. The order is: any number of onInform, then onHead with body, or onTunnel; onFinish last, always. */
export interface ResponseReceiver extends BodyReceiver {
  /** An interim response other than 101 (RFC 9110 §15.2). `fields` are readable during the call. */
  onInform(status: number, fields: Fields): void;
  /**
   * The final response's head. `fields` stay readable until onFinish.
   * @param bodyLength content-length; 0 where there is no body (HEAD, 204, 304 too); -1 where not known beforehand. The
   *   body follows by onBody and onBodyEnd (at once, also where it is empty), or fails by onBodyError.
   */
  onHead(status: number, fields: Fields, bodyLength: number): void;
  /** 101, or 2xx to CONNECT: the exchange is a bare stream from here on, its early bytes first. */
  onTunnel(status: number, fields: Fields, stream: Stream): void;
  /** A write returned false and the queue has drained. */
  onDrain(): void;
  /**
   * Called once, last. `null`: the response is complete (or a tunnel was handed over). Else a ClientError or HttpError; a
   * body that had begun has heard onBodyError before.
   */
  onFinish(error: Error | null): void;
}

/** A request under way. What is given after `open` became false is ignored, leases are released. */
export interface ClientExchange {
  /** Sends a copy of a part of the request body. Returns false when a writer should wait for onDrain. */
  write(chunk: string | Uint8Array): boolean;
  /** Sends the lease's range without a copy; the lease passes to the exchange. */
  writeLease(lease: Lease): boolean;
  /** Completes the request. Not needed where bodyLength was 0. Trailers go out where the framing has a place for them. */
  end(trailers?: FieldList): void;
  /** Holds the response body back; the peer is held by flow control in turn. */
  pauseBody(): void;
  resumeBody(): void;
  /** Gives the exchange up: h1 closes the connection, h2 resets the stream (CANCEL). onFinish follows. */
  abort(error?: Error): void;
  /** True until onFinish. */
  readonly open: boolean;
  /** True once the first byte of the request was handed to the transport: from there on the peer may have seen it. */
  readonly sent: boolean;
}

/** A client's end of a connection, h1 and h2 alike. */
export interface ClientConnection {
  readonly protocol: "h1" | "h2";
  /** Requests that may be started right now: h1 0 or 1; h2 what is left of the peer's SETTINGS_MAX_CONCURRENT_STREAMS. */
  readonly available: number;
  /** Requests under way. */
  readonly active: number;
  /** Requests started on it so far. */
  readonly started: number;
  /** False once no new request may be started: closed, closing, GOAWAY received, `connection: close`. */
  readonly open: boolean;
  /**
   * Starts a request. Its receiver is never called from within.
   * @throws {HttpError} ERR_FIELD_INVALID, ERR_CONNECTION_BUSY (nothing available); programmer errors for a bad head.
   */
  request(request: ClientRequest, receiver: ResponseReceiver): ClientExchange;
  /** `available` rose from 0, or the peer's limit changed. */
  onAvailable: (() => void) | null;
  /** Called once, after every exchange has finished. null after an orderly close. */
  onClose: ((error: Error | null) => void) | null;
  /** Starts no new request, lets those under way finish, then closes. */
  shutdown(): void;
  /** Closes now; exchanges under way fail. */
  close(error?: Error): void;
}
