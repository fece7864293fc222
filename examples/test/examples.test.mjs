// examples.test.mjs — every example runs and prints what it says it prints.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const LIMIT_MS = 30_000;
const DRIVERS = ["auto", "poll"];

const start = (t, name, args, driver) => {
  const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    env: { ...process.env, PERCORE_DRIVER: driver, NODE_OPTIONS: "", NODE_V8_COVERAGE: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    text += chunk;
  });
  child.on("close", () => clearTimeout(timer));
  t.teardown(() => child.kill("SIGKILL"));
  return { child, lines: () => text.trimEnd().split("\n") };
};

const runToEnd = async (t, name, args, driver) => {
  const program = start(t, name, args, driver);
  const [code] = await once(program.child, "close");
  return { code, lines: program.lines() };
};

for (const driver of DRIVERS) {
  t.test(`driver ${driver}: three tasks on one thread wake in the order of their sleeps`, async (t) => {
    t.same(await runToEnd(t, "sleepers.mjs", [], driver), {
      code: 0,
      lines: [
        "one sleeps 300 ms",
        "two sleeps 200 ms",
        "three sleeps 100 ms",
        "three is awake",
        "two is awake",
        "one is awake",
        "all are awake",
      ],
    });
  });

  // What threads print comes in an order of its own: only the order within a worker is promised.
  t.test(`driver ${driver}: on two workers each does the same, main speaks once`, async (t) => {
    const { code, lines } = await runToEnd(t, "sleepers-on-two.mjs", [], driver);
    t.equal(code, 0);
    t.equal(lines.filter((line) => line === "all are awake").length, 1);
    for (const worker of [0, 1]) {
      const own = lines.filter((line) => line.startsWith(`worker ${worker}: `)).map((line) => line.slice(10));
      t.same(own.slice(0, 3), ["one sleeps 300 ms", "two sleeps 200 ms", "three sleeps 100 ms"], `worker ${worker}`);
      t.same(own.slice(3).sort(), ["one is awake", "three is awake", "two is awake"], `worker ${worker}`);
    }
    t.equal(lines.length, 13);
  });

  t.test(`driver ${driver}: a TCP echo gives back what it gets and closes on SIGTERM`, async (t) => {
    const program = start(t, "tcp-echo.mjs", ["0"], driver);
    await once(program.child.stdout, "data");
    const port = Number(/^echo on 127\.0\.0\.1:(\d+)$/.exec(program.lines()[0])[1]);
    const sent = Buffer.alloc(1_000_000, "percore ");
    const socket = connect(port, "127.0.0.1");
    socket.end(sent);
    const parts = [];
    for await (const part of socket) parts.push(part);
    t.ok(Buffer.concat(parts).equals(sent), "a million bytes came back");
    program.child.kill("SIGTERM");
    const [code] = await once(program.child, "close");
    t.equal(code, 0);
    t.equal(program.lines().at(-1), "closed");
  });

  t.test(`driver ${driver}: a file copy copies`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "percore-copy-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const bytes = Buffer.alloc(200_001, "0123456789abcdef!");
    writeFileSync(join(folder, "from"), bytes);
    const args = [join(folder, "from"), join(folder, "to")];
    t.same(await runToEnd(t, "file-copy.mjs", args, driver), { code: 0, lines: ["copied 200001 bytes"] });
    t.ok(readFileSync(join(folder, "to")).equals(bytes));
    const missing = await runToEnd(t, "file-copy.mjs", [join(folder, "absent"), join(folder, "to")], driver);
    t.not(missing.code, 0);
    t.match(missing.lines.join("\n"), /ENOENT/);
    const usage = await runToEnd(t, "file-copy.mjs", [], driver);
    t.same(usage, { code: 2, lines: ["usage: node file-copy.mjs FROM TO"] });
  });
}

t.test("on every processor each worker does its tasks, then main says so", async (t) => {
  const { code, lines } = await runToEnd(t, "every-core.mjs", [], "auto");
  t.equal(code, 0);
  t.equal(lines.filter((line) => line === "main: every worker has ended").length, 1);
  const [, , count] = /^worker (\d+) of (\d+) starts$/.exec(lines.find((line) => line.endsWith("starts"))) ?? [];
  const workers = Number(count ?? 1);
  for (let worker = 0; worker < workers; worker += 1) {
    t.ok(lines.includes(`worker ${worker} of ${workers} starts`));
    t.ok(lines.includes(`worker ${worker}: 3 tasks done`));
  }
  t.equal(lines.length, workers * 5 + 1);
});
