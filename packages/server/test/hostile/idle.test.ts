// idle.test.ts — ten thousand connections that ask once and stay.
import { readFileSync } from "node:fs";
import { t } from "tap";
import { RawClient } from "./raw-client.ts";
import { attack, goodRequest } from "./settled.ts";
import { TARGETS } from "./targets.ts";

const IDLE = 10_000;
const SPARE = 500;

const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0);
if (limit < IDLE + SPARE) {
  t.test(
    `${IDLE} idle connections`,
    { skip: `needs ${IDLE + SPARE} descriptors, ulimit -n is ${limit}` },
    async () => {},
  );
} else {
  attack(
    t,
    TARGETS.filter(({ kind }) => kind !== "fetch"),
    {},
    async (t, target) => {
      const { before } = target;
      const clients: RawClient[] = [];
      for (let from = 0; from < IDLE; from += 250) {
        clients.push(
          ...(await Promise.all(
            Array.from({ length: 250 }, async () => {
              const client = await RawClient.open(target.port);
              await client.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
              await client.answered(1, 10_000);
              return client;
            }),
          )),
        );
      }
      t.equal(clients.filter(({ answers }) => answers[0]?.status === 200).length, IDLE, "all are answered");
      const now = await target.collect();
      t.equal(now.connections, IDLE, "all stay");
      t.equal(now.leases, before.leases, "an idle connection holds no lease");
      const each = (now.rssBytes - before.rssBytes) / IDLE;
      t.ok(each < 8_192, `${each.toFixed(0)} bytes of memory a connection`);
      t.not(await goodRequest(target.port, 1_000), -1, "another is answered within a second");
      // Each of them asks once more: nobody was forgotten.
      await Promise.all(clients.map((client) => client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n")));
      await Promise.all(clients.map((client) => client.answered(2, 20_000)));
      t.equal(clients.filter(({ answers }) => answers[1]?.status === 200).length, IDLE, "all are answered again");
      for (const client of clients) client.reset();
      await Promise.all(clients.map((client) => client.dispose()));
      t.equal((await target.idle(20_000)).connections, 0, "no connection is left");
    },
  );
}
