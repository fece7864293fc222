// Hostile bytes at every state of a handshake, briefly; test/long/fuzz.ts does it for long and under AddressSanitizer.
import { createPrivateKey } from "node:crypto";
import t from "tap";
import { fuzz } from "./fuzz.ts";

/** What node says about a key that is none: the first error of OpenSSL's queue, which is node's as well as ours. */
const complaint = (): string => {
  try {
    createPrivateKey("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
  } catch (error) {
    return (error as Error).message;
  }
  return "none";
};

t.test("a session fails, waits or goes on, whatever it is sent", async (t) => {
  const before = complaint();
  const report = fuzz(1500, 1);
  t.equal(report.rounds, 1500);
  t.ok(report.failed > 500, `${report.failed} failed`);
  t.ok(report.established > 50, `${report.established} were established all the same, before the spoilt flight`);
  t.equal(complaint(), before, "no error of ours is left in the queue");
});
