// verdict.ts — what the long programs print and end with: TAP, so that each figure stands beside the rule it is held to.
import type { Gauges } from "../hostile/service.ts";
import type { Target } from "../hostile/target-process.ts";

const MIB = 1024 * 1024;

/** Prints TAP by itself: tap's own runner has a time limit that a soak would meet. */
export class Verdict {
  #count = 0;
  #failed = 0;

  constructor() {
    process.stdout.write("TAP version 14\n");
  }

  note(text: string): void {
    process.stdout.write(`# ${text}\n`);
  }

  ok(held: boolean, text: string): void {
    this.#count += 1;
    if (!held) this.#failed += 1;
    process.stdout.write(`${held ? "ok" : "not ok"} ${this.#count} - ${text}\n`);
  }

  /** Everything the server took for its connections is given back. */
  async settled(target: Target, who: string): Promise<Gauges> {
    const now = await target.settled(30_000);
    const { before } = target;
    this.ok(now.connections === 0, `${who}: no connection left (${now.connections})`);
    this.ok(now.leases === before.leases, `${who}: no lease left (${now.leases - before.leases})`);
    this.ok(now.timers === before.timers, `${who}: no deadline left (${now.timers - before.timers})`);
    this.ok(now.inflight <= before.inflight, `${who}: no operation in flight (${now.inflight - before.inflight} more)`);
    this.ok(
      now.descriptors <= before.descriptors,
      `${who}: no descriptor left (${now.descriptors - before.descriptors} more)`,
    );
    return now;
  }

  /** One look at memory, by parts. */
  parts(at: string, { parts }: Gauges): void {
    if (parts === null) return;
    const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
    this.note(
      `${at}: ${mib(parts.rssBytes)} MiB = V8 ${mib(parts.heapBytes)} (young ${mib(parts.youngBytes)}) + arena ${mib(parts.arenaBytes)} + other ${mib(parts.otherBytes)}`,
    );
  }

  /** Resident memory at the end against that at a fifth of the run; and again without V8's young generation. */
  steady(early: Gauges, late: Gauges, growthMax: number, who: string): void {
    const compare = (what: string, from: number, to: number): void => {
      const growth = to / from - 1;
      const figures = `${(from / MIB).toFixed(1)} → ${(to / MIB).toFixed(1)} MiB, ${(growth * 100).toFixed(1)} %`;
      this.ok(growth <= growthMax, `${who}: ${what} ${figures}, at most ${growthMax * 100} % more`);
    };
    const old = ({ rssBytes, parts }: Gauges): number => rssBytes - (parts?.youngBytes ?? 0);
    compare("memory", early.rssBytes, late.rssBytes);
    compare("memory but for the young generation", old(early), old(late));
  }

  end(): void {
    process.stdout.write(`1..${this.#count}\n`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }
}
