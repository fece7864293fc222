import t from "tap";
import { AssertionError } from "../src/assert.ts";
import { type RingOwner, SlotTable } from "../src/slots.ts";

const owner = (): RingOwner => ({ slot: -1, tag: 0, complete: () => {}, crash: () => {} });

t.test("a completion finds its owner by slot and generation", async (t) => {
  const table = new SlotTable();
  const [first, second] = [owner(), owner()];
  table.add(first);
  table.add(second);
  t.not(first.slot, second.slot);
  t.equal(table.find(first.slot, first.tag >>> 8), first);
  t.equal(table.find(second.slot, second.tag >>> 8), second);
});

t.test("a slot that changed hands does not answer to the old generation", async (t) => {
  const table = new SlotTable();
  const [first, second] = [owner(), owner()];
  table.add(first);
  const { slot, tag } = first;
  table.remove(first);
  t.equal(table.find(slot, tag >>> 8), null, "nobody has it");
  table.add(second);
  t.equal(second.slot, slot, "reused");
  t.equal(table.find(slot, tag >>> 8), null, "the old generation is nobody's");
  t.equal(table.find(slot, second.tag >>> 8), second);
  t.equal(table.find(99, 0), null, "a slot that never was");
  t.throws(() => table.remove(first), AssertionError);
});

t.test("generations wrap after 2^24 and stay within 24 bits", async (t) => {
  const table = new SlotTable();
  const one = owner();
  const seen = new Set<number>();
  for (let at = 0; at < 1000; at += 1) {
    table.add(one);
    seen.add(one.tag >>> 8);
    t.ok((one.tag & 0xff) === 0);
    table.remove(one);
  }
  t.equal(seen.size, 1000);
});

t.test("live tells when the first comes and the last goes", async (t) => {
  const table = new SlotTable();
  const told: boolean[] = [];
  table.onLive = (live) => told.push(live);
  const [first, second] = [owner(), owner()];
  table.add(first);
  table.add(second);
  table.remove(first);
  t.same(told, [true]);
  table.remove(second);
  t.same(told, [true, false]);
});
