import t from "tap";
import { FAILED_MS, NameCache } from "../../src/config/name-cache.ts";

const scene = (options: { keepMs?: number; namesMax?: number; fail?: () => boolean } = {}) => {
  const { keepMs = 1_000, namesMax = 10, fail = () => false } = options;
  const asked: string[] = [];
  const clock = { now: 0 };
  const cache = new NameCache(
    async (name) => {
      asked.push(name);
      await Promise.resolve();
      if (fail()) throw new Error("no");
      return `${name} ${asked.length}`;
    },
    keepMs,
    namesMax,
    () => clock.now,
  );
  return { asked, clock, cache };
};

t.test("one call per name, however many wait; kept until its time is over", async (t) => {
  const { asked, clock, cache } = scene();
  t.equal(cache.known("a"), undefined);
  t.same(await Promise.all([cache.get("a"), cache.get("a"), cache.get("b")]), ["a 2", "a 2", "b 2"]);
  t.same(asked, ["a", "b"]);
  clock.now = 999;
  t.equal(cache.known("a"), "a 2");
  clock.now = 1_000;
  t.equal(cache.known("a"), undefined);
  t.equal(await cache.get("a"), "a 3");
});

t.test("nothing is kept for 0 ms", async (t) => {
  const { asked, cache } = scene({ keepMs: 0 });
  await cache.get("a");
  await cache.get("a");
  t.equal(asked.length, 2);
  t.equal(cache.size, 0);
});

t.test("what is used least is forgotten first", async (t) => {
  const { cache } = scene({ namesMax: 2 });
  for (const name of ["a", "b"]) await cache.get(name);
  cache.known("a");
  await cache.get("c");
  t.equal(cache.size, 2);
  t.ok(cache.known("a"));
  t.equal(cache.known("b"), undefined);
});

t.test("a failure stands for a second: a flood of a bad name costs one call", async (t) => {
  let fails = true;
  const { asked, clock, cache } = scene({ fail: () => fails });
  await t.rejects(cache.get("a"), { message: "no" });
  await t.rejects(cache.get("a"), { message: "no" });
  t.equal(asked.length, 1);
  fails = false;
  clock.now = FAILED_MS;
  t.equal(await cache.get("a"), "a 2");
});

t.test("what was asked for before a reload is not kept after it", async (t) => {
  const { asked, cache } = scene();
  const first = cache.get("a");
  cache.clear();
  t.equal(await first, "a 1");
  t.equal(cache.known("a"), undefined);
  await cache.get("a");
  t.equal(asked.length, 2);
});
