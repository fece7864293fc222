// The README: its program runs, and its tables are the defaults.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DEFAULT_CLIENT_LIMITS, DEFAULT_CLIENT_TIMEOUTS, DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from "@percore/http";
import t from "tap";

const PACKAGE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const README = readFileSync(path.join(PACKAGE, "README.md"), "utf8");

const PROGRAMS: readonly string[] = [...README.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]);

/** The tables under a heading, name and default of each row. */
const tablesOf = (heading: string): Record<string, number> => {
  const part = README.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return Object.fromEntries([...part.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map((row) => [row[1], Number(row[2])]));
};

t.test("the tables name every limit and deadline with its default", async (t) => {
  t.same(tablesOf("Limits and deadlines of the server"), { ...DEFAULT_LIMITS, ...DEFAULT_TIMEOUTS });
  t.same(tablesOf("Limits and deadlines of the client"), { ...DEFAULT_CLIENT_LIMITS, ...DEFAULT_CLIENT_TIMEOUTS });
});

t.test("the programs run: the server answers, the client asks it", async (t) => {
  const directory = path.join(PACKAGE, "build", "readme");
  mkdirSync(directory, { recursive: true });
  for (const [at, program] of PROGRAMS.entries()) writeFileSync(path.join(directory, `${at}.mjs`), program);
  const child = spawn(process.execPath, [path.join(directory, "0.mjs")], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.teardown(() => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  let output = "";
  const port = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const match = /listening on port (\d+), driver (uring|poll)/.exec(output);
      if (match !== null) resolve(match[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", () => reject(new Error(`the program ended: ${output}`)));
    setTimeout(() => reject(new Error(`no line within 20 s: ${output}`)), 20_000).unref();
  });
  const response = await fetch(`http://127.0.0.1:${port}/README`);
  t.equal(response.status, 200);
  t.equal(await response.text(), "Hello from /README\n");
  const url = `http://127.0.0.1:${port}/client?q`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [path.join(directory, "1.mjs"), url], {
    timeout: 20_000,
  });
  t.equal(stderr, "");
  t.equal(stdout, "200 text/plain\nHello from /client?q\n");
});
