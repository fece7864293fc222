// The TLS addon: contexts, handshakes, records in and out of the arena, at every size and split.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { makeContext, openTicketRing, TLS } from "../tls.js";
import { context, EC, Engine, RSA, selfSigned, shake } from "./tls-pair.mjs";

const TLS_MODULE = new URL("../tls.js", import.meta.url).href;
const ec = selfSigned(EC);
const rsa = selfSigned(RSA);
const encrypted = selfSigned(RSA, ["-passout", "pass:secret"]);
const http = Buffer.from("\x02h2\x08http/1.1", "latin1");

t.test("a context says what is wrong with it", async (t) => {
  for (const { name, options, step, reason } of [
    {
      name: "no certificate",
      options: { certificates: [{ chain: "x", key: ec.key }] },
      step: "certificate",
      reason: /no PEM/,
    },
    { name: "no key", options: { certificates: [{ chain: ec.chain, key: "x" }] }, step: "key", reason: /./ },
    {
      name: "another's key",
      options: { certificates: [{ chain: ec.chain, key: rsa.key }] },
      step: "mismatch",
      reason: /belong/,
    },
    {
      name: "same kind, another's",
      options: { certificates: [{ chain: rsa.chain, key: encrypted.key, passphrase: "secret" }] },
      step: "mismatch",
      reason: /belong/,
    },
    { name: "no passphrase", options: { certificates: [encrypted] }, step: "passphrase", reason: /no passphrase/ },
    {
      name: "wrong passphrase",
      options: { certificates: [{ ...encrypted, passphrase: "no" }] },
      step: "passphrase",
      reason: /wrong/,
    },
    {
      name: "empty passphrase",
      options: { certificates: [{ ...encrypted, passphrase: "" }] },
      step: "passphrase",
      reason: /wrong/,
    },
    {
      name: "two of a kind",
      options: { certificates: [rsa, { ...encrypted, passphrase: "secret" }] },
      step: "certificate",
      reason: /same kind/,
    },
    { name: "no CA", options: { ca: ["x"] }, step: "ca", reason: /no PEM/ },
    { name: "no CRL", options: { crl: [ec.chain] }, step: "crl", reason: /no PEM/ },
    {
      name: "broken CA",
      options: { ca: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] },
      step: "ca",
      reason: /./,
    },
    { name: "ciphers", options: { ciphers: "nonsense" }, step: "ciphers", reason: /no cipher match/ },
    { name: "ciphersuites", options: { ciphersuites: "nonsense" }, step: "ciphersuites", reason: /no cipher match/ },
    { name: "groups", options: { groups: ["X25519", "nonsense"] }, step: "groups", reason: /nonsense/ },
    {
      name: "session id context",
      options: { sessionIdContext: "x".repeat(33) },
      step: "sessionIdContext",
      reason: /32/,
    },
  ]) {
    const made = makeContext(options);
    t.equal(made.step, step, name);
    t.match(made.reason, reason, name);
  }
  t.notOk("step" in makeContext({ certificates: [ec, { ...encrypted, passphrase: "secret" }] }), "EC and RSA together");
  t.notOk("step" in makeContext({ groups: ["?nonsense", "X25519"] }), "a wished group may be unknown");
  t.throws(() => makeContext({ certificates: 1 }), TypeError);
  t.throws(() => makeContext({ versionMin: 0x0302 }), TypeError, "TLS 1.1 is not to be had");
  t.throws(() => openTicketRing("x").give(new Uint8Array(79)), TypeError);
});

const client = context({ server: false, verify: "require", ca: [ec.chain, rsa.chain], groups: ["X25519", "P-256"] });
const server = context({
  certificates: [ec, rsa],
  alpn: http,
  tickets: openTicketRing("test"),
  groups: ["X25519", "P-256"],
});
const names = { serverName: "localhost", verifyName: "localhost" };

for (const [version, bytes] of [
  ["TLSv1.3", 0x0304],
  ["TLSv1.2", 0x0303],
]) {
  const versions = { versionMin: bytes, versionMax: bytes };
  const inVersion = context({ certificates: [ec, rsa], alpn: http, tickets: openTicketRing("test"), ...versions });

  t.test(`${version}: bytes of any size arrive, however they are cut`, async (t) => {
    const engine = new Engine();
    for (const inMax of [1, 7, 5000, 16 * 1024]) {
      for (const outBytes of inMax === 1 ? [700] : [700, 128 * 1024]) {
        const [c, s] = [engine.session(client, { ...names, alpn: http }), engine.session(inVersion)];
        shake(c, s, { inMax, outBytes });
        t.equal(s.info.protocol, version);
        t.equal(s.info.alpn, 0, "h2");
        t.equal(c.info.verifyError, 0);
        for (const size of [1, 300, 16_288, 16_289, 50_000]) {
          for (const parts of [1, 3]) {
            const sent = randomBytes(size);
            t.equal(s.write(sent, { parts }), size);
            c.read(s.take(), { inMax });
            t.ok(c.plain.equals(sent), `${size} bytes in ${parts} parts, read ${inMax} at a time`);
            c.plain = Buffer.alloc(0);
          }
        }
        c.shutdown();
        s.read(c.take(), { inMax });
        t.ok(s.flags & TLS.peerClosed, "close_notify");
        t.ok(c.close() && s.close());
        t.notOk(s.close(), "a handle is closed once");
      }
    }
    t.equal(engine.native.sessions(), 0);
  });

  t.test(
    `${version}: a ticket resumes, also under an older key and on another engine, not under a foreign ring`,
    async (t) => {
      const ring = openTicketRing(`resume ${version}`);
      const first = context({ certificates: [ec], tickets: ring, ...versions });
      const resume = () => {
        const engine = new Engine();
        const [c, s] = [engine.session(client, names), engine.session(first)];
        shake(c, s);
        return engine.native.takeSession(c.handle);
      };
      const again = (made, session) => {
        const engine = new Engine();
        const [c, s] = [engine.session(client, { ...names, resume: session }), engine.session(made)];
        shake(c, s);
        t.equal(s.failure, null);
        t.equal(c.info.resumed, s.info.resumed);

        const more = engine.native.takeSession(c.handle) !== null;

        if (s.info.resumed) t.ok(more || version === "TLSv1.2", "TLS 1.3: another ticket");

        return s.info.resumed;
      };
      t.ok(again(first, resume()), "newest key");
      const older = resume();
      t.ok(ring.rotate());
      t.equal(ring.size(), 2);
      t.ok(
        again(context({ certificates: [ec], tickets: openTicketRing(`resume ${version}`), ...versions }), older),
        "older key",
      );
      t.notOk(again(context({ certificates: [ec], tickets: openTicketRing("another"), ...versions }), resume()));
      t.notOk(again(context({ certificates: [ec], ...versions }), resume()), "no ring");
      const given = randomBytes(160);
      ring.give(given);
      const underGiven = resume();
      ring.give(Buffer.concat([randomBytes(80), given]));
      t.ok(again(first, underGiven), "a given key that is not the first still opens");
      ring.give(randomBytes(80));
      t.notOk(again(first, resume() && underGiven), "a key that is gone does not");
    },
  );
}

t.test("a ring is forgotten with its last holder", async (t) => {
  const ring = openTicketRing("brief");
  ring.rotate();
  t.equal(openTicketRing("brief").size(), 1);
  t.equal(openTicketRing("other").size(), 0);
});

t.test("a client that trusts nobody, or wants another name, ends the handshake", async (t) => {
  const engine = new Engine();
  for (const { name, made, options, why, alert } of [
    {
      name: "unknown CA",
      made: context({ server: false, verify: "require" }),
      options: names,
      why: /verify failed/,
      alert: 48,
    },
    { name: "host name", made: client, options: { verifyName: "example.org" }, why: /verify failed/, alert: 42 },
    { name: "address", made: client, options: { verifyName: "127.0.0.2" }, why: /verify failed/, alert: 42 },
  ]) {
    const [c, s] = [engine.session(made, options), engine.session(server)];
    shake(c, s);
    t.match(c.failure, why, name);
    t.equal(engine.words[TLS.alertReceived], alert, name);
    t.ok(s.flags & TLS.failed, "told by the alert");
    c.close();
    s.close();
  }
  const [c, s] = [engine.session(client, { verifyName: "127.0.0.1" }), engine.session(server)];
  shake(c, s);
  t.ok(c.flags & TLS.established, "an address of the certificate");
});

t.test("a ClientHello waits for a context, and goes on with it or is refused", async (t) => {
  const engine = new Engine();
  const asking = context({ certificates: [rsa], clientHello: true, tickets: openTicketRing("hello") });
  for (const inMax of [1, 16 * 1024]) {
    const c = engine.session(client, { ...names, alpn: http });
    const s = engine.session(asking);
    const hello = c.read().take();
    s.read(hello, { inMax });
    t.ok(s.flags & TLS.awaitsContext);
    t.equal(engine.native.serverName(s.handle), "localhost");
    s.read();
    t.ok(s.flags & TLS.awaitsContext, "still");
    engine.native.choose(s.handle, server);
    c.read(s.read().take());
    s.read(c.take());
    t.ok(s.flags & TLS.established, s.failure);
    t.equal(s.info.alpn, 0, "the chosen context's protocols");
    t.equal(c.info.verifyError, 0);
  }
  const c = engine.session(client, names);
  const s = engine.session(asking);
  s.read(c.read().take());
  engine.native.choose(s.handle, 112);
  c.read(s.read().take());
  t.ok(s.flags & TLS.failed);
  t.match(c.failure, /unrecognized name/);
});

t.test("no protocol in common is refused, none asked for is not", async (t) => {
  const engine = new Engine();
  const [c, s] = [engine.session(client, { ...names, alpn: Buffer.from("\x03foo") }), engine.session(server)];
  shake(c, s);
  t.ok(s.flags & TLS.failed);
  t.equal(engine.words[TLS.alertReceived], 120);
  const [c2, s2] = [engine.session(client, names), engine.session(server)];
  shake(c2, s2);
  t.equal(s2.info.alpn, -1);
});

t.test("client certificates: asked for, wanted, needed", async (t) => {
  const engine = new Engine();
  const other = selfSigned(EC);
  const trusted = { ca: [ec.chain, rsa.chain], server: false, verify: "require" };
  for (const { verify, certificates, good, error } of [
    { verify: "none", certificates: [ec], good: true, error: 0 },
    { verify: "request", certificates: [ec], good: true, error: 0 },
    { verify: "request", certificates: [other], good: true, error: 18 },
    { verify: "request", certificates: [], good: true, error: 0 },
    { verify: "optional", certificates: [], good: true, error: 0 },
    { verify: "optional", certificates: [other], good: false, error: 18 },
    { verify: "require", certificates: [ec], good: true, error: 0 },
    { verify: "require", certificates: [], good: false, error: 0 },
  ]) {
    const c = engine.session(context({ ...trusted, certificates }), names);
    const s = engine.session(context({ certificates: [rsa], verify, ca: [ec.chain], sessionIdContext: "c" }));
    shake(c, s);
    const name = `${verify}, ${certificates.length === 0 ? "none" : certificates[0] === ec ? "good" : "unknown"}`;
    t.equal((s.flags & TLS.failed) === 0, good, name);
    t.equal(s.info.verifyError, error, name);
    const ders = engine.native.peerCertificates(s.handle);
    t.equal(ders.length, verify !== "none" && certificates.length > 0 && good ? 1 : 0, name);
  }
});

t.test("a staple belongs to a certificate", async (t) => {
  const made = context({ certificates: [{ ...ec, ocsp: Buffer.from("staple") }] });
  t.throws(() => made.setOcsp(1, null), TypeError);
  t.throws(() => made.setOcsp(0, 5), TypeError);
});

t.test("what is no TLS fails at once; more input to a failed session is dropped", async (t) => {
  const engine = new Engine();
  const s = engine.session(server);
  s.read(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  t.match(s.failure, /http request/);
  t.match(s.info, { group: null, resumed: false, hasPeerCertificate: false }, "also before there is anything to tell");
  s.read(Buffer.from("more"));
  t.equal(s.write(Buffer.from("x")), 0);
  t.ok(s.close());
});

t.test("new keys in the middle; a peer that sends nothing but KeyUpdates is cut off", async (t) => {
  const engine = new Engine();
  const [c, s] = [engine.session(client, names), engine.session(server)];
  shake(c, s);
  for (let round = 0; round < 200; round += 1) {
    c.write(Buffer.from("to"), { actions: TLS.updateKeys + TLS.write });
    s.read(c.take());
    s.write(Buffer.from("fro"));
    c.read(s.take());
  }
  t.equal(s.plain.toString(), "to".repeat(200));
  t.equal(c.plain.toString(), "fro".repeat(200));
  for (let round = 0; round < 200 && !(s.flags & TLS.failed); round += 1) {
    c.write(Buffer.alloc(0), { actions: TLS.updateKeys });
    s.read(c.take());
  }
  t.match(s.failure, /control records/);
});

t.test("a call for no session is a programmer's error", async (t) => {
  t.throws(() => new Engine().native.run(), TypeError);
  t.equal(new Engine().native.info(5), null);
  t.notOk(new Engine().native.close(5));
});

/** What a program that imports the TLS part says where `addon` is what it finds. */
const importing = (addon) => {
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", `import ${JSON.stringify(TLS_MODULE)}`], {
    encoding: "utf8",
    env: { ...process.env, PERCORE_ADDON: join(addon, "percore.node") },
  });
  return run.stderr;
};

t.test("a runtime without the addon, and one without OpenSSL, say so plainly", async (t) => {
  t.match(importing("/nowhere"), /no TLS addon for linux-.*could be loaded/);
  const folder = mkdtempSync(join(tmpdir(), "percore-no-openssl-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // Wants a symbol that no OpenSSL has, as ours wants those of an OpenSSL that is not there.
  const source = "void SSL_percore_has_not(void); void napi_register_module_v1(void) { SSL_percore_has_not(); }";
  const compiled = spawnSync(
    "cc",
    ["-shared", "-fPIC", "-Wl,-z,now", "-x", "c", "-", "-o", join(folder, "percore_tls.node")],
    {
      input: source,
    },
  );
  if (compiled.status !== 0) {
    t.skip("there is no C compiler");
    return;
  }
  t.match(importing(folder), /exports no OpenSSL 3/);
});
