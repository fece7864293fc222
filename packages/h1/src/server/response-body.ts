// response-body.ts — a response's body given in parts: counted, framed, and sent or held until it is the response's turn.
import type { Lease } from "@percore/core";
import { type FieldList, lengthError } from "@percore/http";
import { textSize } from "../codec/body-encoder.ts";
import { FRAMING_CHUNKED } from "../codec/head-encoder.ts";
import type { ServerConnection } from "./connection.ts";

/** Where parts go: at once, or later in order. */
export interface BodyOutlet {
  /** What is written now is sent now. */
  readonly inTurn: boolean;
  /** Keeps a write for later. @param lease released if it never comes to pass */
  hold(write: () => void, size: number, lease: Lease | null): void;
}

export class ResponseBody {
  /** What is given is not sent: HEAD, and statuses without content. */
  readonly #dropped: boolean;
  readonly #connection: ServerConnection;
  readonly #outlet: BodyOutlet;
  readonly #chunked: boolean;
  /** Bytes announced that have not been given; -1 where the length is open. */
  #left: number;

  /**
   * @param framing what the head says, see HeadEncoder
   * @param dropped the body is counted and not sent
   */
  constructor(connection: ServerConnection, outlet: BodyOutlet, framing: number, dropped: boolean) {
    this.#connection = connection;
    this.#outlet = outlet;
    this.#chunked = framing === FRAMING_CHUNKED;
    this.#left = dropped ? -1 : Math.max(framing, -1);
    this.#dropped = dropped;
  }

  /** @throws {HttpError} ERR_BODY_LENGTH; the connection has failed then. */
  write(chunk: string | Uint8Array): void {
    const isText = typeof chunk === "string";
    const size = isText ? textSize(chunk) : chunk.length;
    if (!this.#takes(size)) return;
    const { server, stream } = this.#connection;
    if (!this.#outlet.inTurn) {
      const kept = isText ? new TextEncoder().encode(chunk) : chunk.slice();
      this.#outlet.hold(() => this.#writeBytes(kept), size, null);
    } else if (!isText) this.#writeBytes(chunk);
    else if (this.#chunked) server.bodies.writeTextChunk(stream, chunk, size);
    else server.bodies.writeText(stream, chunk, size);
  }

  /**
   * The lease passes to the body.
   * @throws {HttpError} ERR_BODY_LENGTH; the connection has failed then.
   */
  writeLease(lease: Lease): void {
    let takes = false;
    try {
      takes = this.#takes(lease.length);
    } finally {
      if (!takes) lease.release();
    }
    if (!takes) return;
    const { server, stream } = this.#connection;
    const size = lease.length;
    const send = (): void => {
      if (this.#chunked) server.bodies.writeLeaseChunk(stream, lease);
      else stream.write(lease);
    };
    if (this.#outlet.inTurn) send();
    else this.#outlet.hold(send, size, lease);
  }

  /** @throws {HttpError} ERR_BODY_LENGTH; the connection has failed then. */
  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    if (!this.#takes(length)) {
      done(null, 0);
      return;
    }
    const { server, stream } = this.#connection;
    const send = (): void => {
      if (this.#chunked) server.bodies.writeSizeLine(stream, length);
      stream.sendFile(fd, offset, length, (error, sent) => {
        // A file that ended early cannot be made good: the length has been announced.
        if (error !== null) this.#connection.fail(error);
        done(error, sent);
      });
      if (this.#chunked) server.bodies.writeChunkEnd(stream);
    };
    if (this.#outlet.inTurn) send();
    else this.#outlet.hold(send, length, null);
  }

  /**
   * @param trailers checked; sent where the framing has a place for them
   * @throws {HttpError} ERR_BODY_LENGTH; the connection has failed then.
   */
  end(trailers: FieldList): void {
    if (this.#left > 0) this.#failLength(-this.#left);
    if (!this.#chunked || this.#dropped) return;
    const { server, stream } = this.#connection;
    if (this.#outlet.inTurn) server.bodies.writeLastChunk(stream, trailers);
    else this.#outlet.hold(() => server.bodies.writeLastChunk(stream, trailers), 0, null);
  }

  #writeBytes(bytes: Uint8Array): void {
    const { server, stream } = this.#connection;
    if (this.#chunked) server.bodies.writeBytesChunk(stream, bytes);
    else server.bodies.writeBytes(stream, bytes);
  }

  /** Counts body bytes. False where they are not to be sent. */
  #takes(size: number): boolean {
    if (this.#dropped || size === 0) return false;
    if (this.#left < 0) return true;
    if (size > this.#left) this.#failLength(size - this.#left);
    this.#left -= size;
    return true;
  }

  #failLength(difference: number): never {
    const error = lengthError(difference);
    this.#connection.fail(error);
    throw error;
  }
}
