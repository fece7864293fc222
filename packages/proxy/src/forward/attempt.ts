// attempt.ts — one try of a request: passes on what its server says as long as the try is the one that counts.
import type { Lease, Stream } from "@percore/core";
import type { Fields, ResponseReceiver } from "@percore/http";

/** A try that was given up still has its end to tell, maybe when the next one is under way: it must not be taken for that one's. */
export class Attempt implements ResponseReceiver {
  #receiver: ResponseReceiver | null;

  constructor(receiver: ResponseReceiver) {
    this.#receiver = receiver;
  }

  /** Nothing of it counts any more. */
  leave(): void {
    this.#receiver = null;
  }

  onInform(status: number, fields: Fields): void {
    this.#receiver?.onInform(status, fields);
  }

  onHead(status: number, fields: Fields, bodyLength: number): void {
    this.#receiver?.onHead(status, fields, bodyLength);
  }

  onTunnel(status: number, fields: Fields, stream: Stream): void {
    if (this.#receiver === null) stream.reset();
    else this.#receiver.onTunnel(status, fields, stream);
  }

  onBody(lease: Lease): void {
    if (this.#receiver === null) lease.release();
    else this.#receiver.onBody(lease);
  }

  onBodyEnd(trailers: Fields | null): void {
    this.#receiver?.onBodyEnd(trailers);
  }

  onBodyError(error: Error): void {
    this.#receiver?.onBodyError(error);
  }

  onDrain(): void {
    this.#receiver?.onDrain();
  }

  onFinish(error: Error | null): void {
    this.#receiver?.onFinish(error);
  }
}
