// tunnel-relay.ts — two streams made one: what comes from either goes to the other, at the pace of the slower.
import type { Lease, Stream, StreamHandler } from "@percore/core";

/** Told of the bytes from the client and to it, and who broke it off; null where both sides had ended. */
export type RelayDone = (received: number, sent: number, brokenBy: "client" | "upstream" | null) => void;

export class TunnelRelay {
  readonly #client: Side;
  readonly #upstream: Side;
  readonly #done: RelayDone;
  #open = 2;
  #brokenBy: "client" | "upstream" | null = null;

  /** Takes both streams. */
  constructor(client: Stream, upstream: Stream, done: RelayDone) {
    this.#done = done;
    this.#client = new Side(client, (error) => this.#closed("client", error));
    this.#upstream = new Side(upstream, (error) => this.#closed("upstream", error));
    this.#client.other = this.#upstream;
    this.#upstream.other = this.#client;
    client.attach(this.#client);
    upstream.attach(this.#upstream);
  }

  /** Breaks it off. */
  reset(): void {
    this.#client.stream.reset();
    this.#upstream.stream.reset();
  }

  #closed(side: "client" | "upstream", error: Error | null): void {
    this.#open -= 1;
    const { stream } = side === "client" ? this.#upstream : this.#client;
    if (error !== null) {
      this.#brokenBy ??= side;
      if (stream.open) stream.reset();
    } else if (stream.open && !stream.ended) {
      stream.end();
    }
    if (this.#open === 0) this.#done(this.#client.bytes, this.#upstream.bytes, this.#brokenBy);
  }
}

class Side implements StreamHandler {
  readonly stream: Stream;
  other: Side | null = null;
  bytes = 0;
  readonly #closed: (error: Error | null) => void;

  constructor(stream: Stream, closed: (error: Error | null) => void) {
    this.stream = stream;
    this.#closed = closed;
  }

  onData(lease: Lease): void {
    const to = (this.other as Side).stream;
    this.bytes += lease.length;
    if (!to.open) {
      lease.release();
      return;
    }
    to.write(lease);
    if (to.needsDrain) this.stream.pause();
  }

  onEnd(): void {
    const to = (this.other as Side).stream;
    if (to.open && !to.ended) to.end();
  }

  /** What is written here comes from the other side. */
  onDrain(): void {
    const from = (this.other as Side).stream;
    if (from.open) from.resume();
  }

  onClose(error: Error | null): void {
    this.#closed(error);
  }
}
