// readme-package.test.ts — the package's README: its programs run, its tables say what the code says.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from "@percore/http";
import t from "tap";
import { CHECKS, DEFAULT_DRAIN_MS, DEFAULT_PORT, DEFAULT_WAIT_UNTIL_MS } from "../src/options.ts";
import { Service } from "./cli/command.ts";

const README = readFileSync(fileURLToPath(new URL("../../README.md", import.meta.url)), "utf8");
const programs = [...README.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1] as string);

/** First and second cell of each row under a heading. */
const rows = (heading: string): Map<string, string> => {
  const section = README.split(new RegExp(`^#+ ${heading}$`, "m"))[1]?.split(/^#/m)[0] ?? "";
  const cells = [...section.matchAll(/^\| (`[^|]*) \| ([^|]*)\|/gm)];
  return new Map(
    cells.flatMap(([, names, value]) =>
      [...(names as string).matchAll(/`(\w+)`/g)].map(([, name]) => [name as string, (value as string).trim()]),
    ),
  );
};

t.test("the first program runs", async (t) => {
  const file = `${t.testdir({})}/hello.mjs`;
  writeFileSync(file, (programs[0] as string).replace("port: 3000", "port: 0"));
  const service = new Service([file]);
  t.teardown(() => service.child.kill("SIGKILL"));
  const [, url] = await service.says(/Listening on (http:\S+)\n/);
  t.match(await (await fetch(`${url}/world`)).json(), { pathname: "/world", from: /127\.0\.0\.1|::/ });
  t.equal(await (await fetch(url as string, { method: "POST", body: "echo" })).text(), "echo");
  t.equal(await service.end("SIGINT"), 0);
});

t.test("the options table has every option", async (t) => {
  const options = rows("Options");
  t.same([...options.keys()].sort(), Object.keys(CHECKS).sort());
  t.same([options.get("port"), options.get("drainMs")], [String(DEFAULT_PORT), String(DEFAULT_DRAIN_MS)]);
});

t.test("the limits and timeouts tables have every default", async (t) => {
  const figures = (heading: string): Record<string, number> =>
    Object.fromEntries([...rows(heading)].map(([name, value]) => [name, Number.parseInt(value, 10)]));
  t.same(figures("limits"), DEFAULT_LIMITS);
  t.same(figures("timeouts"), { ...DEFAULT_TIMEOUTS, waitUntilMs: DEFAULT_WAIT_UNTIL_MS });
});
