// churn.ts — 200,000 connections, each with one request, that end in every order: memory stays, nothing is left.
//
//   PERCORE_CHURN=20000 node build/test/long/churn.js      connections for each driver
import { RawClient } from "../hostile/raw-client.ts";
import { Target, type TargetOptions } from "../hostile/target-process.ts";
import { Verdict } from "./verdict.ts";

const CONNECTIONS = Number(process.env.PERCORE_CHURN ?? 200_000);
const AT_ONCE = 64;
const GROWTH_MAX = 0.05;
const ANSWER_MS = 20_000;
const TARGETS: readonly TargetOptions[] = [
  { kind: "handler", driver: "uring" },
  { kind: "handler", driver: "poll" },
];

/** @returns true when the answer came. Who closes, and how, goes round in fours. */
const once = async (port: number, at: number): Promise<boolean> => {
  const client = await RawClient.open(port);
  const closes = at % 4 === 0;
  await client.send(`GET /churn HTTP/1.1\r\nHost: a\r\n${closes ? "Connection: close\r\n" : ""}\r\n`);
  const answered = await client.answered(1, ANSWER_MS);
  if (closes) await client.closed(ANSWER_MS);
  else if (at % 4 === 1) client.reset();
  else if (at % 4 === 2) {
    client.finish();
    await client.closed(ANSWER_MS);
  }
  await client.dispose();
  return answered && client.answers[0].status === 200;
};

const churn = async (verdict: Verdict, options: TargetOptions): Promise<void> => {
  const who = `${options.driver}`;
  const target = await Target.start(options);
  await target.keepLog(false);
  const { calls } = await target.gauges();
  const started = performance.now();
  let begun = 0;
  let answered = 0;
  const run = async (until: number): Promise<void> => {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (begun < until) {
          begun += 1;
          if (await once(target.port, begun)) answered += 1;
        }
      }),
    );
    await target.idle();
  };
  await run(CONNECTIONS / 5);
  const early = await target.weigh();
  verdict.parts(`${who}: at ${begun} connections`, early);
  await run(CONNECTIONS);
  const late = await target.weigh();
  verdict.parts(`${who}: at ${begun} connections`, late);
  const seconds = (performance.now() - started) / 1_000;
  verdict.note(`${who}: ${begun} connections in ${seconds.toFixed(0)} s`);
  verdict.ok(answered === begun, `${who}: ${answered} of ${begun} answered`);
  verdict.ok(late.calls - calls === begun, `${who}: each handled once (${late.calls - calls})`);
  verdict.steady(early, late, GROWTH_MAX, who);
  await verdict.settled(target, who);
  await target.stop();
  verdict.ok(target.stderr === "", `${who}: nothing on standard error`);
};

const verdict = new Verdict();
for (const options of TARGETS) await churn(verdict, options);
verdict.end();
