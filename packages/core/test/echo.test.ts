import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants } from "@percore/native";
import { connect } from "../src/connect.ts";
import { client, Echo, overDrivers, pattern, Recorder, readAll, serve, until } from "./transport.ts";

overDrivers("an echo of every size comes back whole", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Echo(stream));
  for (const size of [0, 1, 4095, 4096, 4097, 16_384, 65_536, 1_000_000]) {
    const socket = await client(port);
    const sent = pattern(size);
    const answer = readAll(socket);
    socket.end(sent);
    t.equal(Buffer.compare(await answer, sent), 0, `${size} bytes`);
  }
  await Promise.all(handlers.map((handler) => handler.closed));
  for (const handler of handlers) t.same([handler.ends, handler.closes, handler.error], [1, 1, null]);
  await listener.close();
});

overDrivers("over a Unix socket and over IPv6", {}, async (t, runtime) => {
  const path = join(mkdtempSync(join(tmpdir(), "percore-")), "s");
  const unix = await serve(runtime, (stream) => new Echo(stream), { unix: path });
  const socket = await client(path);
  socket.end("over unix");
  t.equal(String(await readAll(socket)), "over unix");
  t.equal(unix.handlers[0].stream.info.local.family, "unix");
  await unix.listener.close();

  const both = await serve(runtime, (stream) => new Echo(stream), { hostname: undefined });
  for (const hostname of ["127.0.0.1", "::1"]) {
    const stream = await connect({ hostname, port: both.port, runtime });
    const recorder = new Recorder(stream);
    stream.attach(recorder);
    stream.writeBytes(Buffer.from(hostname));
    stream.end();
    t.equal(await recorder.closed, null);
    t.equal(recorder.text, hostname);
    const info = both.handlers.at(-1)?.stream.info;
    t.ok(info !== undefined);
  }
  await both.listener.close();
});

overDrivers("addresses of both ends", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const stream = await connect({ hostname: "127.0.0.1", port, runtime });
  await until(() => handlers.length === 1);
  const accepted = handlers[0].stream.info;
  t.same(stream.info.remote, { family: "ipv4", address: "127.0.0.1", port });
  t.same(accepted.local, stream.info.remote);
  t.same(accepted.remote, stream.info.local);
  t.equal(typeof accepted.fd, "number");
  t.notOk(accepted.encrypted);
  stream.reset();
  await handlers[0].closed;
  await listener.close();
});

overDrivers("writes of one turn leave in order: blocks, leases, copies, corked or not", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const stream = await connect({ hostname: "127.0.0.1", port, runtime });
  stream.attach(new Recorder(stream));
  let want = "";
  const say = (text: string, how: "reserve" | "copy" | "lease"): void => {
    want += text;
    const bytes = Buffer.from(text, "latin1");
    if (how === "copy") {
      stream.writeBytes(bytes);
    } else if (how === "lease") {
      const lease = runtime.arena.lease(bytes.length);
      lease.bytes.set(bytes);
      stream.write(lease);
    } else {
      stream.reserve(bytes.length + 7);
      const at = stream.reserve(bytes.length + 3);
      runtime.arena.u8.set(bytes, at);
      stream.commit(bytes.length);
    }
  };
  for (let round = 0; round < 40; round += 1) {
    say(`<${round}>`, "reserve");
    say("x".repeat(round * 50), round % 2 === 0 ? "copy" : "lease");
    say("y".repeat(round * 400 + 1), "lease");
    if (round % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  stream.cork();
  stream.cork();
  say("held back", "copy");
  stream.uncork();
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.ok(stream.queuedBytes > 0, "still corked");
  stream.uncork();
  await until(() => handlers[0].bytes === want.length);
  t.equal(handlers[0].text, want);
  stream.cork();
  say("flushed in spite of the cork", "copy");
  stream.flush();
  await until(() => handlers[0].bytes === want.length);
  t.equal(handlers[0].text, want);
  stream.end();
  handlers[0].stream.end();
  await handlers[0].closed;
  await listener.close();
});

overDrivers("short sends are continued where the stream's flags allow them", {}, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => {
    // Without MSG_WAITALL, as kernel TLS needs it.
    stream.sendFlags = constants.MSG_NOSIGNAL;
    return new Echo(stream);
  });
  const socket = await client(port);
  const sent = pattern(3_000_000);
  socket.write(sent);
  socket.pause();
  await until(() => runtime.stats.shortSends > 0, 1000);
  const answer = readAll(socket);
  socket.end();
  t.equal(Buffer.compare(await answer, sent), 0);
  await listener.close();
});

overDrivers("onFlushed: in order, once, also when there is nothing to wait for", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const stream = await connect({ hostname: "127.0.0.1", port, runtime });
  const recorder = new Recorder(stream);
  stream.attach(recorder);
  const order: string[] = [];
  stream.onFlushed((error) => order.push(`empty ${error}`));
  stream.writeBytes(pattern(10));
  stream.onFlushed((error) => order.push(`small ${error} ${stream.queuedBytes > 0}`));
  stream.writeBytes(pattern(300_000));
  stream.onFlushed((error) => order.push(`large ${error} ${stream.queuedBytes}`));
  await until(() => order.length === 3);
  t.same(order, ["empty null", "small null true", "large null 0"]);
  t.equal(recorder.drains, 1, "the high-water mark was passed once");
  stream.writeBytes(pattern(1));
  stream.onFlushed((error) => order.push(String((error as Error & { code: string }).code)));
  stream.reset();
  await recorder.closed;
  t.equal(order[3], "ERR_STREAM_ABANDONED");
  stream.onFlushed((error) => order.push(String((error as Error & { code: string }).code)));
  await until(() => order.length === 5);
  t.equal(order[4], "ERR_STREAM_ABANDONED");
  await handlers[0].closed;
  await listener.close();
});

overDrivers("what is written after the end of a stream goes nowhere and leaks nothing", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const socket = await client(port);
  await until(() => handlers.length === 1);
  const { stream } = handlers[0];
  stream.reset();
  t.notOk(stream.open);
  stream.writeBytes(pattern(10_000));
  stream.reserve(100);
  stream.commit(100);
  stream.write(runtime.arena.lease(10));
  stream.sendFile(0, 0, 10, (error, sent) =>
    t.same([(error as Error & { code: string }).code, sent], ["ERR_STREAM_ABANDONED", 0]),
  );
  await handlers[0].closed;
  t.equal(handlers[0].code, "ERR_STREAM_ABANDONED");
  const late = new Recorder(stream);
  stream.attach(late);
  await late.closed;
  t.equal(late.closes, 1, "a handler that comes too late is told");
  stream.end();
  t.throws(() => stream.writeBytes(pattern(1)), { code: "ERR_ASSERTION" }, "writing after end() is a mistake");
  await until(() => socket.closed);
  await listener.close();
});
