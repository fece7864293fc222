// slow.test.ts — clients that take their time to hold on to what is the server's: slowloris, slow bodies, slow readers.
import { t } from "tap";
import { SMUGGLED } from "./cases/hostile-case.ts";
import { RawClient } from "./raw-client.ts";
import { attack, goodRequest } from "./settled.ts";
import type { Target } from "./target-process.ts";
import { TARGETS } from "./targets.ts";

const TIMEOUTS = { headersMs: 800, idleMs: 1_200, receiveMs: 800, sendMs: 1_000, lingerMs: 300 };
/** Added to a deadline: the wheel's step, and a loaded machine. */
const SLACK_MS = 2_500;
const SLOW_CLIENTS = 200;
const MIB = 1024 * 1024;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const openMany = (port: number, count: number): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: count }, () => RawClient.open(port)));
const closeAll = (clients: readonly RawClient[]): Promise<unknown> =>
  Promise.all(clients.map((client) => client.dispose()));

/** Sends a byte to each client again and again until all are closed or time is over. */
const drip = async (clients: readonly RawClient[], everyMs: number, limitMs: number): Promise<void> => {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline && clients.some(({ ending }) => ending === null)) {
    for (const client of clients) if (client.ending === null) client.socket.write("x");
    await pause(everyMs);
  }
};

const growth = async (target: Target): Promise<number> => (await target.gauges()).rssBytes - target.before.rssBytes;

attack(t, TARGETS, { timeouts: TIMEOUTS, atOnce: TARGETS.length }, async (t, target) => {
  await t.test("slowloris: a head that never ends is answered 408 and closed, others are served", async (t) => {
    const clients = await openMany(target.port, SLOW_CLIENTS);
    for (const client of clients) await client.send("GET /slow HTTP/1.1\r\nHost: a\r\nX: ");
    const dripping = drip(clients, 50, TIMEOUTS.headersMs + SLACK_MS);
    const waits = [];
    for (let n = 0; n < 5; n += 1) waits.push(await goodRequest(target.port));
    await dripping;
    t.notOk(waits.includes(-1), "all others were answered");
    t.equal(clients.filter(({ ending }) => ending !== null).length, SLOW_CLIENTS, "all slow ones are closed");
    t.ok(
      clients.every(({ answers }) => answers.length <= 1 && answers.every(({ status }) => status === 408)),
      "with 408 or nothing",
    );
    await closeAll(clients);
    t.same(
      (await target.take()).filter((call) => !call.includes("/good")),
      [],
      "the handler never heard of them",
    );
  });

  await t.test("a connection that says nothing is closed", async (t) => {
    const client = await RawClient.open(target.port);
    t.ok(await client.closed(Math.max(TIMEOUTS.headersMs, TIMEOUTS.idleMs) + SLACK_MS), "closed");
    t.ok(client.answers.every(({ status }) => status === 408));
    await client.dispose();
  });

  await t.test("a kept-alive connection that asks nothing more is closed without a word", async (t) => {
    const client = await RawClient.open(target.port);
    await client.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    t.ok(await client.answered(1, 2_000));
    t.ok(await client.closed(TIMEOUTS.idleMs + SLACK_MS), "closed");
    t.equal(client.answers.length, 1, "only the answer came");
    t.equal(client.ending, "end", "in good order");
    await client.dispose();
  });

  for (const [name, send] of [
    ["a length", "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello"],
    ["chunks", "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    ["a chunk that has begun", "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhello"],
  ]) {
    await t.test(`silence within a body of ${name}: 408, closed, the handler told`, async (t) => {
      const client = await RawClient.open(target.port);
      await client.send(send);
      t.ok(await client.closed(TIMEOUTS.receiveMs + SLACK_MS), "closed");
      t.same(
        client.answers.map(({ status }) => status),
        [408],
      );
      await client.dispose();
      await target.idle();
      t.same(
        (await target.take()).filter((call) => call.includes("/body")),
        ["POST /body failed"],
      );
    });
  }

  await t.test("pause-based desync: what comes after the 408 is never a request", async (t) => {
    const client = await RawClient.open(target.port);
    await client.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    t.ok(await client.answered(1, TIMEOUTS.receiveMs + SLACK_MS));
    await client.send(SMUGGLED);
    t.ok(await client.closed(SLACK_MS), "closed");
    t.same(
      client.answers.map(({ status }) => status),
      [408],
    );
    await client.dispose();
    await target.idle();
    t.notOk(
      (await target.take()).some((call) => call.includes("smuggled")),
      "not handled",
    );
  });

  await t.test("pause-based desync after an early answer: the rest of the body is never a request", async (t) => {
    const client = await RawClient.open(target.port);
    await client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\n");
    t.ok(await client.answered(1, SLACK_MS));
    await pause(100);
    await client.send(SMUGGLED);
    await client.closed(TIMEOUTS.receiveMs + TIMEOUTS.idleMs + SLACK_MS);
    t.same(
      client.answers.map(({ status }) => status),
      [200],
    );
    await client.dispose();
    await target.idle();
    t.notOk(
      (await target.take()).some((call) => call.includes("smuggled")),
      "not handled",
    );
  });

  await t.test("a body slower than the least rate: 408, however steadily it drips", async (t) => {
    const clients = await openMany(target.port, 10);
    for (const client of clients) await client.send("POST /drip HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    await drip(clients, 100, 12_000 + SLACK_MS);
    t.ok(
      clients.every(({ ending }) => ending !== null),
      "all closed",
    );
    t.ok(
      clients.every(({ answers }) => answers.every(({ status }) => status === 408)),
      "with 408",
    );
    await closeAll(clients);
    await target.idle();
    t.same(new Set((await target.take()).filter((call) => call.includes("/drip"))), new Set(["POST /drip failed"]));
  });

  await t.test("readers that never read are cut, at bounded memory", async (t) => {
    const clients = await openMany(target.port, 40);
    for (const client of clients) {
      client.socket.pause();
      await client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    await pause(TIMEOUTS.sendMs / 2);
    const grown = await growth(target);
    t.ok(grown < 96 * MIB, `40 answers of 64 MiB each, ${(grown / MIB).toFixed(0)} MiB more memory`);
    t.not(await goodRequest(target.port), -1, "others are served");
    const left = await target.idle(TIMEOUTS.sendMs + SLACK_MS);
    t.equal(left.connections, 0, "all are cut");
    await closeAll(clients);
  });

  await t.test("a handler that does not read its body holds the client back, at bounded memory", async (t) => {
    const clients = await openMany(target.port, 20);
    const chunk = new Uint8Array(MIB);
    for (const client of clients) {
      client.socket.write(`POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
      for (let n = 0; n < 32; n += 1) client.socket.write(chunk);
    }
    await pause(600);
    const grown = await growth(target);
    t.ok(grown < 64 * MIB, `20 bodies of 32 MiB each, ${(grown / MIB).toFixed(0)} MiB more memory`);
    t.not(await goodRequest(target.port), -1, "others are served");
    for (const client of clients) client.reset();
    await closeAll(clients);
    t.equal((await target.idle()).connections, 0, "a reset ends the wait");
  });

  await t.test("clients that leave while their handler thinks", async (t) => {
    const clients = await openMany(target.port, 100);
    for (const [at, client] of clients.entries()) {
      await client.send("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n");
      if (at % 2 === 0) client.reset();
    }
    await closeAll(clients);
    t.equal((await target.idle()).connections, 0, "no connection is left");
  });
});
