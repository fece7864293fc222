// The seam (a): a zero-copy TCP relay against slow readers, its memory bounded, with fewer buffers than connections.

import { once } from "node:events";
import net from "node:net";
import { constants, setsockoptInt } from "@percore/native";
import { connect } from "../src/connect.ts";
import type { Lease } from "../src/lease.ts";
import { type Listener, listen } from "../src/listener.ts";
import type { Runtime } from "../src/runtime.ts";
import type { SocketStream } from "../src/socket-stream.ts";
import type { Stream, StreamHandler } from "../src/stream.ts";
import { client, overDrivers, pattern, readAll, until } from "./transport.ts";

/** More than all the queues between a client and its echo hold. */
const ENDLESS_BYTES = 16_000_000;
/** The kernel's queues towards the clients, so that they are full soon and not after 20 MB for each. */
const SOCKET_BUFFER_BYTES = 65_536;
/** Looks in a row that find nothing moved before the relay counts as held back. */
const QUIET_LOOKS = 4;

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
  { receiveBuffers: 8, upstreamReceiveBuffers: 8 },
  async (t, runtime) => {
    const STUCK = 10;
    const READING = 30;
    const BYTES = 200_000;
    let moved = 0;
    const origin = await echoOrigin();
    const listener = await relay(runtime, origin.port, (bytes) => {
      moved += bytes;
    });
    for (const name of [constants.SO_RCVBUF, constants.SO_SNDBUF]) {
      setsockoptInt(listener.fd, constants.SOL_SOCKET, name, SOCKET_BUFFER_BYTES);
    }
    const { port } = listener.address;

    const endless = pattern(ENDLESS_BYTES);
    // Clients that send without end and read nothing: each fills its queues and is held back.
    const stuck = await Promise.all(Array.from({ length: STUCK }, () => client(port)));
    for (const socket of stuck) {
      socket.pause();
      socket.write(endless);
    }
    let before = -1;
    for (let quiet = 0; moved === 0 || quiet < QUIET_LOOKS; quiet = before === moved ? quiet + 1 : 0) {
      before = moved;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const held = runtime.arena.stats.outstanding;
    t.ok(moved > 0 && moved < STUCK * 2 * ENDLESS_BYTES, "the relay stopped reading them");
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
    await until(() => got === ENDLESS_BYTES, 20_000);
    t.equal(got, ENDLESS_BYTES);
    for (const socket of stuck) socket.resetAndDestroy();
    await listener.close();
    await until(() => runtime.stats.connections === 0);
    origin.server.close();
  },
);
