// tap-results.mjs — counts what a TAP stream asserts, at its leaves, and keeps what failed or was skipped.
import { Parser } from "tap-parser";

/** What tap adds that says nothing about the failure itself. */
const NOISE = new Set(["source", "stdio", "args", "externalID", "cwd", "tapCaught"]);

const describe = (point) => {
  const lines = [];
  for (const [key, value] of Object.entries(point.diag ?? {})) {
    if (NOISE.has(key)) continue;
    if (key === "at") lines.push(`at ${value.fileName}:${value.lineNumber}:${value.columnNumber}`);
    else if (typeof value !== "string") lines.push(`${key}: ${JSON.stringify(value)}`);
    else if (value.includes("\n")) lines.push(`${key}:`, value.trimEnd().replaceAll(/^/gm, "  "));
    else lines.push(`${key}: ${value}`);
  }
  return lines.join("\n");
};

/** What one or several TAP streams came to. */
export class TapResults {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** @type {{ name: string, detail: string }[]} */
  failures = [];
  /** @type {{ name: string, reason: string }[]} */
  skips = [];

  /** Adds a failure that no test reported itself: a crash, a time-out, an empty run. */
  fail(name, detail) {
    this.failed += 1;
    this.failures.push({ name, detail });
  }

  /** A leaf is an assertion, or a subtest that asserted nothing of its own (empty, skipped, or died early). */
  #leaf(point, where) {
    const name = [...where, point.name].filter((part) => part !== "").join(" > ");
    const excuse = point.skip || point.todo;
    if (excuse) {
      // A test may be skipped, but it has to say why.
      if (typeof excuse !== "string" || excuse === "") return this.fail(name, "skipped without a reason");
      this.skipped += 1;
      this.skips.push({ name, reason: point.todo ? `to do: ${excuse}` : excuse });
    } else if (point.ok) this.passed += 1;
    else this.fail(name, describe(point));
  }

  #follow(parser, where) {
    const tally = { leaves: 0, failed: 0 };
    let child;
    parser.on("child", (inner) => {
      child = this.#follow(inner, [...where, inner.name ?? ""]);
    });
    parser.on("assert", (point) => {
      const inner = child;
      child = undefined;
      const closesSubtest = inner !== undefined && inner.leaves > 0;
      if (!closesSubtest || (!point.ok && inner.failed === 0)) {
        this.#leaf(point, where);
        tally.leaves += 1;
        if (!point.ok && !point.skip && !point.todo) tally.failed += 1;
      } else {
        tally.leaves += inner.leaves;
        tally.failed += inner.failed;
      }
    });
    return tally;
  }

  /** @returns {Parser} a writable that takes one TAP stream. */
  parser() {
    const parser = new Parser();
    const tally = this.#follow(parser, []);
    parser.on("complete", (final) => {
      if ((final.ok && tally.leaves > 0) || tally.failed > 0) return;
      const why = final.bailout ? `bailed out: ${final.bailout}` : (final.failures[0]?.tapError ?? "no test ran");
      this.fail("the TAP stream", String(why));
    });
    return parser;
  }

  add(other) {
    this.passed += other.passed;
    this.failed += other.failed;
    this.skipped += other.skipped;
    this.failures.push(...other.failures);
    this.skips.push(...other.skips);
  }

  toString() {
    const skipped = this.skipped === 0 ? "" : `, ${this.skipped} skipped`;
    return `${this.passed} passed, ${this.failed} failed${skipped}`;
  }
}
