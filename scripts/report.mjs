// report.mjs — what `npm test` prints: a line for each check and suite, then skips, failures in full, and the sum.
import { TapResults } from "./tap-results.mjs";

const say = (text) => process.stdout.write(`${text}\n`);

const line = (ok, name, what, seconds) =>
  say(`  ${ok ? "✓" : "✗"} ${name.padEnd(32)} ${what.padEnd(36)} ${seconds.toFixed(1).padStart(6)} s`);

/** Adds up results as they come and prints them. */
export class Report {
  #total = new TapResults();
  #closed = false;

  constructor(title) {
    say(`${title}\n`);
    // A run that a time limit cuts off still says what it had found by then, and never that all was well.
    process.on("exit", () => {
      if (this.#closed) return;
      this.#total.fail("the run", "ended by a signal or an error before its last suite");
      this.close();
    });
  }

  /** A check that passes or fails as a whole. */
  check(name, ok, seconds, output) {
    line(ok, name, ok ? "ok" : "failed", seconds);
    if (ok) this.#total.passed += 1;
    else this.#total.fail(name, output.trimEnd());
  }

  suite(name, results, seconds) {
    line(results.failed === 0, name, results.toString(), seconds);
    this.#total.add(results);
  }

  section(title, text) {
    say(`\n${title}${text === undefined ? "" : `\n${text}`}`);
  }

  /** Prints the rest and sets the exit status: 0 only when something passed and nothing failed. */
  close() {
    this.#closed = true;
    if (this.#total.skips.length > 0) {
      this.section("Skipped");
      for (const { name, reason } of this.#total.skips) say(`  - ${name}: ${reason}`);
    }
    if (this.#total.failures.length > 0) {
      this.section("Failed");
      for (const { name, detail } of this.#total.failures) say(`\n  ✗ ${name}\n${detail.replaceAll(/^/gm, "      ")}`);
    }
    // Alone on its line: programs read it.
    say(`\n${this.#total}`);
    process.exitCode = this.#total.failed === 0 && this.#total.passed > 0 ? 0 : 1;
  }
}
