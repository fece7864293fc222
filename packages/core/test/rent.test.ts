import t from "tap";
import { Arena } from "../src/arena.ts";
import type { Lease } from "../src/lease.ts";
import { rent } from "../src/rent.ts";
import { leaseCheck } from "../src/testing/leak-check.ts";
import { type MemoryPairOptions, memoryPair } from "../src/testing/memory-pair.ts";
import { Pump } from "../src/testing/pump.ts";

const arena = new Arena({ bytes: 16 * 1024 * 1024 });
const pair = (options: MemoryPairOptions = {}) => memoryPair({ arena, pump: new Pump({ auto: true }), ...options });
const text = (lease: Lease | null): string | null => {
  if (lease === null) return null;
  const out = Buffer.from(lease.bytes).toString();
  lease.release();
  return out;
};
const leased = (content: string): Lease => {
  const lease = arena.lease(content.length);
  lease.bytes.set(Buffer.from(content));
  return lease;
};

t.test("an echo in the rent style", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server } = pair({ seed: 3 });
  const echo = (async () => {
    const stream = rent(server);
    for await (const lease of stream) await stream.write(lease);
    await stream.end();
    return stream.closed;
  })();
  const caller = rent(client);
  await caller.write(leased("hello "));
  await caller.writeBytes(Buffer.from("world"));
  t.equal(text(await caller.readExact(11)), "hello world");
  await caller.end();
  t.same(await caller.read(), { lease: null });
  t.equal(await echo, null);
  t.equal(await caller.closed, null);
  leaks.assertNone();
});

t.test("an aborted read loses nothing", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server } = pair();
  const reader = rent(server);
  const controller = new AbortController();
  const read = reader.read({ signal: controller.signal });
  controller.abort(new Error("no longer"));
  await t.rejects(read, { message: "no longer" });
  await t.rejects(reader.read({ signal: controller.signal }), { message: "no longer" });
  const writer = rent(client);
  await writer.write(leased("kept"));
  t.equal(text((await reader.read()).lease), "kept");
  writer.reset();
  await reader.closed;
  leaks.assertNone();
});

t.test("a slow reader slows the writer, and read-ahead stays bounded", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server } = pair({ toServer: { bufferBytes: 10_000 } });
  client.highWaterBytes = 20_000;
  const writer = rent(client);
  const reader = rent(server, { readAheadBytesMax: 10_000 });
  let written = 0;
  const writing = (async () => {
    for (let at = 0; at < 20; at += 1) {
      await writer.writeBytes(new Uint8Array(10_000));
      written += 1;
    }
    await writer.end();
  })();
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.ok(written < 8, `${written} of 20 writes went ahead`);
  let size = 0;
  for await (const lease of reader) {
    size += lease.length;
    lease.release();
  }
  await writing;
  t.equal(size, 200_000);
  await reader.end();
  await reader.closed;
  leaks.assertNone();
});

t.test("readExact joins parts and splits leases; a short end is told", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server } = pair({ toServer: { cuts: [2, 3, 9] } });
  const writer = rent(client);
  const reader = rent(server, { readAheadBytesMax: 2 });
  await writer.writeBytes(Buffer.from("abcdefghijkl"));
  await writer.end();
  t.equal(text(await reader.readExact(4)), "abcd");
  t.equal(text(await reader.readExact(1)), "e");
  await t.rejects(reader.readExact(8), { name: "RangeError" });
  t.equal(text(await reader.readExact(7)), "fghijkl");
  t.same(await reader.read(), { lease: null });
  await reader.end();
  leaks.assertNone();
});

t.test(
  "a reset rejects what waits, releases what was not read, and writes take their lease all the same",
  async (t) => {
    const leaks = leaseCheck(arena);
    const { client, server, pump } = pair({ toServer: { bufferBytes: 1000 } });
    client.highWaterBytes = 100;
    const writer = rent(client);
    const reader = rent(server);
    await writer.write(leased("a little"));
    pump.run();
    server.pause();
    const write = writer.writeBytes(new Uint8Array(5000));
    const read = writer.read();
    reader.reset();
    await t.rejects(write, { code: "ECONNRESET" });
    await t.rejects(read, { code: "ECONNRESET" });
    await t.rejects(writer.write(leased("late")), { code: "ECONNRESET" });
    await t.rejects(writer.writeBytes(Buffer.from("late")), { code: "ECONNRESET" });
    await t.rejects(reader.read(), { code: "ERR_STREAM_ABANDONED" });
    t.match(await reader.closed, { code: "ERR_STREAM_ABANDONED" });
    leaks.assertNone();
  },
);

t.test("detach hands the stream on with what was not read", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server, pump } = pair({ toServer: { chunkBytesMax: 2 } });
  const writer = rent(client);
  const first = rent(server);
  await writer.writeBytes(Buffer.from("abcdef"));
  pump.run();
  t.equal(text((await first.read()).lease), "ab");
  const second = rent(first.detach());
  t.equal(text(await second.readExact(4)), "cdef");
  await Promise.all([writer.end(), second.end()]);
  t.equal(await second.closed, null);
  leaks.assertNone();
});

t.test("two reads at a time are a mistake", async (t) => {
  const { server, client } = pair();
  rent(client);
  const reader = rent(server);
  const first = reader.read();
  await t.rejects(reader.read(), { code: "ERR_ASSERTION" });
  reader.reset();
  await t.rejects(first);
});
