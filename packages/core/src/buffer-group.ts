// buffer-group.ts — receive buffers that the kernel picks from. Running out is back-pressure: counted, re-armed, nothing dropped.
import type { NativeRing } from "@percore/native";
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";
import { SystemError } from "./errors.ts";
import { Block, type BlockPool, Lease } from "./lease.ts";
import type { Ring } from "./ring.ts";
import { STAT, type Stats } from "./stats.ts";

/** Bytes of one entry of a provided-buffer ring: addr u64, len u32, bid u16, resv u16. */
const ENTRY_BYTES = 16;
/** The ring's tail lies where entry 0 has its reserved field. */
const TAIL_BYTES = 14;
/** Keeps buffers from competing for the same sets of the L1 cache, as in blocks.ts. */
const STAGGER_BYTES = 64;
/**
 * Buffers offered to the kernel at first. It takes them in order, so all that are offered are cycled through; few of
 * them stay in cache. Doubled each time the kernel finds none.
 */
const OFFERED_MIN = 64;

/** A stream that found no buffer and wants to be armed again. */
export interface Starved {
  /** Arms its receive again. @returns false when it does not want to any more. */
  rearm(): boolean;
}

export interface BufferGroupOptions {
  readonly id: number;
  readonly count: number;
  /** Bytes of one buffer. */
  readonly size: number;
}

/** Entries of the ring of `count` buffers: a power of two. */
export const entriesOf = (count: number): number => {
  let entries = 1;
  while (entries < count) entries *= 2;
  return entries;
};

export class BufferGroup implements BlockPool {
  readonly id: number;
  readonly count: number;
  /** Leases on receive buffers that somebody holds. */
  outstanding = 0;
  readonly transient = true;
  /** Called when a buffer comes back while a stream waits for one. */
  onRelief: (() => void) | null = null;
  readonly #arena: Arena;
  readonly #ring: Ring;
  readonly #native: NativeRing;
  readonly #u16: Uint16Array;
  readonly #stats: Float64Array;
  readonly #entries: number;
  readonly #entryMask: number;
  readonly #blocks: Block[] = [];
  /** Buffers that nobody has: the last one back is offered first. */
  readonly #free: Int32Array;
  #freeCount: number;
  #offered = 0;
  #offeredMax: number;
  #tail = 0;
  #starved: Starved[] = [];

  /** @throws {SystemError} when the kernel refuses the group. */
  constructor(arena: Arena, ring: Ring, stats: Stats, options: BufferGroupOptions) {
    this.#arena = arena;
    this.#ring = ring;
    this.#native = ring.native;
    this.#stats = stats.values;
    this.#u16 = new Uint16Array(arena.memory.buffer);
    this.id = options.id;
    this.count = options.count;
    const entryCount = entriesOf(options.count);
    this.#entries = arena.carve(Math.max(entryCount * ENTRY_BYTES, 4096), 4096);
    this.#entryMask = entryCount - 1;
    this.#free = new Int32Array(options.count);
    this.#freeCount = options.count;
    this.#offeredMax = Math.min(OFFERED_MIN, options.count);
    const stride = options.size + STAGGER_BYTES;
    const first = arena.carve(options.count * stride, STAGGER_BYTES);
    for (let at = 0; at < options.count; at += 1) {
      this.#blocks.push(new Block(this, at, first + at * stride, options.size));
      this.#free[options.count - 1 - at] = at;
    }
    const failed = this.#native.registerBuffers(this.id, this.#entries, entryCount);
    if (failed < 0) throw new SystemError("io_uring_register", -failed, `${entryCount} provided buffers`);
    arena.addPool(this);
    this.publish();
  }

  /**
   * True when more than three quarters are held by somebody. Then a receive buffer must not wait in a slow peer's
   * queue: whoever would keep it copies it out instead, so that the others go on receiving.
   */
  get scarce(): boolean {
    return this.outstanding * 4 > this.count * 3;
  }

  /** The lease on a buffer that a completion brought; the caller owns it. */
  lease(bufferId: number, size: number): Lease {
    const block = this.#blocks[bufferId];
    assert(block.refs === 0, "the kernel used a buffer that is not its own");
    block.refs = 1;
    this.#offered -= 1;
    this.outstanding += 1;
    return new Lease(this.#arena, block, block.offset, size);
  }

  reclaim(block: Block): void {
    this.outstanding -= 1;
    this.#free[this.#freeCount] = block.index;
    this.#freeCount += 1;
    if (this.#starved.length > 0) this.onRelief?.();
  }

  /** A receive ended for want of a buffer; `rearm` is called when some are back. */
  starve(stream: Starved): void {
    this.#stats[STAT.receiveStarvations] += 1;
    this.#starved.push(stream);
    this.#offeredMax = Math.min(this.#offeredMax * 2, this.count);
    if (this.#freeCount > 0) this.onRelief?.();
  }

  /** Offers what is free to the kernel and wakes as many streams as there are buffers. Once, at the end of a batch. */
  settle(): void {
    if (this.#freeCount > 0 && this.#offered < this.#offeredMax) this.publish();
    if (this.#starved.length > 0 && this.#offered > 0) this.#wake();
  }

  publish(): void {
    const arena = this.#arena;
    const u16 = this.#u16;
    let tail = this.#tail;
    while (this.#freeCount > 0 && this.#offered < this.#offeredMax) {
      this.#freeCount -= 1;
      const block = this.#blocks[this.#free[this.#freeCount]];
      const entry = this.#entries + (tail & this.#entryMask) * ENTRY_BYTES;
      this.#ring.putAddressInArena(arena, entry >>> 2, block.offset);
      arena.i32[(entry >>> 2) + 2] = block.size;
      // Only the id: the other half of this word is the ring's tail in entry 0.
      u16[(entry >>> 1) + 6] = block.index;
      this.#offered += 1;
      tail = (tail + 1) & 0xffff;
    }
    this.#tail = tail;
    u16[(this.#entries + TAIL_BYTES) >>> 1] = tail;
  }

  /** Takes the group away from the kernel. All receives of it have been cancelled. */
  close(): void {
    this.#native.unregisterBuffers(this.id);
    this.#arena.removePool(this);
  }

  #wake(): void {
    const waiting = this.#starved;
    let wakes = this.#offered;
    let at = 0;
    while (at < waiting.length && wakes > 0) {
      if (waiting[at].rearm()) wakes -= 1;
      at += 1;
    }
    this.#starved = at === waiting.length ? [] : waiting.slice(at);
  }
}
