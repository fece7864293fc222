// teardown.test.mjs — workers that end under load: no abort, no hang, clients reset at once, no descriptor left.
import { execFile } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import t from "tap";
import { KINDS, sleep } from "./raw.mjs";

const ROUNDS = Number(process.env.PERCORE_TEST_ROUNDS ?? 100);
const ECHO = new URL("./echo-worker.mjs", import.meta.url);

const startWorker = async (workerData) => {
  // Without the runner's preloads, which take longer than all the rest.
  const worker = new Worker(ECHO, { workerData, execArgv: [], env: { ...process.env, NODE_OPTIONS: "" } });
  const exited = new Promise((resolve) => worker.once("exit", resolve));
  const failed = new Promise((resolve) => worker.once("error", resolve));
  const { port } = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { worker, port, exited, failed };
};

/** A client that sends as fast as it is answered; `ended` tells how it ended and when. */
const loadClient = (port) => {
  const client = net.connect(port, "127.0.0.1");
  const state = { answers: 0, ended: undefined };
  state.ended = new Promise((resolve) => {
    client.once("error", (error) => resolve({ how: error.code, at: performance.now() }));
    client.once("close", () => resolve({ how: "closed", at: performance.now() }));
  });
  client.on("connect", () => client.write("x".repeat(100)));
  let answered;
  state.answered = new Promise((resolve) => {
    answered = resolve;
  });
  client.on("data", (data) => {
    answered();
    state.answers++;
    client.write(data);
  });
  return state;
};

/** Descriptors of this process. A guest of another kernel may show its host's /proc: then there is nothing to count. */
const ownProc = readlinkSync("/proc/self") === String(process.pid);

/** What each open descriptor is; that of the listing itself is closed by the time it is asked. */
const descriptors = () =>
  (ownProc ? readdirSync("/proc/self/fd") : []).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });

/** The descriptors beyond those of `before`, so that a failure says what was left. */
const beyond = (before) => {
  const known = [...before];
  return descriptors().filter((name) => {
    const at = known.indexOf(name);
    if (at >= 0) known.splice(at, 1);
    return at < 0;
  });
};

for (const kind of KINDS) {
  t.test(kind, async (t) => {
    for (const files of [false, true]) {
      t.test(
        `worker.terminate() under load, ${ROUNDS} times${files ? ", with file operations in flight" : ""}`,
        async (t) => {
          const rounds = files ? Math.ceil(ROUNDS / 4) : ROUNDS;
          // The first worker opens what Node keeps open for good, and the first client what libuv does: with a loop's
          // first stream it opens /dev/null, to have a descriptor to give up where there are no more.
          const first = await startWorker({ kind, files });
          const firstClient = loadClient(first.port);
          await firstClient.answered;
          await first.worker.terminate();
          await firstClient.ended;
          const before = descriptors();
          let answers = 0;
          let slowest = 0;
          const ends = {};
          for (let round = 0; round < rounds; round++) {
            const { worker, port, exited } = await startWorker({ kind, files });
            const clients = Array.from({ length: 8 }, () => loadClient(port));
            await Promise.race([clients[0].answered, sleep(5000)]);
            await sleep(Math.random() * 20);
            const began = performance.now();
            const terminated = await Promise.race([
              worker.terminate().then(() => exited),
              sleep(5000).then(() => "hang"),
            ]);
            if (terminated === "hang") throw new Error("terminate hangs");
            const done = await Promise.race([Promise.all(clients.map((client) => client.ended)), sleep(5000)]);
            if (done === undefined) throw new Error("clients hang");
            for (const { how, at } of done) {
              ends[how] = (ends[how] ?? 0) + 1;
              slowest = Math.max(slowest, at - began);
            }
            answers += clients.reduce((sum, client) => sum + client.answers, 0);
          }
          for (let wait = 0; wait < 100 && beyond(before).length > 0; wait++) await sleep(50);
          t.ok(answers >= rounds, `${answers} answers`);
          t.ok(
            slowest < (process.env.VM_RUN ? 20_000 : 2000),
            `clients ended after at most ${slowest.toFixed(0)} ms: ${JSON.stringify(ends)}`,
          );
          t.notOk(ends.closed, "each by a reset or a refusal");
          t.same(beyond(before), [], "no descriptor is left");
        },
      );
    }

    t.test("a worker that dies of its own error", async (t) => {
      const { worker, port, exited, failed } = await startWorker({ kind });
      const client = loadClient(port);
      await client.answered;
      worker.postMessage("die");
      t.match(await failed, { message: "the worker dies" });
      t.equal(await exited, 1);
      t.equal((await client.ended).how, "ECONNRESET");
    });

    t.test("process.exit(), an uncaught error and SIGTERM under load", async (t) => {
      const ends = {
        "process.exit(3)": { code: 3 },
        'setImmediate(() => { throw new Error("end"); })': { code: 1 },
        'process.kill(process.pid, "SIGTERM")': { signal: "SIGTERM" },
        "worker.terminate().then(() => process.exit(4))": { code: 4 },
        "worker.terminate(); process.exit(5)": { code: 5 },
      };
      for (const [statement, want] of Object.entries(ends)) {
        const text = `
          import { Worker } from "node:worker_threads"; import net from "node:net"; import { Raw } from "./test/raw.mjs";
          const raw = new Raw("${kind}"); raw.listener();
          const worker = new Worker("./test/echo-worker.mjs", { execArgv: [], env: { ...process.env, NODE_OPTIONS: "" }, workerData: { kind: "${kind}", files: true } });
          worker.once("message", ({ port }) => {
            for (let n = 0; n < 4; n++) net.connect(port, "127.0.0.1").on("error", () => {}).on("data", function (d) { this.write(d); }).write("x");
            setTimeout(() => { ${statement} }, 30);
          });`;
        const result = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", text], {
          timeout: 10000,
          cwd: fileURLToPath(new URL("..", import.meta.url)),
        }).then(
          () => ({ code: 0 }),
          ({ code, signal, killed }) => (killed ? { hang: true } : signal ? { signal } : { code }),
        );
        t.same(result, want, statement);
      }
    });

    t.test("a ring opened and closed many times leaves nothing", async (t) => {
      const { Raw } = await import("./raw.mjs");
      const once = async () => {
        const raw = new Raw(kind, { pages: 16 });
        raw.group(1, 4, 4096);
        raw.listener();
        await sleep(1);
        raw.close();
      };
      await once();
      await sleep(20);
      const before = descriptors();
      for (let round = 0; round < 100; round++) await once();
      await sleep(20);
      t.same(beyond(before), [], "no descriptor is left");
    });
  });
}
