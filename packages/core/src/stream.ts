// stream.ts — the seam of the project: TCP, Unix, TLS, HTTP/2 tunnels and the in-memory test stream are all Streams.
import type { Arena } from "./arena.ts";
import type { Lease } from "./lease.ts";

/** What a stream tells its one owner. The order is: any number of onData, at most one onEnd, exactly one onClose. */
export interface StreamHandler {
  /** Bytes from the peer, in order. The lease is yours: release it, or hand it on. Never called while paused. */
  onData(lease: Lease): void;
  /** The peer has sent all it will send (FIN, close_notify, END_STREAM). Sending may go on. */
  onEnd(): void;
  /** `queuedBytes` was above `highWaterBytes` and has fallen to half of it or below. */
  onDrain(): void;
  /**
   * The stream is gone and every lease it held is released. Called exactly once, last, also after `reset()`.
   * @param error null after an orderly close from both sides; else why (`code` ECONNRESET, EPIPE, ETIMEDOUT, …).
   */
  onClose(error: Error | null): void;
}

/** What is under a stream, for those who may take a shorter way (sendfile, kernel TLS) and for logs. */
export interface StreamInfo {
  /** The socket's descriptor where the stream is a plain socket (or kernel TLS); null where bytes are transformed. */
  readonly fd: number | null;
  /** True where the kernel encrypts what is written to `fd`. */
  readonly kernelTls: boolean;
  /** True where bytes are encrypted on their way to the peer, by whomever. */
  readonly encrypted: boolean;
  /** ALPN protocol agreed on, or null. */
  readonly alpn: string | null;
  /** Peer and own address; for Unix sockets `address` is the path (may be empty) and `port` 0. After PROXY protocol: the original ones. */
  readonly remote: PeerAddress;
  readonly local: PeerAddress;
}

export interface PeerAddress {
  readonly family: "ipv4" | "ipv6" | "unix" | "memory";
  readonly address: string;
  readonly port: number;
}

/**
 * A pair of byte sequences, one each way, with back-pressure and ownership of bytes passed, never shared.
 *
 * Writes are gathered: what is written in one turn leaves in one send at the end of the batch (or of the microtasks
 * that follow it). Nothing here allocates per write but what is named.
 */
export interface Stream {
  readonly arena: Arena;
  readonly info: StreamInfo;

  /** Gives the stream its owner. Until the first attach nothing is received. Attaching again moves it (Upgrade). */
  attach(handler: StreamHandler): void;

  // — towards the peer —

  /**
   * Room for `size` bytes (1..RESERVE_BYTES_MAX) to be written right now at the returned arena offset, straight into
   * the stream's outgoing block. Nothing is sent until `commit`. Another call before `commit` forgets the first.
   */
  reserve(size: number): number;
  /** Publishes the first `size` bytes of the last reservation. */
  commit(size: number): void;
  /**
   * Sends the lease's range; the stream releases it when the kernel is done with it. No copy, but that a small range may
   * join bytes that wait before it. A stream that transforms does not do it in place: other leases may lie on the same bytes.
   */
  write(lease: Lease): void;
  /** Sends a copy of `bytes` (any size; copied into the arena at once). */
  writeBytes(bytes: Uint8Array): void;
  /**
   * Sends `length` bytes of the open file `fd` from `offset`, in order with other writes: sendfile(2) where `info.fd`
   * is a plain socket or kernel TLS, else read and write. `done` is called once with the bytes sent, or the error; the
   * file stays the caller's and must stay open until then.
   */
  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void;
  /** Holds what is written back until `uncork`; calls nest. */
  cork(): void;
  uncork(): void;
  /** Hands what is queued to the transport now instead of at the end of the batch (corked or not). */
  flush(): void;
  /** Sends what is queued, then FIN. Receiving goes on. */
  end(): void;
  /**
   * Abandons the stream at once: queued bytes are dropped, the peer sees a reset (RST where the transport has one).
   * @param code protocol's error code where the transport carries one (HTTP/2); ignored by sockets.
   */
  reset(code?: number): void;
  /** Bytes written and not yet taken over by the kernel (files count with what is left of them). */
  readonly queuedBytes: number;
  /** Above this many queued bytes a writer should wait for onDrain. */
  highWaterBytes: number;
  /** True when queuedBytes is above highWaterBytes. */
  readonly needsDrain: boolean;
  /** Calls back once when everything written so far has been taken over by the kernel, or the stream has closed. */
  onFlushed(done: (error: Error | null) => void): void;

  // — from the peer —

  /** Stops onData (a receive in flight may be held back, never lost). A reset by the peer is still noticed. */
  pause(): void;
  resume(): void;
  readonly paused: boolean;

  // — life —

  /** True until onClose has been called or is about to be. */
  readonly open: boolean;
  readonly ended: boolean; // end() was called
  readonly peerEnded: boolean; // onEnd was called
  /**
   * Takes the stream out of its owner's hands, with bytes that were received and not consumed yet (Upgrade,
   * CONNECT): the next owner attaches and gets `unread` first. The old handler hears nothing more.
   */
  unread(lease: Lease): void;
}

/** The largest single reservation; larger writes go by `writeBytes` or a lease of one's own. */
export const RESERVE_BYTES_MAX = 16_384;
