// The client against node:http over real sockets: somebody else's reading of the same rules.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect, openRuntime } from "@percore/core";
import type { ClientConnection, ClientRequest } from "@percore/http";
import t from "tap";
import { createH1Client } from "../../src/client/client.ts";
import { GET, Heard } from "./harness.ts";

const runtime = openRuntime();
t.teardown(() => runtime.close());

const server: Server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    switch (request.url) {
      case "/echo":
        response.writeHead(200, { "x-method": request.method, "x-trailer": String(request.trailers.sum) });
        response.end(body);
        break;
      case "/chunks":
        response.setHeader("trailer", "x-sum");
        response.write("one");
        response.write("two");
        response.addTrailers({ "x-sum": "2" });
        response.end();
        break;
      case "/hints":
        response.writeEarlyHints({ link: "</a>; rel=preload" });
        response.end("late");
        break;
      case "/none":
        response.writeHead(304, { etag: '"a"' }).end();
        break;
      case "/close":
        response.writeHead(200, { connection: "close" }).end("last");
        break;
      default:
        response.writeHead(200, { "content-length": 1_000_000 }).end(Buffer.alloc(1_000_000, 0x78));
    }
  });
});
server.on("upgrade", (request, socket) => {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${request.headers.upgrade}\r\n\r\nhello`,
  );
  socket.on("data", (data) => socket.end(data));
  socket.on("error", () => {});
});

const ask = async (
  client: ClientConnection,
  request: Partial<ClientRequest>,
  body: string | null = null,
): Promise<Heard> => {
  const heard = new Heard();
  const done = new Promise<void>((resolve) => {
    heard.on.finish = resolve;
  });
  const exchange = client.request({ ...GET, authority: "localhost", ...request }, heard);
  if (body !== null) {
    for (let at = 0; at < body.length; at += 10_000) exchange.write(body.slice(at, at + 10_000));
    exchange.end(["sum", "1"]);
  }
  await done;
  return heard;
};

const bodyOf = (heard: Heard): string => heard.events.find((event) => event.startsWith("body "))?.slice(5) ?? "";

t.test("one connection, one exchange after the other", async (t) => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const stream = await connect({ hostname: "127.0.0.1", port });
  const client = createH1Client(stream, { clock: runtime });
  const closed = new Promise<Error | null>((resolve) => {
    client.onClose = resolve;
  });
  const post = { method: "POST", path: "/echo" };
  t.equal(bodyOf(await ask(client, { ...post, bodyLength: 5 }, "hello")), "hello");
  const large = "x".repeat(200_000);
  const echoed = await ask(client, { ...post, bodyLength: -1 }, large);
  t.equal(bodyOf(echoed), large);
  t.match(echoed.events[0], /x-method: POST, x-trailer: 1/);
  t.equal(bodyOf(await ask(client, { ...post, bodyLength: 0 })), "");
  const chunks = await ask(client, { path: "/chunks" });
  t.equal(bodyOf(chunks), "onetwo");
  t.equal(chunks.events.at(-2), "end x-sum: 2");
  t.equal(bodyOf(await ask(client, { method: "HEAD", path: "/large" })), "");
  t.equal(bodyOf(await ask(client, { path: "/large" })).length, 1_000_000);
  const hints = await ask(client, { path: "/hints" });
  t.match(hints.events[0], /^inform 103, Link: <\/a>; rel=preload/i);
  t.equal(bodyOf(hints), "late");
  t.match((await ask(client, { path: "/none" })).events, [/^head 304/, "end", "finish ok"]);
  t.equal(client.started, 8);
  t.equal(client.available, 1);
  t.equal(bodyOf(await ask(client, { path: "/close" })), "last");
  t.equal(client.available, 0);
  t.equal(await closed, null);

  const upgraded = createH1Client(await connect({ hostname: "127.0.0.1", port }), { clock: runtime });
  let got = "";
  const heard = new Heard();
  heard.on.tunnel = () => {
    heard.tunnel?.attach({
      onData(lease): void {
        got += Buffer.from(lease.bytes).toString();
        lease.release();
      },
      onEnd: () => heard.tunnel?.end(),
      onDrain() {},
      onClose() {},
    });
    heard.tunnel?.writeBytes(Buffer.from(" and back"));
  };
  const gone = new Promise((resolve) => {
    upgraded.onClose = resolve;
  });
  upgraded.request({ ...GET, authority: "localhost", upgrade: "echo" }, heard);
  t.equal(await gone, null);
  t.equal(got, "hello and back");
});
