// memory-parts.ts — resident memory of this process by whom it belongs to, so that a growth names its cause.
import { readFileSync } from "node:fs";
import v8 from "node:v8";

export interface MemoryParts {
  readonly rssBytes: number;
  /** V8's pages, the young generation among them. */
  readonly heapBytes: number;
  readonly youngBytes: number;
  /** Pages of the arena that were touched. */
  readonly arenaBytes: number;
  /** The rest: the program's code, malloc, compiled code, the rings. */
  readonly otherBytes: number;
}

/** @param arenaSize bytes the arena reserves; 0 where there is none. */
export const memoryParts = (arenaSize: number): MemoryParts => {
  const spaces = v8.getHeapSpaceStatistics();
  const sizeOf = (name: string): number =>
    spaces.find(({ space_name }) => space_name === name)?.physical_space_size ?? 0;
  const heapBytes = spaces.reduce((sum, { physical_space_size }) => sum + physical_space_size, 0);
  const arenaBytes = arenaSize === 0 ? 0 : residentOf(arenaSize);
  const rssBytes = process.memoryUsage.rss();
  const otherBytes = rssBytes - heapBytes - arenaBytes;
  return { rssBytes, heapBytes, youngBytes: sizeOf("new_space"), arenaBytes, otherBytes };
};

/** Resident bytes of the one mapping that is as large as the arena; between its guard pages it merges with no other. */
const residentOf = (size: number): number => {
  let within = false;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) within = Number.parseInt(range[2], 16) - Number.parseInt(range[1], 16) === size;
    else if (within && line.startsWith("Rss:")) return Number(/\d+/.exec(line)) * 1024;
  }
  throw new Error(`no mapping of ${size} bytes: the arena cannot be told from the rest`);
};
