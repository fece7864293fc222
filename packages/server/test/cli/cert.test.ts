import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { percore } from "./command.ts";

t.test("a certificate and its key, for localhost by default, not for others to read", async (t) => {
  const out = path.join(t.testdir({}), "new", "folder");
  const { status, stdout, stderr } = await percore(["cert", "dev", "--out", out]);
  t.equal(status, 0);
  t.equal(stderr, "");
  t.match(stdout, /serve\(\{ port: 8443, tls: \{ cert: /);
  const certificate = new X509Certificate(readFileSync(path.join(out, "cert.pem")));
  t.equal(certificate.subjectAltName, "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1");
  t.equal(certificate.ca, false, "whoever trusts it trusts these names only");
  t.ok(certificate.verify(certificate.publicKey));
  t.equal(statSync(path.join(out, "key.pem")).mode & 0o777, 0o600);
});

t.test("names and days of one's own; nothing is overwritten unasked", async (t) => {
  const out = t.testdir({});
  t.equal((await percore(["cert", "dev", "a.test", "*.a.test", "--out", out, "--days", "1"])).status, 0);
  const before = readFileSync(path.join(out, "cert.pem"));
  const certificate = new X509Certificate(before);
  t.equal(certificate.subjectAltName, "DNS:a.test, DNS:*.a.test");
  t.ok(Math.abs(Date.parse(certificate.validTo) - Date.now() - 86_400_000) < 60_000);
  const again = await percore(["cert", "dev", "--out", out]);
  t.equal(again.status, 1);
  t.match(again.stderr, /key\.pem exists already; --force replaces it/);
  t.same(readFileSync(path.join(out, "cert.pem")), before);
  t.equal((await percore(["cert", "dev", "--out", out, "--force"])).status, 0);
  t.notSame(readFileSync(path.join(out, "cert.pem")), before);
});

t.test("for a client", async (t) => {
  const out = t.testdir({});
  const { status, stdout } = await percore(["cert", "dev", "me.test", "--client", "--out", out]);
  t.equal(status, 0);
  t.match(stdout, /clientAuth: "require"/);
  const certificate = new X509Certificate(readFileSync(path.join(out, "cert.pem")));
  t.same(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
});

t.test("too long a time is refused with the reason", async (t) => {
  const { status, stderr } = await percore(["cert", "dev", "--out", t.testdir({}), "--days", "400"]);
  t.equal(status, 1);
  t.match(stderr, /1 to 398: browsers refuse/);
});
