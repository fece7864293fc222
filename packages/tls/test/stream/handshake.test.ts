// Handshakes that fail, wait, are chosen for or refused: by code, by deadline, by the gate; and what each side is told.
import { FakeClock, memoryPair, Pump, ScriptedPeer } from "@percore/core/testing";
import t from "tap";
import type { TlsContext } from "../../src/context.ts";
import { TlsAcceptor, type TlsAcceptorOptions } from "../../src/stream/acceptor.ts";
import { connectTls } from "../../src/stream/connect.ts";
import { SessionCache } from "../../src/stream/session-cache.ts";
import { make } from "../certificates/make.ts";
import {
  authority,
  clientOf,
  identity,
  only,
  RawSession,
  rsaIdentity,
  serverOf,
  type TlsPairOptions,
  tlsPair,
} from "./harness.ts";

const other = await make({ name: "Other CA", authority: true });
const expired = await make({ issuer: authority, notAfter: new Date(Date.now() - 3_600_000) });
const user = await make({ issuer: authority, client: true, name: "user" });
const stranger = await make({ issuer: other, client: true, name: "stranger" });
const certified = (made: { cert: string; key: string }): { certificates: { chain: string; key: string }[] } => ({
  certificates: [{ chain: made.cert, key: made.key }],
});

interface Row {
  readonly name: string;
  readonly server?: Parameters<typeof serverOf>[0];
  readonly client?: Parameters<typeof clientOf>[0];
  readonly connect?: TlsPairOptions["client"];
  readonly atClient: string | null;
  readonly atServer: string | null;
}

t.test("who refuses whom, and the code each side gets", async (t) => {
  const asks = (verify: "request" | "optional" | "require") => ({ verify, ca: [authority.cert] });
  const rows: Row[] = [
    { name: "all is well", atClient: null, atServer: null },
    {
      name: "unknown authority",
      client: { ca: [other.cert] },
      atClient: "ERR_TLS_VERIFY",
      atServer: "ERR_TLS_PEER_ALERT",
    },
    { name: "no authority at all", client: { ca: [] }, atClient: "ERR_TLS_VERIFY", atServer: "ERR_TLS_PEER_ALERT" },
    { name: "expired", server: certified(expired), atClient: "ERR_TLS_VERIFY", atServer: "ERR_TLS_PEER_ALERT" },
    {
      name: "another name",
      connect: { serverName: "example.org" },
      atClient: "ERR_TLS_HOST",
      atServer: "ERR_TLS_PEER_ALERT",
    },
    { name: "an address it has", connect: { serverName: "127.0.0.1" }, atClient: null, atServer: null },
    {
      name: "an address it has not",
      connect: { serverName: "127.0.0.2" },
      atClient: "ERR_TLS_HOST",
      atServer: "ERR_TLS_PEER_ALERT",
    },
    {
      name: "a name that is not looked at",
      connect: { serverName: "x", verifyName: null },
      atClient: null,
      atServer: null,
    },
    { name: "nothing is looked at", client: { ca: [], verify: "none" }, atClient: null, atServer: null },
    { name: "no protocol in common", connect: { alpn: ["foo"] }, atClient: "ERR_TLS_ALPN", atServer: "ERR_TLS_ALPN" },
    {
      name: "no version in common",
      server: only("TLSv1.2"),
      client: only("TLSv1.3"),
      atClient: "ERR_TLS_PEER_ALERT",
      atServer: "ERR_TLS_HANDSHAKE",
    },
    {
      name: "no group in common",
      server: { groups: ["P-256"] },
      client: { groups: ["X25519"] },
      atClient: "ERR_TLS_PEER_ALERT",
      atServer: "ERR_TLS_HANDSHAKE",
    },
    {
      name: "a client certificate that is needed",
      server: asks("require"),
      client: certified(user),
      atClient: null,
      atServer: null,
    },
    { name: "none where one is wanted", server: asks("optional"), atClient: null, atServer: null },
    {
      name: "a stranger's where one is asked for",
      server: asks("request"),
      client: certified(stranger),
      atClient: null,
      atServer: null,
    },
    {
      name: "TLS 1.2: none where one is needed",
      server: { ...asks("require"), ...only("TLSv1.2") },
      atClient: "ERR_TLS_PEER_ALERT",
      atServer: "ERR_TLS_VERIFY",
    },
    {
      name: "TLS 1.2: a stranger's",
      server: { ...asks("require"), ...only("TLSv1.2") },
      client: certified(stranger),
      atClient: "ERR_TLS_PEER_ALERT",
      atServer: "ERR_TLS_VERIFY",
    },
  ];
  for (const { name, server, client, connect, atClient, atServer } of rows) {
    const pair = await tlsPair({
      server: { context: serverOf({ sessionIdContext: "rows", ...server }) },
      client: { context: clientOf(client), ...connect },
    });
    t.same([pair.client.error?.code ?? null, pair.server.error?.code ?? null], [atClient, atServer], name);
    pair.client.stream?.reset();
    await pair.expectRest(t);
  }
});

t.test("TLS 1.3: a client learns after its handshake that the server wants another certificate", async (t) => {
  for (const [certificate, code] of [
    [{}, "ERR_TLS_VERIFY"],
    [certified(stranger), "ERR_TLS_VERIFY"],
  ] as const) {
    const context = serverOf({ verify: "require", ca: [authority.cert], sessionIdContext: "c" });
    const pair = await tlsPair({ server: { context }, client: { context: clientOf(certificate) } });
    t.equal(pair.server.error?.code, code);
    await pair.expectRest(t);
    t.equal(pair.client.handler?.code, "ERR_TLS_PEER_ALERT");
  }
});

t.test("peers and what was agreed on", async (t) => {
  const context = serverOf({ verify: "request", ca: [authority.cert], sessionIdContext: "peers" });
  for (const [made, authorized, reason] of [
    [user, true, null],
    [stranger, false, "unable to get local issuer certificate"],
    [null, false, null],
  ] as const) {
    const client = clientOf(made === null ? {} : certified(made));
    const pair = await tlsPair({ server: { context }, client: { context: client, alpn: ["http/1.1", "h2"] } });
    const { server } = pair.ends();
    t.match(server.tls, { hasPeerCertificate: made !== null, authorized, protocol: "TLSv1.3", resumed: false });
    if (reason !== null) t.match(server.tls.verifyReason, /unable to (get local issuer|verify)/);
    else t.equal(server.tls.verifyReason, null);
    t.equal(server.info.alpn, "h2", "the server's order");
    t.equal(server.peerCertificates.length, made === null ? 0 : 1);
    if (made !== null)
      t.ok(Buffer.from(server.peerCertificates[0]).equals(Buffer.from(made.certificate.rawData)), "DER");
    t.match(server.tls.cipher, /^TLS_AES_128_GCM_SHA256$/);
    server.reset();
    await pair.expectRest(t);
  }
});

t.test("the certificate fits what the client can do", async (t) => {
  const both = serverOf({ certificates: [rsaIdentity, identity] });
  for (const [ciphers, cipher] of [
    ["ECDHE-RSA-AES128-GCM-SHA256", /ECDHE_RSA/],
    ["ECDHE-ECDSA-AES128-GCM-SHA256", /ECDHE_ECDSA/],
  ] as const) {
    const pair = await tlsPair({
      server: { context: both },
      client: { context: clientOf({ ciphers, ...only("TLSv1.2") }) },
    });
    t.match(pair.ends().client.tls.cipher, cipher);
    pair.ends().client.reset();
    await pair.expectRest(t);
  }
});

t.test("a context for each name: at once, later, never, none", async (t) => {
  const asking = serverOf({ clientHello: true });
  const chosen = serverOf({ alpn: ["http/1.1"], ...only("TLSv1.2") });
  const asked: (string | null)[] = [];
  let later: ((context: TlsContext | null) => void)[] = [];
  const select: TlsAcceptorOptions["select"] = (name, choose) => {
    asked.push(name);
    if (name === "localhost") choose(chosen);
    else if (name === "refused.example") choose(null);
    else later.push(choose);
  };
  const pairOf = (serverName: string): Promise<Awaited<ReturnType<typeof tlsPair>>> =>
    tlsPair({
      server: { context: asking, select },
      client: { serverName, verifyName: "localhost", alpn: ["http/1.1"] },
    });

  const now = await pairOf("localhost");
  t.equal(now.ends().server.info.alpn, "http/1.1");
  t.equal(now.ends().server.tls.protocol, "TLSv1.2", "its versions, too");
  now.ends().client.end();
  now.ends().server.end();
  await now.expectRest(t);

  const refused = await pairOf("refused.example");
  t.same([refused.client.error?.code, refused.server.error?.code], ["ERR_TLS_SERVER_NAME", "ERR_TLS_SERVER_NAME"]);
  await refused.expectRest(t);

  const waiting = await pairOf("later.example");
  t.equal(waiting.acceptor.stats.handshakes, 1);
  t.equal(waiting.server.stream, null);
  later[0](chosen);
  later[0](null);
  await waiting.memory.pump.settle();
  t.equal(waiting.ends().server.tls.serverName, "later.example", "the first answer counts");
  waiting.ends().client.reset();
  await waiting.expectRest(t);

  later = [];
  const gone = await pairOf("gone.example");
  gone.memory.client.reset();
  await gone.memory.pump.settle();
  later[0](chosen);
  t.equal(gone.server.error?.code, "ECONNRESET", "an answer that comes too late changes nothing");
  await gone.expectRest(t);

  const slow = await pairOf("slow.example");
  slow.clock.pass(10_000);
  await slow.memory.pump.settle();
  t.equal(slow.server.error?.code, "ERR_TLS_HANDSHAKE_TIMEOUT");
  await slow.expectRest(t);
  t.same(asked, ["localhost", "refused.example", "later.example", "gone.example", "slow.example"]);
});

t.test("a handshake has a deadline, on both sides; 0 is none", async (t) => {
  for (const timeoutMs of [10_000, 300, 0]) {
    const memory = memoryPair();
    const clock = new FakeClock();
    const acceptor = new TlsAcceptor({ clock, context: serverOf(), handshakeTimeoutMs: timeoutMs });
    const told: (string | null)[] = [];
    const done = (error: Error | null): void => {
      told.push(error === null ? null : (error as Error & { code: string }).code);
    };
    acceptor.accept(memory.server, done);
    const silent = new ScriptedPeer(memory.client, memory.pump);
    await memory.pump.settle();
    if (timeoutMs > 0) {
      clock.advance(timeoutMs - 1);
      t.same(told, []);
      clock.pass(1);
      t.same(told, ["ERR_TLS_HANDSHAKE_TIMEOUT"]);
    } else {
      clock.advance(1_000_000);
      t.same(told, []);
      silent.reset();
    }
    await memory.pump.settle();
    t.equal(told.length, 1);
    t.ok(silent.closed);
    t.equal(clock.wheel.size, 0);
  }
  const memory = memoryPair();
  const clock = new FakeClock();
  let code = "";
  connectTls(memory.client, { clock, context: clientOf(), serverName: "localhost" }, (error) => {
    code = (error as Error & { code: string }).code;
  });
  await memory.pump.settle();
  clock.pass(10_000);
  t.equal(code, "ERR_TLS_HANDSHAKE_TIMEOUT");
});

t.test("so many handshakes at once, so many that wait, and one more is refused", async (t) => {
  const pump = new Pump();
  const clock = new FakeClock();
  const acceptor = new TlsAcceptor({ clock, context: serverOf(), handshakesMax: 2, waitingMax: 3 });
  const codes: (string | null)[] = [];
  const peers: ScriptedPeer[] = [];
  for (let at = 0; at < 6; at += 1) {
    const memory = memoryPair({ pump });
    acceptor.accept(memory.server, (error) =>
      codes.push(error === null ? null : (error as Error & { code: string }).code),
    );
    peers.push(new ScriptedPeer(memory.client, pump));
  }
  t.match(acceptor.stats, { handshakes: 2, waiting: 3, refused: 1, failed: 1 });
  t.same(codes, ["ERR_TLS_HANDSHAKE_LIMIT"]);
  peers[0].send(new RawSession(clientOf(), "localhost").read());
  peers[2].queue(new RawSession(clientOf(), "localhost").read());
  await pump.settle();
  t.equal(peers[2].bytes().length, 0, "nothing of those that wait is read");
  peers[0].reset();
  await pump.settle();
  t.match(acceptor.stats, { handshakes: 2, waiting: 2 });
  t.ok(peers[2].bytes().length > 0, "its turn has come");
  for (const peer of peers) peer.reset();
  await pump.settle();
  t.match(acceptor.stats, { handshakes: 0, waiting: 0, completed: 0, failed: 6 });
});

t.test("a connection that waits too long for its handshake, or leaves meanwhile, is forgotten", async (t) => {
  const pump = new Pump();
  const clock = new FakeClock();
  const acceptor = new TlsAcceptor({ clock, context: serverOf(), handshakesMax: 1, handshakeTimeoutMs: 1000 });
  const codes: string[] = [];
  const peers: ScriptedPeer[] = [];
  for (let at = 0; at < 3; at += 1) {
    const memory = memoryPair({ pump });
    acceptor.accept(memory.server, (error) => codes.push((error as Error & { code: string }).code));
    peers.push(new ScriptedPeer(memory.client, pump));
  }
  peers[1].reset();
  clock.pass(1000);
  await pump.settle();
  t.same(codes, Array(3).fill("ERR_TLS_HANDSHAKE_TIMEOUT"));
  t.match(acceptor.stats, { handshakes: 0, waiting: 0, failed: 3 });
  t.equal(clock.wheel.size, 0);
});

t.test("a flood of ClientHellos: a few steps per turn, and an open connection is served in between", async (t) => {
  const pump = new Pump();
  const open = await tlsPair({ pump });
  const { clock, acceptor } = open;
  const flood: ScriptedPeer[] = [];
  for (let at = 0; at < 40; at += 1) {
    // Every other one comes in pieces, so that more arrives while it waits.
    const memory = memoryPair({ pump, toServer: { chunkBytesMax: at % 2 === 0 ? 16_384 : 60 } });
    acceptor.accept(memory.server, () => {});
    flood.push(new ScriptedPeer(memory.client, pump));
    flood[at].queue(new RawSession(clientOf(), "localhost").read());
  }
  const answered = (): number => flood.filter((peer) => peer.pending > 0).length;
  clock.advance(1);
  pump.run();
  const first = answered();
  t.ok(first <= 4, `${first} of 40 in the first turn`);
  open.ends().client.writeBytes(Buffer.from("still there?"));
  await Promise.resolve();
  pump.run();
  t.equal(open.ends().atServer.text, "still there?");
  t.ok(answered() < 40, "and the flood is not done");
  await pump.settle();
  t.equal(answered(), 40, "all get their turn");
  t.equal(open.memory.arena.stats.outstanding, 0);
  for (const peer of flood) peer.reset();
  open.ends().client.reset();
  await open.expectRest(t);
});

t.test("our client resumes with our server; a session is used once in TLS 1.3", async (t) => {
  for (const version of ["TLSv1.3", "TLSv1.2"] as const) {
    const sessions = new SessionCache(2);
    const context = clientOf(only(version));
    const server = serverOf({ ticketCount: 2 });
    for (const resumed of [false, true, true]) {
      const pair = await tlsPair({ server: { context: server }, client: { context, sessions } });
      t.equal(pair.ends().client.tls.resumed, resumed, version);
      t.ok(pair.ends().client.tls.authorized, "what was verified then still counts");
      t.equal(pair.acceptor.stats.resumed, resumed ? 1 : 0);
      t.equal(sessions.servers, 1);
      pair.ends().client.end();
      pair.ends().server.end();
      await pair.expectRest(t);
    }
    for (const name of ["a", "b", "c"]) sessions.put(name, {});
    t.equal(sessions.servers, 2);
    for (let at = 0; at < 6; at += 1) sessions.put("c", {});
    let kept = 0;
    while (sessions.take("c") !== null) kept += 1;
    t.equal(kept, 4);
    sessions.clear();
    t.equal(sessions.servers, 0);
  }
});

t.test("a name that OpenSSL does not take", async (t) => {
  const memory = memoryPair();
  const told = new Promise((resolve) => {
    const options = { clock: new FakeClock(), context: clientOf(), serverName: "x".repeat(300) };
    connectTls(memory.client, options, (error) => resolve((error as Error & { code: string }).code));
  });
  t.equal(await told, "ERR_TLS_OPTION");
});
