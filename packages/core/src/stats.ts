// stats.ts — counters of one worker in shared memory: written by its thread alone, read by whoever holds the buffer.

/** Position of each counter. All count up for life, but the last four, which say how many there are now. */
export const STAT = {
  connectionsAccepted: 0,
  connectionsMade: 1,
  connectionsClosed: 2,
  connectionsFailed: 3,
  bytesReceived: 4,
  bytesSent: 5,
  sends: 6,
  shortSends: 7,
  receiveStarvations: 8,
  acceptPauses: 9,
  /** Connections reset because paused streams held three quarters of the arena and this one more than its share. */
  connectionsShed: 10,
  handlerErrors: 11,
  batches: 12,
  /** Largest number of completions in one batch. */
  batchMax: 13,
  connections: 14,
  descriptors: 15,
  files: 16,
  listeners: 17,
} as const;

export type StatName = keyof typeof STAT;
const NAMES = Object.keys(STAT) as StatName[];

/** Bytes of the shared buffer. */
export const STATS_BYTES: number = NAMES.length * 8;

export type StatsSnapshot = Readonly<Record<StatName, number>>;

/**
 * Doubles rather than 64-bit integers: a store costs a nanosecond, they are exact to 2^53, and an aligned double is
 * read whole by another thread.
 */
export class Stats {
  readonly buffer: SharedArrayBuffer;
  readonly values: Float64Array;

  /** @param buffer another thread's counters, to read them; left out, a buffer of its own. */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(STATS_BYTES)) {
    this.buffer = buffer;
    this.values = new Float64Array(buffer);
  }

  snapshot(): StatsSnapshot {
    const out = {} as Record<StatName, number>;
    for (const name of NAMES) out[name] = this.values[STAT[name]];
    return out;
  }
}
