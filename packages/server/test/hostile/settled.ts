// settled.ts — what every hostile suite ends with: the server serves, has given everything back, and said nothing.
import type { Test } from "tap";
import { RawClient } from "./raw-client.ts";
import { Target, type TargetOptions } from "./target-process.ts";

export const SUITE_MS = 170_000;

/** A request of somebody who means no harm. @returns how long the answer took, ms; -1 when none came. */
export const goodRequest = async (port: number, ms = 5_000): Promise<number> => {
  const started = performance.now();
  const client = await RawClient.open(port);
  await client.send("GET /good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const answered = await client.answered(1, ms);
  const ok = answered && client.answers[0].status === 200;
  await client.dispose();
  return ok ? performance.now() - started : -1;
};

/** Asserts that the server is as it was before anybody had connected. */
export const assertSettled = async (t: Test, target: Target): Promise<void> => {
  t.not(await goodRequest(target.port), -1, "the server still serves");
  const now = await target.settled();
  const { before } = target;
  t.equal(now.connections, 0, "no connection is left");
  t.equal(now.leases, before.leases, "every lease is given back");
  t.equal(now.timers, before.timers, "no deadline is left");
  t.ok(now.inflight <= before.inflight, `no operation is left in flight (${now.inflight}, ${before.inflight} before)`);
  t.ok(
    now.descriptors <= before.descriptors,
    `no descriptor is left (${now.descriptors}, ${before.descriptors} before)`,
  );
};

/** First lines of what was written to standard error, but for what `expected` allows. */
export const unexpectedReports = (stderr: string, expected: RegExp | undefined): string[] =>
  stderr.split("\n").filter((line) => /^\S/.test(line) && line !== "}" && !expected?.test(line));

/**
 * Runs `suite` against a fresh target for each of `targets`, and asserts that nothing is left of it.
 *
 * @param more `reports`: what the server may write to standard error; `atOnce`: targets attacked side by side, for suites
 *   that spend their time waiting for deadlines.
 */
export const attack = (
  t: Test,
  targets: readonly TargetOptions[],
  { reports, atOnce = 1, ...more }: Partial<TargetOptions> & { readonly reports?: RegExp; readonly atOnce?: number },
  suite: (t: Test, target: Target) => Promise<void>,
): void => {
  t.setTimeout(SUITE_MS);
  t.jobs = atOnce;
  for (const options of targets) {
    void t.test(
      `${options.kind}, ${options.driver ?? "control"}`,
      { timeout: SUITE_MS, buffered: atOnce > 1 },
      async (t) => {
        const target = await Target.start({ ...options, ...more });
        t.teardown(() => target.kill());
        await suite(t, target);
        await assertSettled(t, target);
        await target.stop();
        t.same(unexpectedReports(target.stderr, reports), [], "nothing on standard error but what is expected");
      },
    );
  }
};
