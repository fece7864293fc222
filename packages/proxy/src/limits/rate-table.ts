// rate-table.ts — token buckets by key in memory that all workers share: what one worker takes is gone for the others.
import { hashed, hashKey } from "./key-hash.ts";
import { lock, unlock } from "./set-lock.ts";
import { type LimitMemory, rateBytes, WAYS } from "./shared-memory.ts";

/** A bucket: holds `burst` tokens, gets `perSecond` of them a second. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** What became of a request for a token. */
export interface Taken {
  readonly allowed: boolean;
  /** Whole tokens that are left. */
  readonly remaining: number;
  /** Until there is a token again, milliseconds; 0 where there is one. */
  readonly retryAfterMs: number;
  /** Until the bucket is full, milliseconds. */
  readonly resetMs: number;
}

/** Milliseconds of a clock that all threads of the process share. */
export type SharedClock = () => number;

/** CLOCK_MONOTONIC, which is one for all threads; performance.now() begins at each thread's start. */
export const monotonicMs: SharedClock = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};

/**
 * The guarantee: over all workers of the process, no key is given more than `burst + perSecond × t` tokens in any span of t
 * seconds, and none is refused a token that its bucket has. It ends where more than RATE_KEYS_MAX keys have buckets that are
 * not full: the ones nearest to full are then forgotten (`evicted` counts them), and begin full again.
 *
 * A bucket is one number, the time at which it will be full again (GCRA): a key whose time has passed needs no entry.
 */
export class RateTable {
  /** Keys that were forgotten before their buckets were full, by this worker. */
  evicted = 0;
  readonly #memory: LimitMemory;
  readonly #locks: Int32Array;
  readonly #keys: Int32Array;
  readonly #full: Float64Array;

  constructor(memory: LimitMemory) {
    const { buffer, rateSets } = memory;
    this.#memory = memory;
    this.#full = new Float64Array(buffer, 0, rateSets * WAYS);
    this.#keys = new Int32Array(buffer, rateSets * WAYS * 8, rateSets * WAYS * 2);
    this.#locks = new Int32Array(buffer, rateSets * WAYS * 16, (rateBytes(rateSets) - rateSets * WAYS * 16) / 4);
  }

  /**
   * Takes a token out of the bucket of `key`, where it has one.
   * @param key the limit's name and what it goes by; of one key, always the same rate.
   * @param nowMs of a clock that all workers share.
   */
  take(key: string, rate: Rate, nowMs: number): Taken {
    hashKey(this.#memory.seed, key);
    const { low, high } = hashed;
    const set = (low >>> 0) % this.#memory.rateSets;
    lock(this.#locks, set * 2);
    try {
      return this.#takeFrom(this.#entryOf(set, low, high), low, high, rate, nowMs);
    } finally {
      unlock(this.#locks, set * 2);
    }
  }

  #takeFrom(entry: number, low: number, high: number, rate: Rate, nowMs: number): Taken {
    const isOurs = this.#keys[entry * 2] === low && this.#keys[entry * 2 + 1] === high;
    const tokenMs = 1000 / rate.perSecond;
    const sizeMs = rate.burst * tokenMs;
    // Never fuller than full; and a limit that was made smaller holds at once.
    const full = isOurs ? Math.min(Math.max(this.#full[entry], nowMs), nowMs + sizeMs) : nowMs;
    const next = full + tokenMs;
    if (next - nowMs > sizeMs + ROUNDING_MS) {
      return { allowed: false, remaining: 0, retryAfterMs: next - nowMs - sizeMs, resetMs: full - nowMs };
    }
    if (!isOurs && this.#full[entry] > nowMs) this.evicted += 1;
    this.#keys[entry * 2] = low;
    this.#keys[entry * 2 + 1] = high;
    this.#full[entry] = next;
    const left = (sizeMs - (next - nowMs)) / tokenMs;
    const remaining = Math.max(0, Math.floor(left + ROUNDING_MS));
    return { allowed: true, remaining, retryAfterMs: remaining > 0 ? 0 : (1 - left) * tokenMs, resetMs: next - nowMs };
  }

  /** The key's entry, or else the one whose bucket is or will be full first. */
  #entryOf(set: number, low: number, high: number): number {
    const first = set * WAYS;
    let best = first;
    for (let entry = first; entry < first + WAYS; entry += 1) {
      if (this.#keys[entry * 2] === low && this.#keys[entry * 2 + 1] === high) return entry;
      if (this.#full[entry] < this.#full[best]) best = entry;
    }
    return best;
  }
}

/** Sums of doubles: a nanosecond's worth of doubt is decided for the client. */
const ROUNDING_MS = 1e-6;
