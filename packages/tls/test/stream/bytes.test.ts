// Bytes through a TlsStream over the in-memory connection: any size, any cut, both versions, held and paused, and back to zero.
import { randomBytes } from "node:crypto";
import { type Lease, RESERVE_BYTES_MAX } from "@percore/core";
import t from "tap";
import { clientOf, Echo, only, Recorder, serverOf, type TlsPairOptions, tlsPair, VERSIONS } from "./harness.ts";

/** Of the offsets at which a conversation is cut, every fifth; `npm run test:long -- tls:splits` takes all. */
const CUT_STRIDE = Number(process.env.PERCORE_CUT_STRIDE ?? 5);
const SIZES = [1, 300, 1344, 16_288, 16_384, 70_000];

for (const version of VERSIONS) {
  const withVersion = { client: { context: clientOf(only(version)) } };

  t.test(`${version}: what one end writes the other receives, however the wire cuts it`, async (t) => {
    const wires: Record<string, TlsPairOptions> = {
      whole: {},
      "1 byte at a time": { toServer: { chunkBytesMax: 1 }, toClient: { chunkBytesMax: 1 } },
      "7 bytes at a time": { toServer: { chunkBytesMax: 7 }, toClient: { chunkBytesMax: 7 } },
      "a small buffer": { toServer: { bufferBytes: 100 }, toClient: { bufferBytes: 3000 } },
    };
    for (const [name, wire] of Object.entries(wires)) {
      const pair = await tlsPair({ ...wire, ...withVersion, atServer: (stream) => new Echo(stream) });
      const { client, server, atClient, atServer } = pair.ends();
      t.equal(client.tls.protocol, version);
      t.equal(server.tls.serverName, "localhost");
      t.ok(client.tls.authorized);
      const sent: Buffer[] = [];
      for (const size of name === "1 byte at a time" ? SIZES.slice(0, 4) : SIZES) {
        const bytes = randomBytes(size);
        sent.push(bytes);
        client.writeBytes(bytes);
        await pair.memory.pump.settle();
        t.equal(client.queuedBytes, 0);
      }
      t.ok(Buffer.concat(atClient.received).equals(Buffer.concat(sent)), `${name}: equal`);
      client.end();
      await pair.memory.pump.settle();
      t.same([atServer.ends, atServer.closes, atServer.error], [1, 1, null], "the server saw the end");
      t.same([atClient.ends, atClient.closes, atClient.error], [1, 1, null], "so did the client");
      await pair.expectRest(t);
    }
  });

  t.test(`${version}: a conversation cut at one offset after another`, async (t) => {
    const context = serverOf();
    const whole = await tlsPair(withVersion);
    whole.ends().client.writeBytes(Buffer.from("hello"));
    await whole.memory.pump.settle();
    t.equal(whole.ends().atServer.text, "hello");
    const { arena } = whole.memory;
    // As long as the conversation above, handshake included; cuts beyond its end cut nothing.
    const lengths = version === "TLSv1.3" ? [500, 1500] : [700, 1500];
    for (const [at, direction] of (["toServer", "toClient"] as const).entries()) {
      for (let cut = 1; cut < lengths[at]; cut += CUT_STRIDE) {
        const pair = await tlsPair({ ...withVersion, arena, server: { context }, [direction]: { cuts: [cut] } });
        const { client, server, atServer, atClient } = pair.ends();
        client.writeBytes(Buffer.from("hello"));
        server.writeBytes(Buffer.from("welcome"));
        client.end();
        server.end();
        await pair.memory.pump.settle();
        if (atServer.text !== "hello" || atClient.text !== "welcome" || atServer.error !== null) {
          t.fail(`${direction} cut at ${cut}: ${atServer.text}, ${atClient.text}, ${atServer.error}`);
        }
        pair.memory.pump.run();
        if (pair.memory.arena.stats.outstanding !== 0) t.fail(`${direction} cut at ${cut}: a lease is held`);
      }
    }
  });

  t.test(`${version}: seeded wires that cut and delay`, async (t) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const pair = await tlsPair({ ...withVersion, seed, atServer: (stream) => new Echo(stream) });
      const { client, atClient } = pair.ends();
      const bytes = randomBytes(40_000);
      for (let at = 0; at < bytes.length; at += 9999) client.writeBytes(bytes.subarray(at, at + 9999));
      client.end();
      await pair.memory.pump.settle();
      t.ok(Buffer.concat(atClient.received).equals(bytes), `seed ${seed}`);
      await pair.expectRest(t);
    }
  });
}

t.test("writes by reservation, lease and bytes keep their order", async (t) => {
  const pair = await tlsPair();
  const { client, atServer } = pair.ends();
  const wanted: Buffer[] = [];
  for (let round = 0; round < 30; round += 1) {
    const bytes = randomBytes(1 + ((round * 997) % RESERVE_BYTES_MAX));
    wanted.push(bytes);
    switch (round % 3) {
      case 0:
        client.arena.u8.set(bytes, client.reserve(bytes.length));
        client.commit(bytes.length);
        break;
      case 1: {
        const lease = client.arena.lease(bytes.length);
        lease.bytes.set(bytes);
        client.write(lease);
        break;
      }
      default:
        client.writeBytes(bytes);
    }
  }
  await pair.memory.pump.settle();
  t.ok(Buffer.concat(atServer.received).equals(Buffer.concat(wanted)));
  client.end();
  pair.ends().server.end();
  await pair.expectRest(t);
});

t.test("a cork holds back until uncork or flush", async (t) => {
  const pair = await tlsPair();
  const { client, atServer } = pair.ends();
  client.cork();
  client.cork();
  client.writeBytes(Buffer.from("a"));
  await pair.memory.pump.settle();
  t.equal(atServer.text, "");
  client.flush();
  await pair.memory.pump.settle();
  t.equal(atServer.text, "a");
  client.writeBytes(Buffer.from("b"));
  client.uncork();
  await pair.memory.pump.settle();
  t.equal(atServer.text, "a");
  client.uncork();
  await pair.memory.pump.settle();
  t.equal(atServer.text, "ab");
  t.throws(() => client.uncork(), /uncork without cork/);
  client.reset();
  await pair.expectRest(t);
});

t.test("a slow reader: the writer is told to wait and to go on, and memory is bounded", async (t) => {
  const pair = await tlsPair({ toServer: { bufferBytes: 20_000 } });
  const { client, server, atClient, atServer } = pair.ends();
  client.highWaterBytes = 50_000;
  server.pause();
  const bytes = randomBytes(300_000);
  let flushed = 0;
  client.writeBytes(bytes);
  client.onFlushed(() => {
    flushed += 1;
  });
  await pair.memory.pump.settle();
  t.ok(client.needsDrain);
  t.ok(pair.memory.client.queuedBytes <= 50_000 + 65_536, "ciphertext is made as the wire takes it");
  t.equal(atServer.bytes, 0);
  t.same([atClient.drains, flushed], [0, 0]);
  server.resume();
  await pair.memory.pump.settle();
  t.ok(Buffer.concat(atServer.received).equals(bytes));
  t.same([atClient.drains, flushed], [1, 1]);
  client.end();
  server.end();
  await pair.expectRest(t);
});

t.test("above the mark by a little, with a stream below that is under its own: onDrain still comes", async (t) => {
  for (const size of [50_001, 66_000, 70_000, 99_000, 101_000]) {
    const pair = await tlsPair({ toServer: { bufferBytes: 500 } });
    const { client, server, atClient } = pair.ends();
    client.highWaterBytes = 50_000;
    client.writeBytes(randomBytes(size));
    t.ok(client.needsDrain);
    await pair.memory.pump.settle();
    t.equal(atClient.drains, 1, `${size} bytes`);
    client.end();
    server.end();
    await pair.expectRest(t);
  }
});

t.test("pause holds data back, without loss, and the end after it", async (t) => {
  const pair = await tlsPair();
  const { client, server, atServer } = pair.ends();
  server.pause();
  t.ok(server.paused);
  client.writeBytes(Buffer.from("one"));
  client.end();
  await pair.memory.pump.settle();
  t.same([atServer.text, atServer.ends], ["", 0]);
  server.resume();
  await pair.memory.pump.settle();
  t.same([atServer.text, atServer.ends, server.peerEnded], ["one", 1, true]);
  server.writeBytes(Buffer.from("sending goes on"));
  await pair.memory.pump.settle();
  t.equal(pair.ends().atClient.text, "sending goes on");
  server.end();
  await pair.expectRest(t);
});

/** Pauses its stream with each piece it gets. */
class OneAtATime extends Recorder {
  override onData(lease: Lease): void {
    super.onData(lease);
    this.stream.pause();
  }
}

t.test("paused from within onData, with more records in the same piece", async (t) => {
  const pair = await tlsPair({ toServer: { bufferBytes: 200_000 }, atServer: (stream) => new OneAtATime(stream) });
  const { client, server, atServer } = pair.ends();
  const bytes = randomBytes(100_000);
  client.writeBytes(bytes);
  await pair.memory.pump.settle();
  t.equal(atServer.received.length, 1);
  while (atServer.bytes < bytes.length) {
    const before = atServer.received.length;
    server.resume();
    await pair.memory.pump.settle();
    t.equal(atServer.received.length, before + 1, "one more each time");
  }
  t.ok(Buffer.concat(atServer.received).equals(bytes));
  client.reset();
  await pair.expectRest(t);
});

t.test("unread gives bytes to the next owner, in order; the old one hears nothing more", async (t) => {
  const pair = await tlsPair();
  const { client, server, atServer } = pair.ends();
  client.writeBytes(Buffer.from("GET upgrade"));
  await pair.memory.pump.settle();
  const rest = server.arena.lease(6);
  rest.bytes.set(Buffer.from("first "));
  const more = server.arena.lease(7);
  more.bytes.set(Buffer.from("second "));
  server.unread(rest);
  server.unread(more);
  client.writeBytes(Buffer.from("third"));
  await pair.memory.pump.settle();
  t.equal(atServer.text, "GET upgrade");
  const next = new Echo(server);
  server.attach(next);
  await pair.memory.pump.settle();
  t.equal(pair.ends().atClient.text, "first second third");
  client.end();
  await pair.memory.pump.settle();
  t.same([next.ends, next.closes, atServer.ends, atServer.closes], [1, 1, 0, 0]);
  await pair.expectRest(t);
});

t.test("after the end: nothing is sent, everything is given back, whoever waits is told", async (t) => {
  const pair = await tlsPair();
  const { client, server, atServer } = pair.ends();
  server.reset();
  t.notOk(server.open);
  const lease = server.arena.lease(10);
  server.write(lease);
  t.ok(lease.released);
  server.writeBytes(Buffer.from("lost"));
  server.arena.u8[server.reserve(5)] = 1;
  server.commit(5);
  const errors = await Promise.all([
    new Promise((resolve) => server.onFlushed(resolve)),
    new Promise((resolve) => server.sendFile(0, 0, 10, resolve)),
  ]);
  for (const error of errors) t.equal((error as { code: string }).code, "ERR_STREAM_ABANDONED");
  await pair.memory.pump.settle();
  t.same([atServer.closes, atServer.code], [1, "ERR_STREAM_ABANDONED"]);
  t.equal(pair.ends().atClient.code, "ECONNRESET");
  t.same(server.peerCertificates, []);
  client.end();
  t.throws(() => client.writeBytes(Buffer.from("x")), /written after end/);
  await pair.expectRest(t);
});
