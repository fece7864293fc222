import { connect } from "../src/connect.ts";
import { client, Echo, overDrivers, pattern, Recorder, readAll, serve, until } from "./transport.ts";

overDrivers(
  "a full submission ring costs system calls, and nothing else",
  { sqEntries: 4, cqEntries: 256 },
  async (t, runtime) => {
    const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
    const answers = Array.from({ length: 80 }, async (_, at) => {
      const socket = await client(port);
      const sent = pattern(50_000 + at, at);
      const answer = readAll(socket);
      socket.end(sent);
      return Buffer.compare(await answer, sent) === 0;
    });
    t.ok((await Promise.all(answers)).every((same) => same));
    // All in one turn, whatever the batches were.
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => connect({ hostname: "127.0.0.1", port, runtime })),
    );
    const recorders = streams.map((stream) => new Recorder(stream));
    for (const recorder of recorders) recorder.stream.attach(recorder);
    for (const recorder of recorders) {
      recorder.stream.writeBytes(pattern(100));
      recorder.stream.end();
    }
    await until(() => recorders.every((recorder) => recorder.closes === 1));
    t.ok(recorders.every((recorder) => recorder.bytes === 100 && recorder.error === null));
    t.ok(runtime.stats.submissionFull > 0, `${runtime.stats.submissionFull} times full`);
    await listener.close();
  },
);

overDrivers("completions that overflow their ring are not lost", { sqEntries: 8, cqEntries: 8 }, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  const answers = Array.from({ length: 100 }, async (_, at) => {
    const socket = await client(port);
    const sent = pattern(100_000 + at, at);
    const answer = readAll(socket);
    socket.end(sent);
    return Buffer.compare(await answer, sent) === 0;
  });
  t.ok((await Promise.all(answers)).every((same) => same));
  await listener.close();
});

overDrivers(
  "overflow on both rings with everybody reset at once",
  { sqEntries: 4, cqEntries: 4 },
  async (t, runtime) => {
    const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
    const sockets = await Promise.all(Array.from({ length: 60 }, () => client(port)));
    await until(() => handlers.length === 60);
    for (const handler of handlers) {
      handler.stream.writeBytes(pattern(100_000));
      handler.stream.reset();
    }
    await until(() => handlers.every((handler) => handler.closes === 1));
    t.ok(handlers.every((handler) => handler.code === "ERR_STREAM_ABANDONED"));
    for (const socket of sockets) socket.destroy();
    await listener.close();
  },
);

overDrivers("descriptors and slots are reused a thousand times without a mix-up", {}, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  let wrong = 0;
  for (let round = 0; round < 50; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const stream = await connect({ hostname: "127.0.0.1", port, runtime });
        const recorder = new Recorder(stream);
        stream.attach(recorder);
        const sent = pattern(300 + at, round * 20 + at);
        stream.writeBytes(sent);
        if ((round + at) % 3 === 0) {
          // Cancelled somewhere on the way: its completions must not reach the next owner of the slot.
          if (at % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
          stream.reset();
          await recorder.closed;
          return;
        }
        stream.end();
        await recorder.closed;
        if (Buffer.compare(Buffer.concat(recorder.received), sent) !== 0) wrong += 1;
      }),
    );
  }
  t.equal(wrong, 0);
  t.equal(runtime.stats.stale, 0);
  t.ok(runtime.stats.connectionsMade === 1000);
  await listener.close();
});
