// The program on the first screen of the repository's README runs as it stands there, but for the port.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";
import { Service } from "./cli/command.ts";

const README = fileURLToPath(new URL("../../../../README.md", import.meta.url));

t.test("hello, world", async (t) => {
  const program = /```js\n(.*?)```/s.exec(readFileSync(README, "utf8"))?.[1] ?? "";
  t.match(program, "port: 3000", "there is such a program");
  // Inside this package, its own name resolves to it.
  const file = `${t.testdir({})}/hello.mjs`;
  writeFileSync(file, program.replace("port: 3000", "port: 0"));
  const service = new Service([file]);
  t.teardown(() => service.child.kill("SIGKILL"));
  const [, url] = await service.says(/Listening on (http:\S+)\n/);
  const answer = await fetch(`${url}/world`);
  t.equal(await answer.text(), "Hello from /world\n");
  t.equal(await service.end("SIGINT"), 0);
});
