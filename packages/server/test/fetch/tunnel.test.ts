// tunnel.test.ts — a tunnel as two web streams, over a connection in memory.
import { leaseCheck, memoryPair, Pump } from "@percore/core/testing";
import t from "tap";
import { Tunnel } from "../../src/fetch/tunnel.ts";

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

const open = () => {
  const { client, server, arena } = memoryPair({ pump: new Pump({ auto: true }) });
  return { peer: new Tunnel(client), tunnel: new Tunnel(server), server, client, leases: leaseCheck(arena) };
};

t.test("bytes go both ways, and both ends close in order", async (t) => {
  const { peer, tunnel, leases } = open();
  const [out, back] = [peer.writable.getWriter(), tunnel.writable.getWriter()];
  await out.write(bytes("ping"));
  const reader = tunnel.readable.getReader();
  t.equal(text((await reader.read()).value), "ping");
  await back.write(bytes("pong"));
  const answers = peer.readable.getReader();
  t.equal(text((await answers.read()).value), "pong");
  await out.close();
  t.equal((await reader.read()).done, true);
  await back.close();
  t.equal((await answers.read()).done, true);
  await Promise.all([peer.closed, tunnel.closed]);
  leases.assertNone();
});

t.test("a reader with a buffer of its own hears of the end", async (t) => {
  const { peer, tunnel } = open();
  const reader = tunnel.readable.getReader({ mode: "byob" });
  const reading = reader.read(new Uint8Array(8));
  peer.close();
  t.equal((await reading).done, true);
  tunnel.close();
  await tunnel.closed;
});

t.test("who does not read holds the other side back", async (t) => {
  const { peer, tunnel, leases } = open();
  const size = 4 * 1024 * 1024;
  let written = 0;
  const writer = peer.writable.getWriter();
  const writing = (async () => {
    while (written < size) {
      await writer.write(new Uint8Array(16_384));
      written += 16_384;
    }
    await writer.close();
  })();
  for (let turns = 0; turns < 200; turns += 1) await new Promise(setImmediate);
  t.ok(written < 1024 * 1024, `${written} bytes were written while nobody read`);
  let got = 0;
  for await (const chunk of tunnel.readable as unknown as AsyncIterable<Uint8Array>) got += chunk.length;
  await writing;
  t.equal(got, size);
  tunnel.close();
  t.equal((await peer.readable.getReader().read()).done, true);
  await Promise.all([peer.closed, tunnel.closed]);
  leases.assertNone();
});

t.test("destroy, cancel and abort break it for both", async (t) => {
  for (const breaks of [
    (tunnel: Tunnel) => tunnel.destroy(new Error("enough")),
    (tunnel: Tunnel) => void tunnel.readable.cancel(new Error("enough")).catch(() => undefined),
    (tunnel: Tunnel) => void tunnel.writable.abort(new Error("enough")).catch(() => undefined),
  ]) {
    const { peer, tunnel, leases } = open();
    const reading = peer.readable.getReader().read();
    reading.catch(() => undefined);
    breaks(tunnel);
    await t.rejects(tunnel.closed, { message: "enough" });
    await t.rejects(peer.closed, { code: "ECONNRESET" });
    await t.rejects(reading, { code: "ECONNRESET" });
    await t.rejects(peer.writable.getWriter().write(bytes("x")));
    tunnel.destroy();
    leases.assertNone();
  }
});

t.test("it takes bytes only, and is disposed of by closing", async (t) => {
  const { peer, tunnel } = open();
  await t.rejects(tunnel.writable.getWriter().write("text" as never), TypeError);
  const disposed = peer[Symbol.asyncDispose]();
  tunnel.destroy();
  await disposed;
});
