// How a TlsStream ends: close_notify each way, truncation, alerts, bad records, handlers that throw; and files on the way.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lease } from "@percore/core";
import { FakeClock, memoryPair, ScriptedPeer } from "@percore/core/testing";
import t, { type Test } from "tap";
import { TlsAcceptor } from "../../src/stream/acceptor.ts";
import { clientOf, Echo, only, RawSession, Recorder, serverOf, type TlsPair, tlsPair, VERSIONS } from "./harness.ts";

/** A raw session that has shaken hands with an acceptor of ours over the in-memory connection. */
const rawPeer = async (t: Test, version: (typeof VERSIONS)[number] = "TLSv1.3") => {
  const memory = memoryPair();
  const clock = new FakeClock();
  const acceptor = new TlsAcceptor({ clock, context: serverOf() });
  let recorder: Recorder | null = null;
  acceptor.accept(memory.server, (error, stream) => {
    if (stream === null) throw error;
    recorder = new Echo(stream);
    stream.attach(recorder);
  });
  const peer = new ScriptedPeer(memory.client, memory.pump);
  const raw = new RawSession(clientOf(only(version)), "localhost");
  let out = raw.read();
  for (let flight = 0; flight < 4; flight += 1) {
    if (out.length > 0) peer.send(out);
    await memory.pump.settle();
    out = raw.read(peer.bytes());
  }
  t.ok(recorder !== null, "established");
  return { memory, clock, peer, raw, handler: recorder as unknown as Recorder };
};

t.test("FIN without close_notify is truncation, after everything that came before it", async (t) => {
  for (const version of VERSIONS) {
    const { peer, raw, memory, handler } = await rawPeer(t, version);
    peer.queue(raw.write(Buffer.from("all I have")));
    peer.stream.end();
    await memory.pump.settle();
    t.equal(handler.bytes, 10, version);
    t.same([handler.ends, handler.closes, handler.code], [0, 1, "ERR_TLS_TRUNCATED"]);
    raw.read(peer.bytes());
    t.equal(Buffer.from(raw.u8.subarray(0, 10)).toString(), "all I have", "what was queued still goes out");
    t.ok(peer.closed);
    t.equal(memory.arena.stats.outstanding, 0);
  }
});

t.test("FIN without close_notify while paused: what was held comes first", async (t) => {
  const { peer, raw, memory, handler } = await rawPeer(t);
  peer.send(raw.write(Buffer.from("one")));
  handler.stream.pause();
  await memory.pump.settle();
  peer.queue(raw.write(Buffer.from("two")));
  peer.stream.end();
  await memory.pump.settle();
  t.same([handler.bytes, handler.closes], [3, 0]);
  handler.stream.resume();
  await memory.pump.settle();
  t.same([handler.bytes, handler.closes, handler.code], [6, 1, "ERR_TLS_TRUNCATED"]);
  t.equal(memory.arena.stats.outstanding, 0);
});

t.test("after close_notify: our side goes on, what the peer sends is dropped, its FIN is due in time", async (t) => {
  const { peer, raw, memory, clock, handler } = await rawPeer(t);
  handler.stream.attach(new Recorder(handler.stream));
  const owner = new Recorder(handler.stream);
  handler.stream.attach(owner);
  peer.send(raw.shutdown());
  await memory.pump.settle();
  t.same([owner.ends, owner.closes], [1, 0]);
  peer.send(Buffer.from("garbage after the end"));
  handler.stream.writeBytes(Buffer.from("still talking"));
  handler.stream.end();
  await memory.pump.settle();
  raw.read(peer.bytes());
  t.equal(Buffer.from(raw.u8.subarray(0, 13)).toString(), "still talking");
  t.ok(raw.flags & 2, "our close_notify has come");
  t.equal(owner.closes, 0, "the peer has not sent its FIN");
  clock.pass(1000);
  await memory.pump.settle();
  t.same([owner.closes, owner.error], [1, null], "reset below, but in order here");
  t.equal(memory.arena.stats.outstanding, 0);
});

t.test("a record that was tampered with ends the connection, and the peer is told", async (t) => {
  for (const version of VERSIONS) {
    const { peer, raw, memory, clock, handler } = await rawPeer(t, version);
    const record = raw.write(Buffer.from("hello"));
    record[record.length - 1] ^= 1;
    peer.send(record);
    await memory.pump.settle();
    const alert = peer.bytes();
    t.ok(alert.length > 0);
    raw.read(alert);
    t.match(raw.engine.failure(raw.handle), /bad record mac/);
    clock.pass(1000);
    await memory.pump.settle();
    t.same([handler.bytes, handler.ends, handler.closes, handler.code], [0, 0, 1, "ERR_TLS_RECORD"]);
    t.equal((handler.error as { alertSent?: number }).alertSent, 20);
    t.equal(memory.arena.stats.outstanding, 0);
  }
});

t.test("new keys are answered; nothing but new keys is a flood", async (t) => {
  const { peer, raw, memory, clock, handler } = await rawPeer(t);
  for (let round = 0; round < 3; round += 1) {
    peer.send(raw.updateKeys());
    peer.send(raw.write(Buffer.from("x")));
    await memory.pump.settle();
    raw.read(peer.bytes());
    t.equal(raw.u8[0], 0x78, "the echo, under new keys");
  }
  for (let round = 0; round < 100; round += 1) peer.send(raw.updateKeys());
  clock.pass(1000);
  await memory.pump.settle();
  t.same([handler.closes, handler.code], [1, "ERR_TLS_RECORD"]);
  t.match(handler.error?.message, /control records/);
});

t.test("a fatal alert of the peer is named", async (t) => {
  const pair = await tlsPair();
  const { client, atServer } = pair.ends();
  // The client sees a broken record and says so.
  pair.memory.server.writeBytes(Buffer.from("\x17\x03\x03\x00\x14aaaaaaaaaaaaaaaaaaaa", "latin1"));
  await pair.memory.pump.settle();
  t.notOk(client.open);
  await pair.expectRest(t);
  t.equal(atServer.code, "ERR_TLS_PEER_ALERT");
  t.match(atServer.error?.message, /bad_record_mac/);
  t.equal(pair.ends().atClient.code, "ERR_TLS_RECORD");
});

t.test("a handler that throws loses its own connection and nothing else", async (t) => {
  class Thrower extends Recorder {
    override onData(lease: Lease): void {
      lease.release();
      throw new Error("handler's fault");
    }
  }
  const pair = await tlsPair({ atServer: (stream) => new Thrower(stream) });
  pair.ends().client.writeBytes(Buffer.from("x"));
  let thrown: unknown = null;
  // As a socket's runtime does: it catches, reports, and resets the stream below.
  await pair.memory.pump.settle().catch((error: unknown) => {
    thrown = error;
    pair.memory.server.reset();
  });
  t.match(thrown, /handler's fault/);
  await pair.expectRest(t);
  t.equal(pair.ends().atServer.closes, 1);
});

const filePair = async (t: Test, size: number): Promise<{ pair: TlsPair; fd: number; bytes: Buffer }> => {
  const folder = mkdtempSync(join(tmpdir(), "percore-tls-"));
  const bytes = Buffer.alloc(size, "0123456789abcdef-");
  writeFileSync(join(folder, "file"), bytes);
  const fd = openSync(join(folder, "file"), "r");
  t.teardown(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return { pair: await tlsPair(), fd, bytes };
};

const quiet = async (pair: TlsPair, until: () => boolean): Promise<void> => {
  while (!until()) {
    await pair.memory.pump.settle();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};

t.test("files are read and encrypted, in order with other writes; an end that is missing is an error", async (t) => {
  const { pair, fd, bytes } = await filePair(t, 200_000);
  const { client, server, atClient } = pair.ends();
  const told: [string | null, number][] = [];
  const done = (error: Error | null, sent: number): void => {
    told.push([error === null ? null : (error as Error & { code: string }).code, sent]);
  };
  server.writeBytes(Buffer.from("<"));
  server.sendFile(fd, 10, 150_000, done);
  server.writeBytes(Buffer.from("|"));
  server.sendFile(fd, 0, 0, done);
  server.sendFile(fd, 199_990, 11, done);
  server.writeBytes(Buffer.from(">"));
  server.sendFile(9999, 0, 5, done);
  server.end();
  t.ok(server.queuedBytes > 150_000);
  await quiet(pair, () => atClient.ends === 1);
  const text = bytes.toString("latin1");
  t.equal(atClient.text, `<${text.slice(10, 150_010)}|${text.slice(199_990)}>`);
  t.same(told, [
    [null, 150_000],
    [null, 0],
    ["ERR_FILE_SHORT", 10],
    ["EBADF", 0],
  ]);
  client.end();
  await pair.expectRest(t);
});

t.test("a reset while a file is being read gives everything back", async (t) => {
  const { pair, fd } = await filePair(t, 100_000);
  const { server } = pair.ends();
  const told = new Promise((resolve) => server.sendFile(fd, 0, 100_000, (error) => resolve(error)));
  await new Promise((resolve) => queueMicrotask(() => resolve(null)));
  server.reset();
  t.equal(((await told) as { code: string }).code, "ERR_STREAM_ABANDONED");
  await new Promise((resolve) => setTimeout(resolve, 20));
  await pair.expectRest(t);
});
