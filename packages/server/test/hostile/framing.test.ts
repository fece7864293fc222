// framing.test.ts — every broken and hostile input by name: answered or closed as the RFCs say, the handler called for
// exactly what was asked, and the server as well as before.
import { isDeepStrictEqual } from "node:util";
import { t } from "tap";
import { CHUNK_CASES } from "./cases/chunks.ts";
import { EXPECT_CASES } from "./cases/expect.ts";
import { FIELD_CASES } from "./cases/fields.ts";
import { type HostileCase, type Outcome, SMUGGLED } from "./cases/hostile-case.ts";
import { LENGTH_CASES } from "./cases/length.ts";
import { REQUEST_LINE_CASES } from "./cases/request-line.ts";
import { RawClient, toBytes } from "./raw-client.ts";
import { Target, type TargetOptions } from "./target-process.ts";
import { TARGETS } from "./targets.ts";

const ANSWER_MS = 3_000;
const SUITE_MS = 170_000;
t.setTimeout(SUITE_MS);
/** Longer inputs are sent whole only: a segment per byte proves nothing more there and takes long. */
const BYTEWISE_MAX = 400;
const FIRST = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
const PROBE = "GET /probe HTTP/1.1\r\nHost: a\r\n\r\n";

type Delivery = "whole" | "byte by byte" | "between two requests";

interface Observed {
  readonly answers: number[];
  readonly handled: string[];
  readonly closes: boolean;
  readonly protocolError: string | null;
}

/** Sends the case and observes everything that came of it. */
const observe = async (target: Target, hostile: HostileCase, delivery: Delivery): Promise<Observed> => {
  const between = delivery === "between two requests";
  const methods = hostile.methods === undefined ? [] : between ? ["GET", ...hostile.methods] : hostile.methods;
  const client = await RawClient.open(target.port, methods);
  try {
    if (between) await client.send(Buffer.concat([toBytes(FIRST), toBytes(hostile.send), toBytes(SMUGGLED)]));
    else if (delivery === "whole") await client.send(hostile.send);
    else await client.sendByteByByte(hostile.send);
    if (hostile.fin) client.finish();
    const most = Math.max(...hostile.outcomes.map(({ answers }) => answers.length)) + (between ? 1 : 0);
    const least = Math.min(...hostile.outcomes.map(({ answers }) => answers.length)) + (between ? 1 : 0);
    if (hostile.outcomes.every(({ closes }) => closes)) await client.closed(ANSWER_MS);
    else {
      await client.answered(most === least ? most : least, ANSWER_MS);
      // Is it going on? A probe finds out; where it is not, its bytes are ignored by a server that has closed.
      const before = client.answers.length;
      if (client.ending === null) {
        await client.send(PROBE);
        await client.until(
          () => client.ending !== null || client.answers.some(({ body }) => body.startsWith("GET /probe")),
          ANSWER_MS,
        );
      }
      if (client.answers.length < before) throw new Error("answers were taken back");
    }
    const closes = client.ending !== null;
    const answers = client.answers.filter(({ body }) => !body.startsWith("GET /probe")).map(({ status }) => status);
    await client.dispose();
    await target.idle();
    // Handlers of pipelined requests may end in any order; the answers may not.
    const handled = (await target.take()).filter((call) => !call.startsWith("GET /probe")).sort();
    return { answers, handled, closes, protocolError: client.protocolError?.message ?? null };
  } finally {
    await client.dispose();
  }
};

const expected = (outcome: Outcome, delivery: Delivery): Observed => ({
  answers: delivery === "between two requests" ? [200, ...outcome.answers] : [...outcome.answers],
  handled: (delivery === "between two requests" ? ["GET /first 0", ...outcome.handled] : [...outcome.handled]).sort(),
  closes: outcome.closes,
  protocolError: null,
});

const deliveries = (hostile: HostileCase, kind: TargetOptions["kind"]): Delivery[] => {
  const ways: Delivery[] = ["whole"];
  // Both handlers stand behind one parser. And node:http loses answers when it closes on unread bytes: as a control of
  // the table one way is enough.
  if (kind !== "handler") return ways;
  if (hostile.send.length <= BYTEWISE_MAX && hostile.send.length > 0) ways.push("byte by byte");
  // Only what is refused whole can be told from what follows it.
  if (!hostile.fin && hostile.outcomes.every(({ closes }) => closes)) ways.push("between two requests");
  return ways;
};

const TABLES: readonly (readonly [string, readonly HostileCase[]])[] = [
  ["request line", REQUEST_LINE_CASES],
  ["fields", FIELD_CASES],
  ["message length", LENGTH_CASES],
  ["chunked coding", CHUNK_CASES],
  ["Expect", EXPECT_CASES],
];

for (const options of TARGETS) {
  t.test(`${options.kind}, ${options.driver ?? "control"}`, { timeout: SUITE_MS }, async (t) => {
    const target = await Target.start(options);
    t.teardown(() => target.kill());
    for (const [title, table] of TABLES) {
      await t.test(title, { timeout: SUITE_MS }, async (t) => {
        for (const hostile of table) {
          for (const delivery of deliveries(hostile, options.kind)) {
            const observed = await observe(target, hostile, delivery);
            const safe = hostile.outcomes.map((outcome) => expected(outcome, delivery));
            const name = `${hostile.name} (${delivery})`;
            if (safe.some((want) => isDeepStrictEqual(want, observed))) t.pass(name);
            else t.same(observed, safe.length === 1 ? safe[0] : safe, name);
          }
        }
      });
    }
    const settled = await target.settled();
    t.same([settled.connections, settled.leases], [0, target.before.leases], "connections and leases are given back");
    t.ok(settled.descriptors <= target.before.descriptors, "descriptors are given back");
    t.ok(settled.timers <= target.before.timers, "deadlines are given back");
    await target.stop();
    t.equal(target.stderr, "", "nothing on standard error");
  });
}
