import type net from "node:net";
import { connect } from "../src/connect.ts";
import type { Lease } from "../src/lease.ts";
import { client, Echo, overDrivers, pattern, Recorder, readAll, serve, turn, until } from "./transport.ts";

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
  t.ok(runtime.stats.leases <= 2, `${runtime.stats.leases} blocks are held back`);
  stream.resume();
  await until(() => handlers[0].ends === 1);
  t.equal(handlers[0].bytes, sent.length);
  stream.end();
  await handlers[0].closed;
  await listener.close();
});

overDrivers(
  "once a pause came too late, receives come one at a time: the next ones overshoot by a buffer",
  {},
  async (t, runtime) => {
    let most = 0;
    class Sipping extends Recorder {
      override onData(lease: Lease): void {
        super.onData(lease);
        this.stream.pause();
        setTimeout(() => this.stream.resume(), 1);
        // The first burst is over once what it left has been handed out.
        if (this.bytes > 2_000_000) most = Math.max(most, runtime.stats.leases);
      }
    }
    const { listener, port, handlers } = await serve(runtime, (stream) => new Sipping(stream));
    const sent = pattern(4_000_000);
    const socket = await client(port);
    socket.end(sent);
    await until(() => handlers[0]?.ends === 1, 20_000);
    t.equal(handlers[0].bytes, sent.length);
    t.ok(most <= 2, `${most} buffers were held`);
    handlers[0].stream.end();
    await handlers[0].closed;
    await listener.close();
  },
);

/** Little memory: 128 buffers of 16 KiB for receives, the rest for everything else. */
const LITTLE = { arenaBytes: 16 * 1024 * 1024, receiveBuffers: 64, upstreamReceiveBuffers: 64 };
/** Connections that send and are not read. */
const STUCK = 60;

/** Takes the first part and no more. */
class Greedy extends Recorder {
  override onData(lease: Lease): void {
    super.onData(lease);
    this.stream.pause();
  }
}

overDrivers("paused streams cannot take the whole arena: others are served", LITTLE, async (t, runtime) => {
  const stuck: net.Socket[] = [];
  const { listener, port, handlers } = await serve<Greedy | Echo>(runtime, (stream) =>
    stuck.length < STUCK ? new Greedy(stream) : new Echo(stream),
  );
  while (stuck.length < STUCK) {
    const socket = await client(port);
    socket.on("error", () => undefined);
    await until(() => handlers.length > stuck.length);
    stuck.push(socket);
  }
  // All are armed while there is room enough; what they then receive is several times the arena.
  for (const socket of stuck) socket.write(pattern(1_000_000));
  await until(() => (handlers as Greedy[]).every((handler) => handler.bytes > 0 || handler.closes > 0));
  await turn();
  t.ok(runtime.arena.fullness < 0.9, `the arena is ${(runtime.arena.fullness * 100).toFixed(0)} % full`);

  const socket = await client(port);
  const sent = pattern(300_000);
  const answer = readAll(socket);
  socket.end(sent);
  t.equal(Buffer.compare(await answer, sent), 0, "one that reads gets its answer");

  const shed = (handlers.slice(0, STUCK) as Greedy[]).filter(({ closes }) => closes > 0);
  t.equal(shed.length, runtime.stats.connectionsShed, "whoever was reset was reset for what it held");
  for (const other of stuck) other.destroy();
  for (const handler of handlers.slice(0, STUCK) as Greedy[]) handler.stream.reset();
  await until(() => runtime.stats.connections === 0);
  t.equal(runtime.arena.fullness, 0);
  await listener.close();
});

/** Reads small parts; the first large one and no more. Streams that have flowed receive many buffers at a time. */
class Sudden extends Recorder {
  parts = 0;

  override onData(lease: Lease): void {
    this.parts += 1;
    if (lease.length > SMALL_PARTS) this.stream.pause();
    super.onData(lease);
  }
}
/** More than are received one at a time. */
const SMALL_PARTS = 10;

/** A stream that has flowed. */
const flowing = async (port: number, handlers: readonly Sudden[]): Promise<net.Socket> => {
  const at = handlers.length;
  const socket = await client(port);
  socket.setNoDelay(true);
  socket.on("error", () => undefined);
  await until(() => handlers.length > at);
  for (let part = 1; part <= SMALL_PARTS; part += 1) {
    socket.write("x");
    await until(() => handlers[at].parts === part);
  }
  return socket;
};

overDrivers(
  "a stream that has flowed and stops being read holds back a bounded number of bytes",
  {},
  async (t, runtime) => {
    const { listener, port, handlers } = await serve(runtime, (stream) => new Sudden(stream));
    const socket = await flowing(port, handlers);
    socket.write(pattern(16 * 1024 * 1024));
    await until(() => handlers[0].stream.paused);
    for (let at = 0; at < 100; at += 1) await turn();
    // What one receive brings at most, and a buffer: a kernel without caps (before 6.17) may take all that is there.
    const { receiveCap } = runtime.ring;
    const most = receiveCap > 0 || runtime.driver.kind === "poll" ? 131_072 + 16_384 : 64 * 16_384;
    t.ok(runtime.arena.blocks.heldBytes <= most, `${runtime.arena.blocks.heldBytes} of ${most} bytes are held back`);
    handlers[0].stream.reset();
    await handlers[0].closed;
    await listener.close();
  },
);

overDrivers(
  "in an arena three quarters full, a paused stream that holds more than its share is reset",
  LITTLE,
  async (t, runtime) => {
    const { listener, port, handlers } = await serve(runtime, (stream) => new Sudden(stream));
    const sockets = [await flowing(port, handlers), await flowing(port, handlers)];
    const [greedy, modest] = sockets;
    await turn();
    // Both are armed by now, for as much as comes.
    const fill: Lease[] = [];
    while (runtime.arena.fullness <= 0.75) fill.push(runtime.arena.lease(65_536));
    modest.write(pattern(50_000));
    greedy.write(pattern(1_000_000));
    await until(() => handlers.every(({ bytes, closes }) => bytes > SMALL_PARTS || closes > 0));
    for (let at = 0; at < 10; at += 1) await turn();
    // The poll driver reads a few buffers from each socket in turn: a pause comes before there is a share to pass.
    const greedyEnd = runtime.driver.kind === "poll" ? null : "ERR_ARENA_PRESSURE";
    t.equal(runtime.stats.connectionsShed, greedyEnd === null ? 0 : 1);
    t.same(
      handlers.map(({ code }) => code),
      [greedyEnd, null],
    );
    handlers[1].stream.resume();
    await until(() => handlers[1].bytes > 16_384);
    for (const lease of fill) lease.release();
    for (const { stream } of handlers) stream.reset();
    await until(() => runtime.stats.connections === 0);
    for (const socket of sockets) socket.destroy();
    await listener.close();
  },
);

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
