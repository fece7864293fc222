import { mkdtempSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, getsockoptInt } from "@percore/native";
import { bindSocket } from "../src/bind.ts";
import { connect } from "../src/connect.ts";
import { listen } from "../src/listener.ts";
import { Echo, overDrivers, Recorder, serve } from "./transport.ts";

/** An address whose packets go nowhere: a full accept queue drops SYNs, which needs no network at all. */
const blackHole = async (): Promise<{ port: number; end: () => void }> => {
  const full = await bindSocket({ port: 0, hostname: "127.0.0.1", backlog: 1 });
  const waiting: net.Socket[] = [];
  for (let at = 0; at < 4; at += 1) waiting.push(net.connect(full.address.port, "127.0.0.1").on("error", () => {}));
  await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    port: full.address.port,
    end: () => {
      for (const socket of waiting) socket.destroy();
      net.createServer().listen({ fd: full.fd }).close();
    },
  };
};

overDrivers("a refused connection says so, and leaves nothing behind", {}, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  await listener.close();
  await t.rejects(connect({ hostname: "127.0.0.1", port, runtime }), { code: "ECONNREFUSED", syscall: "connect" });
  const path = join(mkdtempSync(join(tmpdir(), "percore-")), "absent");
  await t.rejects(connect({ unix: path, runtime }), { code: "ENOENT" });
  await t.rejects(connect({ unix: "x".repeat(200), runtime }), { code: "ERR_ADDRESS_INVALID" });
  await t.rejects(connect({ hostname: "127.0.0.1", port: 70_000, runtime }), { code: "ERR_ADDRESS_INVALID" });
  await t.rejects(connect({ runtime }), { code: "ERR_OPTION_INVALID" });
});

overDrivers("a connection that does not come about times out", {}, async (t, runtime) => {
  const hole = await blackHole();
  const started = performance.now();
  await t.rejects(connect({ hostname: "127.0.0.1", port: hole.port, connectTimeoutMs: 200, runtime }), {
    code: "ERR_CONNECT_TIMEOUT",
  });
  const took = performance.now() - started;
  t.ok(took >= 200 && took < 1000, `after ${Math.round(took)} ms`);
  hole.end();
});

overDrivers("an AbortSignal gives up: before, while resolving, while connecting", {}, async (t, runtime) => {
  const reason = new Error("given up");
  await t.rejects(connect({ hostname: "127.0.0.1", port: 1, signal: AbortSignal.abort(reason), runtime }), reason);

  const resolving = new AbortController();
  const never = new Promise<string[]>(() => {});
  const first = connect({ hostname: "name.test", port: 1, resolve: () => never, signal: resolving.signal, runtime });
  setTimeout(() => resolving.abort(reason), 5);
  await t.rejects(first, reason);

  const hole = await blackHole();
  const connecting = new AbortController();
  const second = connect({ hostname: "127.0.0.1", port: hole.port, signal: connecting.signal, runtime });
  setTimeout(() => connecting.abort(reason), 20);
  await t.rejects(second, reason);
  hole.end();
});

overDrivers("names: the resolver's errors, and its answers", {}, async (t, runtime) => {
  const failure = Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
  const fails = (): Promise<string[]> => Promise.reject(failure);
  await t.rejects(connect({ hostname: "name.test", port: 1, resolve: fails, runtime }), failure);
  await t.rejects(connect({ hostname: "name.test", port: 1, resolve: async () => [], runtime }), {
    code: "ERR_ADDRESS_INVALID",
  });
  const { listener, port, handlers } = await serve(runtime, (stream) => new Echo(stream));
  const stream = await connect({ hostname: "localhost", port, runtime });
  stream.reset();
  await new Promise((resolve) => setImmediate(resolve));
  await handlers[0]?.closed;
  await listener.close();
});

overDrivers("happy eyeballs: a dead first address costs its head start only", {}, async (t, runtime) => {
  const hole = await blackHole();
  const listener = await listen({ port: hole.port, hostname: "127.0.0.2", runtime }, (stream) =>
    stream.attach(new Echo(stream)),
  );
  const started = performance.now();
  const stream = await connect({
    hostname: "two.test",
    port: hole.port,
    resolve: async () => ["127.0.0.1", "127.0.0.2"],
    attemptDelayMs: 100,
    runtime,
  });
  t.ok(performance.now() - started < 1000);
  t.equal(stream.info.remote.address, "127.0.0.2");
  const recorder = new Recorder(stream);
  stream.attach(recorder);
  stream.writeBytes(Buffer.from("hello"));
  stream.end();
  await recorder.closed;
  t.equal(recorder.text, "hello");
  hole.end();
  await listener.close();
});

overDrivers("a refused first address makes way for the next at once", {}, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  const started = performance.now();
  const stream = await connect({
    hostname: "two.test",
    port,
    resolve: async () => ["::1", "127.0.0.1"],
    attemptDelayMs: 5000,
    runtime,
  });
  t.ok(performance.now() - started < 1000);
  t.equal(stream.info.remote.family, "ipv4");
  stream.reset();
  await listener.close();
});

overDrivers("socket options arrive", {}, async (t, runtime) => {
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  const stream = await connect({ hostname: "127.0.0.1", port, keepAliveMs: 30_000, userTimeoutMs: 12_345, runtime });
  const option = (level: number, name: number): unknown => getsockoptInt(stream.info.fd as number, level, name);
  t.same(option(constants.IPPROTO_TCP, constants.TCP_NODELAY), { value: 1 });
  t.same(option(constants.SOL_SOCKET, constants.SO_KEEPALIVE), { value: 1 });
  t.same(option(constants.IPPROTO_TCP, constants.TCP_KEEPIDLE), { value: 30 });
  t.same(option(constants.IPPROTO_TCP, constants.TCP_USER_TIMEOUT), { value: 12_345 });
  stream.reset();
  await listener.close();
});
