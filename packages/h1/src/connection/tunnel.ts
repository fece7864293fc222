// tunnel.ts — the stream behind Upgrade or CONNECT: the connection's own, with a deadline for silence both ways.
import { type Arena, type Lease, type Stream, type StreamHandler, type StreamInfo, WheelEntry } from "@percore/core";
import type { Clock } from "@percore/http";

export class TunnelStream implements Stream, StreamHandler {
  readonly arena: Arena;
  readonly info: StreamInfo;
  readonly #inner: Stream;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #timer: WheelEntry;
  readonly #closed: (error: Error | null) => void;
  #handler: StreamHandler | null = null;
  #activeAt: number;
  #queuedThen = 0;
  #isClosed = false;

  /**
   * @param idleMs silence both ways after which the tunnel is reset; 0 = never
   * @param closed told once, when the stream is gone, and why; see StreamHandler.onClose
   */
  constructor(inner: Stream, clock: Clock, idleMs: number, closed: (error: Error | null) => void) {
    this.arena = inner.arena;
    this.info = inner.info;
    this.#inner = inner;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#closed = closed;
    this.#activeAt = clock.now;
    this.#timer = new WheelEntry((now) => this.#onDeadline(now));
    if (idleMs > 0) clock.wheel.set(this.#timer, clock.now + idleMs);
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler;
    const early = this.#closedEarly;
    if (early === null) this.#inner.attach(this);
    else queueMicrotask(() => handler.onClose(early.error));
  }

  // — from the peer —

  onData(lease: Lease): void {
    this.#activeAt = this.#clock.now;
    this.#owner().onData(lease);
  }

  onEnd(): void {
    this.#activeAt = this.#clock.now;
    this.#owner().onEnd();
  }

  onDrain(): void {
    this.#activeAt = this.#clock.now;
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
  #closedEarly: { readonly error: Error | null } | null = null;

  /** Lets go of what the tunnel holds. */
  #release(error: Error | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#clock.wheel.remove(this.#timer);
    this.#closed(error);
  }

  // — towards the peer —

  reserve(size: number): number {
    this.#activeAt = this.#clock.now;
    return this.#inner.reserve(size);
  }
  commit(size: number): void {
    this.#inner.commit(size);
  }
  write(lease: Lease): void {
    this.#activeAt = this.#clock.now;
    this.#inner.write(lease);
  }
  writeBytes(bytes: Uint8Array): void {
    this.#activeAt = this.#clock.now;
    this.#inner.writeBytes(bytes);
  }
  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    this.#activeAt = this.#clock.now;
    this.#inner.sendFile(fd, offset, length, done);
  }
  cork(): void {
    this.#inner.cork();
  }
  uncork(): void {
    this.#inner.uncork();
  }
  flush(): void {
    this.#inner.flush();
  }
  end(): void {
    this.#inner.end();
  }
  reset(code?: number): void {
    this.#inner.reset(code);
  }
  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }
  get highWaterBytes(): number {
    return this.#inner.highWaterBytes;
  }
  set highWaterBytes(bytes: number) {
    this.#inner.highWaterBytes = bytes;
  }
  get needsDrain(): boolean {
    return this.#inner.needsDrain;
  }
  onFlushed(done: (error: Error | null) => void): void {
    this.#inner.onFlushed(done);
  }

  pause(): void {
    this.#inner.pause();
  }
  resume(): void {
    this.#inner.resume();
  }
  get paused(): boolean {
    return this.#inner.paused;
  }

  get open(): boolean {
    return this.#inner.open;
  }
  get ended(): boolean {
    return this.#inner.ended;
  }
  get peerEnded(): boolean {
    return this.#inner.peerEnded;
  }
  unread(lease: Lease): void {
    this.#inner.unread(lease);
  }

  #owner(): StreamHandler {
    if (this.#handler === null) throw new Error("nothing is received before attach");
    return this.#handler;
  }

  #onDeadline(now: number): void {
    // A write counts as activity when the kernel takes bytes, too: a long queue that drains is no silence.
    const queued = this.#inner.queuedBytes;
    if (queued < this.#queuedThen) this.#activeAt = now;
    this.#queuedThen = queued;
    const due = this.#activeAt + this.#idleMs;
    if (due > now) {
      this.#clock.wheel.set(this.#timer, due);
      return;
    }
    this.#inner.reset();
    // Where nobody was attached, nobody will hear of it.
    if (this.#handler === null) this.closedEarly(null);
  }
}
