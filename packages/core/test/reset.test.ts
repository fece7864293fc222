import { once } from "node:events";
import type net from "node:net";
import { connect } from "../src/connect.ts";
import type { Lease } from "../src/lease.ts";
import { client, overDrivers, pattern, Recorder, serve, until } from "./transport.ts";

/** Where the peer resets the connection. */
const POINTS: readonly {
  name: string;
  server: (recorder: Recorder) => void;
  client: (socket: net.Socket) => Promise<void>;
}[] = [
  { name: "at once", server: () => {}, client: async () => {} },
  {
    name: "after a byte",
    server: () => {},
    client: async (socket) => {
      socket.write("x");
      await pause();
    },
  },
  {
    name: "while we are paused",
    server: (recorder) => recorder.stream.pause(),
    client: async (socket) => {
      socket.write("x");
      await pause();
    },
  },
  {
    name: "while we are paused with much held back",
    server: (recorder) => setTimeout(() => recorder.stream.pause(), 1),
    client: async (socket) => {
      socket.write(pattern(3_000_000));
      await pause();
    },
  },
  {
    name: "while a send waits for it to read",
    server: (recorder) => recorder.stream.writeBytes(pattern(20_000_000)),
    client: async (socket) => {
      socket.pause();
      await pause();
    },
  },
  {
    name: "while paused and sending",
    server: (recorder) => {
      recorder.stream.pause();
      recorder.stream.writeBytes(pattern(20_000_000));
    },
    client: async (socket) => {
      socket.pause();
      await pause();
    },
  },
  {
    name: "after we ended",
    server: (recorder) => recorder.stream.end(),
    client: async (socket) => {
      socket.pause();
      await pause();
    },
  },
];

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15));

for (const point of POINTS) {
  overDrivers(`the peer resets ${point.name}`, {}, async (t, runtime) => {
    const { listener, port, handlers } = await serve(runtime, (stream) => {
      const recorder = new Recorder(stream);
      point.server(recorder);
      return recorder;
    });
    const socket = await client(port);
    await point.client(socket);
    socket.resetAndDestroy();
    await until(() => handlers.length === 1 && handlers[0].closes === 1);
    t.ok(["ECONNRESET", "EPIPE"].includes(handlers[0].code ?? "none"), `closed with ${handlers[0].code}`);
    t.equal(handlers[0].closes, 1);
    await listener.close();
  });
}

overDrivers("the peer resets after its FIN, while we think about the answer", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const client = new Recorder(await connect({ hostname: "127.0.0.1", port, runtime }));
  client.stream.attach(client);
  client.stream.writeBytes(Buffer.from("question"));
  client.stream.end();
  await until(() => handlers.length === 1 && handlers[0].ends === 1);
  await pause();
  client.stream.reset();
  await handlers[0].closed;
  t.equal(handlers[0].code, "EPIPE", "what Linux calls it once the peer has sent its FIN");
  await listener.close();
});

overDrivers("our reset reaches the peer as a reset, at any point", {}, async (t, runtime) => {
  for (const [name, act] of [
    ["at once", () => {}],
    ["with much queued", (recorder: Recorder) => recorder.stream.writeBytes(pattern(20_000_000))],
    ["while paused", (recorder: Recorder) => recorder.stream.pause()],
  ] as [string, (recorder: Recorder) => void][]) {
    const { listener, port, handlers } = await serve(runtime, (stream) => {
      const recorder = new Recorder(stream);
      act(recorder);
      return recorder;
    });
    const socket = await client(port);
    socket.pause();
    const failed = once(socket, "error").catch((error: unknown) => [error]);
    await pause();
    handlers[0].stream.reset();
    handlers[0].stream.reset();
    socket.resume();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    t.equal(error.code, "ECONNRESET", name);
    await handlers[0].closed;
    t.equal(handlers[0].code, "ERR_STREAM_ABANDONED");
    await listener.close();
  }
});

overDrivers(
  "a handler that throws loses its connection, and nothing else",
  { onError: () => {} },
  async (t, runtime) => {
    class Thrower extends Recorder {
      override onData(lease: Lease): void {
        lease.release();
        throw new Error("handler");
      }
    }
    const { listener, port, handlers } = await serve(runtime, (stream) => new Thrower(stream));
    const [bad, good] = [await client(port), await client(port)];
    bad.write("x");
    await until(() => handlers.some((handler) => handler.closes === 1));
    const gone = handlers.find((handler) => handler.closes === 1);
    t.equal(gone?.code, "ERR_HANDLER_THREW");
    t.match(gone?.error?.cause, { message: "handler" });
    t.equal(runtime.stats.handlerErrors, 1);
    t.equal(runtime.stats.connections, 1, "the other lives on");
    good.resetAndDestroy();
    await listener.close();
  },
);

overDrivers("an early answer before a reset is still read", {}, async (t, runtime) => {
  // 1. The client sends a large body. 2. The server answers without reading it and closes, which resets the connection.
  // 3. The client's send fails; the answer that was received before must not be lost.
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    stream.pause();
    stream.writeBytes(Buffer.from("413"));
    stream.onFlushed(() => setTimeout(() => stream.reset(), 20));
    return new Recorder(stream);
  });
  const recorder = new Recorder(await connect({ hostname: "127.0.0.1", port, runtime }));
  recorder.stream.attach(recorder);
  recorder.stream.writeBytes(pattern(8_000_000));
  await recorder.closed;
  t.equal(recorder.text, "413");
  t.ok(["ECONNRESET", "EPIPE"].includes(recorder.code ?? ""), recorder.code ?? "no error");
  await handlers[0].closed;
  await listener.close();
});
