// stalled.test.ts — uploads that nobody reads: each holds its budget and little more, and others are served.
import { type Test, t } from "tap";
import { RawClient } from "./raw-client.ts";
import { attack, goodRequest } from "./settled.ts";
import type { Target } from "./target-process.ts";
import { TARGETS } from "./targets.ts";

const KIB = 1024;
/** `limits.bodyBufferBytes` of h1, and one receive buffer that was under way. */
const HELD_FRESH_MAX: number = (64 + 16) * KIB;
/** After eight receives without a pause the transport takes up to 128 KiB at once. */
const HELD_FLOWED_MAX: number = HELD_FRESH_MAX + 128 * KIB;
/** Where the kernel cannot be told to stop there (before 6.17): 64 receives in a row. */
const HELD_UNCAPPED_MAX: number = HELD_FRESH_MAX + 64 * 16 * KIB;
const SAMPLE = 100;
const MANY = 2_000;
const BODY = new Uint8Array(1_000_000);
const REQUESTS_BEFORE = 12;

const stall = async (target: Target, requestsBefore: number): Promise<RawClient> => {
  const client = await RawClient.open(target.port);
  for (let at = 1; at <= requestsBefore; at += 1) {
    await client.send("GET /before HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.answered(at, 10_000);
  }
  client.socket.write(`POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length}\r\n\r\n`);
  client.socket.write(BODY);
  return client;
};

/** Waits until `calls` are reached and no more is taken of any. @returns bytes held since the start. */
const heldBytes = async (target: Target, calls: number): Promise<number> => {
  let before = -1;
  const now = await target.until((now) => {
    const still = now.calls >= calls && now.heldBytes === before;
    before = now.heldBytes;
    return still;
  }, 30_000);
  return now.heldBytes - target.before.heldBytes;
};

const leave = async (t: Test, target: Target, clients: readonly RawClient[]): Promise<void> => {
  for (const client of clients) client.reset();
  await Promise.all(clients.map((client) => client.dispose()));
  t.equal((await target.idle()).heldBytes, target.before.heldBytes, "what was held is given back");
};

attack(t, TARGETS, {}, async (t, target) => {
  await target.keepLog(false);
  for (const { name, requestsBefore, most } of [
    { name: "new connections", requestsBefore: 0, most: HELD_FRESH_MAX },
    { name: "connections that have flowed", requestsBefore: REQUESTS_BEFORE, most: HELD_FLOWED_MAX },
  ]) {
    await t.test(`${SAMPLE} stalled uploads on ${name}`, async (t) => {
      const { calls, driver } = await target.idle();
      const clients = await Promise.all(Array.from({ length: SAMPLE }, () => stall(target, requestsBefore)));
      const each = (await heldBytes(target, calls + SAMPLE * (requestsBefore + 1))) / SAMPLE;
      t.ok(each > 16 * KIB, "what has come is kept");
      const { receiveCap } = await target.gauges();
      const capped = driver === "poll" || receiveCap > 0;
      const bound = requestsBefore === 0 || capped ? most : HELD_UNCAPPED_MAX;
      t.ok(each <= bound, `${(each / KIB).toFixed(0)} KiB each, at most ${bound / KIB}`);
      await leave(t, target, clients);
    });
  }
});

const HANDLERS = TARGETS.filter(({ kind }) => kind !== "fetch");

attack(t, HANDLERS, { connectionsMax: 2 * MANY }, async (t, target) => {
  await target.keepLog(false);
  await t.test(`${MANY} stalled uploads: others are served, nobody is reset`, async (t) => {
    const { calls } = await target.idle();
    const clients: RawClient[] = [];
    while (clients.length < MANY) {
      clients.push(...(await Promise.all(Array.from({ length: 100 }, () => stall(target, 0)))));
    }
    const held = await heldBytes(target, calls + MANY);
    t.ok(held <= MANY * HELD_FRESH_MAX, `${(held / KIB / KIB).toFixed(0)} MiB are held`);
    t.not(await goodRequest(target.port), -1, "another gets its answer");
    const { connections } = await target.until(({ connections }) => connections <= MANY);
    t.equal(connections, MANY, "all are still there");
    await leave(t, target, clients);
  });
});
