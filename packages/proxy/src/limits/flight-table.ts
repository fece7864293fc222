// flight-table.ts — requests in flight by key, over all workers: each counts its own, and the sum is what is limited.
import { hashed, hashKey } from "./key-hash.ts";
import { lock, unlock } from "./set-lock.ts";
import { flightBytes, type LimitMemory, rateBytes, WAYS } from "./shared-memory.ts";

/** Gives a place back; once. */
export type Release = () => void;

/** What one worker can count for one key. */
const COUNT_MAX = 65_535;

/**
 * The guarantee: over all workers no key has more than its limit of requests in flight, and none is refused while it has
 * fewer. A worker that dies takes its counts with it: the thread that follows in its place begins with none. Where more
 * than FLIGHT_KEYS_MAX keys have requests in flight, those beyond are let through uncounted (`uncounted` says how many).
 */
export class FlightTable {
  /** Requests that found no room for their key, in this worker. */
  uncounted = 0;
  readonly #memory: LimitMemory;
  readonly #worker: number;
  readonly #locks: Int32Array;
  readonly #keys: Int32Array;
  readonly #counts: Uint16Array;

  /** @param worker this worker's index. What a former thread of that index counted is forgotten. */
  constructor(memory: LimitMemory, worker: number) {
    const { buffer, rateSets, flightSets, workersMax } = memory;
    this.#memory = memory;
    this.#worker = worker % workersMax;
    const start = rateBytes(rateSets);
    this.#locks = new Int32Array(buffer, start, flightSets * 2);
    this.#keys = new Int32Array(buffer, start + flightSets * 8, flightSets * WAYS * 2);
    this.#counts = new Uint16Array(buffer, start + flightSets * (8 + WAYS * 8), flightSets * WAYS * workersMax);
    if (start + flightBytes(flightSets, workersMax) !== buffer.byteLength)
      throw new RangeError("memory of another size");
    for (let entry = 0; entry < flightSets * WAYS; entry += 1) this.#counts[entry * workersMax + this.#worker] = 0;
  }

  /** Takes a place for `key` where fewer than `limit` are in flight; null where not. */
  enter(key: string, limit: number): Release | null {
    hashKey(this.#memory.seed, key);
    const { low, high } = hashed;
    const set = (low >>> 0) % this.#memory.flightSets;
    lock(this.#locks, set * 2);
    try {
      const entry = this.#entryOf(set, low, high);
      if (entry < 0) {
        this.uncounted += 1;
        return NOTHING;
      }
      if (this.#inFlight(entry) >= limit || this.#counts[this.#place(entry)] === COUNT_MAX) return null;
      this.#keys[entry * 2] = low;
      this.#keys[entry * 2 + 1] = high;
      this.#counts[this.#place(entry)] += 1;
      return this.#releaseOf(set, entry);
    } finally {
      unlock(this.#locks, set * 2);
    }
  }

  /** Requests of all workers in flight for a key. */
  count(key: string): number {
    hashKey(this.#memory.seed, key);
    const { low, high } = hashed;
    const first = ((low >>> 0) % this.#memory.flightSets) * WAYS;
    for (let entry = first; entry < first + WAYS; entry += 1) {
      if (this.#keys[entry * 2] === low && this.#keys[entry * 2 + 1] === high) return this.#inFlight(entry);
    }
    return 0;
  }

  #releaseOf(set: number, entry: number): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      lock(this.#locks, set * 2);
      this.#counts[this.#place(entry)] -= 1;
      unlock(this.#locks, set * 2);
    };
  }

  /** The key's entry, or one that nobody is in; -1 where there is none. */
  #entryOf(set: number, low: number, high: number): number {
    const first = set * WAYS;
    let free = -1;
    for (let entry = first; entry < first + WAYS; entry += 1) {
      if (this.#keys[entry * 2] === low && this.#keys[entry * 2 + 1] === high) return entry;
      if (free < 0 && this.#inFlight(entry) === 0) free = entry;
    }
    return free;
  }

  #inFlight(entry: number): number {
    const { workersMax } = this.#memory;
    const first = entry * workersMax;
    let sum = 0;
    for (let at = first; at < first + workersMax; at += 1) sum += this.#counts[at];
    return sum;
  }

  #place(entry: number): number {
    return entry * this.#memory.workersMax + this.#worker;
  }
}

const NOTHING: Release = () => undefined;
