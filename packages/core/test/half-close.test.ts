import net from "node:net";
import type { Lease } from "../src/lease.ts";
import type { SocketStream } from "../src/socket-stream.ts";
import { client, overDrivers, pattern, Recorder, readAll, serve, until } from "./transport.ts";

overDrivers("the peer ends first, and still gets a long answer", {}, async (t, runtime) => {
  const answer = pattern(2_000_000);
  const { listener, port, handlers } = await serve(runtime, (stream) => new Recorder(stream));
  const socket = await client(port);
  socket.end("question");
  await until(() => handlers.length === 1 && handlers[0].ends === 1);
  const { stream } = handlers[0];
  t.ok(stream.peerEnded);
  t.notOk(stream.ended);
  t.ok(stream.open);
  stream.writeBytes(answer);
  stream.end();
  t.equal(Buffer.compare(await readAll(socket), answer), 0);
  t.equal(await handlers[0].closed, null);
  await listener.close();
});

overDrivers("we end first, and still receive", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    stream.writeBytes(Buffer.from("greeting"));
    stream.end();
    return new Recorder(stream);
  });
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const greeting = await readAll(socket);
  t.equal(String(greeting), "greeting");
  const sent = pattern(500_000);
  socket.end(sent);
  t.equal(await handlers[0].closed, null);
  t.equal(handlers[0].bytes, sent.length);
  t.equal(handlers[0].ends, 1);
  await listener.close();
});

overDrivers("onEnd waits for what was held back by a pause", {}, async (t, runtime) => {
  const { listener, port, handlers } = await serve(runtime, (stream) => {
    stream.pause();
    return new Recorder(stream);
  });
  const socket = await client(port);
  socket.end("before the end");
  await until(() => handlers.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.same([handlers[0].bytes, handlers[0].ends], [0, 0]);
  handlers[0].stream.resume();
  await until(() => handlers[0].ends === 1);
  t.equal(handlers[0].text, "before the end");
  handlers[0].stream.end();
  t.equal(await handlers[0].closed, null);
  await listener.close();
});

overDrivers("unread: the next owner gets the rest first, the old one hears nothing more", {}, async (t, runtime) => {
  class First extends Recorder {
    override onData(lease: Lease): void {
      const rest = lease.slice(3, lease.length - 3);
      this.bytes += 3;
      lease.release();
      (this.stream as SocketStream).unread(rest);
    }
  }
  const { listener, port, handlers } = await serve(runtime, (stream) => new First(stream));
  const socket = await client(port);
  socket.write("GETupgraded");
  await until(() => handlers.length === 1 && handlers[0].bytes === 3);
  socket.write(" and more");
  await new Promise((resolve) => setTimeout(resolve, 10));
  t.equal(handlers[0].bytes, 3);
  const second = new Recorder(handlers[0].stream);
  handlers[0].stream.attach(second);
  await until(() => second.bytes === 17);
  t.equal(second.text, "upgraded and more");
  socket.end("!");
  await until(() => second.ends === 1);
  second.stream.end();
  t.equal(await second.closed, null);
  t.equal(handlers[0].closes, 0);
  socket.destroy();
  await listener.close();
});
