// known-lines.ts — field lines that were sent before lie ready in the arena and are copied: most of what a client sends, a
// proxy above all, the request before it said too.
import { putLine } from "./field-lines.ts";
import type { Machine } from "./machine.ts";

/** Lines kept, a power of two. One per hash; a line is kept when it comes twice in a row there. */
const SLOTS = 256;
/** Largest line kept, bytes. Copying over-writes up to 15 behind it. */
const LINE_BYTES_MAX = 240;
const STRIDE: number = LINE_BYTES_MAX + 16;

interface Slot {
  /** The line that came last, or the one that is kept. */
  name: string;
  value: string;
  readonly offset: number;
  /** Bytes of the line; 0 where it is not kept. */
  size: number;
}

export class KnownLines {
  readonly #machine: Machine;
  readonly #u8: Uint8Array;
  readonly #slots: Slot[] = [];

  constructor(machine: Machine) {
    const store = machine.arena.allocRecord(SLOTS * STRIDE, 16);
    this.#machine = machine;
    this.#u8 = machine.arena.u8;
    for (let at = 0; at < SLOTS; at += 1) {
      this.#slots.push({ name: "", value: "", offset: store + at * STRIDE, size: 0 });
    }
  }

  /**
   * Writes a field line to the arena at `at`, with room for 15 bytes more behind it. Returns the address behind it.
   * @throws {HttpError} ERR_FIELD_INVALID.
   */
  put(at: number, name: string, value: string): number {
    const slot = this.#slots[hashOf(name, value)];
    if (slot.name === name && slot.value === value) {
      if (slot.size === 0) return this.#keep(slot, at);
      this.#machine.copy(at, slot.offset, slot.size);
      return at + slot.size;
    }
    slot.name = name;
    slot.value = value;
    slot.size = 0;
    return putLine(this.#u8, at, name, value);
  }

  /** The line has come for the second time. */
  #keep(slot: Slot, at: number): number {
    const end = putLine(this.#u8, at, slot.name, slot.value);
    if (end - at <= LINE_BYTES_MAX) {
      this.#machine.copy(slot.offset, at, end - at);
      slot.size = end - at;
    }
    return end;
  }
}

const hashOf = (name: string, value: string): number => {
  const { length } = value;
  const text = length === 0 ? 0 : value.charCodeAt(length - 1) * 131 + value.charCodeAt(length >> 1) * 17;
  return (name.length * 29 + length * 7 + text) & (SLOTS - 1);
};
