// floods.test.ts — too much of everything: requests, connections, and messages that never end.
import { t } from "tap";
import { type Bytes, RawClient, toBytes } from "./raw-client.ts";
import { attack, goodRequest } from "./settled.ts";
import type { Target } from "./target-process.ts";
import { TARGETS } from "./targets.ts";

const MIB = 1024 * 1024;
const PIPELINED = 100_000;
/** Some 50 MB each way: several times what the kernel keeps of a connection nobody reads. */
const UNREAD = 50_000;
const PADDING = "q".repeat(900);
const CONNECTIONS = 4_000;
const ANSWER_MS = 60_000;
const BODY_MAX = 4 * MIB;

const growth = async (target: Target): Promise<number> => (await target.gauges()).rssBytes - target.before.rssBytes;

const pipeline = (count: number, path: (at: number) => string): string => {
  const parts = [];
  for (let at = 0; at < count; at += 1) parts.push(`GET ${path(at)} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return parts.join("");
};

/**
 * Sends `start`, then `more` until the server closes or `limit` bytes are out.
 * @returns bytes the kernel took.
 */
const sendEndlessly = async (client: RawClient, start: Bytes, more: Bytes, limit: number): Promise<number> => {
  const chunk = toBytes(more);
  await client.send(start);
  for (let sent = 0; sent < limit && client.ending === null; sent += chunk.length) {
    await Promise.race([client.send(chunk), client.until(() => client.ending !== null, 10_000)]);
  }
  return client.socket.bytesWritten;
};

attack(t, TARGETS, { limits: { bodyBytesMax: BODY_MAX }, timeouts: { lingerMs: 150 } }, async (t, target) => {
  await target.keepLog(false);

  await t.test(`${PIPELINED} requests in one go are answered in order`, async (t) => {
    const { calls } = await target.gauges();
    const client = await RawClient.open(target.port);
    client.socket.write(pipeline(PIPELINED, (at) => `/${at}`));
    t.ok(await client.answered(PIPELINED, ANSWER_MS), "all are answered");
    const first = client.answers.findIndex(({ status, body }, at) => status !== 200 || body !== `GET /${at} 0`);
    t.equal(first, -1, "each is the answer to its request");
    t.equal((await target.gauges()).calls - calls, PIPELINED, "each was handled once");
    const grown = await growth(target);
    t.ok(grown < 96 * MIB, `${(grown / MIB).toFixed(0)} MiB more memory`);
    await client.dispose();
  });

  await t.test(`${UNREAD} requests of a client that does not read: the server stops reading`, async (t) => {
    await target.idle();
    const { calls, rssBytes } = await target.gauges();
    const client = await RawClient.open(target.port);
    client.socket.pause();
    // Answers as long as their requests: what is answered and not read must lie somewhere.
    client.socket.write(pipeline(UNREAD, (at) => `/field?${at}${PADDING}`));
    let handled = -1;
    for (let now = 0; now !== handled; ) {
      handled = now;
      await new Promise((resolve) => setTimeout(resolve, 500));
      now = (await target.gauges()).calls - calls;
    }
    t.ok(handled < UNREAD, `${handled} were handled before the first byte was read`);
    const grown = (await target.gauges()).rssBytes - rssBytes;
    t.ok(grown < 48 * MIB, `${(grown / MIB).toFixed(0)} MiB more memory`);
    t.not(await goodRequest(target.port), -1, "others are served");
    client.socket.resume();
    t.ok(await client.answered(UNREAD, ANSWER_MS), "all are answered once it reads");
    const first = client.answers.findIndex(({ fields }, at) => fields.get("x-query") !== `${at}${PADDING}`);
    t.equal(first, -1, "each is the answer to its request");
    await client.dispose();
  });

  await t.test(`${CONNECTIONS} connections, 200 at a time, each gone at once`, async (t) => {
    const { calls } = await target.gauges();
    let asked = 0;
    for (let batch = 0; batch < CONNECTIONS / 200; batch += 1) {
      await Promise.all(
        Array.from({ length: 200 }, async (_, at) => {
          const client = await RawClient.open(target.port);
          if (at % 4 === 0) client.reset();
          else if (at % 4 === 1) await client.dispose();
          else {
            asked += 1;
            await client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
            await client.answered(1, ANSWER_MS);
            if (at % 4 === 2) client.reset();
          }
          await client.dispose();
        }),
      );
    }
    t.equal((await target.gauges()).calls - calls, asked, "each request was handled once");
    t.equal((await target.idle()).connections, 0, "no connection is left");
  });

  const post = (fields: string): string => `POST /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`;
  for (const { name, start, more, statuses } of [
    { name: "empty lines before a request", start: "", more: "\r\n".repeat(32_768), statuses: [400, 408, 431] },
    { name: "a method", start: "", more: "A".repeat(65_536), statuses: [400, 414, 431, 501] },
    { name: "a target", start: "GET /", more: "a".repeat(65_536), statuses: [414] },
    { name: "a field name", start: "GET / HTTP/1.1\r\n", more: "a".repeat(65_536), statuses: [431] },
    { name: "a field value", start: "GET / HTTP/1.1\r\nHost: a\r\nX: ", more: "a".repeat(65_536), statuses: [431] },
    { name: "fields", start: "GET / HTTP/1.1\r\nHost: a\r\n", more: "X: b\r\n".repeat(10_000), statuses: [431] },
    { name: "empty fields", start: "GET / HTTP/1.1\r\nHost: a\r\n", more: "X:\r\n".repeat(10_000), statuses: [431] },
    { name: "a body with a length", start: post(`Content-Length: ${1e12}`), more: "a".repeat(65_536), statuses: [413] },
    {
      name: "a chunked body",
      start: post("Transfer-Encoding: chunked"),
      more: `10000\r\n${"a".repeat(65_536)}\r\n`,
      statuses: [413],
    },
    {
      name: "chunks of one byte",
      start: post("Transfer-Encoding: chunked"),
      more: "1\r\na\r\n".repeat(10_000),
      statuses: [413, 400],
    },
    {
      name: "a chunk size of zeros",
      start: post("Transfer-Encoding: chunked"),
      more: "0".repeat(65_536),
      statuses: [400, 413, 431],
    },
    {
      name: "a chunk extension",
      start: `${post("Transfer-Encoding: chunked")}5;`,
      more: "a".repeat(65_536),
      statuses: [400, 413, 431],
    },
    {
      name: "chunk extensions",
      start: post("Transfer-Encoding: chunked"),
      more: `1;${"a".repeat(100)}\r\na\r\n`.repeat(500),
      statuses: [400, 413, 431],
    },
    {
      name: "trailers",
      start: `${post("Transfer-Encoding: chunked")}0\r\n`,
      more: "X: b\r\n".repeat(10_000),
      statuses: [400, 431],
    },
    {
      name: "a trailer",
      start: `${post("Transfer-Encoding: chunked")}0\r\nX: `,
      more: "b".repeat(65_536),
      statuses: [400, 431],
    },
    {
      name: "a body that the handler ignores",
      start: "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      more: `10000\r\n${"a".repeat(65_536)}\r\n`,
      statuses: [200],
    },
  ]) {
    await t.test(`without an end: ${name}`, async (t) => {
      await target.idle();
      const { rssBytes } = await target.gauges();
      const client = await RawClient.open(target.port);
      const sent = await sendEndlessly(client, start, more, 256 * MIB);
      t.ok(await client.closed(5_000), `closed after ${(sent / MIB).toFixed(1)} MiB`);
      t.ok(sent < 64 * MIB, "long before the client was done");
      const answers = client.answers.map(({ status }) => status);
      // A reset may overtake the answer when the client goes on sending beyond the time to linger.
      t.ok(answers.length <= 1 && answers.every((status) => statuses.includes(status)), `answered ${answers}`);
      await client.dispose();
      await target.idle();
      const grown = (await target.collect()).rssBytes - rssBytes;
      t.ok(grown < 32 * MIB, `${(grown / MIB).toFixed(0)} MiB more memory`);
    });
  }
});
