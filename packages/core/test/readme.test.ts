// The program in the README runs as it stands there, but for the port.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

t.test("the README's programs", async (t) => {
  const programs = [...readFileSync(path.join(PACKAGE, "README.md"), "utf8").matchAll(/```js\n(.*?)```/gs)].map(
    (match) => match[1],
  );
  t.equal(programs.length, 2);
  // Inside the package, so that its own name leads to it.
  const folder = mkdtempSync(path.join(PACKAGE, "build", "readme-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [at, want] of [
    [0, "hello\n"],
    [1, "12 bytes\n"],
  ] as const) {
    const file = path.join(folder, `${at}.mjs`);
    writeFileSync(file, programs[at].replaceAll("7000", String(20_000 + (process.pid % 10_000))));
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000, cwd: folder });
    t.equal(stdout, want);
  }
});
