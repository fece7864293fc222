import t from "tap";
import { reportHost } from "../src/host.ts";

t.test("a report of this machine agrees with itself", async (t) => {
  const report = reportHost();
  t.ok(report.nofile.soft > 0 && report.nofile.soft <= report.nofile.hard);
  t.ok(report.memlock.soft <= report.memlock.hard);
  t.ok((report.affinity?.length ?? 1) >= 1);
  if (report.probe.setup !== 0) t.ok(report.trials.uring, "a refused ring is refused at full size too");
  if (report.trials.uring === undefined) t.equal(report.probe.multishotReceive, 0, "a ring that opens can receive");
  t.equal(report.trials.poll, undefined, "epoll is everywhere");
});

t.test("it leaves nothing behind: rings can be tried again and again", async (t) => {
  for (let round = 0; round < 20; round++) reportHost();
  t.equal(reportHost().trials.poll, undefined);
});
