// Clients of others over a real socket: node:http2, curl, nghttp and h2load, where they are installed.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { promisify } from "node:util";
import { currentRuntime, type Lease, type Listener, listen } from "@percore/core";
import type { Exchange } from "@percore/http";
import t from "tap";
import { hpackJs } from "../src/hpack-js.ts";
import { H2Server } from "../src/index.ts";

const run = promisify(execFile);
const reports: unknown[] = [];

const handler = (exchange: Exchange): void => {
  const { path } = exchange;
  if (path.startsWith("/bytes/")) exchange.respond(200, [], Buffer.alloc(Number(path.slice(7)), 0x61));
  else if (path === "/echo") {
    exchange.begin(200, ["content-type", "text/plain"], exchange.bodyLength);
    exchange.onDrain = () => exchange.resumeBody();
    exchange.receive({
      onBody: (lease: Lease) => {
        if (!exchange.writeLease(lease)) exchange.pauseBody();
      },
      onBodyEnd: () => exchange.end(["x-done", "1"]),
      onBodyError: () => undefined,
    });
  } else exchange.respond(200, ["content-type", "text/plain"], "Hello, World!");
};

interface Served {
  readonly server: H2Server;
  readonly listener: Listener;
  readonly url: string;
}

const serve = async (hpack?: typeof hpackJs): Promise<Served> => {
  const runtime = currentRuntime();
  const report = (error: unknown): void => void reports.push(error);
  const server = new H2Server({ arena: runtime.arena, clock: runtime, handler, hpack, report });
  const listener = await listen({ port: 0, hostname: "127.0.0.1" }, (stream) => void server.accept(stream));
  return { server, listener, url: `http://127.0.0.1:${listener.address.port}` };
};

const close = async ({ server, listener }: Served): Promise<void> => {
  void server.drain();
  await listener.close();
  await server.drain();
};

const ask = async (session: ClientHttp2Session, path: string, body?: Uint8Array, method = "GET"): Promise<Buffer> => {
  const stream: ClientHttp2Stream = session.request(
    { ":path": path, ":method": method },
    { endStream: body === undefined },
  );
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (body !== undefined) stream.end(body);
  await once(stream, "close");
  return Buffer.concat(chunks);
};

for (const hpack of [undefined, hpackJs]) {
  t.test(`node:http2, ${hpack?.name ?? "own codec"}`, async (t) => {
    const served = await serve(hpack);
    const session = connect(served.url, { settings: { initialWindowSize: 1_000_000 } });
    t.equal((await ask(session, "/")).toString(), "Hello, World!");
    t.equal((await ask(session, "/", undefined, "HEAD")).length, 0);
    const many = await Promise.all(Array.from({ length: 100 }, () => ask(session, "/")));
    t.ok(many.every((body) => body.toString() === "Hello, World!"));
    t.equal((await ask(session, "/bytes/3000000")).length, 3_000_000);
    const large = Buffer.alloc(3_000_000, 0x62);
    const echoes = await Promise.all([1, 2, 3].map(() => ask(session, "/echo", large, "POST")));
    t.ok(
      echoes.every((body) => body.equals(large)),
      "uploads and downloads beyond every window, side by side",
    );
    const ping = new Promise<number>((resolve, reject) =>
      session.ping((error, duration) => (error === null ? resolve(duration) : reject(error))),
    );
    t.ok((await ping) >= 0);
    const aborted = session.request({ ":path": "/echo", ":method": "POST" }, { endStream: false });
    await once(aborted, "response");
    aborted.close(8);
    await once(aborted, "close");
    t.equal((await ask(session, "/")).toString(), "Hello, World!", "the connection lives");
    const goaway = once(session, "goaway");
    const closed = close(served);
    await goaway;
    session.close();
    await closed;
    t.equal(served.server.counters.exchangesOpen, 0);
    t.equal(currentRuntime().stats.leases, 0);
  });
}

const missing = async (command: string, ...args: string[]): Promise<string | false> => {
  try {
    const { stdout } = await run(command, args);
    return command === "curl" && !stdout.includes("HTTP2") ? "curl here has no HTTP/2" : false;
  } catch {
    return `${command} is not installed`;
  }
};

const noCurl = await missing("curl", "--version");
t.test("curl --http2-prior-knowledge", { skip: noCurl }, async (t) => {
  const served = await serve();
  const curl = async (...args: string[]): Promise<string> =>
    (await run("curl", ["-sS", "--http2-prior-knowledge", ...args], { maxBuffer: 8_000_000 })).stdout;
  t.equal(await curl(`${served.url}/`, "-w", " %{http_version}"), "Hello, World! 2");
  t.equal((await curl(`${served.url}/bytes/1000000`)).length, 1_000_000);
  t.equal((await curl(`${served.url}/echo`, "-d", "x".repeat(100_000))).length, 100_000);
  t.match(await curl(`${served.url}/`, "-I"), /^HTTP\/2 200/);
  await close(served);
});

const noNghttp = await missing("nghttp", "--version");
t.test("nghttp, with its padding and its priorities", { skip: noNghttp }, async (t) => {
  const served = await serve();
  const { stdout } = await run("nghttp", ["-b", "100", `${served.url}/`, `${served.url}/bytes/10`]);
  t.match(stdout, /Hello, World!/);
  t.match(stdout, /aaaaaaaaaa/);
  await close(served);
});

const noLoad = await missing("h2load", "--version");
t.test("h2load", { skip: noLoad }, async (t) => {
  const served = await serve();
  for (const [path, streams] of [
    ["/", "32"],
    ["/", "1"],
    ["/bytes/65536", "16"],
  ]) {
    const { stdout } = await run("h2load", ["-n", "2000", "-c", "4", "-m", streams, served.url + path]);
    t.match(stdout, /2000 succeeded, 0 failed, 0 errored, 0 timeout/, `${path} -m ${streams}`);
  }
  await close(served);
  t.equal(currentRuntime().stats.leases, 0);
});

t.test("nothing was reported", async (t) => t.same(reports, []));
