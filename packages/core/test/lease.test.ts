import t, { type Test } from "tap";
import { Arena } from "../src/arena.ts";
import { AssertionError } from "../src/assert.ts";

const arena = new Arena({ bytes: 8 * 1024 * 1024 });

const expectNone = (t: Test): void => {
  t.equal(arena.stats.outstanding, 0, "no block is outstanding");
};

t.test("a lease is released once, and not used after", async (t) => {
  const lease = arena.lease(10);
  t.equal(lease.bytes.length, 10);
  t.equal(arena.stats.outstanding, 1);
  lease.release();
  t.ok(lease.released);
  t.throws(() => lease.release(), AssertionError);
  t.throws(() => lease.bytes, AssertionError);
  t.throws(() => lease.slice(0, 1), AssertionError);
  t.throws(() => lease.copy(), AssertionError);
  t.throws(() => lease.charge({ credit: () => {} }, 1), AssertionError);
  expectNone(t);
});

t.test("a slice keeps the block until both are released", async (t) => {
  const lease = arena.lease(100);
  lease.bytes.set([1, 2, 3, 4], 10);
  const slice = lease.slice(10, 4);
  lease.release();
  t.equal(arena.stats.outstanding, 1, "the slice still holds the block");
  t.same([...slice.bytes], [1, 2, 3, 4]);
  const part = slice.slice(1, 2);
  slice.release();
  t.same([...part.bytes], [2, 3]);
  part.release();
  expectNone(t);
});

t.test("a slice lies within its lease", async (t) => {
  const lease = arena.lease(10);
  for (const [start, length] of [
    [-1, 2],
    [0, 11],
    [10, 1],
    [5, -1],
  ]) {
    t.throws(() => lease.slice(start, length), AssertionError, `${start}, ${length}`);
  }
  const empty = lease.slice(10, 0);
  empty.release();
  lease.release();
  expectNone(t);
});

t.test("the account is credited once, when the lease is released", async (t) => {
  const credits: number[] = [];
  const account = { credit: (bytes: number) => void credits.push(bytes) };
  const lease = arena.lease(100);
  lease.charge(account, 100);
  t.throws(() => lease.charge(account, 1), AssertionError, "one payer at a time");
  const slice = lease.slice(0, 50);
  slice.charge(account, 7);
  t.same(credits, []);
  lease.release();
  t.same(credits, [100]);
  slice.release();
  t.same(credits, [100, 7]);
  expectNone(t);
});

t.test("a copy has the bytes and a block of its own; the original is released", async (t) => {
  const lease = arena.lease(2000);
  lease.bytes.fill(7);
  const credits: number[] = [];
  lease.charge({ credit: (bytes) => void credits.push(bytes) }, 2000);
  const copy = lease.copy();
  t.ok(lease.released);
  t.same(credits, [2000]);
  t.equal(copy.length, 2000);
  t.ok(copy.bytes.every((byte) => byte === 7));
  t.notOk(copy.transient);
  copy.release();
  expectNone(t);
});

t.test("capacity is what is left of the block", async (t) => {
  const lease = arena.lease(10);
  t.equal(lease.blockSize, 1024);
  t.equal(lease.capacity, 1024);
  const slice = lease.slice(4, 6);
  t.equal(slice.capacity, 1020);
  slice.release();
  lease.release();
  expectNone(t);
});
