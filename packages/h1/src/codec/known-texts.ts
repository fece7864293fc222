// known-texts.ts — large texts that are sent again and again: pages, scripts, documents. A string never changes, so one
// that comes for the second time is encoded once and then sent from where it lies, without a copy.
import type { Buffer } from "node:buffer";
import { type Arena, Block, type BlockPool, Lease } from "@percore/core";

/** Below this a copy costs less than a segment of its own. */
export const KNOWN_TEXT_MIN = 8_192;
/** Bytes of all texts kept, per thread, or a sixteenth of a small arena. Taken when the first text is kept. */
const STORE_BYTES_MAX = 4 * 1024 * 1024;
const ARENA_SHARE = 16;
/** Texts kept or looked out for, a power of two; chosen by length. */
const SLOTS = 32;
/** Blocks begin at the start of a cache line. */
const ALIGN = 64;

interface Slot {
  /** The text that came last, or the one that is kept. */
  text: string;
  block: Block | null;
}

export class KnownTexts implements BlockPool {
  /** Texts in flight. */
  outstanding = 0;
  readonly transient = false;
  readonly scarce = false;
  readonly #arena: Arena;
  readonly #bytes: Buffer;
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({ text: "", block: null }));
  readonly #storeBytes: number;
  #store = -1;
  #used = 0;

  constructor(arena: Arena, bytes: Buffer) {
    this.#arena = arena;
    this.#bytes = bytes;
    this.#storeBytes = Math.min(STORE_BYTES_MAX, arena.u8.length / ARENA_SHARE);
    arena.addPool(this);
  }

  /** Bytes of the text in UTF-8 where it is kept, else -1. */
  sizeOf(text: string): number {
    const slot = this.#slots[text.length & (SLOTS - 1)];
    return slot.block !== null && slot.text === text ? slot.block.size : -1;
  }

  /** A lease on the text's bytes where it is kept; else null, and the text is kept from the next time on. */
  lease(text: string, size: number): Lease | null {
    const slot = this.#slots[text.length & (SLOTS - 1)];
    if (slot.text !== text) {
      if (slot.block === null || slot.block.refs === 0) {
        slot.text = text;
        slot.block = null;
      }
      return null;
    }
    slot.block ??= this.#keep(text, size);
    if (slot.block === null) return null;
    if (slot.block.refs === 0) this.outstanding += 1;
    slot.block.refs += 1;
    return new Lease(this.#arena, slot.block, slot.block.offset, slot.block.size);
  }

  reclaim(): void {
    this.outstanding -= 1;
  }

  #keep(text: string, size: number): Block | null {
    if (size > this.#storeBytes / 4) return null;
    if (this.#used + size > this.#storeBytes) {
      // Full: all make room, unless one is on its way.
      if (this.outstanding > 0) return null;
      for (const slot of this.#slots) slot.block = null;
      this.#used = 0;
    }
    if (this.#store < 0) {
      const { bytes, carved } = this.#arena.stats;
      // An arena that is nearly used up has better uses for the rest.
      if (carved + this.#storeBytes > bytes / 2) return null;
      this.#store = this.#arena.carve(this.#storeBytes, ALIGN);
    }
    const offset = this.#store + this.#used;
    this.#used += Math.ceil(size / ALIGN) * ALIGN;
    this.#bytes.write(text, offset, size === text.length ? "latin1" : "utf8");
    return new Block(this, 0, offset, size);
  }
}
