import fc from "fast-check";
import t from "tap";
import { ARENA_BYTES_MIN, ARENA_PARSER_PAGES, Arena, PAGE_BYTES } from "../src/arena.ts";
import { AssertionError } from "../src/assert.ts";
import { BLOCK_SIZES, LEASE_BYTES_MAX } from "../src/blocks.ts";
import { CoreError } from "../src/errors.ts";
import type { Lease } from "../src/lease.ts";

t.test("the memory never grows, and the parser's pages are left alone", async (t) => {
  const arena = new Arena({ bytes: 5 * 1024 * 1024 + 1 });
  t.equal(arena.u8.length, 81 * PAGE_BYTES, "rounded up to pages");
  t.throws(() => arena.memory.grow(1), RangeError);
  t.ok(arena.lease(1).offset >= ARENA_PARSER_PAGES * PAGE_BYTES);
  t.equal(new Arena({ bytes: 1 }).u8.length, ARENA_BYTES_MIN);
});

t.test("block sizes: the smallest that fits", async (t) => {
  const arena = new Arena({ bytes: 8 * 1024 * 1024 });
  for (const [size, block] of [
    [1, 1024],
    [1024, 1024],
    [1025, 4096],
    [4096, 4096],
    [4097, 16_384],
    [16_384, 16_384],
    [16_385, 65_536],
    [65_536, 65_536],
  ]) {
    const lease = arena.lease(size);
    t.equal(lease.blockSize, block, `${size}`);
    t.equal(lease.length, size);
    lease.release();
  }
  for (const size of [0, -1, LEASE_BYTES_MAX + 1]) t.throws(() => arena.lease(size), AssertionError, `${size}`);
  t.equal(arena.stats.outstanding, 0);
});

t.test("the block freed last is used first", async (t) => {
  const arena = new Arena({ bytes: 8 * 1024 * 1024 });
  const [first, second] = [arena.lease(100), arena.lease(100)];
  const offset = first.offset;
  first.release();
  const third = arena.lease(100);
  t.equal(third.offset, offset);
  second.release();
  third.release();
});

t.test("an arena in use to the last block says so, and recovers", async (t) => {
  const arena = new Arena({ bytes: ARENA_BYTES_MIN });
  const leases: Lease[] = [];
  const fill = (size: number): void => {
    for (;;) leases.push(arena.lease(size));
  };
  t.throws(() => fill(LEASE_BYTES_MAX), { code: "ERR_ARENA_EXHAUSTED" });
  t.ok(leases.length > 40, `${leases.length} blocks of 64 KiB fit`);
  t.throws(() => fill(100), CoreError);
  leases.shift()?.release();
  const small = arena.lease(100);
  t.equal(small.blockSize, LEASE_BYTES_MAX, "a larger block serves where no other is left");
  small.release();
  for (const lease of leases) lease.release();
  t.equal(arena.stats.outstanding, 0);
});

t.test("records are zeroed, aligned, and reused by size and alignment", async (t) => {
  const arena = new Arena({ bytes: ARENA_BYTES_MIN });
  const record = arena.allocRecord(100, 64);
  t.equal(record % 64, 0);
  arena.u8.fill(9, record, record + 100);
  t.equal(arena.stats.records, 100);
  arena.freeRecord(record, 100, 64);
  t.equal(arena.stats.records, 0);
  t.not(arena.allocRecord(100), record, "another alignment is another list");
  t.equal(arena.allocRecord(100, 64), record);
  t.ok(arena.u8.subarray(record, record + 100).every((byte) => byte === 0));
  t.throws(() => arena.allocRecord(ARENA_BYTES_MIN), { code: "ERR_ARENA_EXHAUSTED" });
});

t.test("property: leases that live at the same time never overlap, and all come back", async (t) => {
  const arena = new Arena({ bytes: 64 * 1024 * 1024 });
  const step = fc.record({ size: fc.integer({ min: 1, max: LEASE_BYTES_MAX }), release: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const live: Lease[] = [];
      for (const { size, release } of steps) {
        const lease = arena.lease(size);
        for (const other of live) {
          const apart = lease.offset + lease.length <= other.offset || other.offset + other.length <= lease.offset;
          if (!apart) return false;
        }
        live.push(lease);
        if (release % 3 === 0) live.splice(release % live.length, 1)[0].release();
      }
      for (const lease of live) lease.release();
      return arena.stats.outstanding === 0;
    }),
    { numRuns: 100 },
  );
  t.equal(arena.stats.outstanding, 0);
  t.same(BLOCK_SIZES, [1024, 4096, 16_384, 65_536]);
});
