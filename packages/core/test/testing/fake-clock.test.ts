import t from "tap";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { WheelEntry } from "../../src/wheel.ts";

t.test("deadlines fire when the clock has passed them, not before", async (t) => {
  const clock = new FakeClock(1234);
  const fired: number[] = [];
  const second = new WheelEntry((now) => fired.push(now));
  const first = new WheelEntry((now) => {
    fired.push(now);
    clock.wheel.set(second, now + 1000);
  });
  clock.wheel.set(first, clock.now + 1000);
  clock.advance(999);
  t.same(fired, []);
  clock.pass(1);
  t.equal(fired.length, 1);
  clock.pass(1000);
  t.equal(fired.length, 2);
  t.ok(fired[1] >= fired[0] + 1000);
  t.equal(clock.wheel.size, 0);
});

t.test("what a deadline throws reaches the test, after the others have run", async (t) => {
  const clock = new FakeClock();
  let ran = 0;
  const bad = new WheelEntry(() => {
    throw new Error("bad");
  });
  const good = new WheelEntry(() => {
    ran += 1;
  });
  clock.wheel.set(bad, 100);
  clock.wheel.set(good, 100);
  t.throws(() => clock.pass(200), { message: "bad" });
  t.equal(ran, 1);
});
