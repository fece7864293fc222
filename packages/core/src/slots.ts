// slots.ts — who waits for a completion: an index and a generation, because the kernel may answer after an owner is gone.
import { assert } from "./assert.ts";

/** Something that submits operations. It keeps its slot until the final completion of each of them has come. */
export interface RingOwner {
  /** Index in the slot table, set by `SlotTable.add`. */
  slot: number;
  /** generation << 8, set by `SlotTable.add`; a submission adds its kind in the low byte. */
  tag: number;
  /** One completion. `result` is a value >= 0 or -errno; `flags` are the CQE's. */
  complete(kind: number, result: number, flags: number): void;
  /** Its own `complete` (or `settle`) threw: it gives up what it stands for and frees its slot when it can. */
  crash(error: unknown): void;
}

const GENERATIONS_MASK = 0xffffff;

export class SlotTable {
  /** Owners at this moment. */
  live = 0;
  /** Told when `live` becomes 1 and when it becomes 0. */
  onLive: ((live: boolean) => void) | null = null;
  readonly #owners: (RingOwner | null)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];

  /** Gives `owner` a slot, with a generation that no operation in flight carries. */
  add(owner: RingOwner): void {
    let slot = this.#free.pop();
    if (slot === undefined) {
      slot = this.#owners.length;
      this.#owners.push(null);
      this.#generations.push(0);
    }
    this.#owners[slot] = owner;
    owner.slot = slot;
    owner.tag = this.#generations[slot] << 8;
    this.live += 1;
    if (this.live === 1) this.onLive?.(true);
  }

  remove(owner: RingOwner): void {
    const slot = owner.slot;
    assert(this.#owners[slot] === owner, "slot freed by a stranger");
    this.#owners[slot] = null;
    this.#generations[slot] = (this.#generations[slot] + 1) & GENERATIONS_MASK;
    this.#free.push(slot);
    this.live -= 1;
    if (this.live === 0) this.onLive?.(false);
  }

  /** The owner, or null when the slot has changed hands since the operation was submitted. */
  find(slot: number, generation: number): RingOwner | null {
    return this.#generations[slot] === generation ? this.#owners[slot] : null;
  }
}
