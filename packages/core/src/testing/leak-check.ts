// leak-check.ts — asserts that a test gave back what it took: leases of arenas, descriptors of the process.
import { readdirSync } from "node:fs";
import type { Arena } from "../arena.ts";
import { assert } from "../assert.ts";

export interface LeakCheck {
  /**
   * Compares with what was outstanding when the check was made.
   * @throws {AssertionError} naming what is still held.
   */
  assertNone(): void;
}

/** Remembers how many blocks of `arenas` are held by somebody now; later none more may be. */
export const leaseCheck = (...arenas: readonly Arena[]): LeakCheck => {
  const before = arenas.map((arena) => arena.stats.outstanding);
  return {
    assertNone(): void {
      for (const [at, arena] of arenas.entries()) {
        const more = arena.stats.outstanding - before[at];
        assert(more === 0, `${more} block(s) of the arena are still held`);
      }
    },
  };
};

/** Remembers how many descriptors the process has open now; later none more may be. */
export const descriptorCheck = (): LeakCheck => {
  const before = openDescriptors();
  return {
    assertNone(): void {
      const more = openDescriptors() - before;
      assert(more <= 0, `${more} descriptor(s) more are open than before`);
    },
  };
};

/** Open descriptors of the process. The directory read for it counts itself each time, so differences are right. */
export const openDescriptors = (): number => readdirSync("/proc/self/fd").length;
