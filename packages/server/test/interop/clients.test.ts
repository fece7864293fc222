// clients.test.ts — clients of others against serve() with both protocols on its one port: curl, nghttp, h2load, node:http2.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:http2";
import { promisify } from "node:util";
import t from "tap";
import { Response, type Server, serve } from "../../src/index.ts";

const run = promisify(execFile);
const MANY = "x".repeat(300_000);
/** As long as one argument of a command may be. */
const LONG = "y".repeat(100_000);

let server: Server;
let url = "";

t.before(async () => {
  server = serve({
    port: 0,
    hostname: "127.0.0.1",
    signals: false,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/many") return new Response(MANY);
      if (pathname === "/echo") return new Response(await request.text(), { headers: { "x-method": request.method } });
      return new Response("Hello, World!");
    },
  });
  await server.ready;
  url = server.url as string;
});

t.teardown(() => server.close());

const missing = async (command: string, feature = ""): Promise<string | false> => {
  try {
    const { stdout } = await run(command, ["--version"]);
    return stdout.includes(feature) ? false : `${command} here has no ${feature}`;
  } catch {
    return `${command} is not installed`;
  }
};

const noCurl = await missing("curl", "HTTP2");
t.test("curl: both protocols, by turns", { skip: noCurl }, async (t) => {
  for (const [option, version] of [
    ["--http2-prior-knowledge", "2"],
    ["--http1.1", "1.1"],
  ]) {
    const curl = async (...args: string[]): Promise<string> =>
      (await run("curl", ["-sS", option, ...args], { maxBuffer: 4_000_000 })).stdout;
    t.equal(await curl(url, "-w", " %{http_version}"), `Hello, World! ${version}`);
    t.equal((await curl(`${url}/many`)).length, MANY.length);
    t.equal(await curl(`${url}/echo`, "-d", "there and back"), "there and back");
    t.equal((await curl(`${url}/echo`, "-d", LONG)).length, LONG.length);
    t.match(await curl(url, "-I"), new RegExp(`^HTTP/${version} 200`));
  }
});

const noNghttp = await missing("nghttp");
t.test("nghttp: many streams, an upload, padding", { skip: noNghttp }, async (t) => {
  const { stdout } = await run("nghttp", ["-b", "200", "-m", "20", `${url}/`], { maxBuffer: 4_000_000 });
  t.equal(stdout.split("Hello, World!").length - 1, 20);
});

const noLoad = await missing("h2load");
t.test("h2load, with one stream and with many", { skip: noLoad }, async (t) => {
  for (const [path, streams] of [
    ["/", "1"],
    ["/", "100"],
    ["/many", "10"],
  ]) {
    const { stdout } = await run("h2load", ["-n", "1000", "-c", "5", "-m", streams, url + path]);
    t.match(stdout, /1000 succeeded, 0 failed, 0 errored, 0 timeout/, `${path} -m ${streams}`);
  }
});

t.test("node:http2", async (t) => {
  const session = connect(url);
  const echo = session.request({ ":method": "POST", ":path": "/echo" });
  echo.end(MANY);
  const [head] = (await once(echo, "response")) as [Record<string, string>];
  t.match(head, { ":status": 200, "x-method": "POST" });
  let size = 0;
  for await (const chunk of echo) size += (chunk as Uint8Array).length;
  t.equal(size, MANY.length);
  session.close();
  await once(session, "close");
});
