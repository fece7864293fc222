import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { FileWatch } from "../../src/config/file-watch.ts";

// The watch keeps no program alive, this one included.
const alive = setInterval(() => undefined, 1_000);
t.teardown(() => clearInterval(alive));

const waiting = () => {
  let changes = 0;
  let wake: () => void = () => undefined;
  const watch = new FileWatch(() => {
    changes += 1;
    wake();
  });
  const next = (count: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => changes >= count && resolve();
      wake();
    });
  return { watch, next, count: () => changes };
};

t.test("rewritten, renamed over, and two files at once: one change each", async (t) => {
  const folder = t.testdir({ "cert.pem": "1", "key.pem": "1", "other.txt": "1" });
  const at = (name: string): string => path.join(folder, name);
  const { watch, next, count } = waiting();
  t.teardown(() => watch.close());
  await watch.follow([at("cert.pem"), at("key.pem")]);
  writeFileSync(at("cert.pem"), "22");
  writeFileSync(at("key.pem"), "22");
  await next(1);
  writeFileSync(at("new.pem"), "333");
  renameSync(at("new.pem"), at("cert.pem"));
  await next(2);
  writeFileSync(at("other.txt"), "not watched");
  rmSync(at("key.pem"));
  await next(3);
  t.equal(count(), 3);
});

t.test("a folder that is relinked, as containers mount secrets", async (t) => {
  const folder = t.testdir({ one: { "cert.pem": "1" }, two: { "cert.pem": "1" } });
  const at = (...names: string[]): string => path.join(folder, ...names);
  symlinkSync("one", at("data"));
  symlinkSync(path.join("data", "cert.pem"), at("cert.pem"));
  const { watch, next } = waiting();
  t.teardown(() => watch.close());
  await watch.follow([at("cert.pem")]);
  symlinkSync("two", at("data.new"));
  renameSync(at("data.new"), at("data"));
  await next(1);
  t.pass("noticed");
});

t.test("a closed watch says nothing more, and a missing folder is no failure", async (t) => {
  const folder = t.testdir({ "cert.pem": "1" });
  const { watch, count } = waiting();
  await watch.follow([path.join(folder, "cert.pem"), path.join(folder, "missing", "key.pem")]);
  watch.close();
  mkdirSync(path.join(folder, "missing"));
  writeFileSync(path.join(folder, "cert.pem"), "22");
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(count(), 0);
});
