// Wrong configurations, each with the message its writer gets: enough to mend it, or the message is wrong.
// To look at a change: UPDATE_MESSAGES=1 node build/test/config/wrong.test.js && git diff
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { checkConfig, loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/config/problem.ts";

const FOLDER = fileURLToPath(new URL("../../../test/vectors/wrong/", import.meta.url));
const ENVIRONMENT = { PORT: "8080", WORKERS: "several" };

const messageOf = async (load: () => unknown): Promise<string> => {
  try {
    await load();
    return "no problem";
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `${error.message.replaceAll(FOLDER, "")}\n`;
  }
};

t.test("files", async (t) => {
  const files = readdirSync(FOLDER).filter((file) => !file.endsWith(".txt"));
  t.ok(files.length >= 10);
  for (const file of files) {
    const message = await messageOf(() => loadConfig(file, { folder: FOLDER, environment: ENVIRONMENT }));
    const expected = join(FOLDER, `${file}.txt`);
    if (process.env.UPDATE_MESSAGES === "1") writeFileSync(expected, message);
    t.equal(message, readFileSync(expected, "utf8"), file);
  }
});

t.test("objects", async (t) => {
  t.equal(
    await messageOf(() => checkConfig({ upstreams: { api: "localhost:3000" }, routes: [{ upstream: "ap" }] })),
    'configuration: routes[0].upstream: there is no upstream "ap"; did you mean "api"?\n',
  );
});

t.test("files that are none", async (t) => {
  const folder = t.testdir({
    "percore.yml2": "",
    "broken.mjs": "throw new Error('not today')",
    "number.mjs": "export default 5",
  });
  const message = (file: string): Promise<string> => messageOf(() => loadConfig(file, { folder }));
  t.equal(await message("percore.yaml"), "percore.yaml: there is no such file\n");
  t.match(await message("percore.yml2"), /does not end in "\.yml2"; did you mean "\.yml"\?/);
  t.equal(await message("broken.mjs"), "broken.mjs: it failed: not today\n");
  t.equal(await message("number.mjs"), "number.mjs: must be names with values, not 5\n");
});
