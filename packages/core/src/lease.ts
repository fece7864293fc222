// lease.ts — an owned range of the arena. One rule: whoever is handed a lease releases it.
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";

/**
 * Whoever pays for the bytes a lease holds: a connection's budget, an HTTP/2 window, an upstream's budget.
 * The account is told once, when the last owner of the charged lease lets go.
 */
export interface Account {
  /** Gives `bytes` back to the payer. Called from `release()`, so it must not throw. */
  credit(bytes: number): void;
}

/**
 * One allocation of the arena that leases point into. A receive buffer or a block of a size class; its pool takes it
 * back when the last lease on it is released.
 */
export class Block {
  /** First byte, an offset in the arena. */
  readonly offset: number;
  /** Bytes the block holds. */
  readonly size: number;
  /** Position in the pool that owns it: a buffer id or a block number. */
  readonly index: number;
  /** Leases outstanding on this block. The pool sets it to 1 when it hands the block out. */
  refs = 0;
  /** Where it returns to. */
  readonly pool: BlockPool;

  constructor(pool: BlockPool, index: number, offset: number, size: number) {
    this.pool = pool;
    this.index = index;
    this.offset = offset;
    this.size = size;
  }

  unref(): void {
    this.refs -= 1;
    if (this.refs === 0) this.pool.reclaim(this);
  }
}

/** Takes blocks back. `outstanding` is what a test compares with zero. */
export interface BlockPool {
  readonly outstanding: number;
  /** True where blocks are wanted back soon (receive buffers): who keeps one beyond its turn copies it out instead. */
  readonly transient: boolean;
  /** True while so few are left that even an in-flight send should copy. Always false where not `transient`. */
  readonly scarce: boolean;
  reclaim(block: Block): void;
}

/**
 * An owned range of the arena. The holder may read and write it until it releases it or hands it on; nobody else may.
 * A second `release()` throws, as does any use after it.
 */
export class Lease {
  readonly arena: Arena;
  /** First byte, an offset in the arena: `arena.u8[lease.offset]`. */
  offset: number;
  /** Size of the range in bytes. */
  length: number;
  readonly #block: Block;
  #live = true;
  #account: Account | null = null;
  #charged = 0;

  constructor(arena: Arena, block: Block, offset: number, length: number) {
    this.arena = arena;
    this.#block = block;
    this.offset = offset;
    this.length = length;
  }

  get released(): boolean {
    return !this.#live;
  }

  /** Bytes that the lease keeps from being reused: the whole block, not only its range. */
  get blockSize(): number {
    return this.#block.size;
  }

  /** It lies in a receive buffer: copy it out (`copy`) rather than keep it beyond this turn, unless as a send in flight. */
  get transient(): boolean {
    return this.#block.pool.transient;
  }

  /** Receive buffers are running out: a stream that is handed this lease to send copies it. */
  get scarce(): boolean {
    return this.#block.pool.scarce;
  }

  /** A view of the range. Valid until release; copy what must live longer. */
  get bytes(): Uint8Array {
    assert(this.#live, "lease used after release");
    return this.arena.u8.subarray(this.offset, this.offset + this.length);
  }

  /** Bytes of the block behind this range's start; the holder of the only lease on a block may grow into them. */
  get capacity(): number {
    return this.#block.offset + this.#block.size - this.offset;
  }

  /** Lets `account` pay `bytes` for this lease until it is released. A lease has one payer at a time. */
  charge(account: Account, bytes: number): void {
    assert(this.#live, "lease charged after release");
    assert(this.#account === null, "lease has a payer already");
    this.#account = account;
    this.#charged = bytes;
  }

  /** A second lease on part of the same block. Both must be released. The slice is not charged to anybody. */
  slice(start: number, length: number): Lease {
    assert(this.#live, "lease sliced after release");
    assert(start >= 0 && length >= 0 && start + length <= this.length, "slice outside its lease");
    this.#block.refs += 1;
    return new Lease(this.arena, this.#block, this.offset + start, length);
  }

  /** Moves the bytes into a block of their own: a new lease, and this one is released. */
  copy(): Lease {
    assert(this.#live, "lease copied after release");
    const copy = this.arena.lease(Math.max(this.length, 1));
    copy.length = this.length;
    this.arena.u8.copyWithin(copy.offset, this.offset, this.offset + this.length);
    this.release();
    return copy;
  }

  release(): void {
    assert(this.#live, "lease released twice");
    this.#live = false;
    const account = this.#account;
    if (account !== null) {
      this.#account = null;
      account.credit(this.#charged);
    }
    this.#block.unref();
  }
}
