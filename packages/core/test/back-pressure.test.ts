import type net from "node:net";
import { connect } from "../src/connect.ts";
import type { Lease } from "../src/lease.ts";
import { client, Echo, overDrivers, pattern, Recorder, readAll, serve, until } from "./transport.ts";

/** Few receive buffers, so that they run out. */
const FEW = { receiveBuffers: 8, upstreamReceiveBuffers: 8 };

overDrivers("a paused stream holds the sender back, and goes on where it stopped", {}, async (t, runtime) => {
  class Sipping extends Recorder {
    override onData(lease: Lease): void {
      super.onData(lease);
      t.notOk(this.stream.paused, "nothing is delivered while paused");
      this.stream.pause();
      setTimeout(() => this.stream.resume(), 1);
    }
  }
  const { listener, port, handlers } = await serve(runtime, (stream) => new Sipping(stream));
  const sent = pattern(2_000_000);
  const socket = await client(port);
  socket.end(sent);
  await until(() => handlers[0]?.ends === 1);
  t.equal(Buffer.compare(Buffer.concat(handlers[0].received), sent), 0);
  handlers[0].stream.end();
  t.equal(await handlers[0].closed, null);
  await listener.close();
});

overDrivers("memory stays bounded while paused, however much the peer sends", FEW, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const socket = await client(port);
  await until(() => handlers.length === 1);
  const { stream } = handlers[0];
  stream.pause();
  const sent = pattern(32 * 1024 * 1024);
  socket.end(sent);
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(handlers[0].bytes, 0);
  t.equal(runtime.downstream.outstanding, 0, "a paused stream pins no receive buffer");
  t.ok(runtime.stats.leases <= 64, `${runtime.stats.leases} blocks are held back`);
  stream.resume();
  await until(() => handlers[0].ends === 1);
  t.equal(handlers[0].bytes, sent.length);
  stream.end();
  await handlers[0].closed;
  await listener.close();
});

overDrivers("more connections than receive buffers: every echo comes back", FEW, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  const answers = Array.from({ length: 60 }, async (_, at) => {
    const socket = await client(port);
    const sent = pattern(100_000 + at, at);
    const answer = readAll(socket);
    socket.end(sent);
    return Buffer.compare(await answer, sent) === 0;
  });
  t.ok((await Promise.all(answers)).every((same) => same));
  await listener.close();
});

overDrivers("readers that never read do not starve the others of receive buffers", FEW, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  const stuck: net.Socket[] = [];
  for (let at = 0; at < 20; at += 1) {
    const socket = await client(port);
    socket.pause();
    socket.write(pattern(200_000));
    stuck.push(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  const socket = await client(port);
  const sent = pattern(300_000);
  const answer = readAll(socket);
  socket.end(sent);
  t.equal(Buffer.compare(await answer, sent), 0, "one that reads gets its answer");
  for (const other of stuck) other.destroy();
  await listener.close();
});

overDrivers("handlers that keep every buffer: receives starve, are counted, and go on", FEW, async (t, runtime) => {
  const kept: Lease[] = [];
  class Hoarder extends Recorder {
    override onData(lease: Lease): void {
      this.bytes += lease.length;
      kept.push(lease);
    }
  }
  const { listener, port, handlers } = await serve(runtime, (stream) => new Hoarder(stream));
  const sockets: net.Socket[] = [];
  for (let at = 0; at < 20; at += 1) {
    const socket = await client(port);
    socket.end("hello");
    sockets.push(socket);
  }
  await until(() => runtime.stats.receiveStarvations > 0);
  t.equal(kept.length, FEW.receiveBuffers);
  while (handlers.some((handler) => handler.ends === 0)) {
    kept.shift()?.release();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.ok(
    handlers.every((handler) => handler.bytes === 5),
    "nothing was dropped",
  );
  for (const lease of kept) lease.release();
  for (const handler of handlers) handler.stream.end();
  await Promise.all(handlers.map((handler) => handler.closed));
  t.ok(runtime.stats.receiveStarvations > 0);
  await listener.close();
});

overDrivers("a writer that waits for onDrain holds no more than its mark and a bit", {}, async (t, runtime) => {
  const CHUNK = pattern(10_000);
  const TOTAL = 400;
  let queuedMax = 0;
  class Writer extends Recorder {
    left = TOTAL;
    override onData(lease: Lease): void {
      super.onData(lease);
      this.onDrain();
    }
    override onDrain(): void {
      while (this.left > 0 && !this.stream.needsDrain) {
        this.stream.writeBytes(CHUNK);
        this.left -= 1;
        queuedMax = Math.max(queuedMax, this.stream.queuedBytes);
      }
      if (this.left === 0 && !this.stream.ended) this.stream.end();
    }
  }
  const { listener, port } = await serve(runtime, (stream) => new Writer(stream));
  const reader = new Recorder(await connect({ hostname: "127.0.0.1", port, runtime }));
  reader.stream.attach(reader);
  reader.stream.writeBytes(Buffer.from("go"));
  reader.stream.pause();
  setTimeout(() => reader.stream.resume(), 20);
  await until(() => reader.ends === 1);
  t.equal(reader.bytes, TOTAL * CHUNK.length);
  t.ok(queuedMax <= 65_536 + CHUNK.length, `${queuedMax} bytes at most were queued`);
  reader.stream.end();
  await reader.closed;
  await listener.close();
});
