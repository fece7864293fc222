// The README's program runs.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const PACKAGE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

t.test("the program prints what it says", async (t) => {
  const program = /```js\n(.*?)```/s.exec(readFileSync(path.join(PACKAGE, "README.md"), "utf8"))?.[1] ?? "";
  const file = path.join(PACKAGE, "build", "readme.mjs");
  writeFileSync(file, program);
  t.teardown(() => rmSync(file));
  // A package is found by its own name from within its folder.
  t.equal(execFileSync(process.execPath, [file], { encoding: "utf8", timeout: 20_000 }), "true false Not Found\n");
});
