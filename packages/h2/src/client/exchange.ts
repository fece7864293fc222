// exchange.ts — a request under way on a stream of its own: what of it has been given, and who hears the response.
import type { Account, Arena, Lease, Stream } from "@percore/core";
import {
  type BodyOwner,
  type ClientExchange,
  type ClientRequest,
  type FieldList,
  HttpError,
  IncomingBody,
  NO_FIELDS,
  type Processed,
  type ResponseReceiver,
} from "@percore/http";
import { Outgoing } from "../connection/outgoing.ts";
import { type TunnelOwner, TunnelStream } from "../connection/tunnel.ts";
import { trailerList } from "./request-list.ts";
import type { ResponseHead } from "./response-head.ts";
import type { Sending } from "./sender.ts";
import { beginTurn, presentTurn } from "./turn.ts";

/** What an exchange needs of its connection. */
export interface ExchangeOwner {
  readonly arena: Arena;
  readonly stream: Stream;
  /** Request bytes of one exchange that may wait before `write` returns false. */
  readonly writeBufferBytes: number;
  /** `size` bytes can leave now: nobody waits, and the windows allow it. */
  maySend(exchange: H2ClientExchange, size: number): boolean;
  /** Sends a copy at once; false where the bytes have to wait. */
  writeNow(exchange: H2ClientExchange, bytes: Uint8Array): boolean;
  /** There is something to send, if only the end. */
  ready(exchange: H2ClientExchange): void;
  /** Body bytes were let go of: the server may send as many more. */
  credit(exchange: H2ClientExchange, bytes: number): void;
  /** The receiver takes body bytes again. */
  bodyResumed(exchange: H2ClientExchange): void;
  /** The exchange is to fail; its stream is reset with `reason`. */
  abandon(exchange: H2ClientExchange, cause: unknown, message: string, reason?: number): void;
  receiverFailed(exchange: H2ClientExchange, error: unknown): void;
  /** It is about to finish: it does not count any more. */
  finishing(exchange: H2ClientExchange): void;
  finished(): void;
  /** A tunnel's owner has heard all that came. */
  tunnelHeard(exchange: H2ClientExchange): void;
}

export class H2ClientExchange implements ClientExchange, Sending, Account, BodyOwner, TunnelOwner {
  readonly receiver: ResponseReceiver;
  readonly isHead: boolean;
  /** CONNECT, extended or not: a 2xx makes it a bare stream. */
  readonly isConnect: boolean;
  /** 0 until its HEADERS were written. */
  id = 0;
  // The stream (RFC 9113 §5.1): who has ended his side, and whether it is gone.
  weEnded = false;
  peerEnded = false;
  closed = false;
  // Windows.
  sendWindow = 0;
  /** Bytes the server may still send, what its window is to be, and bytes let go of and not told yet. */
  receiveWindow = 0;
  windowTarget = 0;
  credited = 0;
  windowSince = 0;
  // Turns with its equals: nothing is known of what the server makes of the bodies.
  readonly urgency = 3;
  readonly incremental = true;
  scheduled = false;
  /** When the server last took or sent something that was due. */
  progressAt = 0;
  /** From when it owes a response head. */
  waitingSince = 0;
  /** All of the request has been given. */
  hasEnded: boolean;
  trailers: string[] | null = null;
  outgoing: Outgoing | null = null;
  /** The response, from its head on. */
  head: ResponseHead | null = null;
  body: IncomingBody | null = null;
  /** The response is one that has no content, whatever its length says. */
  hasNoContent = false;
  /** Interim responses so far. */
  informs = 0;
  tunnel: TunnelStream | null = null;
  readonly #owner: ExchangeOwner;
  /** Bytes announced that have not been given; -1 where the length is open. */
  #left: number;
  #open = true;
  #bodyPaused = false;
  #wantsDrain = false;
  #turn = -1;

  constructor(owner: ExchangeOwner, request: ClientRequest, receiver: ResponseReceiver) {
    this.#owner = owner;
    this.receiver = receiver;
    this.isHead = request.method === "HEAD" && request.upgrade === null;
    this.isConnect = request.method === "CONNECT" || request.upgrade !== null;
    this.#left = request.bodyLength;
    this.hasEnded = request.bodyLength === 0 && !this.isConnect;
  }

  get open(): boolean {
    return this.#open;
  }

  get sent(): boolean {
    return this.id !== 0 && (this.head !== null || this.informs > 0 || this.#turn !== presentTurn());
  }

  get processed(): Processed {
    return this.sent ? "maybe" : "no";
  }

  // — the request —

  write(chunk: string | Uint8Array): boolean {
    const bytes = typeof chunk === "string" ? ENCODER.encode(chunk) : chunk;
    if (!this.#takes(bytes.length)) return true;
    if (!this.#owner.writeNow(this, bytes)) {
      this.#queue.pushBytes(this.#owner.arena, bytes);
      this.#owner.ready(this);
    }
    return this.#mayGoOn();
  }

  writeLease(lease: Lease): boolean {
    let takes = false;
    try {
      takes = this.#takes(lease.length);
    } finally {
      if (!takes) lease.release();
    }
    if (!takes) return true;
    this.#pushLease(lease);
    return this.#mayGoOn();
  }

  end(trailers: FieldList = NO_FIELDS): void {
    if (!this.#open || this.hasEnded || this.isConnect) return;
    if (this.#left > 0) this.#failLength(`the body is ${this.#left} bytes short of its content-length`);
    this.trailers = trailers.length > 0 ? trailerList(trailers) : null;
    this.hasEnded = true;
    this.#owner.ready(this);
  }

  /**
   * Counts body bytes. False where they are of no use any more.
   * @throws {HttpError} ERR_BODY_LENGTH; ERR_EXCHANGE_CLOSED behind end().
   */
  #takes(size: number): boolean {
    if (!this.#open || size === 0) return false;
    if (this.hasEnded || this.isConnect) throw new HttpError("ERR_EXCHANGE_CLOSED", "the request is complete");
    if (this.#left >= 0) {
      if (size > this.#left) this.#failLength(`the body is ${size - this.#left} bytes longer than its content-length`);
      this.#left -= size;
    }
    return true;
  }

  #failLength(message: string): never {
    const error = new HttpError("ERR_BODY_LENGTH", message);
    this.#owner.abandon(this, error, message);
    throw error;
  }

  #pushLease(lease: Lease): void {
    if (lease.length === 0) {
      lease.release();
      return;
    }
    // What cannot leave now would hold a receive buffer that others wait for.
    const kept = lease.transient && !this.#owner.maySend(this, lease.length) ? lease.copy() : lease;
    this.#queue.pushLease(kept);
    this.#owner.ready(this);
  }

  get #queue(): Outgoing {
    this.outgoing ??= new Outgoing();
    return this.outgoing;
  }

  #mayGoOn(): boolean {
    const full = this.#owner.stream.needsDrain || this.queuedBytes > this.#owner.writeBufferBytes;
    if (full) this.#wantsDrain = true;
    return !full;
  }

  // — the response —

  pauseBody(): void {
    this.#bodyPaused = true;
    this.body?.pause();
  }

  resumeBody(): void {
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    if (this.body === null) return;
    this.body.resume();
    this.#owner.bodyResumed(this);
  }

  abort(error?: Error): void {
    if (this.#open) this.#owner.abandon(this, error, "the exchange was given up by its own side");
  }

  // — for the tunnel —

  get incoming(): IncomingBody | null {
    return this.body;
  }

  tunnelWrite(lease: Lease): void {
    if (this.closed || this.hasEnded) lease.release();
    else this.#pushLease(lease);
  }

  tunnelFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    if (this.closed || this.hasEnded) {
      done(new HttpError("ERR_EXCHANGE_CLOSED", "the tunnel's own side has ended"), 0);
      return;
    }
    this.#queue.pushFile(fd, offset, length, done);
    this.#owner.ready(this);
  }

  tunnelEnd(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.#owner.ready(this);
  }

  tunnelReset(code?: number): void {
    this.#owner.abandon(this, undefined, "the tunnel was reset by its own side", code);
  }

  tunnelHeard(): void {
    this.#owner.tunnelHeard(this);
  }

  onTransportFlushed(done: (error: Error | null) => void): void {
    this.#owner.stream.onFlushed(done);
  }

  // — for the connection —

  get queuedBytes(): number {
    return this.outgoing === null ? 0 : this.outgoing.bytes;
  }

  /** Its HEADERS have just been written. */
  begun(id: number, sendWindow: number, now: number): void {
    this.id = id;
    this.sendWindow = sendWindow;
    this.windowSince = now;
    this.progressAt = now;
    this.waitingSince = now;
    this.#turn = beginTurn();
    this.weEnded = this.hasEnded;
  }

  /** Bytes of the response were let go of. */
  credit(bytes: number): void {
    this.#owner.credit(this, bytes);
  }

  /** Its final head has come. @param length bytes that will follow, or -1 */
  beginResponse(head: ResponseHead, length: number): void {
    this.head = head;
    const body = this.#incoming(length);
    body.attachIn(null, this.receiver);
    if (this.#bodyPaused) body.pause();
  }

  /** A 2xx has come: it is a bare stream from here on. */
  beginTunnel(head: ResponseHead): TunnelStream {
    this.head = head;
    this.#incoming(-1);
    this.#bodyPaused = false;
    this.tunnel = new TunnelStream(this, this.#owner.stream, this.#owner.writeBufferBytes);
    return this.tunnel;
  }

  #incoming(length: number): IncomingBody {
    const body = new IncomingBody(this.#owner.arena, length);
    body.owner = this;
    body.account = this;
    this.body = body;
    return body;
  }

  /** Some of what was queued has left. */
  sentSome(): void {
    this.tunnel?.drained();
    if (this.queuedBytes > this.#owner.writeBufferBytes / 2) return;
    if (!this.#wantsDrain || !this.#open || this.#owner.stream.needsDrain) return;
    this.#wantsDrain = false;
    if (!this.hasEnded) this.#tell(() => this.receiver.onDrain());
  }

  /** It holds no byte of the response. */
  get isEmpty(): boolean {
    return this.body === null || this.body.told || this.body.failed;
  }

  /** It will never be complete, or its tunnel is cut. */
  fail(error: Error): void {
    if (this.tunnel !== null) {
      this.body?.fail(error);
      this.tunnel.closed(error);
    }
    this.finish(error);
  }

  /** The last call of all: whatever comes from its caller now is ignored. */
  finish(error: Error | null): void {
    if (!this.#open) return;
    if (error !== null) this.body?.fail(error);
    // What fails in there ends here too.
    if (!this.#open) return;
    this.#open = false;
    this.#owner.finishing(this);
    this.#tell(() => this.receiver.onFinish(error));
    this.#owner.finished();
  }

  receiverFailed(error: unknown): void {
    this.#owner.receiverFailed(this, error);
  }

  #tell(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.#owner.receiverFailed(this, error);
    }
  }
}

const ENCODER = new TextEncoder();
