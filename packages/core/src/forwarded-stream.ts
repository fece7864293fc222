// forwarded-stream.ts — a stream that is another one in all it does: for those that differ from it in one thing.
import type { Arena } from "./arena.ts";
import type { Lease } from "./lease.ts";
import type { Stream, StreamHandler, StreamInfo } from "./stream.ts";

export class ForwardedStream implements Stream {
  readonly info: StreamInfo;
  readonly #inner: Stream;

  /** @param info what it says of itself; what `inner` says where left out */
  constructor(inner: Stream, info: StreamInfo = inner.info) {
    this.#inner = inner;
    this.info = info;
  }

  get arena(): Arena {
    return this.#inner.arena;
  }
  attach(handler: StreamHandler): void {
    this.#inner.attach(handler);
  }
  reserve(size: number): number {
    return this.#inner.reserve(size);
  }
  commit(size: number): void {
    this.#inner.commit(size);
  }
  write(lease: Lease): void {
    this.#inner.write(lease);
  }
  writeBytes(bytes: Uint8Array): void {
    this.#inner.writeBytes(bytes);
  }
  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
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
}
