// arena.ts — the one memory of a thread: the kernel receives into it, the parser reads it, sends leave from it.
import os from "node:os";
import { BlockAllocator } from "./blocks.ts";
import { CoreError } from "./errors.ts";
import { Lease } from "./lease.ts";

/** A WebAssembly page, bytes. */
export const PAGE_BYTES = 65_536;
/** The first pages belong to the HTTP/1.1 parser's module: its data and its stack lie there, at offset 0. */
export const ARENA_PARSER_PAGES = 4;
/** Most that one arena reserves unless told otherwise. Address space only: a page costs memory when first written. */
export const ARENA_BYTES_DEFAULT_MAX: number = 1024 * 1024 * 1024;
/** Least that holds the parser, the rings' records and some blocks. */
export const ARENA_BYTES_MIN: number = 4 * 1024 * 1024;

/** What a WebAssembly memory can have. */
export const ARENA_BYTES_MAX: number = 65_536 * PAGE_BYTES;

export interface ArenaOptions {
  /**
   * Size in bytes, rounded up to pages. It never grows. Default: a quarter of the machine's memory, at most 1 GiB (the
   * kernel refuses a larger mapping than it has memory for when overcommit is checked).
   */
  readonly bytes?: number;
}

/** What an arena has given out. `outstanding` counts blocks somebody still holds, receive buffers included. */
export interface ArenaStats {
  readonly bytes: number;
  /** Bytes ever carved from the arena; what is above was never touched. */
  readonly carved: number;
  readonly outstanding: number;
  /** Bytes of permanent records in use. */
  readonly records: number;
}

/**
 * One `WebAssembly.Memory` with initial = maximum, so that it never grows and its buffer never moves or detaches: its
 * addresses may be given to the kernel. Needs nothing native, so in-memory streams run without a ring.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly blocks: BlockAllocator;
  #top: number = ARENA_PARSER_PAGES * PAGE_BYTES;
  #records = 0;
  readonly #recordLists = new Map<number, number[]>();
  readonly #pools: { readonly outstanding: number }[] = [];

  constructor(options: ArenaOptions = {}) {
    const wanted = options.bytes ?? Math.min(ARENA_BYTES_DEFAULT_MAX, os.totalmem() / 4);
    const pages = Math.ceil(Math.max(wanted, ARENA_BYTES_MIN) / PAGE_BYTES);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(this.memory.buffer);
    this.i32 = new Int32Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
    this.blocks = new BlockAllocator(this);
    this.#pools.push(this.blocks);
  }

  get stats(): ArenaStats {
    let outstanding = 0;
    for (const pool of this.#pools) outstanding += pool.outstanding;
    return { bytes: this.u8.length, carved: this.#top, outstanding, records: this.#records };
  }

  /** How much of it blocks hold, 0..1. Cheap: streams ask it before they take more. */
  get fullness(): number {
    return this.blocks.heldBytes / this.u8.length;
  }

  /**
   * A block of its own for `size` bytes (1..LEASE_BYTES_MAX); the caller owns the lease.
   * @throws {CoreError} ERR_ARENA_EXHAUSTED when every block is held by somebody.
   */
  lease(size: number): Lease {
    const block = this.blocks.take(size);
    return new Lease(this, block, block.offset, size);
  }

  /**
   * A zeroed record of `size` bytes, aligned to `align` (a power of two, 8..4096). It stays its holder's until `freeRecord`; records of one
   * size are reused in LIFO order.
   * @throws {CoreError} ERR_ARENA_EXHAUSTED.
   */
  allocRecord(size: number, align = 8): number {
    const offset = this.#recordLists.get(recordKey(size, align))?.pop() ?? this.carve(size, align);
    this.u8.fill(0, offset, offset + size);
    this.#records += size;
    return offset;
  }

  /** Takes a record back; `size` and `align` as they were asked for. */
  freeRecord(offset: number, size: number, align = 8): void {
    const key = recordKey(size, align);
    const list = this.#recordLists.get(key);
    if (list === undefined) this.#recordLists.set(key, [offset]);
    else list.push(offset);
    this.#records -= size;
  }

  /** Takes `size` bytes from the untouched top for good. Pools build on it; everybody else wants a record or a lease. */
  carve(size: number, align: number): number {
    const offset = Math.ceil(this.#top / align) * align;
    if (offset + size > this.u8.length) throw arenaExhausted(size, this.u8.length);
    this.#top = offset + size;
    return offset;
  }

  /** Counts a pool's outstanding blocks in `stats` from now on. */
  addPool(pool: { readonly outstanding: number }): void {
    this.#pools.push(pool);
  }

  /** The counterpart of `addPool`, for a pool whose blocks are all back. */
  removePool(pool: { readonly outstanding: number }): void {
    const at = this.#pools.indexOf(pool);
    if (at >= 0) this.#pools.splice(at, 1);
  }
}

const recordKey = (size: number, align: number): number => size * 8192 + align;

export const arenaExhausted = (size: number, bytes: number): CoreError =>
  new CoreError(
    "ERR_ARENA_EXHAUSTED",
    `no room for ${size} bytes: all ${bytes} bytes of this thread's arena are in use`,
  );
