// The program in the README runs as it stands there, but for the port.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { authority, identity } from "./stream/harness.ts";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

t.test("the README's program", async (t) => {
  const programs = [...readFileSync(path.join(PACKAGE, "README.md"), "utf8").matchAll(/```js\n(.*?)```/gs)];
  t.equal(programs.length, 1);
  // Inside the package, so that its own name leads to it.
  const folder = mkdtempSync(path.join(PACKAGE, "build", "readme-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "program.mjs");
  writeFileSync(file, programs[0][1].replaceAll("7443", String(20_000 + (process.pid % 10_000))));
  writeFileSync(path.join(folder, "certificate.pem"), identity.chain);
  writeFileSync(path.join(folder, "key.pem"), identity.key);
  writeFileSync(path.join(folder, "authority.pem"), authority.cert);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000, cwd: folder });
  t.equal(stdout, "hello TLSv1.3 echo\n");
});
