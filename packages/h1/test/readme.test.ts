// The README: its program runs, and its tables are the defaults.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from "@percore/http";
import t from "tap";

const PACKAGE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const README = readFileSync(path.join(PACKAGE, "README.md"), "utf8");

t.test("the tables name every limit and deadline with its default", async (t) => {
  const rows = [...README.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map((row) => [row[1], Number(row[2])]);
  t.same(Object.fromEntries(rows), { ...DEFAULT_LIMITS, ...DEFAULT_TIMEOUTS });
});

t.test("the program runs", async (t) => {
  const program = /```js\n(.*?)```/s.exec(README)?.[1] ?? "";
  const directory = path.join(PACKAGE, "build", "readme");
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, "program.mjs"), program);
  const child = spawn(process.execPath, [path.join(directory, "program.mjs")], {
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
});
