import fc from "fast-check";
import t from "tap";
import { WHEEL_STEP_MS, Wheel, WheelEntry } from "../src/wheel.ts";

const rethrow = (error: unknown): never => {
  throw error;
};

t.test("a deadline fires at the first step after it, never early", async (t) => {
  for (const { deadline, at } of [
    { deadline: 1, at: 100 },
    { deadline: 100, at: 100 },
    { deadline: 101, at: 200 },
    { deadline: 51_199, at: 51_200 },
    { deadline: 51_200, at: 51_200 },
    { deadline: 200_000, at: 200_000 },
    { deadline: 1_000_001, at: 1_000_100 },
  ]) {
    const wheel = new Wheel(0);
    let fired = -1;
    const entry = new WheelEntry((now) => {
      fired = now;
    });
    wheel.set(entry, deadline);
    for (let now = 50; fired < 0 && now < 2_000_000; now += 50) wheel.advance(now, rethrow);
    t.equal(fired, at, `${deadline}`);
    t.equal(wheel.size, 0);
  }
});

t.test("moving a deadline later costs a store; moving it earlier is honoured", async (t) => {
  const wheel = new Wheel(0);
  const fired: number[] = [];
  const entry = new WheelEntry((now) => fired.push(now));
  wheel.set(entry, 300);
  const step = entry.step;
  wheel.set(entry, 10_000);
  t.equal(entry.step, step, "it stays in its bucket until that comes up");
  for (let now = 100; now <= 9_900; now += 100) wheel.advance(now, rethrow);
  t.same(fired, []);
  wheel.set(entry, 9_950);
  wheel.advance(10_000, rethrow);
  t.same(fired, [10_000]);
  wheel.set(entry, 50_000);
  wheel.set(entry, 10_050);
  wheel.advance(10_100, rethrow);
  t.same(fired, [10_000, 10_100]);
});

t.test("an entry that is unset stays silent; removing forgets it at once", async (t) => {
  const wheel = new Wheel(0);
  const entry = new WheelEntry(() => t.fail("fired"));
  wheel.set(entry, 300);
  wheel.set(entry, Number.POSITIVE_INFINITY);
  t.equal(wheel.size, 1);
  wheel.advance(1000, rethrow);
  t.equal(wheel.size, 0, "its bucket came up");
  wheel.set(entry, 1300);
  wheel.remove(entry);
  t.equal(wheel.size, 0);
  wheel.advance(5000, rethrow);
});

t.test("busy says when there is something to drive", async (t) => {
  const wheel = new Wheel(0);
  const busy: boolean[] = [];
  wheel.onBusy = (on) => busy.push(on);
  const [a, b] = [new WheelEntry(() => {}), new WheelEntry(() => {})];
  wheel.set(a, 100);
  wheel.set(b, 200);
  t.same(busy, [true]);
  wheel.remove(a);
  t.same(busy, [true]);
  wheel.advance(200, rethrow);
  t.same(busy, [true, false]);
  wheel.set(a, 500);
  t.same(busy, [true, false, true]);
});

t.test("callbacks may set and remove entries of the same bucket", async (t) => {
  const wheel = new Wheel(0);
  const fired: string[] = [];
  const victim = new WheelEntry(() => fired.push("victim"));
  const again: WheelEntry = new WheelEntry((now) => {
    fired.push("again");
    if (fired.length < 3) wheel.set(again, now + 50);
  });
  const killer = new WheelEntry(() => {
    fired.push("killer");
    wheel.remove(victim);
  });
  wheel.set(victim, 100);
  wheel.set(again, 100);
  wheel.set(killer, 100);
  wheel.advance(100, rethrow);
  t.same(fired, ["killer", "again"]);
  wheel.advance(200, rethrow);
  t.same(fired, ["killer", "again", "again"]);
  t.equal(wheel.size, 0);
});

t.test("a callback that throws does not keep the others from firing", async (t) => {
  const wheel = new Wheel(0);
  const errors: unknown[] = [];
  let fired = 0;
  for (let at = 0; at < 3; at += 1) {
    wheel.set(
      new WheelEntry(() => {
        fired += 1;
        throw new Error(`${at}`);
      }),
      100,
    );
  }
  wheel.advance(100, (error) => errors.push(error));
  t.equal(fired, 3);
  t.equal(errors.length, 3);
});

t.test("a stall of an hour: everything due fires in one advance", async (t) => {
  const wheel = new Wheel(0);
  let fired = 0;
  for (let at = 0; at < 1000; at += 1) wheel.set(new WheelEntry(() => (fired += 1)), at * 997);
  wheel.advance(3_600_000, rethrow);
  t.equal(fired, 1000);
  t.equal(wheel.size, 0);
});

t.test("property: every entry fires once, late by less than a step, whatever is moved meanwhile", async (t) => {
  const move = fc.record({ entry: fc.nat(9), to: fc.nat(120_000) });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const wheel = new Wheel(0);
      const wanted = new Array<number>(10).fill(Number.POSITIVE_INFINITY);
      let now = 0;
      let ok = true;
      const entries = wanted.map(
        (_, at) =>
          new WheelEntry((fired) => {
            if (fired < wanted[at] || fired - wanted[at] > 2 * WHEEL_STEP_MS) ok = false;
            wanted[at] = Number.POSITIVE_INFINITY;
          }),
      );
      for (const { entry, to } of moves) {
        wanted[entry] = Math.max(now, to);
        wheel.set(entries[entry], wanted[entry]);
        now += 100;
        wheel.advance(now, rethrow);
      }
      for (; now <= 130_000; now += 100) wheel.advance(now, rethrow);
      return ok && wheel.size === 0 && wanted.every((deadline) => deadline === Number.POSITIVE_INFINITY);
    }),
    { numRuns: 50 },
  );
  t.pass();
});
