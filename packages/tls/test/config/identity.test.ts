import { createPrivateKey } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { type IdentityOptions, readIdentity } from "../../src/config/identity.ts";
import { make } from "../certificates/make.ts";

const NOW = Date.now();
const DAY_MS = 86_400_000;

const fails = async (options: IdentityOptions, now = NOW): Promise<{ code: string; message: string }> => {
  try {
    await readIdentity(options, "", now);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("it was accepted");
};

const encrypted = (key: string, passphrase: string): string =>
  createPrivateKey(key).export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }) as string;

t.test("a certificate and its key, by text, bytes, path and URL", async (t) => {
  const { cert, key } = await make({ names: ["Example.com", "*.example.com", "10.0.0.1"] });
  const folder = t.testdir({ "cert.pem": cert, "key.pem": key });
  const [certFile, keyFile] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  for (const options of [
    { cert, key },
    { cert: new TextEncoder().encode(cert), key: new TextEncoder().encode(key) },
    { cert: certFile, key: keyFile },
    { cert: pathToFileURL(certFile), key: pathToFileURL(keyFile) },
  ]) {
    const identity = await readIdentity(options, "", NOW);
    t.same(identity.names, ["example.com", "*.example.com"]);
    t.equal(identity.keyType, "ec");
    t.equal(identity.key.toString().trim(), key.trim());
    t.equal(identity.chain.trim(), cert.trim());
    t.same(identity.files, options.cert === certFile || options.cert instanceof URL ? [certFile, keyFile] : []);
    t.ok(Math.abs(identity.notAfter - NOW - 30 * DAY_MS) < 60_000);
  }
});

t.test("one PEM with everything, and text between the blocks", async (t) => {
  const root = await make({ name: "Root", authority: true });
  const { cert, key } = await make({ issuer: root });
  const identity = await readIdentity({ cert: `a comment\n${key}\nmore\n${cert}\n${root.cert}` }, "", NOW);
  t.equal(identity.chain.match(/BEGIN CERTIFICATE/g)?.length, 2);
  t.ok(identity.key.toString().startsWith("-----BEGIN PRIVATE KEY-----"));
});

t.test("encrypted keys: right, missing and wrong passphrase", async (t) => {
  const { cert, key } = await make();
  const locked = encrypted(key, "secret");
  t.equal((await readIdentity({ cert, key: locked, passphrase: "secret" }, "", NOW)).passphrase, "secret");
  t.match(await fails({ cert, key: locked }), {
    code: "ERR_TLS_PASSPHRASE",
    message: /encrypted; give its passphrase/,
  });
  t.match(await fails({ cert, key: locked, passphrase: "guess" }), {
    code: "ERR_TLS_PASSPHRASE",
    message: /passphrase is wrong/,
  });
});

t.test("what is wrong names the file and the fault", async (t) => {
  const root = await make({ name: "Root", authority: true });
  const one = await make({ issuer: root });
  const other = await make({ name: "other", names: ["other.example"] });
  const rsa = await make({ kind: "rsa" });
  const folder = t.testdir({
    "one.pem": one.cert,
    "one.key": one.key,
    "other.key": other.key,
    "chain.pem": root.cert + one.cert,
    "empty.pem": "",
    "broken.pem": one.cert.replace(/\n.{20}/, "\n!!!!!!!!!!!!!!!!!!!!"),
    "broken.key": one.key.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA"),
  });
  mkdirSync(path.join(folder, "directory"));
  writeFileSync(path.join(folder, "huge.pem"), Buffer.alloc(2 * 1024 * 1024));
  const at = (name: string): string => path.join(folder, name);
  const cert = at("one.pem");

  t.match(await fails({ cert, key: at("other.key") }), {
    code: "ERR_TLS_KEY_MISMATCH",
    message: /other\.key: key does not belong to certificate .*one\.pem \(localhost\)$/,
  });
  t.match(await fails({ cert, key: rsa.key }), { code: "ERR_TLS_KEY_MISMATCH" });
  t.match(await fails({ cert: at("chain.pem"), key: at("one.key") }), {
    code: "ERR_TLS_KEY_MISMATCH",
    message: /belongs to certificate 2 there: the server's own certificate must be the first/,
  });
  t.match(await fails({ cert: at("one.key"), key: cert }), { message: /one\.key .*are cert and key swapped/ });
  t.match(await fails({ cert, key: cert }), { code: "ERR_TLS_KEY", message: /no private key: are cert and/ });
  t.match(await fails({ cert }), {
    code: "ERR_TLS_KEY",
    message: /holds no private key, and no key was given/,
  });
  t.match(await fails({ cert: at("empty.pem"), key: at("one.key") }), {
    code: "ERR_TLS_CERTIFICATE",
    message: /empty\.pem holds no certificate/,
  });
  t.match(await fails({ cert: at("broken.pem"), key: at("one.key") }), { code: "ERR_TLS_CERTIFICATE" });
  t.match(await fails({ cert, key: at("broken.key") }), { code: "ERR_TLS_KEY", message: /broken\.key/ });
  t.match(await fails({ cert: at("missing.pem"), key: at("one.key") }), {
    code: "ERR_TLS_FILE",
    message: /^cert: .*missing\.pem does not exist$/,
  });
  t.match(await fails({ cert: at("directory"), key: at("one.key") }), { message: /is a folder/ });
  t.match(await fails({ cert: at("huge.pem"), key: at("one.key") }), { message: /more than 1048576 bytes/ });
  t.match(await fails({ cert, key: at("one.key"), ocsp: new TextEncoder().encode("hello") }), {
    code: "ERR_TLS_OPTION",
    message: /OCSP/,
  });
});

t.test("time: expired, not valid yet, and both edges", async (t) => {
  const notBefore = new Date("2026-01-01T00:00:00Z");
  const notAfter = new Date("2026-02-01T00:00:00Z");
  const { cert, key } = await make({ notBefore, notAfter });
  t.match(await fails({ cert, key }, notAfter.getTime() + 1), {
    code: "ERR_TLS_CERTIFICATE_EXPIRED",
    message: /certificate expired on 2026-02-01 \(localhost\)/,
  });
  t.match(await fails({ cert, key }, notBefore.getTime() - 1), {
    code: "ERR_TLS_CERTIFICATE_EXPIRED",
    message: /not valid before 2026-01-01/,
  });
  t.ok(await readIdentity({ cert, key }, "", notBefore.getTime()));
  t.ok(await readIdentity({ cert, key }, "", notAfter.getTime()));
});

t.test("a staple", async (t) => {
  const { cert, key } = await make();
  const folder = t.testdir({ "staple.der": Buffer.from([0x30, 3, 10, 1, 0]) });
  const file = path.join(folder, "staple.der");
  const identity = await readIdentity({ cert, key, ocsp: file }, "", NOW);
  t.same([...(identity.ocsp ?? [])], [0x30, 3, 10, 1, 0]);
  t.same(identity.files, [file]);
});
