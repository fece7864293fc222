// tunnel.ts — the stream behind Upgrade or CONNECT: the connection's own, with a deadline for silence both ways.
import { ForwardedStream, type Lease, type Stream, type StreamHandler, WheelEntry } from "@percore/core";
import type { Clock } from "@percore/http";

export class TunnelStream extends ForwardedStream implements StreamHandler {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #timer: WheelEntry;
  readonly #closed: (error: Error | null) => void;
  #handler: StreamHandler | null = null;
  #closedEarly: { readonly error: Error | null } | null = null;
  #activeAt: number;
  #queuedThen = 0;
  #isClosed = false;

  /**
   * @param idleMs silence both ways after which the tunnel is reset; 0 = never
   * @param closed told once, when the stream is gone, and why; see StreamHandler.onClose
   */
  constructor(inner: Stream, clock: Clock, idleMs: number, closed: (error: Error | null) => void) {
    super(inner);
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#closed = closed;
    this.#activeAt = clock.now;
    this.#timer = new WheelEntry((now) => this.#onDeadline(now));
    if (idleMs > 0) clock.wheel.set(this.#timer, clock.now + idleMs);
  }

  override attach(handler: StreamHandler): void {
    this.#handler = handler;
    const early = this.#closedEarly;
    if (early === null) super.attach(this);
    else queueMicrotask(() => handler.onClose(early.error));
  }

  // — from the peer —

  onData(lease: Lease): void {
    this.#noteActivity();
    this.#owner().onData(lease);
  }

  onEnd(): void {
    this.#noteActivity();
    this.#owner().onEnd();
  }

  onDrain(): void {
    this.#noteActivity();
    this.#owner().onDrain();
  }

  onClose(error: Error | null): void {
    this.#release(error);
    this.#owner().onClose(error);
  }

  /** The stream closed before anybody was attached; whoever attaches is told. */
  closedEarly(error: Error | null): void {
    this.#closedEarly = { error };
    this.#release(error);
  }

  // — towards the peer —

  override reserve(size: number): number {
    this.#noteActivity();
    return super.reserve(size);
  }

  override write(lease: Lease): void {
    this.#noteActivity();
    super.write(lease);
  }

  override writeBytes(bytes: Uint8Array): void {
    this.#noteActivity();
    super.writeBytes(bytes);
  }

  override sendFile(
    fd: number,
    offset: number,
    length: number,
    done: (error: Error | null, sent: number) => void,
  ): void {
    this.#noteActivity();
    super.sendFile(fd, offset, length, done);
  }

  #noteActivity(): void {
    this.#activeAt = this.#clock.now;
  }

  /** Lets go of what the tunnel holds. */
  #release(error: Error | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#clock.wheel.remove(this.#timer);
    this.#closed(error);
  }

  #owner(): StreamHandler {
    if (this.#handler === null) throw new Error("nothing is received before attach");
    return this.#handler;
  }

  #onDeadline(now: number): void {
    // A write counts as activity when the kernel takes bytes, too: a long queue that drains is no silence.
    const queued = this.queuedBytes;
    if (queued < this.#queuedThen) this.#activeAt = now;
    this.#queuedThen = queued;
    const due = this.#activeAt + this.#idleMs;
    if (due > now) {
      this.#clock.wheel.set(this.#timer, due);
      return;
    }
    this.reset();
    // Where nobody was attached, nobody will hear of it.
    if (this.#handler === null) this.closedEarly(null);
  }
}
