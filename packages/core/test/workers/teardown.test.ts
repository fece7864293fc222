import t from "tap";
import { LineClient } from "./client.ts";
import { Program, programPath } from "./program.ts";

t.setTimeout(180_000);
const hostname = "127.0.0.1";
const LONG = process.env.PERCORE_TEST_LONG !== undefined;

for (const driver of ["uring", "poll"]) {
  const env = { PERCORE_DRIVER: driver };

  const rounds = LONG ? 100 : 20;
  t.test(`worker.terminate() under load, ${rounds} times: no abort, no hang, nothing left (${driver})`, async (t) => {
    const args = [programPath("terminate"), String(rounds)];
    const exit = await new Program(t, args, { env, timeoutMs: 80_000 }).exited;
    if (exit.stderr.includes("ERR_DRIVER_UNAVAILABLE")) {
      t.comment(`skipped: ${exit.stderr}`);
      return;
    }
    t.match(exit, { code: 0, signal: null, stderr: "" });
    // A connection that was just being made may be refused, every other sees a reset; none hangs, none ends in order.
    t.match(exit.stdout, /^terminated (20|100) times: (ECONNREFUSED )?ECONNRESET\n$/);
  });

  t.test(`process.exit() under load, with workers and without: no abort, no hang (${driver})`, async (t) => {
    for (let round = 0; round < (LONG ? 100 : 10); round += 1) {
      const workers = 1 + (round % 2);
      const options = { run: { workers }, listen: [{ port: 0, hostname }] };
      const program = new Program(t, [programPath("server"), JSON.stringify(options)], { env, timeoutMs: 20_000 });
      const [, port] = await program.printed(/listens on (\d+)/, workers);
      const clients = Array.from({ length: 8 }, () => new LineClient({ host: hostname, port: Number(port) }));
      const loads = clients.map(async (client) => {
        for (;;) {
          const answer = await client.ask("load");
          if (answer !== "load") return answer;
        }
      });
      await Promise.all(clients.map((client) => client.connected));
      await new Promise((resolve) => setTimeout(resolve, round));
      program.signal("SIGPWR");
      t.match(await program.exited, { code: 3, signal: null, stderr: "" });
      // Workers reset what they hold. The main thread runs no cleanup when a process exits: the kernel closes its sockets,
      // with a reset where something was unread and with an end where nothing was. Nobody hangs.
      const outcomes = new Set(await Promise.all(loads));
      if (workers === 1) outcomes.delete("end");
      t.same(
        [...outcomes].filter((outcome) => outcome !== "ECONNRESET"),
        [],
      );
      for (const client of clients) client.close();
    }
  });
}
