import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { close, duplicate } from "@percore/native";
import t from "tap";
import { bindSocket } from "../src/bind.ts";
import { inheritedSockets } from "../src/listen-fds.ts";
import { listen } from "../src/listener.ts";
import { client, Echo, overDrivers, Recorder, readAll, serve, turn, until } from "./transport.ts";

const run = promisify(execFile);
const temporary = (): string => mkdtempSync(join(tmpdir(), "percore-"));

overDrivers("the connection limit: more wait, none is lost, and all are served in turn", {}, async (t, runtime) => {
  let peak = 0;
  const { listener, port } = await serve(
    runtime,
    (stream) => {
      peak = Math.max(peak, runtime.stats.connections);
      return new Echo(stream);
    },
    { connectionsMax: 3 },
  );
  const answers = Array.from({ length: 30 }, async (_, at) => {
    const socket = await client(port);
    const answer = readAll(socket);
    socket.end(`number ${at}`);
    return String(await answer) === `number ${at}`;
  });
  t.ok((await Promise.all(answers)).every((right) => right));
  t.ok(peak <= 3, `at most ${peak} at a time`);
  await until(() => runtime.stats.connections === 0);
  await listener.close();
});

overDrivers(
  "a limit that is raised lets in who waits; one that is lowered throws nobody out",
  {},
  async (t, runtime) => {
    const { listener, port, handlers } = await serve(runtime, (stream) => new Echo(stream), { connectionsMax: 2 });
    await turn();
    const sockets = await Promise.all(Array.from({ length: 10 }, () => client(port)));
    await until(() => handlers.length === 2);
    await turn();
    t.equal(handlers.length, 2);
    listener.connectionsMax = 5;
    await until(() => handlers.length === 5);
    await turn();
    t.equal(handlers.length, 5);
    listener.connectionsMax = 1;
    await turn();
    t.equal(listener.connections, 5);
    listener.connectionsMax = 100;
    const answers = sockets.map(readAll);
    for (const socket of sockets) socket.end("hello");
    t.ok((await Promise.all(answers)).every((answer) => String(answer) === "hello"));
    await listener.close();
  },
);

overDrivers("a signal closes the listener", {}, async (t, runtime) => {
  const abort = new AbortController();
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream), { signal: abort.signal });
  abort.abort(new Error("enough"));
  await listener.close();
  await t.rejects(client(port));
  await t.rejects(
    listen({ port: 0, signal: abort.signal, runtime }, () => {}),
    { message: "enough" },
  );
});

overDrivers("pause leaves connections in the queue, resume takes them", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Echo(stream));
  await turn();
  listener.pause();
  await turn();
  const socket = await client(port);
  await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(handlers.length, 0);
  listener.resume();
  const answer = readAll(socket);
  socket.end("hello");
  t.equal(String(await answer), "hello");
  await listener.close();
});

overDrivers("closing accepts what is queued: nobody is reset", {}, async (t, runtime) => {
  for (const options of [{}, { unix: join(temporary(), "s") }]) {
    const { listener, port, handlers } = await serve(runtime, (stream) => new Echo(stream), options);
    listener.pause();
    await turn();
    const sockets = await Promise.all(Array.from({ length: 100 }, () => client(options.unix ?? port)));
    t.equal(handlers.length, 0, "all are queued");
    const answers = sockets.map(readAll);
    for (const socket of sockets) socket.end("hello");
    await listener.close();
    t.equal(handlers.length, 100);
    t.ok((await Promise.all(answers)).every((answer) => String(answer) === "hello"));
    await t.rejects(client(options.unix ?? port), "and nobody can connect any more");
  }
});

overDrivers("a port in use is an error, whoever uses it", {}, async (t, runtime) => {
  const other = net.createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const taken = (other.address() as net.AddressInfo).port;
  await t.rejects(
    listen({ port: taken, hostname: "127.0.0.1", runtime }, () => {}),
    { code: "EADDRINUSE", syscall: "bind" },
  );
  other.close();
  const { listener, port } = await serve(runtime, (stream) => new Echo(stream));
  for (const sharing of ["alone", "first", "sibling"] as const) {
    await t.rejects(bindSocket({ port, hostname: "127.0.0.1", sharing }), { code: "EADDRINUSE" }, sharing);
  }
  await listener.close();
});

overDrivers("siblings share a port that the first has opened to them", {}, async (t, runtime) => {
  const first = await bindSocket({ port: 0, hostname: "127.0.0.1", sharing: "first" });
  const { port } = first.address;
  await t.rejects(bindSocket({ port, hostname: "127.0.0.1" }), { code: "EADDRINUSE" });
  await t.rejects(bindSocket({ port, hostname: "127.0.0.1", sharing: "first" }), { code: "EADDRINUSE" });
  const second = await bindSocket({ port, hostname: "127.0.0.1", sharing: "sibling" });
  const one = await serve(runtime, (stream) => new Echo(stream), { fd: first.fd });
  const two = await serve(runtime, (stream) => new Echo(stream), { fd: second.fd });
  await Promise.all(
    Array.from({ length: 60 }, async () => {
      const socket = await client(port);
      socket.end("x");
      await readAll(socket);
    }),
  );
  t.ok(one.handlers.length > 0 && two.handlers.length > 0, `${one.handlers.length} and ${two.handlers.length}`);
  await one.listener.close();
  await two.listener.close();
});

overDrivers("a descriptor of somebody else's is left open, with what is queued on it", {}, async (t, runtime) => {
  const { fd, address } = await bindSocket({ port: 0, hostname: "127.0.0.1" });
  const first = await serve(runtime, (stream) => new Echo(stream), { fd, ownsFd: false });
  await first.listener.close();
  const socket = await client(address.port);
  const answer = readAll(socket);
  socket.end("hello");
  const second = await serve(runtime, (stream) => new Echo(stream), { fd: duplicate(fd) });
  t.equal(String(await answer), "hello");
  await second.listener.close();
  close(fd);
});

overDrivers("only a listening socket can be adopted", {}, async (t, runtime) => {
  await t.rejects(
    listen({ fd: 0, runtime }, () => {}),
    { code: "ERR_DESCRIPTOR_INVALID" },
  );
  await t.rejects(
    listen({ runtime }, () => {}),
    { code: "ERR_OPTION_INVALID" },
  );
  await t.rejects(
    listen({ port: 70_000, runtime }, () => {}),
    { code: "ERR_ADDRESS_INVALID" },
  );
  await t.rejects(
    listen({ port: 0, hostname: "192.0.2.1", runtime }, () => {}),
    { code: "EADDRNOTAVAIL" },
  );
});

overDrivers("Unix sockets: a stale file is replaced, anything else is not", {}, async (t, runtime) => {
  const path = join(temporary(), "s");
  const { listener } = await serve(runtime, (stream) => new Echo(stream), { unix: path, unixMode: 0o640 });
  t.equal(statSync(path).mode & 0o777, 0o640);
  await t.rejects(bindSocket({ unix: path }), { code: "EADDRINUSE" }, "a live one is in use");
  await listener.close();
  t.notOk(existsSync(path), "removed at the end");

  // A server that died: its file is there, and nobody listens.
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await run(process.execPath, ["-e", script]).catch(() => {});
  t.ok(existsSync(path));
  const again = await serve(runtime, (stream) => new Echo(stream), { unix: path });
  const socket = await client(path);
  socket.end("hello");
  t.equal(String(await readAll(socket)), "hello");
  await again.listener.close();

  writeFileSync(path, "not a socket");
  await t.rejects(bindSocket({ unix: path }), { code: "EADDRINUSE" });
  t.ok(existsSync(path), "a file is left alone");
  await t.rejects(bindSocket({ unix: "x".repeat(200) }), { code: "ERR_ADDRESS_INVALID" });
});

overDrivers("a callback that throws loses its connection only", { onError: () => {} }, async (t, runtime) => {
  let calls = 0;
  const listener = await listen({ port: 0, hostname: "127.0.0.1", runtime }, (stream) => {
    calls += 1;
    if (calls === 1) throw new Error("callback");
    stream.attach(new Echo(stream));
  });
  const first = await client(listener.address.port);
  await until(() => first.closed);
  const second = await client(listener.address.port);
  second.end("hello");
  t.equal(String(await readAll(second)), "hello");
  t.equal(runtime.stats.handlerErrors, 1);
  await listener.close();
});

overDrivers("a thousand connections at once", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const sockets = await Promise.all(Array.from({ length: 1000 }, () => client(port)));
  await until(() => handlers.length === 1000);
  t.equal(runtime.stats.connections, 1000);
  for (const socket of sockets) socket.resetAndDestroy();
  await until(() => runtime.stats.connections === 0);
  await listener.close();
});

t.test("LISTEN_FDS: only for the process that is named, and only once", async (t) => {
  const environment = { LISTEN_PID: String(process.pid), LISTEN_FDS: "2", LISTEN_FDNAMES: "web:admin" };
  t.same(inheritedSockets(environment), [
    { fd: 3, name: "web" },
    { fd: 4, name: "admin" },
  ]);
  t.same(environment, {});
  t.same(inheritedSockets(environment), []);
  t.same(inheritedSockets({ LISTEN_PID: "1", LISTEN_FDS: "2" }), []);
  t.same(inheritedSockets({ LISTEN_PID: String(process.pid), LISTEN_FDS: "x" }), []);
  t.same(inheritedSockets({ LISTEN_PID: String(process.pid), LISTEN_FDS: "1" }), [{ fd: 3, name: "" }]);
});
