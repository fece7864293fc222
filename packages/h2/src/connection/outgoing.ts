// outgoing.ts — DATA that a stream has to send and its windows, or its turn, do not allow yet.
import type { Arena, Lease } from "@percore/core";

type FileDone = (error: Error | null, sent: number) => void;

/** A range of the arena, or of a file. */
export interface OutPart {
  readonly lease: Lease | null;
  readonly fd: number;
  offset: number;
  length: number;
  /** File only: its whole length, and who wants to know; called once. */
  readonly total: number;
  done: FileDone | null;
}

const BLOCK_BYTES = 65_536;

export class Outgoing {
  bytes = 0;
  readonly #parts: OutPart[] = [];

  get head(): OutPart | undefined {
    return this.#parts[0];
  }

  get count(): number {
    return this.#parts.length;
  }

  /** Copies `bytes`. */
  pushBytes(arena: Arena, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const part = bytes.subarray(at, at + BLOCK_BYTES);
      const lease = arena.lease(part.length);
      arena.u8.set(part, lease.offset);
      this.pushLease(lease);
    }
  }

  /** The lease passes to the queue; it must not lie in a receive buffer. */
  pushLease(lease: Lease): void {
    this.#parts.push({ lease, fd: -1, offset: 0, length: lease.length, total: 0, done: null });
    this.bytes += lease.length;
  }

  pushFile(fd: number, offset: number, length: number, done: FileDone): void {
    this.#parts.push({ lease: null, fd, offset, length, total: length, done });
    this.bytes += length;
  }

  /** The first `size` bytes of the head are on their way; true when that was all of it. */
  took(size: number): boolean {
    const part = this.#parts[0];
    this.bytes -= size;
    part.offset += size;
    part.length -= size;
    if (part.length > 0) return false;
    this.#parts.shift();
    return true;
  }

  drop(error: Error): void {
    const parts = this.#parts.splice(0);
    this.bytes = 0;
    for (const { lease } of parts) lease?.release();
    for (const { done } of parts) done?.(error, 0);
  }
}
