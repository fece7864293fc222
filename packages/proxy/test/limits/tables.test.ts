// Token buckets and places in flight, as one worker sees them and as several do.
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import t from "tap";
import { FlightTable } from "../../src/limits/flight-table.ts";
import { Networks, networkError } from "../../src/limits/networks.ts";
import { policyField, rateFields, refusedFields } from "../../src/limits/rate-fields.ts";
import { type Rate, RateTable } from "../../src/limits/rate-table.ts";
import { newLimitMemory, processLimitMemory, WAYS } from "../../src/limits/shared-memory.ts";

const RATE: Rate = { perSecond: 10, burst: 5 };

t.test("a bucket gives its burst, then as many as flow in", async (t) => {
  const table = new RateTable(newLimitMemory());
  for (const left of [4, 3, 2, 1, 0]) {
    const taken = table.take("a", RATE, 1_000);
    t.ok(taken.allowed);
    t.equal(taken.remaining, left);
  }
  t.match(table.take("a", RATE, 1_000), { allowed: false, remaining: 0, retryAfterMs: 100, resetMs: 500 });
  t.equal(table.take("b", RATE, 1_000).allowed, true, "another key has a bucket of its own");
  t.equal(table.take("a", RATE, 1_099).allowed, false);
  t.equal(table.take("a", RATE, 1_100).allowed, true);
  t.equal(table.take("a", RATE, 1_100).allowed, false, "only one flowed in");
  t.equal(table.take("a", RATE, 60_000).remaining, 4, "it is never fuller than full");
});

t.test("a limit that is made smaller holds at once", async (t) => {
  const table = new RateTable(newLimitMemory());
  for (let count = 0; count < 100; count += 1) table.take("a", { perSecond: 1, burst: 100 }, 0);
  t.match(table.take("a", RATE, 0), { allowed: false, retryAfterMs: 100 });
});

t.test("in any span no more than burst + rate × time, and none is refused that there is a token for", async (t) => {
  const steps = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 50 }), (waits, burst, perSecond) => {
      const table = new RateTable(newLimitMemory(1));
      let now = 1_000;
      let tokens = burst;
      for (const wait of waits) {
        now += wait;
        tokens = Math.min(burst, tokens + (wait * perSecond) / 1_000);
        const allowed = tokens > 1 - 1e-6;
        if (table.take("k", { burst, perSecond }, now).allowed !== allowed) return false;
        if (allowed) tokens -= 1;
      }
      return true;
    }),
  );
  t.pass("as a bucket that is counted the plain way");
});

t.test("more keys than there is room for: the one nearest to full is forgotten", async (t) => {
  const table = new RateTable(newLimitMemory(1));
  for (let key = 0; key < WAYS; key += 1) table.take(`k${key}`, RATE, key);
  t.equal(table.evicted, 0);
  table.take("more", RATE, 8);
  t.equal(table.evicted, 1);
  t.equal(table.take("k1", RATE, 8).remaining, 3, "the second one is still known");
  t.equal(table.take("more", RATE, 8).remaining, 3, "the new one is");
  const idle = new RateTable(newLimitMemory(1));
  for (let key = 0; key < 100; key += 1) idle.take(`k${key}`, RATE, key * 1_000);
  t.equal(idle.evicted, 0, "full buckets need no entry");
});

t.test("places in flight", async (t) => {
  const memory = newLimitMemory(1, 4, 2);
  const [one, other] = [new FlightTable(memory, 0), new FlightTable(memory, 1)];
  const first = one.enter("a", 2);
  const second = other.enter("a", 2);
  t.equal(one.count("a"), 2);
  t.equal(one.enter("a", 2), null, "what the other worker counts counts");
  t.ok(one.enter("b", 1), "another key");
  first?.();
  first?.();
  t.equal(one.count("a"), 1, "a place is given back once");
  t.ok(one.enter("a", 2));
  second?.();
  other.enter("a", 2);
  const again = new FlightTable(memory, 1);
  t.equal(again.count("a"), 1, "what a worker that died had counted is forgotten");
  t.equal(again.count("never"), 0);
});

t.test("more keys in flight than there is room for are let through, and said", async (t) => {
  const table = new FlightTable(newLimitMemory(1, 1, 1), 0);
  for (let key = 0; key < WAYS; key += 1) t.ok(table.enter(`k${key}`, 1));
  t.equal(table.uncounted, 0);
  t.ok(table.enter("more", 1));
  t.ok(table.enter("more", 1));
  t.equal(table.uncounted, 2);
});

t.test("threads share buckets exactly", async (t) => {
  const memory = newLimitMemory(2, 2, 4);
  const rateTable = new URL("../../src/limits/rate-table.js", import.meta.url).href;
  const flightTable = new URL("../../src/limits/flight-table.js", import.meta.url).href;
  const program = `
    import { parentPort, workerData } from "node:worker_threads";
    const { RateTable } = await import(${JSON.stringify(rateTable)});
    const { FlightTable } = await import(${JSON.stringify(flightTable)});
    const rates = new RateTable(workerData.memory);
    const flights = new FlightTable(workerData.memory, workerData.worker);
    let allowed = 0, over = 0;
    for (let count = 0; count < 20000; count += 1) {
      if (rates.take("key", { perSecond: 1, burst: 10000 }, 0).allowed) allowed += 1;
      const release = flights.enter("key", 2);
      if (flights.count("key") > 2) over += 1;
      release?.();
    }
    parentPort.postMessage({ allowed, over, left: flights.count("key") });
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const results = await Promise.all(
    [0, 1, 2, 3].map(
      (worker) =>
        new Promise<{ allowed: number; over: number }>((resolve, reject) => {
          const thread = new Worker(url, { workerData: { memory, worker } });
          thread.once("message", resolve);
          thread.once("error", reject);
        }),
    ),
  );
  t.equal(
    results.reduce((sum, { allowed }) => sum + allowed, 0),
    10_000,
    "of 80,000 requests exactly the burst was let through",
  );
  t.equal(
    results.reduce((sum, { over }) => sum + over, 0),
    0,
    "never more in flight than allowed",
  );
  t.equal(new FlightTable(memory, 4 - 1).count("key"), 0, "nothing is left in flight");
});

t.test("one memory for a process", async (t) => {
  t.equal(processLimitMemory().buffer, processLimitMemory().buffer);
});

t.test("RateLimit fields", async (t) => {
  const policy = policyField("api", { perSecond: 10 / 60, burst: 10 });
  t.equal(policy, '"api";q=10;w=60');
  t.same(rateFields("api", policy, { allowed: true, remaining: 9, retryAfterMs: 0, resetMs: 5_400 }), [
    "ratelimit-policy",
    policy,
    "ratelimit",
    '"api";r=9;t=6',
  ]);
  const refused = refusedFields("api", policy, { allowed: false, remaining: 0, retryAfterMs: 10, resetMs: 60_000 });
  t.same(refused.slice(-2), ["retry-after", "1"], "never 0");
});

t.test("networks", async (t) => {
  const networks = new Networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
  for (const [address, want] of [
    ["10.255.0.1", true],
    ["11.0.0.1", false],
    ["192.0.2.7", true],
    ["192.0.2.8", false],
    ["2001:db8::1", true],
    ["2001:db9::1", false],
    ["::ffff:10.1.2.3", true],
    ["", false],
    ["/run/x.sock", false],
  ] as const) {
    t.equal(networks.has(address), want, address);
    t.equal(networks.has(address), want, `${address}, remembered`);
  }
  t.equal(new Networks([]).has("10.0.0.1"), false);
  for (const text of ["x", "10.0.0.0/33", "10.0.0.0/8/8", "::/129", "fe80::1%eth0", "10.0.0.0/-1"]) {
    t.type(networkError(text), "string", text);
  }
  t.equal(networkError("::/0"), null);
  t.throws(() => new Networks(["x"]), RangeError);
});
