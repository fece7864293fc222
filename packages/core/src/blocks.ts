// blocks.ts — blocks of a few sizes for what is sent and copied. Freed last, used first, so that hot blocks stay in cache.
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";
import { CoreError } from "./errors.ts";
import { Block, type BlockPool } from "./lease.ts";

/** Sizes of blocks, bytes, smallest first. */
export const BLOCK_SIZES: readonly number[] = Object.freeze([1024, 4096, 16_384, 65_536]);
/** The largest block, and so the largest lease. More bytes are several leases. */
export const LEASE_BYTES_MAX = 65_536;
/** Bytes carved at once for small blocks. */
const RUN_BYTES = 65_536;
/** Gap after each block: blocks at powers of two apart would all compete for the same few sets of the L1 cache. */
const STAGGER_BYTES = 64;

/** Hands out blocks by size class and takes them back. Classes never merge: what was carved for one stays in it. */
export class BlockAllocator {
  /** Bytes of the blocks held by somebody. */
  heldBytes = 0;
  readonly #classes: SizeClass[];

  constructor(arena: Arena) {
    this.#classes = BLOCK_SIZES.map((size) => new SizeClass(this, arena, size));
  }

  /** Blocks held by somebody. */
  get outstanding(): number {
    let total = 0;
    for (const sizeClass of this.#classes) total += sizeClass.outstanding;
    return total;
  }

  /**
   * A block with room for `size` bytes (1..LEASE_BYTES_MAX), its `refs` 1 and the caller's.
   * @throws {CoreError} ERR_ARENA_EXHAUSTED when no class has one and the arena's top is reached.
   */
  take(size: number): Block {
    assert(size > 0 && size <= LEASE_BYTES_MAX, "block size out of range");
    const classes = this.#classes;
    const first = size <= 4096 ? (size <= 1024 ? 0 : 1) : size <= 16_384 ? 2 : 3;
    const block = classes[first].take();
    if (block !== null) return block;
    return this.#takeLarger(first, size);
  }

  /** The arena has no untouched room left; a larger block that lies idle serves as well. */
  #takeLarger(first: number, size: number): Block {
    for (let at = first + 1; at < this.#classes.length; at += 1) {
      const block = this.#classes[at].take();
      if (block !== null) return block;
    }
    throw new CoreError("ERR_ARENA_EXHAUSTED", `no block of ${size} bytes is free: writers hold all of the arena`);
  }
}

class SizeClass implements BlockPool {
  outstanding = 0;
  readonly transient = false;
  readonly scarce = false;
  readonly #allocator: BlockAllocator;
  readonly #arena: Arena;
  readonly #size: number;
  readonly #free: Block[] = [];
  #carved = 0;
  /** Set once the arena has no room for another run; carving is not tried again. */
  #exhausted = false;

  constructor(allocator: BlockAllocator, arena: Arena, size: number) {
    this.#allocator = allocator;
    this.#arena = arena;
    this.#size = size;
  }

  take(): Block | null {
    let block = this.#free.pop();
    if (block === undefined) {
      this.#carveRun();
      block = this.#free.pop();
      if (block === undefined) return null;
    }
    block.refs = 1;
    this.outstanding += 1;
    this.#allocator.heldBytes += this.#size;
    return block;
  }

  reclaim(block: Block): void {
    this.outstanding -= 1;
    this.#allocator.heldBytes -= this.#size;
    this.#free.push(block);
  }

  #carveRun(): void {
    if (this.#exhausted) return;
    const stride = this.#size + STAGGER_BYTES;
    const count = Math.max(1, Math.floor(RUN_BYTES / stride));
    let offset: number;
    try {
      offset = this.#arena.carve(count * stride, STAGGER_BYTES);
    } catch {
      this.#exhausted = true;
      return;
    }
    // Pushed from the end, so that the first block is the first to be used.
    for (let at = count - 1; at >= 0; at -= 1) {
      this.#free.push(new Block(this, this.#carved + at, offset + at * stride, this.#size));
    }
    this.#carved += count;
  }
}
