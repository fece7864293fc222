// tls.test.ts — serve({ tls }): certificates by name, client certificates, reloads, errors at the start, and the drain.
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import t from "tap";
import { makeDevCertificate } from "../src/cli/dev-certificate.ts";
import { Response, type ServeOptions, type Server, serve, type TlsInfo } from "../src/index.ts";
import { settles } from "./black-box/bench.ts";

const start = async (options: Partial<ServeOptions>): Promise<Server> => {
  const server = serve({ port: 0, hostname: "127.0.0.1", signals: false, fetch: () => new Response("hi"), ...options });
  await server.ready;
  return server;
};

/** However it closes. */
const closes = (socket: net.Socket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

const portOf = (server: Server): number => server.address?.port ?? 0;

/** A handshake and one request. @returns what the server showed and said, or the code of the failure. */
const visit = async (
  server: Server,
  options: tls.ConnectionOptions,
): Promise<{ name: string; body: string } | string> => {
  const socket = tls.connect({ port: portOf(server), host: "127.0.0.1", rejectUnauthorized: false, ...options });
  try {
    await once(socket, "secureConnect");
    const name = String(socket.getPeerCertificate().subjectaltname);
    socket.end("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    return { name, body: text.slice(text.indexOf("\r\n\r\n") + 4) };
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
};

const made = async (...given: Parameters<typeof makeDevCertificate>): Promise<{ cert: string; key: string }> => {
  const { cert, key } = await makeDevCertificate(...given);
  return { cert, key };
};
const [one, two, client, stranger] = await Promise.all([
  made(["one.test", "127.0.0.1"], 1),
  made(["two.test"], 1),
  made(["client.test"], 1, true),
  made(["stranger.test"], 1, true),
]);

t.test("a certificate for each name, and refusal of others", async (t) => {
  const server = await start({
    tls: { cert: one.cert, key: one.key, sni: { "two.test": two }, unknownNames: "refuse" },
  });
  t.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  t.same(await visit(server, { servername: "one.test" }), { name: "DNS:one.test, IP Address:127.0.0.1", body: "hi" });
  t.same(await visit(server, { servername: "two.test" }), { name: "DNS:two.test", body: "hi" });
  t.equal(await visit(server, { servername: "three.test" }), "ERR_SSL_TLSV1_UNRECOGNIZED_NAME");
  t.equal(server.stats().handshakes, 2);
  t.equal(server.stats().handshakesFailed, 1);
  await server.close();
  t.equal(server.stats().connectionsOpen, 0);
});

t.test("client certificates: required, and told to the handler", async (t) => {
  const seen: (TlsInfo | null)[] = [];
  const server = await start({
    tls: { cert: one.cert, key: one.key, ca: client.cert, clientAuth: "require" },
    fetch: (_request, info) => {
      seen.push(info.tls);
      return new Response(info.tls?.peerCertificate?.subjectaltname);
    },
  });
  t.same(await visit(server, client), {
    name: "DNS:one.test, IP Address:127.0.0.1",
    body: "DNS:client.test",
  });
  t.match(await visit(server, {}), /ALERT|ECONNRESET|CERTIFICATE_REQUIRED/);
  t.match(await visit(server, stranger), /ALERT|ECONNRESET|UNKNOWN_CA/);
  t.equal(seen.length, 1);
  const [info] = seen;
  t.equal(info?.authorized, true);
  t.equal(info?.protocol, "TLSv1.3");
  await server.close();

  const asking = await start({
    tls: { cert: one.cert, key: one.key, clientAuth: "request" },
    fetch: (_request, { tls }) =>
      Response.json([tls?.authorized, tls?.hasPeerCertificate, tls?.peerCertificate?.raw.length]),
  });
  t.match(await visit(asking, stranger), { body: /^\[false,true,\d{3}\]$/ });
  t.match(await visit(asking, {}), { body: "[false,false,null]" });
  await asking.close();
});

t.test("a new certificate is served without dropping a connection; a broken one leaves the old", async (t) => {
  const folder = t.testdir({ "cert.pem": one.cert, "key.pem": one.key });
  const [cert, key] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  const told: (Error | null)[] = [];
  const server = await start({ tls: { cert, key, watch: false, onReload: (error) => told.push(error) } });
  const kept = tls.connect({ port: portOf(server), host: "127.0.0.1", rejectUnauthorized: false });
  await once(kept, "secureConnect");

  writeFileSync(cert, two.cert);
  await t.rejects(server.reloadTls(), { code: "ERR_TLS_KEY_MISMATCH" });
  t.match(await visit(server, {}), { name: /one\.test/ });
  writeFileSync(key, two.key);
  await server.reloadTls();
  t.match(await visit(server, {}), { name: "DNS:two.test" });
  t.match(told, [{ code: "ERR_TLS_KEY_MISMATCH" }, null]);

  kept.end("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of kept) text += chunk;
  t.match(text, /hi$/, "a connection from before goes on");
  await server.close();
  const plain = await start({});
  await t.rejects(plain.reloadTls(), { code: "ERR_OPTION_INVALID" });
  await plain.close();
});

t.test("a session is resumed, also after a reload", async (t) => {
  const server = await start({ tls: { ...one, watch: false } });
  let session: Buffer | undefined;
  const resume = async (): Promise<boolean> => {
    const socket = tls.connect({ port: portOf(server), host: "127.0.0.1", rejectUnauthorized: false, session });
    socket.on("session", (given) => {
      session = given;
    });
    await once(socket, "secureConnect");
    const reused = socket.isSessionReused();
    socket.end("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    for await (const _ of socket);
    return reused;
  };
  t.equal(await resume(), false);
  t.equal(await resume(), true);
  await server.reloadTls();
  t.equal(await resume(), true);
  t.equal(server.stats().handshakesResumed, 2);
  await server.close();
});

t.test("what is wrong is said before it listens", async (t) => {
  for (const [options, error] of [
    [{ tls: { cert: one.cert, key: two.key } }, { code: "ERR_TLS_KEY_MISMATCH", message: /key does not belong/ }],
    [{ tls: { cert: "/nowhere/cert.pem", key: one.key } }, { code: "ERR_TLS_FILE", message: /\/nowhere\/cert\.pem/ }],
    [{ tls: {} }, { code: "ERR_TLS_OPTION", message: /tls\.cert is missing/ }],
  ] as const)
    await t.rejects(start(options), error);
  t.throws(() => serve({ fetch: () => new Response(), tls: { certs: "x" } as never }), {
    code: "ERR_OPTION_INVALID",
    message: /unknown name in tls: "certs"; did you mean "cert"\?/,
  });
});

t.test("who does not shake hands: a clear-text request, silence, and a drain meanwhile", async (t) => {
  const failures: string[] = [];
  const server = await start({
    tls: {
      ...one,
      handshakeMs: 300,
      onHandshakeError: (error) => failures.push((error as Error & { code: string }).code),
    },
    timeouts: { lingerMs: 200 },
  });
  const clear = net.connect(portOf(server), "127.0.0.1");
  clear.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  clear.on("error", () => undefined);
  const silent = net.connect(portOf(server), "127.0.0.1");
  silent.on("error", () => undefined);
  clear.resume();
  silent.resume();
  await Promise.all([closes(clear), closes(silent)]);
  t.same(failures.sort(), ["ERR_TLS_HANDSHAKE", "ERR_TLS_HANDSHAKE_TIMEOUT"]);
  await settles(() => server.stats().connectionsOpen === 0);
  t.equal(server.stats().connectionsOpen, 0);

  const late = net.connect(portOf(server), "127.0.0.1");
  late.on("error", () => undefined);
  late.resume();
  await once(late, "connect");
  await settles(() => server.stats().connectionsOpen === 1);
  const closed = closes(late);
  await server.close();
  await closed;
  t.equal(server.stats().connectionsOpen, 0, "a drain does not wait for who says nothing");
});

t.test("http1 and http2 decide what is offered", async (t) => {
  const agreed = async (options: Partial<ServeOptions>, ALPNProtocols?: string[]): Promise<string | false | null> => {
    const server = await start({ tls: one, ...options });
    const socket = tls.connect({ port: portOf(server), host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols });
    const answer = await once(socket, "secureConnect").then(
      () => socket.alpnProtocol,
      (error: NodeJS.ErrnoException) => error.code ?? null,
    );
    socket.destroy();
    await server.close();
    return answer;
  };
  t.equal(await agreed({}, ["h2", "http/1.1"]), "h2");
  t.equal(await agreed({}, ["http/1.1", "h2"]), "h2", "ours is the choice");
  t.equal(await agreed({}, ["http/1.1"]), "http/1.1");
  t.equal(await agreed({}), false);
  t.equal(await agreed({ http2: false }, ["h2", "http/1.1"]), "http/1.1");
  t.equal(await agreed({ http1: false }, ["http/1.1"]), "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
});

t.test("files that are gone later do not matter to connections", async (t) => {
  const folder = t.testdir({ "cert.pem": one.cert, "key.pem": one.key });
  const cert = path.join(folder, "cert.pem");
  const server = await start({ tls: { cert, key: path.join(folder, "key.pem"), watch: false } });
  rmSync(cert);
  t.match(await visit(server, {}), { body: "hi" });
  await t.rejects(server.reloadTls(), { code: "ERR_TLS_FILE" });
  t.match(await visit(server, {}), { body: "hi" });
  await server.close();
});
