import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { AssertionError } from "../src/assert.ts";
import { type DriverReport, refusalError } from "../src/driver.ts";
import { currentRuntime, openRuntime } from "../src/runtime.ts";
import { STAT, Stats } from "../src/stats.ts";

const run = promisify(execFile);
const RUNTIME = new URL("../src/runtime.js", import.meta.url).href;
const DIST = new URL("../../dist/runtime.js", import.meta.url).href;

/** Runs a line of code in a process of its own; what it prints is the result. */
const evaluate = async (code: string, env: Record<string, string> = {}): Promise<string> => {
  const script = `import { openRuntime, currentRuntime } from ${JSON.stringify(RUNTIME)};\n${code}`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, ...env },
  });
  return stdout.trim();
};

t.test("one runtime per thread", async (t) => {
  const runtime = openRuntime({ driver: "poll" });
  t.equal(currentRuntime(), runtime);
  t.throws(() => openRuntime(), { code: "ERR_RUNTIME_EXISTS" });
  runtime.close();
  runtime.close();
  t.ok(runtime.closed);
  const next = openRuntime({ driver: "poll" });
  t.not(next, runtime);
  next.close();
});

t.test("options out of range are named", async (t) => {
  for (const [name, value] of [
    ["arenaBytes", 1000],
    ["sqEntries", 3],
    ["sqEntries", 65_536],
    ["cqEntries", 0],
    ["receiveBuffers", 0],
    ["receiveBuffers", 1.5],
    ["upstreamReceiveBuffers", 40_000],
    ["receiveBufferBytes", 10],
  ] as const) {
    t.throws(() => openRuntime({ [name]: value }), {
      code: "ERR_OPTION_INVALID",
      message: new RegExp(`^${name} is ${value}`),
    });
  }
  t.throws(() => openRuntime({ sqEntries: 64, cqEntries: 32 }), { code: "ERR_OPTION_INVALID" });
});

t.test("a second copy of the package in a thread is refused", async (t) => {
  const code = `const other = await import(${JSON.stringify(DIST)}); openRuntime();
    for (const open of [other.openRuntime, other.currentRuntime]) {
      try { open(); console.log("opened"); } catch (error) { console.log(error.code); }
    }`;
  t.equal(await evaluate(code), "ERR_RUNTIME_EXISTS\nERR_RUNTIME_EXISTS");
});

t.test("the driver: by option, by environment, by default", async (t) => {
  const shown = "console.log(currentRuntime().driver.requested, currentRuntime().driver.kind)";
  t.equal(await evaluate(shown, { PERCORE_DRIVER: "poll" }), "poll poll");
  t.equal(await evaluate(`openRuntime({ driver: "poll" }); ${shown}`, { PERCORE_DRIVER: "uring" }), "poll poll");
  t.match(await evaluate(`delete process.env.PERCORE_DRIVER; ${shown}`), /^auto (uring|poll)$/);
  const refused = "try { openRuntime(); } catch (error) { console.log(error.code, error.message); }";
  t.equal(
    await evaluate(refused, { PERCORE_DRIVER: "fast" }),
    'ERR_OPTION_INVALID PERCORE_DRIVER is "fast"; it may be "auto", "uring" or "poll"',
  );
});

t.test("a process with an idle runtime ends, with one that listens it does not", async (t) => {
  t.equal(await evaluate("openRuntime(); console.log('end')"), "end");
  const listener = JSON.stringify(new URL("../src/listener.js", import.meta.url).href);
  const code = `const { listen } = await import(${listener});
    const listener = await listen({ port: 0 }, () => {});
    setTimeout(() => { console.log("still here"); listener.close(); }, 50).unref();`;
  t.equal(await evaluate(code), "still here");
});

t.test("what the kernel refused, in an operator's words", async (t) => {
  const failure = { step: "setup", errno: 1, detail: "", memlockNeeded: 0 } as const;
  t.match(refusalError(failure).message, /^io_uring refused: EPERM at setup \(a seccomp profile, or sysctl/);
  t.match(
    refusalError({ ...failure, errno: 38 }).message,
    /^io_uring refused: ENOSYS at setup \(a kernel without io_uring/,
  );
  const locked = refusalError({ ...failure, errno: 12, memlockNeeded: 430_000 });
  t.equal(locked.code, "ERR_MEMLOCK_LIMIT");
  t.match(locked.message, /^ERR_MEMLOCK_LIMIT: io_uring needs 420 KiB locked, the limit is .*ulimit -l/);
  t.match(
    refusalError({ ...failure, errno: 0, step: "probe", detail: "no multishot receive" }).message,
    /incomplete at probe: no multishot/,
  );
});

t.test("counters are readable from elsewhere", async (t) => {
  const runtime = openRuntime({ driver: "poll" });
  const reader = new Stats(runtime.counters.buffer);
  runtime.counters.values[STAT.bytesSent] += 5;
  t.equal(reader.snapshot().bytesSent, 5);
  const report: DriverReport = runtime.driver;
  t.same(report, { kind: "poll", requested: "poll", reason: "the poll driver was asked for", refusal: null });
  runtime.close();
  t.ok(new AssertionError("x").code === "ERR_ASSERTION");
});
