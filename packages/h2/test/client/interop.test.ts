// Servers of others over a real socket: node:http2, and nghttpd where it is installed.
import { Buffer } from "node:buffer";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Http2Server } from "node:http2";
import { type AddressInfo, createServer as createTcp } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { connect, currentRuntime } from "@percore/core";
import type { ClientExchange, ClientRequest } from "@percore/http";
import t from "tap";
import { createH2Client, type H2ClientOptions } from "../../src/client/client.ts";
import type { H2ClientConnection } from "../../src/client/connection.ts";
import { ErrorCode as E } from "../../src/errors.ts";
import { ask, connectTo, Heard, upload } from "./harness.ts";

const reports: unknown[] = [];

const join = async (port: number, options: Partial<H2ClientOptions> = {}): Promise<H2ClientConnection> => {
  const stream = await connect({ hostname: "127.0.0.1", port });
  return createH2Client(stream, { report: (error) => reports.push(error), ...options, clock: currentRuntime() });
};

interface Asked extends Heard {
  exchange: ClientExchange;
  done: Promise<void>;
}

const send = (client: H2ClientConnection, request: ClientRequest): Asked => {
  const heard = new Heard() as Asked;
  heard.done = new Promise((resolve) => {
    heard.behind = (line) => {
      if (line.startsWith("finish")) resolve();
    };
  });
  heard.exchange = client.request(request, heard);
  return heard;
};

const closes = (client: H2ClientConnection): Promise<Error | null> =>
  new Promise((resolve) => {
    client.onClose = resolve;
  });

const sendAll = (heard: Asked, size: number): void => {
  let left = size;
  const { behind } = heard;
  const go = (): void => {
    while (left > 0) {
      const part = Math.min(left, 20_000);
      left -= part;
      if (!heard.exchange.write(Buffer.alloc(part, 0x61))) return;
    }
    heard.exchange.end(["x-sum", String(size)]);
  };
  heard.behind = (line) => {
    if (line === "drain") go();
    behind?.(line);
  };
  go();
};

const nodeServer = async (): Promise<{ server: Http2Server; port: number }> => {
  const server = createServer({ settings: { enableConnectProtocol: true, maxConcurrentStreams: 50 } });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    const { ":path": target = "", ":method": method, ":protocol": protocol } = headers;
    if (protocol !== undefined || method === "CONNECT") {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    } else if (target.startsWith("/bytes/")) {
      stream.respond({ ":status": 200 });
      stream.end(Buffer.alloc(Number(target.slice(7)), 0x61));
    } else if (target === "/echo") {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-done": "1" }));
      stream.pipe(stream);
    } else if (target === "/hints") {
      stream.additionalHeaders({ ":status": 103, link: "x" });
      stream.respond({ ":status": 200 }, { endStream: true });
    } else if (target === "/refuse") stream.close(E.REFUSED_STREAM);
    else if (target === "/cut") stream.close(E.INTERNAL_ERROR);
    else if (target === "/bye") {
      stream.respond({ ":status": 200 });
      stream.session?.close();
      stream.end("bye");
    } else {
      stream.respond({ ":status": 200, "content-type": "text/plain" });
      stream.end(method === "HEAD" ? undefined : "Hello, World!");
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
};

t.test("node:http2", async (t) => {
  const { server, port } = await nodeServer();
  const client = await join(port);
  const hello = send(client, ask());
  await hello.done;
  t.match(hello, { body: "Hello, World!", error: null });
  t.equal(client.available, 50, "its SETTINGS have come");
  const head = send(client, ask({ method: "HEAD" }));
  await head.done;
  t.match(head, { body: "", error: null });
  const hints = send(client, ask({ path: "/hints" }));
  await hints.done;
  t.equal(hints.lines[0], "inform 103 link: x");
  const many = Array.from({ length: 50 }, () => send(client, ask()));
  t.equal(client.available, 0);
  await Promise.all(many.map(({ done }) => done));
  t.ok(many.every(({ body }) => body === "Hello, World!"));
  const large = send(client, ask({ path: "/bytes/5000000" }));
  for (let count = 0; count < 3; count += 1) send(client, upload()).exchange.abort();
  const echoes = [1, 2, 3].map(() => send(client, { ...upload(), path: "/echo" }));
  for (const one of echoes) sendAll(one, 3_000_000);
  await Promise.all([large, ...echoes].map(({ done }) => done));
  t.equal(large.body.length, 5_000_000);
  for (const one of echoes) t.same([one.body.length, one.lines.slice(-2)], [3_000_000, ["end x-done: 1", "finish"]]);
  const refused = send(client, ask({ path: "/refuse" }));
  const cut = send(client, ask({ path: "/cut" }));
  await Promise.all([refused.done, cut.done]);
  t.match(refused.error, { reason: E.REFUSED_STREAM, processed: "no" });
  t.match(cut.error, { reason: E.INTERNAL_ERROR, processed: "maybe" });
  const tunnel = send(client, connectTo("websocket"));
  await tunnel.done;
  const { stream } = tunnel;
  const back = new Promise<string>((resolve) => {
    let text = "";
    stream?.attach({
      onData(lease) {
        text += Buffer.from(lease.bytes).toString("latin1");
        lease.release();
      },
      onEnd: () => undefined,
      onDrain: () => undefined,
      onClose: () => resolve(text),
    });
  });
  stream?.writeBytes(Buffer.alloc(200_000, 0x62));
  stream?.end();
  t.equal((await back).length, 200_000);
  const closed = closes(client);
  const bye = send(client, ask({ path: "/bye" }));
  await bye.done;
  t.match(bye, { body: "bye", error: null });
  t.equal(await closed, null, "GOAWAY, and an orderly close");
  server.close();
  t.equal(currentRuntime().stats.leases, 0);
});

t.test("node:http2 that is gone in the middle", async (t) => {
  const { server, port } = await nodeServer();
  const sessions: { destroy(): void }[] = [];
  server.on("session", (session) => sessions.push(session));
  const client = await join(port);
  const heard = send(client, upload());
  await new Promise<void>((resolve) => {
    client.onAvailable = resolve;
  });
  const closed = closes(client);
  for (const session of sessions) session.destroy();
  await heard.done;
  t.match(heard.error, { code: "ERR_CONNECTION_CLOSED" });
  await closed;
  t.equal(client.open, false);
  server.close();
  t.equal(currentRuntime().stats.leases, 0);
});

const installed = await promisify(execFile)("nghttpd", ["--version"]).then(
  () => true,
  () => false,
);

const freePort = async (): Promise<number> => {
  const probe = createTcp().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
};

/** It has no way to say that it listens. */
const untilListening = async (port: number, child: ChildProcess): Promise<H2ClientConnection> => {
  for (;;) {
    const client = await join(port).catch(() => null);
    if (client !== null) return client;
    if (child.exitCode !== null) throw new Error(`nghttpd ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

t.test("nghttpd, with padding and trailers", { skip: installed ? false : "nghttpd is not installed" }, async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), "percore-nghttpd-"));
  await writeFile(path.join(directory, "index.html"), "index");
  await writeFile(path.join(directory, "large"), Buffer.alloc(2_000_000, 0x61));
  const port = await freePort();
  const args = ["--no-tls", "-a", "127.0.0.1", "-d", directory, "-b", "200", "--trailer", "x-sum: 1", "--echo-upload"];
  const child = spawn("nghttpd", [...args, String(port)], { stdio: "ignore" });
  const client = await untilListening(port, child);
  const all = Array.from({ length: 60 }, () => send(client, ask()));
  const large = [1, 2, 3].map(() => send(client, ask({ path: "/large" })));
  const echo = send(client, upload(500_000));
  sendAll(echo, 500_000);
  const missing = send(client, ask({ path: "/missing" }));
  await Promise.all([...all, ...large, echo, missing].map(({ done }) => done));
  t.ok(all.every(({ body, error }) => body === "index" && error === null));
  t.ok(large.every(({ body }) => body.length === 2_000_000));
  t.ok(all.every(({ lines }) => lines.includes("end x-sum: 1")));
  t.equal(echo.body.length, 500_000);
  t.match(missing.lines[0], /^head 404/);
  const closed = closes(client);
  client.shutdown();
  t.equal(await closed, null);
  child.kill();
  await once(child, "exit");
  await rm(directory, { recursive: true });
  t.equal(currentRuntime().stats.leases, 0);
});

t.test("nothing was reported", async (t) => t.same(reports, []));
