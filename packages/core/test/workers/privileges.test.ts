import { execFileSync } from "node:child_process";
import t from "tap";
import { resolveIdentity } from "../../src/workers/privileges.ts";
import { askOnce } from "./client.ts";
import { type Exit, Program, programPath } from "./program.ts";

const tables: Record<string, string> = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n# a comment\nwww:x:33:34:www:/var/www:/bin/false\n",
  "/etc/group": "root:x:0:\nwww:x:34:\nadm:x:4:syslog,www\nssl:x:107:www\n",
};
const read = (path: string): string => tables[path];

t.test("who to become", async (t) => {
  t.equal(resolveIdentity({}, read), null);
  t.same(resolveIdentity({ setuid: "www" }, read), { uid: 33, gid: 34, groups: [34, 4, 107] });
  t.same(resolveIdentity({ setuid: 33 }, read), { uid: 33, gid: 34, groups: [34, 4, 107] });
  t.same(resolveIdentity({ setuid: "www", setgid: "ssl" }, read), { uid: 33, gid: 107, groups: [107, 4] });
  t.same(resolveIdentity({ setuid: 4711, setgid: 4712 }, read), { uid: 4711, gid: 4712, groups: [4712] });
  t.throws(() => resolveIdentity({ setuid: 4711 }, read), { code: "ERR_OPTION_INVALID" });
  t.throws(() => resolveIdentity({ setuid: "nobody-here" }, read), { code: "ERR_OPTION_INVALID" });
  t.throws(() => resolveIdentity({ setuid: "www", setgid: "no-group" }, read), { code: "ERR_OPTION_INVALID" });
});

const notRoot = process.getuid?.() === 0 ? false : "only root can become somebody else";
const hostname = "127.0.0.1";

t.test(
  "privileges are dropped after binding a low port, in every thread, before anything is served",
  { skip: notRoot },
  async (t) => {
    t.setTimeout(60_000);
    for (const workers of [1, 2]) {
      const low = 600 + Math.floor(Math.random() * 400);
      const options = { run: { workers, setuid: 65_534, setgid: 65_534 }, listen: [{ port: low, hostname }] };
      const program = new Program(t, [programPath("server"), JSON.stringify(options)]);
      await program.printed(/listens on (\d+)/);
      const target = { host: hostname, port: low };
      for (let ask = 0; ask < 10; ask += 1) t.equal(await askOnce(target, "uid"), "65534");
      await program.printed(/all mains ended/);
      const status = execFileSync("cat", [`/proc/${program.pid}/status`], { encoding: "utf8" });
      t.match(status, /Uid:\s+65534\s+65534\s+65534\s+65534/);
      t.match(status, /Groups:\s+65534\s*\n/);
      if (workers > 1) {
        // A worker started later opens its ring and joins its socket without the rights it would need to bind.
        await askOnce(target, "throw");
        await program.printed(/listens on/, 3);
        t.equal(await askOnce(target, "uid"), "65534");
      }
    }
  },
);

t.test("whoever may not do it is told", { skip: notRoot }, async (t) => {
  const options = JSON.stringify({ run: { setuid: 65_534, setgid: 65_534 } });
  const demoted = new Program(t, [
    "--input-type=module",
    "-e",
    `process.setgid(1); process.setuid(1); await import(process.argv[1])`,
    programPath("server"),
    options,
  ]);
  // `-e` shifts argv by one: the program reads its options where they are.
  const exit = await demoted.exited;
  t.match(exit.stdout, /failed: ERR_PRIVILEGES cannot become user 65534, group 65534: EPERM/);
});

t.test("a main that is never ready is not left running as root", { skip: notRoot }, async (t) => {
  t.setTimeout(60_000);
  const never = (workers: number): Promise<Exit> => {
    const options = {
      run: { workers, setuid: 65_534, setgid: 65_534 },
      mainNever: true,
      listen: [{ port: 0, hostname }],
    };
    return new Program(t, [programPath("server"), JSON.stringify(options)]).exited;
  };
  for (const exit of await Promise.all([never(1), never(2)])) {
    t.match(exit.stdout, /failed: ERR_PRIVILEGES privileges were not dropped: after 10000 ms .* not ready/);
    t.equal(exit.code, 7);
  }
});
