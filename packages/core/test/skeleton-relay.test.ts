// The seam (a): a zero-copy TCP relay against slow readers, its memory bounded, with fewer buffers than connections.

import { once } from "node:events";
import net from "node:net";
import { connect } from "../src/connect.ts";
import type { Lease } from "../src/lease.ts";
import { type Listener, listen } from "../src/listener.ts";
import type { Runtime } from "../src/runtime.ts";
import type { SocketStream } from "../src/socket-stream.ts";
import type { Stream, StreamHandler } from "../src/stream.ts";
import { client, overDrivers, pattern, readAll, until } from "./transport.ts";

/** One direction: what `from` receives is written to `to`, which holds `from` back while it is full. */
class Pipe implements StreamHandler {
  readonly #from: Stream;
  readonly #to: Stream;
  readonly #copied: (bytes: number) => void;

  constructor(from: Stream, to: Stream, moved: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#copied = moved;
  }

  onData(lease: Lease): void {
    this.#copied(lease.length);
    this.#to.write(lease);
    if (this.#to.needsDrain) this.#from.pause();
  }

  onEnd(): void {
    this.#to.end();
  }

  onDrain(): void {
    // What we write to has drained: whoever writes to it may go on.
    this.#to.resume();
  }

  onClose(error: Error | null): void {
    if (error !== null && this.#to.open) this.#to.reset();
  }
}

const relay = (runtime: Runtime, upstreamPort: number, moved: (bytes: number) => void): Promise<Listener> =>
  listen({ port: 0, hostname: "127.0.0.1", runtime }, (downstream) => {
    const join = (upstream: SocketStream): void => {
      upstream.attach(new Pipe(upstream, downstream, moved));
      downstream.attach(new Pipe(downstream, upstream, moved));
    };
    connect({ hostname: "127.0.0.1", port: upstreamPort, runtime }).then(join, () => downstream.reset());
  });

/** An origin of node's own: echoes. */
const echoOrigin = async (): Promise<{ port: number; server: net.Server }> => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as net.AddressInfo).port, server };
};

overDrivers(
  "(a) a zero-copy relay: slow readers, fewer buffers than connections",
  { receiveBuffers: 16, upstreamReceiveBuffers: 16 },
  async (t, runtime) => {
    const STUCK = 20;
    const READING = 40;
    const BYTES = 500_000;
    let moved = 0;
    const origin = await echoOrigin();
    const listener = await relay(runtime, origin.port, (bytes) => {
      moved += bytes;
    });
    const { port } = listener.address;

    // Clients that send without end and read nothing: each fills its queues and is held back.
    const stuck = await Promise.all(Array.from({ length: STUCK }, () => client(port)));
    for (const socket of stuck) {
      socket.pause();
      socket.write(pattern(30_000_000));
    }
    let before = -1;
    while (before !== moved) {
      before = moved;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const held = runtime.arena.stats.outstanding;
    t.ok(moved > 0 && moved < STUCK * 2 * 30_000_000, "the relay stopped reading them");
    t.ok(held * 16_384 < STUCK * 2 * (65_536 + 33 * 16_384), `${held} blocks are held for ${STUCK} stuck clients`);

    const readers = Array.from({ length: READING }, async (_, at) => {
      const socket = await client(port);
      const sent = pattern(BYTES, at);
      const answer = readAll(socket);
      socket.end(sent);
      return Buffer.compare(await answer, sent) === 0;
    });
    t.ok(
      (await Promise.all(readers)).every((same) => same),
      "those that read get every byte meanwhile",
    );
    t.ok(runtime.arena.stats.outstanding <= held + READING, "and nothing piles up");

    // One of the stuck begins to read, slowly: all of its bytes are there.
    let got = 0;
    stuck[0].on("data", (part: Buffer) => {
      got += part.length;
    });
    stuck[0].resume();
    stuck[0].end();
    await until(() => got === 30_000_000, 20_000);
    t.equal(got, 30_000_000);
    for (const socket of stuck) socket.resetAndDestroy();
    await listener.close();
    await until(() => runtime.stats.connections === 0);
    origin.server.close();
  },
);
