// shared-memory.ts — one piece of memory for the limits of all workers of a process: made by the thread that starts them.
import { randomBytes } from "node:crypto";
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import type { HashSeed } from "./key-hash.ts";

/** Entries of a set; a key has its place in one of them. */
export const WAYS = 8;
const SETS = 8_192;
/** Keys with a bucket at a time; above it those are forgotten that are nearest to full. */
export const RATE_KEYS_MAX: number = SETS * WAYS;
/** Workers that can count requests in flight. */
export const WORKERS_MAX = 64;
const FLIGHT_SETS = 1_024;
/** Keys with requests in flight at a time. */
export const FLIGHT_KEYS_MAX: number = FLIGHT_SETS * WAYS;

/** Where the parts lie, and how large they are. */
export interface LimitMemory {
  readonly buffer: SharedArrayBuffer;
  readonly seed: HashSeed;
  readonly rateSets: number;
  readonly flightSets: number;
  readonly workersMax: number;
}

const NAME = "percore.proxy.limits";

/**
 * The memory of this process: what the main thread left for its workers, or new. To be asked for in the main thread
 * before workers start, so that all of them, those started later too, get the same.
 */
export const processLimitMemory = (): LimitMemory => {
  const known = getEnvironmentData(NAME) as LimitMemory | undefined;
  if (known !== undefined) return known;
  const made = newLimitMemory();
  setEnvironmentData(NAME, made as never);
  return made;
};

/** Memory of its own, for tests and for programs with one worker. */
export const newLimitMemory = (
  rateSets: number = SETS,
  flightSets: number = FLIGHT_SETS,
  workersMax: number = WORKERS_MAX,
): LimitMemory => {
  const bytes = rateBytes(rateSets) + flightBytes(flightSets, workersMax);
  const random = new Int32Array(new Uint8Array(randomBytes(16)).buffer);
  return {
    buffer: new SharedArrayBuffer(bytes),
    seed: [random[0], random[1], random[2], random[3]],
    rateSets,
    flightSets,
    workersMax,
  };
};

/** A lock (4 bytes, padded), keys, and a double for each entry. */
export const rateBytes = (sets: number): number => sets * (8 + WAYS * 16);

/** A lock (padded), keys, and a count for each worker and entry. */
export const flightBytes = (sets: number, workersMax: number): number => sets * (8 + WAYS * 8 + WAYS * workersMax * 2);
