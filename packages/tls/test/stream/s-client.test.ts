// TlsStream against the openssl program: ALPN, SNI, tickets, staples, client certificates, new keys, renegotiation, versions.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRuntime } from "@percore/core";
import t from "tap";
import { make } from "../certificates/make.ts";
import { authority, Echo, identity, serverOf } from "./harness.ts";
import { serveTls, type TlsServer, until } from "./sockets.ts";

if (spawnSync("openssl", ["version"]).status !== 0) {
  t.plan(0, "the openssl program is not installed");
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), "percore-s-client-"));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const ca = file("ca.pem", authority.cert);
const runtime = openRuntime({ arenaBytes: 64 * 1024 * 1024 });
t.teardown(() => {
  runtime.close();
  rmSync(folder, { recursive: true });
});

interface Said {
  readonly text: string;
  readonly code: number | null;
}

/** Runs s_client, types `input` once it is connected and whenever `echo` was answered, and collects what it says. */
const sClient = (server: TlsServer, args: string[], input: string[] = ["hello\n"]): Promise<Said> =>
  new Promise((resolve) => {
    const child = spawn("openssl", [
      ...["s_client", "-connect", `127.0.0.1:${server.port}`, "-CAfile", ca, "-servername", "localhost"],
      ...args,
    ]);
    let text = "";
    const left = [...input];
    const seen = (part: Buffer): void => {
      text += part.toString("latin1");
      // Everything is answered by an echo: the next line is typed when the last has come back.
      const answered = (text.match(/^echo\d/gm) ?? []).length;
      const typed = input.length - left.length;
      if (text.includes("\n---\n") && answered >= typed) {
        const next = left.shift();
        if (next !== undefined) child.stdin.write(next);
        else child.stdin.end();
      }
    };
    child.stdout.on("data", seen);
    child.stderr.on("data", seen);
    child.stdin.on("error", () => {});
    child.on("close", (code) => resolve({ text, code }));
  });

const echoing = (options: Parameters<typeof serveTls>[2]): Promise<TlsServer> =>
  serveTls(runtime, (stream) => new Echo(stream), options);

t.test("what is agreed on, for each version", async (t) => {
  const server = await echoing({});
  for (const [flag, cipher] of [
    ["-tls1_3", /TLS_AES_128_GCM_SHA256/],
    ["-tls1_2", /ECDHE-ECDSA-AES128-GCM-SHA256/],
  ] as const) {
    const { text, code } = await sClient(server, [flag, "-alpn", "foo,http/1.1", "-verify_return_error"], ["echo1\n"]);
    t.equal(code, 0);
    t.match(text, /ALPN protocol: http\/1.1/);
    t.match(text, /Verify return code: 0 \(ok\)|Verification: OK/);
    t.match(text, cipher);
    t.match(text, /Secure Renegotiation IS (NOT )?supported/);
    t.match(text, /Compression: NONE/);
    t.match(text, /^echo1/m);
  }
  for (const flag of ["-tls1_1", "-tls1"]) {
    const { text } = await sClient(server, [flag, "-cipher", "ALL@SECLEVEL=0"]);
    t.match(text, /alert protocol version|no protocols available|unsupported protocol/, flag);
  }
  await server.close();
});

t.test("a session is resumed", async (t) => {
  const server = await echoing({});
  for (const flag of ["-tls1_3", "-tls1_2"]) {
    const session = join(folder, `session${flag}`);
    t.match((await sClient(server, [flag, "-sess_out", session], ["echo1\n"])).text, /^(---\n)?New,/m);
    t.match((await sClient(server, [flag, "-sess_in", session], ["echo1\n"])).text, /^(---\n)?Reused,/m);
  }
  await until(() => server.acceptor.stats.completed === 4);
  t.match(server.acceptor.stats, { completed: 4, resumed: 2, failed: 0 });
  await server.close();
});

t.test("new keys both ways; renegotiation is refused and the connection goes on", async (t) => {
  const server = await echoing({});
  const keys = await typing(server, ["-tls1_3"], ["echo1\n", "K\n", "echo2\n", "k\n", "echo3\n"]);
  t.match(keys, /KEYUPDATE/);
  t.match(keys, /^echo3/m);
  const renegotiated = await typing(server, ["-tls1_2"], ["echo1\n", "R\n", "echo2\n"]);
  t.match(renegotiated, /RENEGOTIATING/);
  t.match(renegotiated, /no renegotiation/);
  await server.close();
});

/** Types line after line, each once something has come for the one before. Commands (K, R) answer on their own. */
const typing = (server: TlsServer, args: string[], lines: string[]): Promise<string> =>
  new Promise((resolve) => {
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${server.port}`, "-CAfile", ca, ...args]);
    let text = "";
    let mark = 0;
    const left = [...lines];
    const seen = (part: Buffer): void => {
      text += part.toString("latin1");
      if (!text.includes("\n---\n") || !/echo\d|KEYUPDATE|RENEGOTIATING|^---\n/m.test(text.slice(mark))) return;
      mark = text.length;
      const next = left.shift();
      if (next === undefined) child.stdin.end();
      else child.stdin.write(next);
    };
    child.stdout.on("data", seen);
    child.stderr.on("data", seen);
    child.stdin.on("error", () => {});
    child.on("close", () => resolve(text));
  });

t.test("client certificates", async (t) => {
  const user = await make({ issuer: authority, client: true, name: "user" });
  const files = ["-cert", file("user.pem", user.cert), "-key", file("user.key", user.key)];
  const context = serverOf({ verify: "require", ca: [authority.cert], sessionIdContext: "s" });
  const server = await echoing({ context });
  const { text } = await sClient(server, files, ["echo1\n"]);
  t.match(text, /Acceptable client certificate CA names\n.*Test CA/);
  t.match(text, /^echo1/m);
  t.ok(server.streams[0].tls.authorized);
  t.match((await sClient(server, ["-tls1_2"])).text, /handshake failure|certificate required/);
  await server.close();
});

t.test("a staple goes to those who ask, and may change", async (t) => {
  const { responder, der } = staple();
  const context = serverOf({ certificates: [{ ...responder, ocsp: der }] });
  const server = await echoing({ context });
  t.match((await sClient(server, ["-status"], ["echo1\n"])).text, /OCSP Response Status: successful/);
  context.native.setOcsp(0, null);
  t.match((await sClient(server, ["-status"], ["echo1\n"])).text, /OCSP response: no response sent/);
  t.notMatch((await sClient(server, [], ["echo1\n"])).text, /OCSP/);
  await server.close();
});

/** An answer about a certificate that the openssl program signs, with an authority of its own. */
const staple = (): { responder: { chain: string; key: string }; der: Uint8Array } => {
  const issuer = file("issuer.pem", authority.cert);
  const leaf = file("leaf.pem", identity.chain);
  const key = file("leaf.key", identity.key);
  const index = file("index.txt", "");
  const out = join(folder, "ocsp.der");
  spawnSync("openssl", [
    ...["ocsp", "-index", index, "-rsigner", leaf, "-rkey", key, "-CA", issuer, "-issuer", issuer, "-cert", leaf],
    ...["-reqout", join(folder, "request.der"), "-respout", out, "-noverify", "-ndays", "1"],
  ]);
  return { responder: identity, der: readFileSync(out) };
};

t.test("nothing is left", async (t) => {
  await until(() => runtime.stats.owners === 0 && runtime.stats.leases === 0);
  t.match(runtime.stats, { owners: 0, leases: 0, connections: 0 });
});
