// request-body.ts — the body of a request on its way to the server, and once more to another one where it was kept.
import type { Lease } from "@percore/core";
import type { BodyReceiver, ClientExchange, Exchange, FieldList, Fields } from "@percore/http";
import { KeptBody } from "./kept-body.ts";
import { trailerFields } from "./message-fields.ts";

export interface RequestBodyOptions {
  readonly exchange: Exchange;
  /** Bytes that are kept to be sent again; 0: none. */
  readonly keptBytesMax: number;
  /** Null: as many as the server allows. */
  readonly bytesMax: number | null;
  readonly onTooLarge: () => void;
  /** The client has left, or broken the rules. */
  readonly onBroken: (error: Error) => void;
}

export class RequestBody implements BodyReceiver {
  /** Bytes that have come. */
  received = 0;
  readonly #options: RequestBodyOptions;
  readonly #kept: KeptBody;
  #up: ClientExchange | null = null;
  #begun = false;
  #end: { readonly trailers: FieldList | undefined } | null = null;
  #givenUp = false;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
    this.#kept = new KeptBody(options.keptBytesMax);
  }

  /** All that has come can be sent again, to another server. */
  get repeatable(): boolean {
    return !this.#begun || this.received === 0 || this.#kept.whole;
  }

  /** All of it has come, and was given on. */
  get complete(): boolean {
    return this.#end !== null;
  }

  /** Sends the body there: what has come already, then what comes. */
  sendTo(up: ClientExchange): void {
    this.#up = up;
    if (!this.#begun) {
      this.#begun = true;
      this.#options.exchange.receive(this);
      return;
    }
    for (const part of this.#kept.parts) up.write(part);
    if (this.#end !== null) up.end(this.#end.trailers);
    else this.#options.exchange.resumeBody();
  }

  /** The server it went to is out of it; it waits for the next. */
  hold(): void {
    this.#up = null;
    if (this.#begun && this.#end === null && !this.#givenUp) this.#options.exchange.pauseBody();
  }

  /** The answer has begun, or is all there is: nothing will be sent again. */
  settle(): void {
    this.#kept.drop();
  }

  /** Nobody wants the rest. */
  giveUp(): void {
    if (this.#givenUp) return;
    this.#givenUp = true;
    this.#up = null;
    if (this.#begun && this.#end === null && this.#options.exchange.open) this.#options.exchange.abandonBody();
  }

  /** The server has taken what was queued. */
  onUpstreamDrain(): void {
    if (this.#begun && this.#end === null && !this.#givenUp) this.#options.exchange.resumeBody();
  }

  onBody(lease: Lease): void {
    const { bytesMax, exchange, onTooLarge } = this.#options;
    this.received += lease.length;
    if (this.#givenUp || (bytesMax !== null && this.received > bytesMax)) {
      lease.release();
      if (!this.#givenUp) onTooLarge();
      return;
    }
    this.#kept.add(lease);
    const up = this.#up;
    if (up?.open !== true) lease.release();
    else if (!up.writeLease(lease)) exchange.pauseBody();
  }

  onBodyEnd(trailers: Fields | null): void {
    this.#end = { trailers: trailerFields(trailers) };
    this.#up?.end(this.#end.trailers);
  }

  onBodyError(error: Error): void {
    this.#givenUp = true;
    this.#options.onBroken(error);
  }
}
