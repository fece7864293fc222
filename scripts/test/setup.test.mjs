import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import t from "tap";
import { run } from "../command.mjs";
import { addonEnvironment, nodeDirectory } from "../node-headers.mjs";
import { compilerProblem, nodeProblem } from "../requirements.mjs";

t.test("the oldest Node that works", async (t) => {
  for (const version of ["20.19.0", "20.20.2", "22.0.0", "26.10.0"]) t.equal(nodeProblem(version), undefined, version);
  for (const version of ["18.20.0", "20.18.9", "8.0.0"])
    t.match(nodeProblem(version), /20\.19 or newer is needed/, version);
});

t.test("a missing tool is named with the line that installs it", async (t) => {
  const { PATH, CXX, PYTHON } = process.env;
  t.teardown(() => Object.assign(process.env, { PATH }, CXX ? { CXX } : {}, PYTHON ? { PYTHON } : {}));
  delete process.env.CXX;
  delete process.env.PYTHON;

  process.env.PATH = t.testdir({});
  t.match(compilerProblem(), /Missing to compile the addon: g\+\+, make, python3\..*\n\n {4}\S.*\n/s);

  const tool = (name, says) => {
    const file = path.join(process.env.PATH, name);
    writeFileSync(file, `#!/bin/sh\necho ${says}\n`);
    chmodSync(file, 0o755);
  };
  tool("g++", "9");
  tool("make", "GNU Make");
  t.match(compilerProblem(), /g\+\+ 1\d or newer is needed/, "an old compiler is not a missing one");
  tool("g++", "12");
  t.match(compilerProblem(), /Missing to compile the addon: python3\./, "only what is missing");
  tool("python3", "Python 3");
  t.equal(compilerProblem(), undefined);
});

t.test("headers beside the binary are used only when they are of its version", async (t) => {
  const header = "#define NODE_MAJOR_VERSION 24\n#define NODE_MINOR_VERSION 1\n#define NODE_PATCH_VERSION 2\n";
  const home = t.testdir({ bin: { node: "" }, include: { node: { "node_version.h": header } } });
  const binary = path.join(home, "bin", "node");
  t.equal(nodeDirectory(binary, "24.1.2"), home);
  t.equal(nodeDirectory(binary, "24.1.3"), undefined);
  mkdirSync(path.join(home, "other", "bin"), { recursive: true });
  writeFileSync(path.join(home, "other", "bin", "node"), "");
  t.equal(nodeDirectory(path.join(home, "other", "bin", "node"), "24.1.2"), undefined);
  t.equal(
    addonEnvironment({ npm_config_nodedir: "/mine" }).npm_config_nodedir,
    "/mine",
    "an explicit one is left alone",
  );
});

/** Ended, whether or not somebody has collected its status. A kill takes effect a moment after it was sent. */
const ends = async (pid) => {
  for (let round = 0; round < 100; round++) {
    try {
      if (/ [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))) return true;
    } catch {
      return true;
    }
    await setTimeout(20);
  }
  return false;
};

const noProc = process.platform === "linux" ? false : "needs /proc";
t.test("a command and what it started end with its time", { skip: noProc }, async (t) => {
  const script = "sleep 60 & echo $!; wait";
  const result = await run("sh", ["-c", script], { timeoutMs: 300 });
  t.equal(result.timedOut, true);
  t.not(result.code, 0);
  t.ok(result.seconds < 20, "in time");
  const child = Number(result.output.trim());
  t.ok(child > 0);
  t.ok(await ends(child), "the grandchild too");

  const left = await run("sh", ["-c", "sleep 60 & echo $!"], { timeoutMs: 20_000 });
  t.equal(left.code, 0);
  t.ok(await ends(Number(left.output.trim())), "also what it left running");
  t.equal((await run("no-such-program", [], { timeoutMs: 1000 })).code, 127);
});
