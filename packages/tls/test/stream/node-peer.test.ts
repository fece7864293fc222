// TlsStream on real sockets, both drivers, against node:tls on the other side: bytes, ends, ALPN, sessions, resets.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { connect, type Runtime } from "@percore/core";
import t from "tap";
import { connectTls, type TlsConnectOptions } from "../../src/stream/connect.ts";
import { SessionCache } from "../../src/stream/session-cache.ts";
import type { TlsStream } from "../../src/stream/tls-stream.ts";
import { authority, clientOf, Echo, identity, only, Recorder, serverOf, VERSIONS } from "./harness.ts";
import { overDrivers, serveTls, until } from "./sockets.ts";

const trusting = (port: number): tls.ConnectionOptions => ({
  host: "127.0.0.1",
  port,
  servername: "localhost",
  ca: authority.cert,
});

const nodeClient = async (port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> => {
  const socket = tls.connect({ ...trusting(port), ...options });
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
};

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const readAll = async (socket: tls.TLSSocket): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts);
};

for (const version of VERSIONS) {
  overDrivers(`${version}: node's client is echoed 3 MB, and both ends close in order`, async (t, runtime) => {
    const server = await serveTls(runtime, (stream) => new Echo(stream));
    const socket = await nodeClient(server.port, {
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ["http/1.1"],
    });
    t.equal(socket.getProtocol(), version);
    t.equal(socket.alpnProtocol, "http/1.1");
    await until(() => server.streams.length === 1);
    t.equal(server.streams[0].info.alpn, "http/1.1");
    t.same([server.streams[0].tls.serverName, server.streams[0].tls.resumed], ["localhost", false]);
    t.same([server.streams[0].info.encrypted, server.streams[0].info.fd], [true, null]);
    const { remote, local } = server.streams[0].info;
    t.same([remote.address, remote.port, local.port], ["127.0.0.1", socket.localPort, server.port]);
    const bytes = randomBytes(3_000_000);
    socket.end(bytes);
    t.equal(digest(await readAll(socket)), digest(bytes));
    await until(() => server.handlers[0].closes === 1);
    t.same([server.handlers[0].ends, server.handlers[0].error], [1, null]);
    await server.close();
  });

  overDrivers(
    `${version}: node's server, our client: verified, resumed, a long answer under back-pressure`,
    async (t, runtime) => {
      const answer = randomBytes(2_000_000);
      const server = tls.createServer({
        cert: identity.chain,
        key: identity.key,
        ALPNProtocols: ["h2"],
        minVersion: version,
        maxVersion: version,
      });
      server.on("secureConnection", (socket) => {
        socket.on("error", () => {});
        socket.once("data", () => socket.end(answer));
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const sessions = new SessionCache();
      const context = clientOf();
      for (const resumed of [false, true, true]) {
        const stream = await ourClient(runtime, port, { context, sessions, serverName: "localhost", alpn: ["h2"] });
        t.equal(stream.tls.resumed, resumed);
        t.same([stream.info.alpn, stream.tls.authorized, stream.tls.protocol], ["h2", true, version]);
        t.equal(stream.peerCertificates.length, resumed ? stream.peerCertificates.length : 2, "leaf and authority");
        const recorder = new Recorder(stream);
        stream.attach(recorder);
        stream.writeBytes(Buffer.from("go"));
        await until(() => recorder.bytes > 10_000);
        stream.pause();
        await new Promise((resolve) => setTimeout(resolve, 5));
        stream.resume();
        await until(() => recorder.ends === 1);
        t.equal(digest(Buffer.concat(recorder.received)), digest(answer));
        stream.end();
        await recorder.closed;
        t.equal(recorder.error, null);
      }
      server.close();
      await once(server, "close");
    },
  );
}

const ourClient = async (
  runtime: Runtime,
  port: number,
  options: Omit<TlsConnectOptions, "clock">,
): Promise<TlsStream> => {
  const inner = await connect({ hostname: "127.0.0.1", port, runtime });
  return new Promise((resolve, reject) => {
    connectTls(inner, { clock: runtime, ...options }, (error, stream) => {
      if (stream === null) reject(error);
      else resolve(stream);
    });
  });
};

overDrivers("our client and our server: files, and a reset that both see", async (t, runtime) => {
  const folder = mkdtempSync(join(tmpdir(), "percore-tls-"));
  const bytes = randomBytes(1_000_000);
  writeFileSync(join(folder, "file"), bytes);
  const fd = openSync(join(folder, "file"), "r");
  const server = await serveTls(runtime, (stream) => new Recorder(stream));
  const stream = await ourClient(runtime, server.port, { context: clientOf(), serverName: "localhost" });
  const recorder = new Recorder(stream);
  stream.attach(recorder);
  await until(() => server.streams.length === 1);
  const sent = new Promise((resolve) => server.streams[0].sendFile(fd, 0, bytes.length, (...told) => resolve(told)));
  t.same(await sent, [null, bytes.length]);
  await until(() => recorder.bytes === bytes.length);
  t.equal(digest(Buffer.concat(recorder.received)), digest(bytes));
  server.streams[0].reset();
  await recorder.closed;
  t.equal(recorder.code, "ECONNRESET");
  t.equal(server.handlers[0].code, "ERR_STREAM_ABANDONED");
  closeSync(fd);
  rmSync(folder, { recursive: true });
  await server.close();
});

overDrivers("a session resumes on node's client, across a new context and both versions", async (t, runtime) => {
  const server = await serveTls(runtime, (stream) => new Echo(stream));
  for (const version of VERSIONS) {
    const given: Buffer[] = [];
    const first = tls.connect({ ...trusting(server.port), minVersion: version, maxVersion: version });
    first.on("session", (session: Buffer) => given.push(session));
    first.write("x");
    await once(first, "data");
    first.end();
    await once(first.resume(), "close");
    server.acceptor.context = serverOf();
    const again = await nodeClient(server.port, { minVersion: version, maxVersion: version, session: given[0] });
    t.ok(again.isSessionReused(), version);
    again.end();
    await once(again.resume(), "close");
  }
  await until(() => server.acceptor.stats.completed === 4);
  t.same([server.acceptor.stats.resumed, server.acceptor.stats.failed], [2, 0]);
  await server.close();
});

overDrivers(
  "what is no TLS, an old version, and a client that leaves: refused, counted, forgotten",
  async (t, runtime) => {
    const server = await serveTls(runtime, (stream) => new Echo(stream));
    const plain = await connect({ hostname: "127.0.0.1", port: server.port, runtime });
    const recorder = new Recorder(plain);
    plain.attach(recorder);
    plain.writeBytes(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await until(() => recorder.ends === 1);
    plain.end();
    const gone = await connect({ hostname: "127.0.0.1", port: server.port, runtime });
    gone.attach(new Recorder(gone));
    gone.end();
    await t.rejects(nodeClient(server.port, { maxVersion: "TLSv1.1", minVersion: "TLSv1.1" }));
    await until(() => server.errors.length === 3);
    t.same(server.errors.map((error) => (error as Error & { code: string }).code).sort(), [
      "ERR_TLS_ENDED",
      "ERR_TLS_HANDSHAKE",
      "ERR_TLS_HANDSHAKE",
    ]);
    await server.close();
  },
);

t.test("limits of TLS version are kept", async (t) => {
  t.throws(() => serverOf({ versionMin: 0x0304, versionMax: 0x0303 }), { code: "ERR_TLS_OPTION" });
  t.ok(serverOf(only("TLSv1.2")));
});
