// The program: starts, reloads, ends; with one worker and with two.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import t from "tap";
import { get, namedServer, Program, shortFolder, yaml } from "./program.ts";

t.setTimeout(120_000);

for (const workers of [1, 2]) {
  t.test(`${workers} worker${workers === 1 ? "" : "s"}: reload`, async (t) => {
    const [one, other] = [await namedServer(t, "one"), await namedServer(t, "other")];
    const folder = shortFolder(t);
    const file = join(folder, "percore.yaml");
    const config = (upstream: string, more = ""): string =>
      yaml(`
    listen: 127.0.0.1:0
    workers: ${workers}
    watch: false
    accessLog: access.log
    admin: unix:${join(folder, "admin.sock")}
    upstreams:
      one: 127.0.0.1:${one.port}
      other: 127.0.0.1:${other.port}
    routes:
      - path: /*
        upstream: ${upstream}
    ${more}`);
    writeFileSync(file, config("one"));
    const program = new Program(t, [], folder);
    const port = Number((await program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)\//))[1]);
    await program.says(/driver \w+/);
    t.equal((await get({ port, path: "/x" })).body, "one /x");

    // A tunnel that is open all along.
    const tunnel = await openTunnel(port);
    writeFileSync(file, config("other"));
    await program.signal("SIGHUP", /reload \(SIGHUP\): routes: 1 new or changed, 1 gone/);
    for (let count = 0; count < 4; count += 1) t.equal((await get({ port, path: "/y" })).body, "other /y");

    writeFileSync(file, config("othre"));
    await program.signal(
      "SIGHUP",
      /the old configuration stays[\s\S]*percore\.yaml:12:15: .*there is no upstream "othre"; did you mean "other"\?\n.*\n.*\^{5}/,
    );
    t.equal((await get({ port, path: "/z" })).body, "other /z");

    writeFileSync(file, config("one", "  - path: /hi\n        respond: { body: hi }\n"));
    const admin = (path: string, method = "GET"): ReturnType<typeof get> =>
      get({ socketPath: join(folder, "admin.sock"), path, method, host: "localhost" });
    const reload = await admin("/reload", "POST");
    t.equal(reload.status, 200, reload.body);
    t.equal((await get({ port, path: "/hi" })).body, "hi");
    t.equal(await tunnel.echo("still here"), "still here");

    const status = JSON.parse((await admin("/status")).body) as { workers: { generation: number }[]; silent: number[] };
    t.equal(status.workers.length, workers);
    t.same(status.silent, []);
    t.equal(status.workers[0].generation, 3);
    t.equal((await admin("/reload")).status, 405);
    t.equal((await admin("/nothing")).status, 404);
    t.equal((await admin("/health")).body, "ok\n");
    t.match((await admin("/routes")).body, /"path": "\/hi"[\s\S]*"path": "\/\*"/);
    const drained = await admin(`/servers?upstream=one&server=127.0.0.1:${one.port}&state=down&weight=5`, "POST");
    t.equal(drained.status, 200);
    t.match(JSON.parse((await admin("/upstreams")).body), [{ servers: [{ states: ["down"], weight: 5 }] }, {}]);
    t.equal((await get({ port, path: "/x" })).status, 503);
    t.equal((await admin("/servers?upstream=one&server=x&state=up", "POST")).status, 404);
    t.equal((await admin("/servers?upstream=one&server=x&state=upp", "POST")).status, 400);
    t.match((await admin("/metrics")).body, /percore_requests_total\{route="\/\*",class="5xx"\} 1\n/);
    const foreign = await get({
      socketPath: join(folder, "admin.sock"),
      path: "/status",
      headers: { origin: "http://evil.example" },
    });
    t.equal(foreign.status, 403, "a page in a browser");
    const rebound = await get({
      socketPath: join(folder, "admin.sock"),
      path: "/status",
      headers: { host: "evil.example" },
    });
    t.equal(rebound.status, 403, "a name that leads here");

    renameSync(join(folder, "access.log"), join(folder, "access.log.1"));
    await program.signal("SIGUSR1", /logs reopened/);
    await get({ port, path: "/after" });
    tunnel.socket.destroy();
    t.equal(await program.exit("SIGTERM"), 0);
    const [before, after] = ["access.log.1", "access.log"].map((name) => readFileSync(join(folder, name), "utf8"));
    t.match(before, /"path":"\/x"/);
    t.match(after, /"path":"\/after"/);
    t.notMatch(after, /"path":"\/hi"/);
  });
}

t.test("the file is watched", async (t) => {
  const { port: upstream } = await namedServer(t, "app");
  const folder = t.testdir({ "secret.txt": "first\n" });
  writeFileSync(
    join(folder, "p.yaml"),
    yaml(`
    listen: 127.0.0.1:0
    upstreams: { app: 127.0.0.1:${upstream} }
    routes:
      - upstream: app
        responseHeaders: { set: { x-secret: "\${file:secret.txt}" } }
    `),
  );
  const program = new Program(t, ["--config", "p.yaml"], folder);
  const port = Number((await program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)\//))[1]);
  t.equal((await get({ port, path: "/" })).headers["x-secret"], "first");
  writeFileSync(join(folder, "new"), "second");
  renameSync(join(folder, "new"), join(folder, "secret.txt"));
  await program.says(/reload \(the file has changed\): routes: 1 new or changed/);
  t.equal((await get({ port, path: "/" })).headers["x-secret"], "second");
  t.equal(await program.exit("SIGTERM"), 0);
});

t.test("a configuration in TypeScript: a reload runs the new code", async (t) => {
  for (const workers of [1, 2]) {
    const folder = t.testdir({ [`${workers}`]: {} });
    const code = (text: string): string => `export default {
      listen: "127.0.0.1:0",
      workers: ${workers} as number,
      watch: false,
      routes: [{ path: "/{name}", handler: (exchange: any, { params }: any) => exchange.respond(200, [], "${text} " + params.name) }],
    };`;
    const file = join(folder, `${workers}`, "percore.ts");
    writeFileSync(file, code("hello"));
    const program = new Program(t, [], join(folder, `${workers}`));
    const port = Number((await program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)\//))[1]);
    t.equal((await get({ port, path: "/you" })).body, "hello you");
    writeFileSync(file, code("good day"));
    await program.signal("SIGHUP", workers === 1 ? /reload \(SIGHUP\): / : /workers run the new program/);
    for (let count = 0; count < 4; count += 1) t.equal((await get({ port, path: "/you" })).body, "good day you");
    t.equal(await program.exit("SIGTERM"), 0);
  }
});

t.test("without a file", async (t) => {
  const { port: upstream } = await namedServer(t, "app");
  const folder = t.testdir({});
  const program = new Program(t, ["--from", "127.0.0.1:0", "--to", `127.0.0.1:${upstream}`], folder);
  const port = Number((await program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)\//))[1]);
  t.equal((await get({ port, path: "/a?b" })).body, "app /a?b");
  t.equal(await program.exit("SIGINT"), 0);
});

t.test("what the command line is told", async (t) => {
  const folder = t.testdir({
    "good.yaml": "upstreams: { api: a:1 }\nroutes:\n  - { path: /*, upstream: api }\n  - { path: /a, respond: {} }\n",
    "bad.yaml": "routes: 5\n",
  });
  const run = async (...args: string[]): Promise<{ code: number | null; output: string }> => {
    const program = new Program(t, args, folder);
    const code = await program.exit();
    return { code, output: program.output };
  };
  const [none, good, bad, schema, both, address] = await Promise.all([
    run(),
    run("check", "good.yaml"),
    run("check", "bad.yaml"),
    run("schema"),
    run("--to", "a:1", "--config", "x.yaml"),
    run("--to", "localhost"),
  ]);
  t.equal(none.code, 1);
  t.match(none.output, /no configuration.*\n.*--from :8080 --to localhost:3000/);
  t.same(good, {
    code: 0,
    output: "good.yaml is good. Its routes, the most specific first:\n  *  /a    → respond 200\n  *  /*    → api\n",
  });
  t.same(bad, { code: 1, output: "bad.yaml:1:9: routes: must be a list, not 5\n  1 | routes: 5\n    |         ^\n" });
  t.equal(JSON.parse(schema.output).title, "Percore proxy configuration");
  t.match(both.output, /exclude each other/);
  t.match(address.output, /--to localhost: the port is missing/);
});

/** A connection turned into an echo by Upgrade. */
const openTunnel = (port: number): Promise<{ socket: Duplex; echo(text: string): Promise<string> }> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", headers: { connection: "upgrade", upgrade: "echo" } });
    asked.on("error", reject);
    asked.on("upgrade", (_response, socket) => {
      socket.on("error", () => undefined);
      resolve({
        socket,
        echo: (text) =>
          new Promise((done) => {
            socket.once("data", (chunk: Buffer) => done(chunk.toString()));
            socket.write(text);
          }),
      });
    });
    asked.end();
  });
