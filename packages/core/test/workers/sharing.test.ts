import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { askOnce, clientsOf, LineClient, type Outcome } from "./client.ts";
import { Program, type ProgramOptions, programPath, type Test } from "./program.ts";

t.setTimeout(120_000);
const hostname = "127.0.0.1";
const folder = mkdtempSync(join(tmpdir(), "percore-"));
t.teardown(() => rmSync(folder, { recursive: true }));

const start = async (
  t: Test,
  workers: number,
  listen: Record<string, unknown>,
  more: Record<string, unknown> = {},
  options: ProgramOptions = {},
): Promise<{ program: Program; port: number }> => {
  const argument = JSON.stringify({ run: { workers }, listen: [listen], ...more });
  const program = new Program(t, [programPath("server"), argument], options);
  const [, port] = await program.printed(/listens on (\d+)/, workers);
  if (workers > 1) await program.printed(/all mains ended/);
  return { program, port: Number(port) };
};

/** Asks on ever new connections until it is stopped; tells every answer that was not a worker's number. */
const knock = (target: { host: string; port: number }): { stop(): Promise<{ asked: number; wrong: Outcome[] }> } => {
  let stopped = false;
  let asked = 0;
  const wrong: Outcome[] = [];
  const loop = async (): Promise<void> => {
    while (!stopped) {
      const answer = await askOnce(target, "who");
      asked += 1;
      if (!/^\d+$/.test(answer)) wrong.push(answer);
    }
  };
  const loops = [loop(), loop(), loop(), loop()];
  return {
    async stop() {
      stopped = true;
      await Promise.all(loops);
      return { asked, wrong };
    },
  };
};

t.test("a worker that run() started says so, one that is the program's own thread does not", async (t) => {
  for (const [workers, answer] of [
    [2, "true"],
    [1, "false"],
  ] as const) {
    const { program, port } = await start(t, workers, { port: 0, hostname });
    t.equal(await askOnce({ host: hostname, port }, "supervised"), answer);
    program.signal("SIGTERM");
    await program.exited;
  }
});

t.test("a Unix socket listens once for all workers, and its file goes with the last", async (t) => {
  const path = join(folder, "s");
  const { program } = await start(t, 2, { unix: path, unixMode: 0o600 });
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.match(await askOnce({ path }, "who"), /^[01]$/);
  const dying = new LineClient({ path });
  // Unix sockets know no reset where nothing was left unread.
  t.match(await dying.ask("throw"), /^(ECONNRESET|end)$/);
  for (let ask = 0; ask < 10; ask += 1) t.match(await askOnce({ path }, "who"), /^[01]$/);
  program.signal("SIGTERM");
  t.match(await program.exited, { code: 0, signal: null });
  t.notOk(existsSync(path));
});

t.test("a descriptor of somebody else's is shared, and left open with what is queued on it", async (t) => {
  const server = createServer().listen(0, hostname);
  await new Promise((resolve) => server.once("listening", resolve));
  t.teardown(() => server.close());
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const { port } = server.address() as { port: number };
  // The parent accepts nothing: its copy of the socket only stays open.
  (server as unknown as { _handle: { onconnection: unknown } })._handle.onconnection = () => {};
  const first = await start(t, 2, { fd: 3 }, {}, { fds: [fd] });
  t.equal(first.port, port);
  first.program.signal("SIGTERM");
  t.match(await first.program.exited, { code: 0, signal: null });
});

t.test("restart replaces every worker, and no connection is refused or reset", async (t) => {
  const { program, port } = await start(t, 2, { port: 0, hostname }, { drainTakesMs: 500 });
  const target = { host: hostname, port };
  const before = await tids(target);
  const knocking = knock(target);
  program.signal("SIGHUP");
  await program.printed(/^restarted$/m);
  const { asked, wrong } = await knocking.stop();
  t.same(wrong, [], `${asked} connections`);
  t.ok(asked > 10);
  const after = await tids(target);
  t.not(after[0], before[0]);
  t.not(after[1], before[1]);
  t.same(program.stderr, "");
});

t.test("scaling up and down loses no connection either", async (t) => {
  const { program, port } = await start(t, 2, { port: 0, hostname }, { drainTakesMs: 500 });
  const target = { host: hostname, port };
  const knocking = knock(target);
  program.signal("SIGALRM");
  await program.printed(/^scaled to 3$/m);
  for (const client of await clientsOf(target, [0, 1, 2])) client.close();
  program.signal("SIGIO");
  await program.printed(/^scaled to 1$/m);
  for (let ask = 0; ask < 20; ask += 1) t.equal(await askOnce(target, "who"), "0");
  const { asked, wrong } = await knocking.stop();
  t.same(wrong, [], `${asked} connections`);
  program.signal("SIGTERM");
  t.match(await program.exited, { code: 0, signal: null, stderr: "" });
});

const tids = async (target: { host: string; port: number }): Promise<Outcome[]> => {
  const clients = await clientsOf(target, [0, 1]);
  return Promise.all(
    clients.map(async (client) => {
      const tid = await client.ask("tid");
      client.close();
      return tid;
    }),
  );
};
