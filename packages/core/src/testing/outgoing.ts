// outgoing.ts — what one end of an in-memory connection has written and the wire has not taken yet, in order.
import { readSync } from "node:fs";
import type { Arena } from "../arena.ts";
import { assert } from "../assert.ts";
import { CoreError } from "../errors.ts";
import type { Lease } from "../lease.ts";
import { RESERVE_BYTES_MAX } from "../stream.ts";

export type SendFileDone = (error: Error | null, sent: number) => void;
export type FlushDone = (error: Error | null) => void;

type Segment =
  /** `from..to` of the lease are still to go; `growing` is the block that reservations are committed to. */
  | { readonly kind: "bytes"; readonly lease: Lease; from: number; to: number; growing: boolean }
  | { readonly kind: "file"; readonly fd: number; offset: number; left: number; sent: number; done: SendFileDone }
  | { readonly kind: "mark"; readonly done: FlushDone }
  | { readonly kind: "fin" };

/** What `take` got: bytes for the wire, the end of the sequence, or nothing but callbacks that were due. */
export type Taken = Uint8Array | "fin" | null;

export class Outgoing {
  readonly #arena: Arena;
  readonly #segments: Segment[] = [];
  #bytes = 0;
  #corks = 0;
  /** How many segments from the head may leave although the stream is corked. */
  #flushable = 0;
  #reserved = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True when `take` has something to do. */
  get ready(): boolean {
    return this.#corks > 0 ? this.#flushable > 0 : this.#segments.length > 0;
  }

  reserve(size: number): number {
    assert(size >= 1 && size <= RESERVE_BYTES_MAX, `reserve of ${size} bytes, allowed are 1..${RESERVE_BYTES_MAX}`);
    let tail = this.#segments.at(-1);
    if (tail?.kind !== "bytes" || !tail.growing || tail.to + size > RESERVE_BYTES_MAX) {
      tail = { kind: "bytes", lease: this.#arena.lease(RESERVE_BYTES_MAX), from: 0, to: 0, growing: true };
      this.#segments.push(tail);
    }
    this.#reserved = size;
    return tail.lease.offset + tail.to;
  }

  commit(size: number): void {
    const tail = this.#segments.at(-1);
    assert(size <= this.#reserved && tail?.kind === "bytes" && tail.growing, "commit without a reservation that large");
    this.#reserved = 0;
    tail.to += size;
    this.#bytes += size;
  }

  write(lease: Lease): void {
    this.#reserved = 0;
    this.#segments.push({ kind: "bytes", lease, from: 0, to: lease.length, growing: false });
    this.#bytes += lease.length;
  }

  writeBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += RESERVE_BYTES_MAX) {
      const part = bytes.subarray(at, at + RESERVE_BYTES_MAX);
      this.#arena.u8.set(part, this.reserve(part.length));
      this.commit(part.length);
    }
  }

  file(fd: number, offset: number, length: number, done: SendFileDone): void {
    this.#reserved = 0;
    this.#segments.push({ kind: "file", fd, offset, left: length, sent: 0, done });
    this.#bytes += length;
  }

  mark(done: FlushDone): void {
    this.#reserved = 0;
    this.#segments.push({ kind: "mark", done });
  }

  end(): void {
    this.#reserved = 0;
    this.#segments.push({ kind: "fin" });
    this.flush();
  }

  cork(): void {
    this.#corks += 1;
  }

  uncork(): void {
    assert(this.#corks > 0, "uncork without cork");
    this.#corks -= 1;
    if (this.#corks === 0) this.#flushable = 0;
  }

  flush(): void {
    // The block that reservations go to must not grow any more: what is written after the flush is held back again.
    const tail = this.#segments.at(-1);
    if (tail?.kind === "bytes") tail.growing = false;
    this.#flushable = this.#segments.length;
  }

  /** Takes at most `max` bytes from the head and calls back for whatever was completed by it. */
  take(max: number): Taken {
    const head = this.#segments[0];
    if (head === undefined) return null;
    this.#reserved = 0; // Room is reserved for right now; the wire takes later.
    switch (head.kind) {
      case "bytes":
        return this.#takeBytes(head, max);
      case "file":
        return this.#takeFile(head, max);
      case "mark":
        this.#shift();
        head.done(null);
        return null;
      case "fin":
        this.#shift();
        return "fin";
    }
  }

  /** Drops everything: leases are released, callbacks hear the error (null where there was nothing left to send). */
  drop(error: Error | null): void {
    const dropped = this.#segments.splice(0);
    this.#bytes = 0;
    this.#flushable = 0;
    this.#reserved = 0;
    for (const segment of dropped) if (segment.kind === "bytes") segment.lease.release();
    for (const segment of dropped) {
      if (segment.kind === "file") segment.done(error, segment.sent);
      else if (segment.kind === "mark") segment.done(error);
    }
  }

  #takeBytes(head: Segment & { kind: "bytes" }, max: number): Uint8Array | null {
    const size = Math.min(max, head.to - head.from);
    const taken = head.lease.bytes.slice(head.from, head.from + size);
    head.from += size;
    this.#bytes -= size;
    if (head.from === head.to) {
      this.#shift();
      head.lease.release();
    }
    return size > 0 ? taken : null;
  }

  #takeFile(head: Segment & { kind: "file" }, max: number): Uint8Array | null {
    const buffer = new Uint8Array(Math.min(max, head.left));
    let size = 0;
    let failure: Error | null = null;
    try {
      size = readSync(head.fd, buffer, 0, buffer.length, head.offset);
    } catch (error) {
      failure = error as Error;
    }
    head.offset += size;
    head.sent += size;
    head.left -= size;
    this.#bytes -= size;
    if (failure !== null || head.left === 0 || size === 0) {
      if (failure === null && head.left > 0)
        failure = new CoreError("ERR_FILE_SHORT", `the file ended ${head.left} bytes early`);
      this.#bytes -= head.left;
      this.#shift();
      head.done(failure, head.sent);
    }
    return size > 0 ? buffer.subarray(0, size) : null;
  }

  #shift(): void {
    this.#segments.shift();
    if (this.#flushable > 0) this.#flushable -= 1;
  }
}
