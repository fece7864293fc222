// wheel.ts — one coarse timer wheel for all deadlines of a thread. Moving a deadline later costs one store.
import { assert } from "./assert.ts";

/** Resolution of every deadline, milliseconds. They fire late by up to this much, never early. */
export const WHEEL_STEP_MS = 100;
/** Buckets, a power of two. Deadlines beyond STEP × BUCKETS (51 s) are looked at once per round and put back. */
const BUCKETS = 512;
const BUCKET_MASK: number = BUCKETS - 1;
const NOWHERE = -1;

/**
 * A deadline somebody waits for. Its owner keeps one for life and moves it with `Wheel.set`; the wheel only looks at
 * it when its bucket comes up, so a deadline that is moved on and on costs nothing but the stores.
 */
export class WheelEntry {
  /** When it fires, on the wheel's clock; Infinity = not set. Read it; write it through `Wheel.set`. */
  deadline: number = Number.POSITIVE_INFINITY;
  /** The step at which the wheel will look, or -1 when it is in no bucket. The wheel's own. */
  step: number = NOWHERE;
  next: WheelEntry | null = null;
  previous: WheelEntry | null = null;
  /** Called once the deadline has passed; it is unset by then, and may be set again. */
  readonly onDeadline: (now: number) => void;

  constructor(onDeadline: (now: number) => void) {
    this.onDeadline = onDeadline;
  }
}

export class Wheel {
  /** Entries the wheel holds. An entry whose deadline was unset stays until its bucket comes up. */
  size = 0;
  /** Told when the wheel gets its first entry and when it loses its last: whoever drives it may rest in between. */
  onBusy: ((busy: boolean) => void) | null = null;
  readonly #buckets: (WheelEntry | null)[] = new Array<WheelEntry | null>(BUCKETS).fill(null);
  /** The last step that has been looked at. */
  #step: number;
  #busy = false;

  /** @param now the clock's reading, milliseconds; any origin, as long as `advance` uses the same. */
  constructor(now: number) {
    this.#step = Math.floor(now / WHEEL_STEP_MS);
  }

  /** Sets, moves or (Infinity) unsets a deadline. */
  set(entry: WheelEntry, deadline: number): void {
    entry.deadline = deadline;
    if (entry.step === NOWHERE) {
      if (deadline === Number.POSITIVE_INFINITY) return;
      this.#link(entry);
      this.#report();
    } else if (deadline <= (entry.step - 1) * WHEEL_STEP_MS) {
      this.#unlink(entry);
      this.#link(entry);
    }
  }

  /** Lets go of the entry: what its owner does at the end of its life. */
  remove(entry: WheelEntry): void {
    entry.deadline = Number.POSITIVE_INFINITY;
    if (entry.step === NOWHERE) return;
    this.#unlink(entry);
    this.#report();
  }

  /**
   * Fires what is due at `now`.
   * @param thrown is told what an `onDeadline` throws; the others go on.
   */
  advance(now: number, thrown: (error: unknown) => void): void {
    const last = Math.floor(now / WHEEL_STEP_MS);
    // After a long stall every bucket is looked at once, not once per step that was missed.
    let step = Math.max(this.#step + 1, last - BUCKETS + 1);
    for (; step <= last; step += 1) {
      this.#step = step;
      if (this.#buckets[step & BUCKET_MASK] !== null) this.#sweep(step & BUCKET_MASK, now, thrown);
    }
    this.#report();
  }

  #sweep(bucket: number, now: number, thrown: (error: unknown) => void): void {
    // The chain is cut off whole behind a head of its own, so callbacks may add and remove whatever they like.
    const chain = new WheelEntry(() => {});
    chain.next = this.#buckets[bucket];
    if (chain.next !== null) chain.next.previous = chain;
    this.#buckets[bucket] = null;
    while (chain.next !== null) {
      const entry: WheelEntry = chain.next;
      this.#unlink(entry);
      if (entry.deadline > now) {
        if (entry.deadline !== Number.POSITIVE_INFINITY) this.#link(entry);
        continue;
      }
      entry.deadline = Number.POSITIVE_INFINITY;
      try {
        entry.onDeadline(now);
      } catch (error) {
        thrown(error);
      }
    }
  }

  #link(entry: WheelEntry): void {
    assert(entry.step === NOWHERE, "deadline is in a bucket already");
    const due = Math.ceil(entry.deadline / WHEEL_STEP_MS);
    const step = Math.min(Math.max(due, this.#step + 1), this.#step + BUCKETS - 1);
    const bucket = step & BUCKET_MASK;
    const head = this.#buckets[bucket];
    entry.step = step;
    entry.previous = null;
    entry.next = head;
    if (head !== null) head.previous = entry;
    this.#buckets[bucket] = entry;
    this.size += 1;
  }

  #unlink(entry: WheelEntry): void {
    const { next, previous } = entry;
    if (previous !== null) previous.next = next;
    else this.#buckets[entry.step & BUCKET_MASK] = next;
    if (next !== null) next.previous = previous;
    entry.next = null;
    entry.previous = null;
    entry.step = NOWHERE;
    this.size -= 1;
  }

  #report(): void {
    if (this.#busy === this.size > 0) return;
    this.#busy = !this.#busy;
    this.onBusy?.(this.#busy);
  }
}
