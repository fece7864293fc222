import t from "tap";
import { TapResults } from "../tap-results.mjs";

const read = async (lines) => {
  const results = new TapResults();
  const parser = results.parser();
  await new Promise((resolve) => {
    parser.once("complete", resolve);
    parser.end(`TAP version 14\n${lines.join("\n")}\n`);
  });
  return results;
};

t.test("what is counted", async (t) => {
  const rows = [
    {
      name: "assertions, not the subtests around them",
      tap: ["# Subtest: a", "    ok 1 - x", "    ok 2 - y", "    1..2", "ok 1 - a", "1..1"],
      want: "2 passed, 0 failed",
    },
    {
      name: "a failed assertion once, not once a level",
      tap: [
        "# Subtest: a",
        "    # Subtest: b",
        "        not ok 1 - x",
        "        1..1",
        "    not ok 1 - b",
        "    1..1",
        "not ok 1 - a",
        "1..1",
      ],
      want: "0 passed, 1 failed",
    },
    {
      name: "a subtest that dies after passing assertions",
      tap: ["# Subtest: a", "    ok 1 - x", "    1..1", "not ok 1 - a", "  ---", "  exitCode: 3", "  ...", "1..1"],
      want: "1 passed, 1 failed",
    },
    {
      name: "an empty subtest as one",
      tap: ["# Subtest: a", "    1..0", "ok 1 - a", "1..1"],
      want: "1 passed, 0 failed",
    },
    {
      name: "a skip with its reason",
      tap: ["ok 1 - x # SKIP no io_uring", "1..1"],
      want: "0 passed, 0 failed, 1 skipped",
    },
    { name: "a skip without one is a failure", tap: ["ok 1 - x # SKIP", "1..1"], want: "0 passed, 1 failed" },
    {
      name: "something still to do",
      tap: ["not ok 1 - x # TODO later", "1..1"],
      want: "0 passed, 0 failed, 1 skipped",
    },
    { name: "a plan that was not kept", tap: ["1..2", "ok 1 - x"], want: "1 passed, 1 failed" },
    { name: "a bail out", tap: ["ok 1 - x", "Bail out! no more"], want: "1 passed, 1 failed" },
    { name: "nothing", tap: [], want: "0 passed, 1 failed" },
  ];
  for (const { name, tap, want } of rows) t.equal(String(await read(tap)), want, name);
});

t.test("a failure keeps where it is and why", async (t) => {
  const { failures } = await read([
    "# Subtest: outer",
    "    not ok 1 - equal",
    "      ---",
    "      diff: |",
    "        -1",
    "        +2",
    "      at:",
    "        fileName: a.test.js",
    "        lineNumber: 3",
    "        columnNumber: 5",
    "      source: |",
    "        long",
    "      ...",
    "    1..1",
    "not ok 1 - outer",
    "1..1",
  ]);
  t.same(failures, [{ name: "outer > equal", detail: "diff:\n  -1\n  +2\nat a.test.js:3:5" }]);
});
