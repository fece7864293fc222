// Tunnels through the proxy: WebSocket over HTTP/1.1 and HTTP/2 on either side, other upgrades, CONNECT.
import { createServer, request } from "node:http";
import { connect as connectH2 } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { currentRuntime, type Lease } from "@percore/core";
import type { Exchange } from "@percore/http";
import { serve } from "percore";
import t, { type Test } from "tap";
import { acceptOf } from "../../src/forward/websocket-key.ts";
import { liveProxy } from "./live.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** HTTP/1.1: accepts a WebSocket as it should, and sends back what comes. */
const h1Echo = async (t: Test): Promise<string> => {
  const server = createServer((_request, response) => response.end("plain"));
  server.on("upgrade", (asked, socket) => {
    const key = asked.headers["sec-websocket-key"];
    const proof = key === undefined ? "" : `sec-websocket-accept: ${acceptOf(key)}\r\n`;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${asked.headers.upgrade}\r\n${proof}\r\n`,
    );
    socket.pipe(socket);
    socket.on("error", () => undefined);
  });
  server.on("connect", (_asked, socket: Duplex) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.pipe(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** HTTP/2: the same by extended CONNECT. */
const h2Echo = async (t: Test): Promise<string> => {
  const handler = (exchange: Exchange): void => {
    if (exchange.upgrade === null) {
      exchange.respond(200, [], "plain");
      return;
    }
    const stream = exchange.tunnel(["x-key", exchange.fields.get("sec-websocket-key") ?? "none"]);
    stream.attach({
      onData: (lease: Lease) => stream.write(lease),
      onEnd: () => stream.end(),
      onDrain: () => undefined,
      onClose: () => undefined,
    });
  };
  const server = serve({ port: 0, hostname: "127.0.0.1", signals: false, http1: false, handler });
  await server.ready;
  t.teardown(() => server.close(500));
  return `127.0.0.1:${server.address?.port}`;
};

interface Tunnel {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly stream: Duplex;
}

const upgradeH1 = (port: number, headers: Record<string, string>): Promise<Tunnel> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", headers: { connection: "upgrade", ...headers } });
    asked.on("error", reject);
    asked.on("response", (response) =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers, stream: response as never }),
    );
    asked.on("upgrade", (response, stream) => {
      stream.on("error", () => undefined);
      resolve({ status: 101, headers: response.headers, stream });
    });
    asked.end();
  });

const upgradeH2 = (t: Test, port: number): Promise<Tunnel> =>
  new Promise((resolve, reject) => {
    const session = connectH2(`http://127.0.0.1:${port}`);
    t.teardown(() => session.destroy());
    session.on("error", reject);
    session.on("remoteSettings", () => {
      const stream = session.request(
        { ":method": "CONNECT", ":protocol": "websocket", ":path": "/chat", "sec-websocket-version": "13" },
        { endStream: false },
      );
      stream.on("error", reject);
      stream.on("response", (headers) =>
        resolve({ status: Number(headers[":status"]), headers: headers as never, stream }),
      );
    });
  });

const echoes = async (stream: Duplex, text: string): Promise<string> => {
  let got = "";
  const all = new Promise<string>((resolve) => {
    stream.on("data", (chunk: Buffer) => {
      got += chunk;
      if (got.length >= text.length) resolve(got);
    });
  });
  stream.write(text);
  return all;
};

for (const [name, upstream, protocol] of [
  ["HTTP/1.1", h1Echo, "h1"],
  ["HTTP/2", h2Echo, "h2"],
] as const) {
  t.test(`WebSocket to a server of ${name}`, async (t) => {
    const proxy = await liveProxy(t, {
      upstreams: { app: { servers: await upstream(t), protocol } },
      routes: [{ upstream: "app" }],
    });
    const one = await upgradeH1(proxy.port, {
      upgrade: "websocket",
      "sec-websocket-key": KEY,
      "sec-websocket-version": "13",
    });
    t.equal(one.status, 101);
    t.equal(one.headers["sec-websocket-accept"], acceptOf(KEY), "the client's key is answered");
    if (protocol === "h2") t.equal(one.headers["x-key"], "none", "HTTP/2 has no key");
    const large = "x".repeat(300_000);
    t.equal(await echoes(one.stream, large), large);
    const two = await upgradeH2(t, proxy.port);
    t.equal(two.status, 200);
    t.equal(two.headers["sec-websocket-accept"], undefined);
    t.equal(await echoes(two.stream, "over HTTP/2"), "over HTTP/2");
    one.stream.end();
    two.stream.end();
    while (proxy.records.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    const [, last] = proxy.records.map(({ sent }) => sent).sort((a, b) => a - b);
    t.equal(last, large.length, "bytes are counted");
  });
}

t.test("an upgrade that the route forbids, and CONNECT", async (t) => {
  const h1 = await h1Echo(t);
  const proxy = await liveProxy(t, {
    upstreams: { app: h1 },
    routes: [
      { path: "/never", upstream: "app", upgrade: false },
      { host: "tunnel.example", upstream: "app", connect: true },
      { path: "/*", upstream: "app" },
    ],
  });
  t.equal(await upgradePath(proxy.port, "/other"), 101);
  t.equal(await upgradePath(proxy.port, "/never"), 501);
  t.equal(await connectStatus(proxy.port, "other.example:443"), 501);
  t.equal(await connectStatus(proxy.port, "tunnel.example:443"), 200);
});

const upgradePath = (port: number, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path, headers: { connection: "upgrade", upgrade: "x" } });
    asked.on("error", reject);
    asked.on("response", (response) => resolve(response.resume().statusCode ?? 0));
    asked.on("upgrade", (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    asked.end();
  });

const connectStatus = (port: number, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", method: "CONNECT", path });
    asked.on("error", reject);
    asked.on("response", (response) => resolve(response.resume().statusCode ?? 0));
    asked.on("connect", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    asked.end();
  });

t.test("nothing is left", async (t) => {
  for (let turn = 0; turn < 40 && currentRuntime().arena.stats.outstanding > 0; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.equal(currentRuntime().arena.stats.outstanding, 0);
});
