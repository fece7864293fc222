import { closeSync, mkdtempSync, openSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { client, overDrivers, pattern, Recorder, readAll, serve, until } from "./transport.ts";

const folder = mkdtempSync(join(tmpdir(), "percore-"));
const content = pattern(3_000_000);
const path = join(folder, "content");
writeFileSync(path, content);

overDrivers("files go in order with what is written before and after", {}, async (t, runtime) => {
  const file = openSync(path, "r");
  const told: unknown[] = [];
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    stream.writeBytes(Buffer.from("<"));
    stream.sendFile(file, 0, 3_000_000, (error, sent) => told.push([error, sent]));
    stream.writeBytes(Buffer.from("|"));
    for (let at = 0; at < 5; at += 1) stream.sendFile(file, 0, 3_000_000, () => {});
    stream.sendFile(file, 1000, 10, (error, sent) => told.push([error, sent]));
    stream.sendFile(file, 2_999_990, 10, (error, sent) => told.push([error, sent]));
    stream.sendFile(file, 5, 0, (error, sent) => told.push([error, sent]));
    stream.writeBytes(Buffer.from(">"));
    stream.onFlushed((error) => told.push(error));
    stream.end();
    return new Recorder(stream);
  });
  const socket = await client(port);
  socket.pause();
  await until(() => handlers.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(handlers[0].stream.queuedBytes > 0, "a slow reader holds the file back");
  const answer = readAll(socket);
  const want = Buffer.concat([
    Buffer.from("<"),
    content,
    Buffer.from("|"),
    ...Array.from({ length: 5 }, () => content),
    content.subarray(1000, 1010),
    content.subarray(2_999_990),
    Buffer.from(">"),
  ]);
  t.equal(Buffer.compare(await answer, want), 0);
  t.same(told, [[null, 3_000_000], [null, 10], [null, 10], [null, 0], null]);
  socket.end();
  await handlers[0].closed;
  closeSync(file);
  await listener.close();
});

overDrivers("a file that ends too early, or cannot be read, says so; the stream lives on", {}, async (t, runtime) => {
  const file = openSync(path, "r");
  const written = openSync(join(folder, "write-only"), "w");
  const told: unknown[] = [];
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    stream.sendFile(file, 2_999_000, 5000, (error, sent) =>
      told.push([(error as { code?: string } | null)?.code, sent]),
    );
    stream.sendFile(written, 0, 10, (error, sent) => told.push([(error as { code?: string } | null)?.code, sent]));
    stream.writeBytes(Buffer.from("end"));
    stream.end();
    return new Recorder(stream);
  });
  const socket = await client(port);
  const answer = await readAll(socket);
  t.equal(Buffer.compare(answer, Buffer.concat([content.subarray(2_999_000), Buffer.from("end")])), 0);
  t.same(told, [
    ["ERR_FILE_SHORT", 1000],
    ["EBADF", 0],
  ]);
  socket.end();
  await handlers[0].closed;
  for (const fd of [file, written]) closeSync(fd);
  await listener.close();
});

overDrivers("a reset while a file is being sent: told once, nothing leaks", {}, async (t, runtime) => {
  const file = openSync(path, "r");
  const told: [string | undefined, boolean][] = [];
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    for (let at = 0; at < 10; at += 1) {
      stream.sendFile(file, 0, 3_000_000, (error, sent) =>
        told.push([(error as { code?: string } | null)?.code, sent < 3_000_000]),
      );
    }
    return new Recorder(stream);
  });
  const socket = await client(port);
  socket.pause();
  await until(() => handlers.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.resetAndDestroy();
  await handlers[0].closed;
  t.equal(told.length, 10);
  t.ok(["ECONNRESET", "EPIPE"].includes(told[9][0] ?? ""), `${told[9][0]}`);
  closeSync(file);
  await listener.close();
});

overDrivers("what sendfile cannot map is read and written", {}, async (t, runtime) => {
  // Files of /proc have no pages to splice on most kernels; where they have, this is an ordinary sendfile.
  const file = openSync("/proc/self/mountinfo", "r");
  const told: number[] = [];
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    stream.sendFile(file, 0, 50, (_error, sent) => told.push(sent));
    stream.end();
    return new Recorder(stream);
  });
  const socket = await client(port);
  const answer = await readAll(socket);
  t.same(told, [50]);
  t.equal(answer.length, 50);
  socket.end();
  await handlers[0].closed;
  closeSync(file);
  await listener.close();
});

overDrivers(
  "a writer whose callback throws loses its connection or the file, never the thread",
  { onError: () => {} },
  async (t, runtime) => {
    for (const name of [path, "/proc/self/mountinfo"]) {
      const file = openSync(name, "r");
      const { listener, port, handlers } = await serve(runtime, (stream) => {
        stream.sendFile(file, 0, 10, () => {
          throw new Error("callback");
        });
        stream.end();
        return new Recorder(stream);
      });
      const socket = await client(port);
      socket.resume();
      socket.end();
      await handlers[0]?.closed;
      await until(() => handlers[0]?.closes === 1);
      t.equal(handlers[0].closes, 1, name);
      closeSync(file);
      await listener.close();
    }
    t.equal(runtime.stats.handlerErrors, 2);
  },
);
