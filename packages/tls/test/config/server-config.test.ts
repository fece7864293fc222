import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import type { TlsServerOptions } from "../../src/config/options.ts";
import { reloadAll, TlsServerConfig } from "../../src/config/server-config.ts";
import { ServerContexts, splitCiphers } from "../../src/config/server-contexts.ts";
import { readMaterial } from "../../src/config/server-material.ts";
import { TlsContext } from "../../src/context.ts";
import { TlsError } from "../../src/errors.ts";
import { type Made, make, revoke } from "../certificates/make.ts";

const UNRECOGNIZED_NAME = 112;
const INTERNAL_ERROR = 80;

const contexts = async (options: TlsServerOptions, report: (error: Error) => void = () => undefined) =>
  new ServerContexts(options, await readMaterial(options, Date.now()), ["h2", "http/1.1"], Date.now, report);

const pair = ({ cert, key }: Made): { cert: string; key: string } => ({ cert, key });

t.test("one certificate: every name gets it, and none has to be waited for", async (t) => {
  const set = await contexts(pair(await make()));
  t.ok(set.first instanceof TlsContext);
  t.equal(set.choose("localhost"), set.first);
  t.equal(set.choose("other.example"), set.first);
  t.equal(set.choose(null), set.first);
});

t.test("names: sni before the default's own, wildcards, and what is left", async (t) => {
  const one = await make({ names: ["one.example", "two.example"] });
  const two = await make({ names: ["two.example"] });
  const rsa = await make({ names: ["two.example"], kind: "rsa" });
  const wild = await make({ names: ["*.three.example"] });
  const sni = { "two.example": [pair(two), pair(rsa)], "*.three.example": pair(wild) };
  const set = await contexts({ ...pair(one), sni });
  t.equal(set.choose("one.example"), set.first);
  const second = set.choose("two.example");
  t.ok(second instanceof TlsContext && second !== set.first);
  t.equal(set.choose("TWO.example"), second);
  const third = set.choose("a.three.example");
  t.ok(third instanceof TlsContext && third !== set.first && third !== second);
  t.equal(set.choose("a.b.three.example"), set.first);

  const strict = await contexts({ sni, unknownNames: "refuse" });
  t.equal(strict.choose("one.example"), UNRECOGNIZED_NAME);
  t.equal(strict.choose(null), UNRECOGNIZED_NAME);
  t.equal(strict.choose(""), UNRECOGNIZED_NAME);
  t.ok(strict.choose("two.example") instanceof TlsContext);
});

t.test("sniCallback: asked once, its null is the default, its failure an alert and a report", async (t) => {
  const late = await make({ names: ["late.example"] });
  const asked: string[] = [];
  const reports: Error[] = [];
  const sniCallback = async (name: string) => {
    asked.push(name);
    if (name === "bad.example") throw new Error("no such tenant");
    if (name === "wrong.example") return { cert: late.cert, key: (await make()).key };
    return name === "late.example" ? pair(late) : null;
  };
  const set = await contexts({ ...pair(await make()), sniCallback }, (error) => reports.push(error));
  t.equal(set.choose("localhost"), set.first, "a name that is known is not asked for");
  t.equal(set.choose(null), set.first);
  const [one, two] = await Promise.all([set.choose("late.example"), set.choose("late.example")]);
  t.ok(one instanceof TlsContext && one === two && one !== set.first);
  t.equal(set.choose("late.example"), one, "known now, no promise");
  t.equal(await set.choose("other.example"), set.first);
  t.equal(set.choose("other.example"), set.first, "null is kept too");
  t.equal(await set.choose("bad.example"), INTERNAL_ERROR);
  t.equal(await set.choose("bad.example"), INTERNAL_ERROR);
  t.equal(await set.choose("wrong.example"), INTERNAL_ERROR);
  t.same(asked, ["late.example", "other.example", "bad.example", "wrong.example"]);
  t.match(
    reports.map(({ message }) => message),
    ["no such tenant", "no such tenant", /^sniCallback\("wrong\.example"\)\.key: key does not belong/],
  );
});

t.test("client certificates: ca alone requires them; lists and modes are passed on", async (t) => {
  const root = await make({ name: "Root", authority: true });
  const own = pair(await make());
  for (const options of [
    { ca: root.cert },
    { ca: [root.cert], crl: await revoke(root, ["01"]), clientAuth: "optional" as const },
    { clientAuth: "request" as const },
  ])
    t.ok((await contexts({ ...own, ...options })).first instanceof TlsContext);
});

t.test("ticket keys: given ones are taken from bytes and files, others have the wrong size", async (t) => {
  const own = pair(await make());
  const folder = t.testdir({ "ticket.key": Buffer.alloc(80, 1) });
  const file = path.join(folder, "ticket.key");
  const material = await readMaterial({ ...own, ticketKeys: [Buffer.alloc(80, 2), file] }, Date.now());
  t.equal(material.ticketKeys.length, 160);
  t.same(material.files, [file]);
  new ServerContexts({ ...own, ticketKeys: [Buffer.alloc(80, 2), file] }, material, [], Date.now, () => undefined);
  t.ok(
    material.ticketKeys.every((byte) => byte === 0),
    "wiped once they are in the ring",
  );
  await t.rejects(readMaterial({ ...own, ticketKeys: [Buffer.alloc(48)] }, Date.now()), {
    code: "ERR_TLS_OPTION",
    message: /80 bytes, not 48/,
  });
  await t.rejects(
    readMaterial({ ...own, ticketKeys: Array.from({ length: 17 }, () => Buffer.alloc(80)) }, Date.now()),
    {
      message: /17 keys; at most 16/,
    },
  );
});

t.test("private keys are wiped once the contexts have them", async (t) => {
  const material = await readMaterial(pair(await make()), Date.now());
  t.ok(material.identities[0].key.includes("PRIVATE KEY"));
  new ServerContexts({}, material, [], Date.now, () => undefined);
  t.ok(material.identities[0].key.every((byte) => byte === 0));
});

t.test("cipher names of both kinds in one option", async (t) => {
  t.same(splitCiphers("ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256:!MD5"), {
    suites: "TLS_AES_128_GCM_SHA256",
    ciphers: "ECDHE-RSA-AES128-GCM-SHA256:!MD5",
  });
  t.same(splitCiphers(undefined), { suites: null, ciphers: null });
});

t.test("options that cannot be", async (t) => {
  const made = await make();
  const own = pair(made);
  const rsa = await make({ kind: "rsa" });
  const cases: [TlsServerOptions, RegExp][] = [
    [{}, /tls\.cert is missing/],
    [{ key: own.key }, /tls\.cert is missing/],
    [{ key: own.key, sni: { a: own }, unknownNames: "refuse" }, /tls\.key without tls\.cert/],
    [{ sni: { "a.example": own } }, /no default certificate/],
    [{ ...own, minVersion: "TLSv1.1" as never }, /tls\.minVersion is "TLSv1\.1"; it must be "TLSv1\.2" or "TLSv1\.3"/],
    [{ ...own, minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, /above tls\.maxVersion/],
    [{ ...own, clientAuth: "require" }, /give tls\.ca/],
    [{ ...own, clientAuth: "always" as never }, /clientAuth is "always"/],
    [{ ...own, handshakeMs: 0 }, /handshakeMs is 0/],
    [{ ...own, handshakesMax: 1.5 }, /handshakesMax is 1\.5/],
    [{ ...own, sniCacheMax: 0 }, /sniCacheMax is 0/],
    [{ cert: [own.cert, rsa.cert], key: [own.key] }, /tls\.key has 1 entries and tls\.cert 2/],
    [{ cert: [own.cert, own.cert], key: [own.key, own.key] }, /two certificates have ec keys/],
    [{ ...own, sni: { "127.0.0.1": own } }, /"127\.0\.0\.1" is no server name/],
    [{ ...own, ca: own.key, clientAuth: "require" }, /tls\.ca holds no certificate/],
    [{ ...own, ca: own.cert, crl: own.cert }, /tls\.crl holds no revocation list/],
    [{ ...own, ciphers: "NO-SUCH-CIPHER" }, /ciphers/],
    [{ ...own, groups: ["no-such-group"] }, /groups/],
  ];
  for (const [options, message] of cases) {
    const outcome = await contexts(options).then(
      () => "accepted",
      (error: unknown) => error,
    );
    t.ok(outcome instanceof TlsError, String(message));
    t.match((outcome as Error).message, message);
  }
  t.ok((await contexts({ cert: [own.cert, rsa.cert], key: [own.key, rsa.key] })).first, "one of each kind is fine");
});

t.test("reload: by the file watch, by call, by everybody; a bad state leaves the old one", async (t) => {
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(alive));
  const [one, two, three] = [await make(), await make(), await make()];
  const folder = t.testdir({ "cert.pem": one.cert, "key.pem": one.key });
  const [cert, key] = [path.join(folder, "cert.pem"), path.join(folder, "key.pem")];
  const told: (Error | null)[] = [];
  let wake: () => void = () => undefined;
  const reloaded = (count: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => told.length >= count && resolve();
      wake();
    });
  const config = await TlsServerConfig.open(
    {
      cert,
      key,
      onReload: (error) => {
        told.push(error);
        wake();
      },
    },
    [],
    (error) => t.fail(error.message),
  );
  t.teardown(() => config.close());
  const before = config.contexts;

  writeFileSync(cert, two.cert);
  await reloaded(1);
  t.match(told[0], { code: "ERR_TLS_KEY_MISMATCH" });
  t.equal(config.contexts, before, "half a change changes nothing");
  writeFileSync(key, two.key);
  await reloaded(2);
  t.equal(told[1], null);
  t.not(config.contexts, before);

  const second = config.contexts;
  writeFileSync(cert, "nothing");
  await t.rejects(config.reload(), { code: "ERR_TLS_CERTIFICATE" });
  t.equal(config.contexts, second);
  writeFileSync(cert, three.cert);
  writeFileSync(key, three.key);
  await config.reload();
  t.not(config.contexts, second);
  t.equal(readFileSync(cert, "utf8"), three.cert);

  const count = told.length;
  reloadAll();
  await reloaded(count + 1);
  t.equal(told.at(-1), null);
});

t.test("a closed configuration does not reload", async (t) => {
  const own = pair(await make());
  const config = await TlsServerConfig.open({ ...own, watch: false }, [], () => undefined);
  const { contexts } = config;
  config.close();
  reloadAll();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(config.contexts, contexts);
});
