// A new process takes the place of the old one while clients go on.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { get, namedServer, Program, shortFolder, yaml } from "./program.ts";

t.setTimeout(120_000);

for (const workers of [1, 2]) {
  t.test(`${workers} worker${workers === 1 ? "" : "s"}: a new process takes over, and nobody is refused`, async (t) => {
    const { port: upstream } = await namedServer(t, "app");
    const folder = shortFolder(t);
    const socket = join(folder, "proxy.sock");
    writeFileSync(
      join(folder, "percore.yaml"),
      yaml(`
    listen: [127.0.0.1:0, "unix:${socket}"]
    workers: ${workers}
    watch: false
    drain: 5s
    upstreams: { app: 127.0.0.1:${upstream} }
    routes:
      - upstream: app
        responseHeaders: { set: { x-by: "\${BY:-first}" } }
    `),
    );
    const program = new Program(t, [], folder);
    const port = Number((await program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)\//))[1]);
    await program.says(/driver \w+/);
    let stop = false;
    const seen: string[] = [];
    const client = async (where: object): Promise<void> => {
      while (!stop) seen.push(`${(await get({ ...where, path: "/" })).status}`);
    };
    const clients = [client({ port }), client({ port }), client({ socketPath: socket })];
    const [, successor] = await program.signal("SIGUSR2", /upgrade: process (\d+) serves; this one drains/);
    t.teardown(() => {
      try {
        process.kill(Number(successor), "SIGKILL");
      } catch {
        // It has ended already.
      }
    });
    await program.exit();
    for (let count = 0; count < 4; count += 1)
      t.equal((await get({ port, path: "/" })).status, 200, "the successor answers");
    stop = true;
    await Promise.all(clients);
    t.ok(seen.length > 10);
    t.same([...new Set(seen)], ["200"], `${seen.length} requests during the upgrade`);
    t.ok(existsSync(socket), "the socket's file stays");
    process.kill(Number(successor), "SIGTERM");
    while (existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 50));
    t.pass("and goes with the last one");
  });
}
