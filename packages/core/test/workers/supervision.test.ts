import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { availableParallelism } from "node:os";
import t from "tap";
import { askOnce, clientsOf, LineClient, type Outcome } from "./client.ts";
import { Program, programPath, type Test } from "./program.ts";

t.setTimeout(120_000);
const hostname = "127.0.0.1";
const SERVER = programPath("server");

interface Started {
  program: Program;
  target: { host: string; port: number };
}

const start = async (t: Test, run: Record<string, unknown>, more: Record<string, unknown> = {}): Promise<Started> => {
  const program = new Program(t, [SERVER, JSON.stringify({ run, listen: [{ port: 0, hostname }], ...more })]);
  const workers = Number(run.workers ?? 1);
  const [, port] = await program.printed(/listens on (\d+)/, workers);
  if (workers > 1) await program.printed(/all mains ended/);
  return { program, target: { host: hostname, port: Number(port) } };
};

t.test("one worker runs in the calling thread, and port 0 is one port for all of several", async (t) => {
  const alone = await start(t, {});
  t.equal(await askOnce(alone.target, "tid"), `${alone.program.pid}`);
  t.equal(alone.program.lines.filter((line) => line === "supervising").length, 1);
  const { program, target } = await start(t, { workers: 2 });
  const ports = new Set([...program.stdout.matchAll(/listens on (\d+)/g)].map(([, port]) => port));
  t.equal(ports.size, 1);
  const clients = await clientsOf(target, [0, 1]);
  for (const [index, client] of clients.entries()) {
    t.equal(await client.ask("who"), `${index}`);
    t.not(await client.ask("tid"), `${program.pid}`);
    t.equal(await client.ask("shared"), "2");
    client.close();
  }
  // The program ran three times, and past `await run()` once.
  t.equal(program.lines.filter((line) => line === "supervising").length, 3);
  t.equal(program.lines.filter((line) => line === "all mains ended").length, 1);
});

t.test("a port in use is an error, for one worker and for several, and nothing is left running", async (t) => {
  const server = createServer().listen(0, hostname);
  await new Promise((resolve) => server.once("listening", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const workers of [1, 2]) {
    const options = { run: { workers }, listen: [{ port, hostname }] };
    const exit = await new Program(t, [SERVER, JSON.stringify(options)]).exited;
    t.match(exit.stdout, /failed: EADDRINUSE bind: EADDRINUSE, 127\.0\.0\.1:\d+\n/, `${workers} worker(s)`);
    t.equal(exit.code, 7);
  }
});

t.test("main's failure before it is up is the program's, with its code", async (t) => {
  for (const workers of [1, 2]) {
    const options = { run: { workers }, mainFails: "ERR_OF_MINE" };
    const exit = await new Program(t, [SERVER, JSON.stringify(options)]).exited;
    t.match(exit.stdout, /failed: ERR_OF_MINE main failed/, `${workers} worker(s)`);
    t.equal(exit.code, 7);
  }
});

// 1. Two workers, each with clients that ask all the time; one more client has one of them spin, so that connections
//    queue at its socket, and then it dies of an error that nobody catches.
// 2. Its clients must see a reset at once. Everybody who connected meanwhile, the queued ones above all, must get an
//    answer: the other worker takes over the socket. The other worker's clients must notice nothing.
// 3. It is started again, and when all clients are gone the process has as many descriptors as in the beginning.
t.test("a worker that dies under load loses its clients, and nobody else's", async (t) => {
  const { program, target } = await start(t, { workers: 2 });
  const warm = await clientsOf(target, [0, 1]);
  for (const client of warm) client.close();
  await settleDescriptors(program);
  const before = program.descriptors;
  const clients = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const client = new LineClient(target);
      return { client, index: await client.ask("who") };
    }),
  );
  t.ok(clients.some(({ index }) => index === "0") && clients.some(({ index }) => index === "1"));
  const victim = clients.find(({ index }) => index === "0")?.client as LineClient;
  const load = clients.map(async ({ client, index }) => {
    if (client === victim) return { index, outcome: "victim", at: 0 };
    for (;;) {
      const outcome = await client.ask("load");
      if (outcome !== "load") return { index, outcome, at: performance.now() };
      if (stopped) return { index, outcome: "stopped", at: 0 };
    }
  });
  let stopped = false;
  t.equal(await victim.ask("spin 400"), "spinning");
  // What the kernel accepted for it before it began to spin is its own. After that nothing is accepted any more: half of
  // these wait in its queue when it dies.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const queued: Promise<Outcome>[] = [];
  for (let at = 0; at < 60; at += 1) queued.push(askOnce(target, "who"));
  t.equal(await victim.closed, "ECONNRESET");
  const death = performance.now();
  const answers = await Promise.all(queued);
  t.same(
    [...new Set(answers)].sort(),
    answers.includes("0") ? ["0", "1"] : ["1"],
    "every queued connection was answered",
  );
  await program.printed(/worker 0 of 2 listens/, 2);
  await clientsOf(target, [0, 1]).then((found) => found.map((client) => client.close()));
  stopped = true;
  for (const { index, outcome, at } of await Promise.all(load)) {
    if (outcome === "victim") continue;
    t.equal(outcome, index === "0" ? "ECONNRESET" : "stopped");
    if (index === "0") t.ok(at - death < 1000, "reset at once");
  }
  for (const { client } of clients) client.close();
  await settleDescriptors(program, before);
  t.equal(program.descriptors, before, "no descriptor is left");
  t.match(program.stderr, /worker 0 crashed, starts again in 100 ms: Error: thrown after spinning/);
});

t.test("a worker that keeps dying starts again later and later, and exit 0 is an end", async (t) => {
  const { program, target } = await start(t, { workers: 2, restartDelayMs: 20, restartDelayMsMax: 50 });
  for (let crash = 1; crash <= 4; crash += 1) {
    const clients = await clientsOf(target, [0]);
    const outcome = await clients[0].ask(crash % 2 === 0 ? "exit 1" : "throw");
    t.equal(outcome, "ECONNRESET");
    await program.printed(/worker 0 of 2 listens/, crash + 1);
  }
  t.same(
    [...program.stderr.matchAll(/starts again in (\d+) ms/g)].map(([, ms]) => ms),
    ["20", "40", "50", "50"],
  );
  program.signal("SIGUSR2");
  const [, report] = await program.printed(/report (.*"index":0.*)/);
  t.match(JSON.parse(report), { state: "running", restarts: 4, stats: { connectionsAccepted: Number } });
  const [client] = await clientsOf(target, [0]);
  t.equal(await client.ask("exit 0"), "ECONNRESET");
  for (let ask = 0; ask < 20; ask += 1) t.equal(await askOnce(target, "who"), "1");
});

t.test("SIGTERM drains: no request in flight is cut, and the process ends by itself", async (t) => {
  for (const workers of [1, 2]) {
    const { program, target } = await start(t, { workers }, { drainTakesMs: 100 });
    const client = new LineClient(target);
    t.match(await client.ask("who"), /^[01]$/);
    program.signal("SIGTERM");
    await program.printed(/worker \d drains/);
    t.equal(await client.ask("still there"), "still there");
    t.equal(await client.line(), "end");
    client.close();
    const exit = await program.exited;
    t.match(exit, { code: 0, signal: null }, `${workers} worker(s)`);
    t.equal(exit.stdout.match(/is drained/g)?.length, workers);
  }
});

t.test("the deadline and the second signal cut it short", async (t) => {
  for (const workers of [1, 2]) {
    const slow = await start(t, { workers, drainMs: 200 }, { drainTakesMs: 60_000 });
    const client = new LineClient(slow.target);
    await client.ask("who");
    slow.program.signal("SIGTERM");
    t.equal(await client.line(), "ECONNRESET");
    t.match((await slow.program.exited).stderr, /was not done by the deadline/, `${workers} worker(s)`);
    const impatient = await start(t, { workers }, { drainTakesMs: 60_000 });
    impatient.program.signal("SIGINT");
    await impatient.program.printed(/drains/);
    impatient.program.signal("SIGINT");
    t.equal((await impatient.program.exited).signal, "SIGINT");
  }
});

t.test("signals: false leaves them alone, and a program with nothing to drain ends at once", async (t) => {
  const own = new Program(t, [SERVER, JSON.stringify({ run: { signals: false }, listen: [{ port: 0, hostname }] })]);
  await own.printed(/all mains ended/);
  own.signal("SIGTERM");
  t.equal((await own.exited).signal, "SIGTERM");
  for (const workers of [1, 2]) {
    const idle = new Program(t, ["--input-type=module", "-e", sleeper(workers), "x"]);
    await idle.printed(/sleeps/, workers);
    const sent = performance.now();
    idle.signal("SIGINT");
    t.equal((await idle.exited).signal, "SIGINT");
    t.ok(performance.now() - sent < 2000);
  }
});

t.test("workers are pinned where they were told to", async (t) => {
  const cpus = availableParallelism() > 1 ? [1, 0] : [0];
  const { program, target } = await start(t, { workers: 2, cpus });
  for (const [index, client] of (await clientsOf(target, [0, 1])).entries()) {
    const status = readFileSync(`/proc/${program.pid}/task/${await client.ask("tid")}/status`, "utf8");
    t.equal(/Cpus_allowed_list:\s+(\S+)/.exec(status)?.[1], `${cpus[index % cpus.length]}`);
    client.close();
  }
  const main = readFileSync(`/proc/${program.pid}/status`, "utf8");
  t.not(/Cpus_allowed_list:\s+(\S+)/.exec(main)?.[1], availableParallelism() > 1 ? "1" : "");
  const wrong = new Program(t, [SERVER, JSON.stringify({ run: { workers: 2, cpus: [4095] } })]);
  t.match((await wrong.exited).stdout, /failed: ERR_OPTION_INVALID cpus: processor 4095 is not among those allowed/);
});

/** Closed sockets go away a little after both sides have closed them. */
const settleDescriptors = async (program: Program, want = -1): Promise<void> => {
  let last = -1;
  for (let look = 0; look < 50; look += 1) {
    const now = program.descriptors;
    if (now === want || (want < 0 && now === last)) return;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const sleeper = (workers: number): string => {
  const index = JSON.stringify(new URL("../../src/index.js", import.meta.url).href);
  const body = `import { run, sleep } from ${index}; await run(async () => { console.log("sleeps"); await sleep(30000); }, OPTIONS);`;
  const entry = `data:text/javascript,${encodeURIComponent(body.replace("OPTIONS", "{}"))}`;
  return body.replace("OPTIONS", JSON.stringify({ workers, entry: workers > 1 ? entry : undefined }));
};
