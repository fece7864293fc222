// ring.ts — the submission and completion rings as typed arrays: prepares SQEs, drains CQEs, knows no operation.
import { LAYOUT, type NativeRing, RING, USER_DATA } from "@percore/native";
import type { Arena } from "./arena.ts";
import { assert } from "./assert.ts";
import { type RingOwner, SlotTable } from "./slots.ts";

/** Words of a submission, 64 bytes. */
const SQE_WORDS_SHIFT = 4;
/** Words of a completion, 16 bytes. */
const CQE_WORDS_SHIFT = 2;
/** Generations are 24 bits: word 9 of a submission is generation << 8 | kind. */
const GENERATION_SHIFT = 8;
const KIND_MASK = 0xff;
const DESCRIPTOR_BIT: number = USER_DATA.kindDescriptorBit;
/**
 * Times a full submission ring is handed over before we give up. One is enough unless the completion ring is full too,
 * and emptying that one makes the next attempt succeed.
 */
const RELIEF_ATTEMPTS_MAX = 64;
/**
 * Bounds what a pause that comes too late has to hold back, for one more submission in eight buffers of an upload; a
 * stream of small requests hardly ever meets it.
 */
const RECEIVE_CAP_BYTES = 131_072;

/** What a ring has met, besides what native counts. */
export interface RingCounters {
  /** Times the submission ring was full when an operation was prepared. */
  submissionFull: number;
  /** Completions whose slot had been given to somebody else. Always 0 unless an owner let go too early. */
  stale: number;
}

export class Ring {
  readonly native: NativeRing;
  /** The submissions. `prepare` says where the one begins that may be written. */
  readonly sqes: Int32Array;
  readonly slots: SlotTable = new SlotTable();
  readonly counters: RingCounters = { submissionFull: 0, stale: 0 };
  /**
   * Bytes after which a multishot receive is to end; 0 = the kernel knows no such cap, as the first refusal tells (EINVAL
   * before Linux 6.17). The poll driver reads four buffers of a socket at a time and needs none.
   */
  receiveCap: number;
  readonly #rings: Int32Array;
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #sqEntries: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqes: number;
  readonly #cqMask: number;
  readonly #arenaLow: number;
  readonly #arenaHigh: number;
  /** Told of each descriptor that a completion brings, before anybody else is: it must be entered where teardown looks. */
  onDescriptor: (fd: number) => void = () => {};
  /** Completions taken out of a full ring before their turn: slot, tag, result, flags. */
  #stash: number[] = [];
  #stashed = 0;

  constructor(native: NativeRing) {
    const layout = native.layout;
    this.native = native;
    this.receiveCap = native.kind === "uring" ? RECEIVE_CAP_BYTES : 0;
    this.#rings = new Int32Array(native.rings);
    this.sqes = new Int32Array(native.sqes);
    this.#sqHead = layout[LAYOUT.sqHead] >>> 2;
    this.#sqTail = layout[LAYOUT.sqTail] >>> 2;
    this.#sqMask = layout[LAYOUT.sqMask];
    this.#sqEntries = layout[LAYOUT.sqEntries];
    this.#cqHead = layout[LAYOUT.cqHead] >>> 2;
    this.#cqTail = layout[LAYOUT.cqTail] >>> 2;
    this.#cqes = layout[LAYOUT.cqes] >>> 2;
    this.#cqMask = layout[LAYOUT.cqMask];
    this.#arenaLow = layout[LAYOUT.arenaLow] >>> 0;
    this.#arenaHigh = layout[LAYOUT.arenaHigh];
  }

  /** Completions that were set aside and wait for the next drain. */
  get stashed(): number {
    return this.#stashed;
  }

  /**
   * Takes the next submission and fills in what every operation has; the other words are 0. It leaves with the next
   * enter. The caller counts it as in flight until its final completion reaches `owner.complete`.
   *
   * @param head word 0: opcode | flags << 8 | ioprio << 16.
   * @returns index of the submission's first word in `sqes`.
   */
  prepare(head: number, fd: number, owner: RingOwner, kind: number): number {
    const rings = this.#rings;
    let tail = rings[this.#sqTail];
    if (((tail - rings[this.#sqHead]) | 0) >= this.#sqEntries) {
      this.#relieve();
      tail = rings[this.#sqTail];
    }
    const at = (tail & this.#sqMask) << SQE_WORDS_SHIFT;
    const sqes = this.sqes;
    sqes[at] = head;
    sqes[at + 1] = fd;
    sqes[at + 2] = 0;
    sqes[at + 3] = 0;
    sqes[at + 4] = 0;
    sqes[at + 5] = 0;
    sqes[at + 6] = 0;
    sqes[at + 7] = 0;
    sqes[at + 8] = owner.slot;
    sqes[at + 9] = owner.tag | kind;
    sqes[at + 10] = 0;
    sqes[at + 11] = 0;
    // Nothing reads the ring before the next call into native, so it may be published ahead of its operands.
    rings[this.#sqTail] = (tail + 1) | 0;
    return at;
  }

  /** Writes the address of an arena offset into words `at` and `at + 1` of the submissions. */
  putAddress(at: number, offset: number): void {
    const low = this.#arenaLow + offset;
    this.sqes[at] = low;
    this.sqes[at + 1] = low > 0xffffffff ? this.#arenaHigh + 1 : this.#arenaHigh;
  }

  /** The same into a record of the arena (an iovec, a buffer ring's entry). */
  putAddressInArena(arena: Arena, word: number, offset: number): void {
    const low = this.#arenaLow + offset;
    arena.i32[word] = low;
    arena.i32[word + 1] = low > 0xffffffff ? this.#arenaHigh + 1 : this.#arenaHigh;
  }

  /**
   * Gives every completion to its owner, at most `max` of them; native calls again for the rest.
   * @param crashed is told when an owner throws; the rest of the batch goes on.
   * @returns how many were taken from the ring.
   */
  drain(max: number, crashed: (owner: RingOwner, error: unknown) => void): number {
    if (this.#stashed > 0) this.#drainStash(crashed);
    const rings = this.#rings;
    const mask = this.#cqMask;
    const cqes = this.#cqes;
    let head = rings[this.#cqHead];
    let left = max;
    while (head !== rings[this.#cqTail] && left > 0) {
      const at = cqes + ((head & mask) << CQE_WORDS_SHIFT);
      const slot = rings[at];
      const tag = rings[at + 1];
      const result = rings[at + 2];
      const flags = rings[at + 3];
      head = (head + 1) | 0;
      left -= 1;
      // Before the head moves: a thread may be terminated between any two lines, and teardown closes what is in the
      // table or still in the ring.
      if ((tag & DESCRIPTOR_BIT) !== 0 && result >= 0) this.#entered(tag, result);
      // Stored each time: an operation prepared by the owner may find the ring full and let the kernel write to it.
      rings[this.#cqHead] = head;
      this.#dispatch(slot, tag, result, flags, crashed);
      // An owner that ran into a full submission ring has emptied this one.
      if (this.#stashed > 0) {
        this.#drainStash(crashed);
        head = rings[this.#cqHead];
      }
    }
    return max - left;
  }

  #entered(tag: number, fd: number): void {
    if ((tag & KIND_MASK) !== USER_DATA.kindInternal) this.onDescriptor(fd);
  }

  #dispatch(
    slot: number,
    tag: number,
    result: number,
    flags: number,
    crashed: (owner: RingOwner, error: unknown) => void,
  ): void {
    const kind = tag & KIND_MASK;
    if (kind === USER_DATA.kindInternal) return;
    const owner = this.slots.find(slot, tag >>> GENERATION_SHIFT);
    if (owner === null) {
      this.counters.stale += 1;
      return;
    }
    try {
      owner.complete(kind, result, flags);
    } catch (error) {
      crashed(owner, error);
    }
  }

  #drainStash(crashed: (owner: RingOwner, error: unknown) => void): void {
    while (this.#stashed > 0) {
      const stash = this.#stash;
      this.#stash = [];
      this.#stashed = 0;
      for (let at = 0; at < stash.length; at += 4) {
        this.#dispatch(stash[at], stash[at + 1], stash[at + 2], stash[at + 3], crashed);
      }
    }
  }

  /**
   * The submission ring is full: hands it over now. Where the kernel will not take it because completions overflow, the
   * completions are set aside first, so this cannot dead-lock, and no operation is ever lost.
   */
  #relieve(): void {
    const rings = this.#rings;
    this.counters.submissionFull += 1;
    for (let attempt = 0; attempt < RELIEF_ATTEMPTS_MAX; attempt += 1) {
      this.native.submit();
      if (((rings[this.#sqTail] - rings[this.#sqHead]) | 0) < this.#sqEntries) return;
      this.#setAside();
    }
    assert(false, "the kernel does not take submissions");
  }

  #setAside(): void {
    const rings = this.#rings;
    let head = rings[this.#cqHead];
    while (head !== rings[this.#cqTail]) {
      const at = this.#cqes + ((head & this.#cqMask) << CQE_WORDS_SHIFT);
      const tag = rings[at + 1];
      const result = rings[at + 2];
      if ((tag & DESCRIPTOR_BIT) !== 0 && result >= 0) this.#entered(tag, result);
      this.#stash.push(rings[at], tag, result, rings[at + 3]);
      this.#stashed += 1;
      head = (head + 1) | 0;
    }
    rings[this.#cqHead] = head;
  }
}

/** Was the completion the last of its operation? */
export const isFinal = (flags: number): boolean => (flags & RING.CQE_MORE) === 0;
