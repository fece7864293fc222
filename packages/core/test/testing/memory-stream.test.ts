import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { Arena } from "../../src/arena.ts";
import type { Lease } from "../../src/lease.ts";
import type { StreamHandler } from "../../src/stream.ts";
import { leaseCheck } from "../../src/testing/leak-check.ts";
import { memoryPair } from "../../src/testing/memory-pair.ts";
import { Random } from "../../src/testing/random.ts";
import { ScriptedPeer } from "../../src/testing/scripted-peer.ts";

const arena = new Arena({ bytes: 16 * 1024 * 1024 });

const echo = (stream: { write(lease: Lease): void; end(): void }): StreamHandler => ({
  onData: (lease) => stream.write(lease),
  onEnd: () => stream.end(),
  onDrain: () => {},
  onClose: () => {},
});

t.test("bytes written come out in order, and both ends close when both have ended", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server, pump } = memoryPair({ arena });
  const peer = new ScriptedPeer(client, pump);
  server.attach(echo(server));
  peer.send("hello ").send("world").expect("hello world").expectNothing();
  peer.end();
  t.ok(peer.ended);
  t.ok(peer.closed);
  t.equal(peer.error, null);
  t.notOk(server.open);
  leaks.assertNone();
});

t.test("any seed gives the same bytes, and the same seed the same steps", async (t) => {
  const leaks = leaseCheck(arena);
  const random = new Random(1);
  const sent = Uint8Array.from({ length: 100_000 }, () => random.integer(0, 255));
  const steps = (seed: number): number => {
    const { client, server, pump } = memoryPair({ arena, seed });
    const peer = new ScriptedPeer(client, pump);
    server.attach(echo(server));
    client.writeBytes(sent);
    client.end();
    const taken = pump.run();
    t.same(Buffer.from(peer.bytes()).equals(sent), true, `seed ${seed}`);
    t.ok(peer.closed);
    return taken;
  };
  for (let seed = 0; seed < 20; seed += 1) t.equal(steps(seed), steps(seed));
  t.not(steps(1), steps(2));
  leaks.assertNone();
});

t.test("cuts and chunkBytesMax decide the pieces", async (t) => {
  const pieces = (options: { cuts?: number[]; chunkBytesMax?: number }): string[] => {
    const { client, server, pump } = memoryPair({ arena, toServer: options });
    const got: string[] = [];
    server.attach({
      ...echo(server),
      onData: (lease) => {
        got.push(Buffer.from(lease.bytes).toString());
        lease.release();
      },
    });
    client.attach(echo(client));
    client.writeBytes(Buffer.from("abcdef"));
    pump.run();
    client.reset();
    pump.run();
    return got;
  };
  t.same(pieces({}), ["abcdef"]);
  t.same(pieces({ cuts: [4, 1] }), ["a", "bcd", "ef"]);
  t.same(pieces({ chunkBytesMax: 1 }), ["a", "b", "c", "d", "e", "f"]);
});

t.test("a paused receiver fills the wire, then the sender's queue, then drains it", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server, pump } = memoryPair({ arena, toServer: { bufferBytes: 1000 } });
  let drained = 0;
  let received = 0;
  client.attach({ ...echo(client), onDrain: () => (drained += 1) });
  server.attach({
    ...echo(server),
    onData: (lease) => {
      received += lease.length;
      lease.release();
    },
  });
  client.highWaterBytes = 2000;
  server.pause();
  client.writeBytes(new Uint8Array(1500));
  t.notOk(client.needsDrain);
  client.writeBytes(new Uint8Array(2500));
  t.ok(client.needsDrain);
  pump.run();
  t.equal(client.queuedBytes, 3000);
  t.equal(received, 0);
  t.equal(drained, 0);
  let flushed = 0;
  client.onFlushed((error) => {
    t.equal(error, null);
    flushed += 1;
  });
  pump.run();
  t.equal(flushed, 0);
  server.resume();
  pump.run();
  t.equal(received, 4000);
  t.equal(drained, 1);
  t.equal(flushed, 1);
  client.end();
  server.end();
  pump.run();
  t.notOk(client.open);
  leaks.assertNone();
});

t.test("a paused stream still notices a reset, and every lease comes back", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server, pump } = memoryPair({ arena });
  const peer = new ScriptedPeer(client, pump);
  server.attach(echo(server));
  client.pause();
  const lease = arena.lease(5);
  server.write(lease);
  server.writeBytes(new Uint8Array(200_000));
  server.reset();
  t.notOk(server.open);
  let failure: Error | null = null;
  server.onFlushed((error) => (failure = error));
  server.writeBytes(new Uint8Array(10));
  server.reserve(10);
  server.commit(10);
  pump.run();
  await pump.settle();
  t.ok(peer.closed);
  t.match(peer.error, { code: "ECONNRESET" });
  t.match(failure, { code: "ERR_STREAM_ABANDONED" });
  leaks.assertNone();
});

t.test("resetAt breaks the connection at every byte, for both ends", async (t) => {
  const leaks = leaseCheck(arena);
  for (let at = 0; at <= 12; at += 1) {
    const { client, server, pump } = memoryPair({ arena, toServer: { resetAt: at } });
    const peer = new ScriptedPeer(client, pump);
    let received = 0;
    let closed: Error | null = null;
    server.attach({
      ...echo(server),
      onData: (lease) => {
        received += lease.length;
        server.write(lease);
      },
      onClose: (error) => (closed = error),
    });
    peer.send("twelve bytes");
    t.equal(received, at);
    t.match(closed, { code: "ECONNRESET" });
    t.match(peer.error, { code: "ECONNRESET" });
  }
  leaks.assertNone();
});

t.test("corked writes wait for uncork, flush lets out what was written before it", async (t) => {
  const { client, server, pump } = memoryPair({ arena });
  const peer = new ScriptedPeer(client, pump);
  server.attach(echo(server));
  server.cork();
  server.writeBytes(Buffer.from("one "));
  peer.expectNothing();
  server.flush();
  server.writeBytes(Buffer.from("two "));
  peer.expect("one ").expectNothing();
  server.cork();
  server.uncork();
  peer.expectNothing();
  server.uncork();
  peer.expect("two ");
  server.cork();
  server.writeBytes(Buffer.from("three"));
  server.end();
  peer.expect("three");
  t.ok(peer.ended);
});

t.test("reserve and commit write in place, a reservation not committed is forgotten", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server, pump } = memoryPair({ arena });
  const peer = new ScriptedPeer(client, pump);
  server.attach(echo(server));
  server.reserve(16_384);
  const at = server.reserve(3);
  arena.u8.set(Buffer.from("abc"), at);
  server.commit(2);
  const next = server.reserve(16_384);
  arena.u8.fill(0x78, next, next + 16_384);
  server.commit(16_384);
  peer.expect("ab").expect("x".repeat(16_384));
  server.reserve(1);
  pump.run();
  t.throws(() => server.commit(1), { code: "ERR_ASSERTION" });
  t.throws(() => server.reserve(16_385), { code: "ERR_ASSERTION" });
  peer.reset();
  leaks.assertNone();
});

t.test("sendFile keeps its place between writes", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "percore-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "file"), "0123456789");
  const fd = openSync(join(folder, "file"), "r");
  t.teardown(() => closeSync(fd));
  const { client, server, pump } = memoryPair({ arena });
  const peer = new ScriptedPeer(client, pump);
  server.attach(echo(server));
  const results: unknown[] = [];
  server.writeBytes(Buffer.from("<"));
  server.sendFile(fd, 2, 3, (error, sent) => results.push(error, sent));
  server.writeBytes(Buffer.from(">"));
  t.equal(server.queuedBytes, 5);
  peer.expect("<234>");
  server.sendFile(fd, 8, 10, (error, sent) => results.push(error, sent));
  peer.expect("89");
  t.match(results, [null, 3, { code: "ERR_FILE_SHORT" }, 2]);
  t.equal(server.queuedBytes, 0);
});

t.test("unread gives the next owner what the last one did not use, then the rest and the end", async (t) => {
  const leaks = leaseCheck(arena);
  const { client, server, pump } = memoryPair({ arena, toServer: { cuts: [4, 8] } });
  client.attach(echo(client));
  const held: Lease[] = [];
  server.attach({ ...echo(server), onData: (lease) => held.push(lease), onEnd: () => {} });
  client.writeBytes(Buffer.from("headONE TWO "));
  client.end();
  pump.run();
  t.equal(held.length, 3);
  held.shift()?.release();
  for (const lease of held) server.unread(lease);
  const got: string[] = [];
  pump.run();
  server.attach({
    onData: (lease) => {
      got.push(Buffer.from(lease.bytes).toString());
      lease.release();
    },
    onEnd: () => got.push("end"),
    onDrain: () => {},
    onClose: (error) => got.push(`close ${error}`),
  });
  pump.run();
  t.same(got, ["ONE ", "TWO ", "end"]);
  server.end();
  pump.run();
  t.equal(got.at(-1), "close null");
  leaks.assertNone();
});

t.test("an owner that comes after the close hears of it", async (t) => {
  const { client, server, pump } = memoryPair({ arena });
  client.attach(echo(client));
  client.reset();
  pump.run();
  t.notOk(server.open);
  let heard: Error | null = null;
  server.attach({ ...echo(server), onClose: (error) => (heard = error) });
  pump.run();
  t.match(heard, { code: "ECONNRESET" });
});

t.test("an exhausted arena holds bytes back and loses none", async (t) => {
  const small = new Arena({ bytes: 4 * 1024 * 1024 });
  const held: Lease[] = [];
  for (;;) {
    try {
      held.push(small.lease(65_536));
    } catch {
      break;
    }
  }
  for (const size of [16_384, 4096, 1024]) {
    for (;;) {
      try {
        held.push(small.lease(size));
      } catch {
        break;
      }
    }
  }
  const { client, server, pump } = memoryPair({ arena: small });
  const last = held.pop() as Lease;
  last.length = 3;
  last.bytes.set(Buffer.from("abc"));
  const peer = new ScriptedPeer(client, pump);
  server.attach(echo(server));
  server.write(last.slice(0, 3));
  pump.run();
  peer.expectNothing();
  last.release();
  peer.expect("abc");
  for (const lease of held) lease.release();
  peer.reset();
  t.equal(small.stats.outstanding, 0);
});
