// README.md, the client's part: its program runs against the server's, and its table is the code's.
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { currentRuntime, listen } from "@percore/core";
import { DEFAULT_CLIENT_LIMITS } from "@percore/http";
import t from "tap";
import { DEFAULT_H2_CLIENT_LIMITS, DEFAULT_H2_CLIENT_TIMEOUTS, H2Server } from "../../src/index.ts";

const text = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
const [, README = ""] = text.split("## The client");

t.test("the table has the defaults", async (t) => {
  const groups: Record<string, Record<string, number>> = {
    h2: { ...DEFAULT_H2_CLIENT_LIMITS },
    limits: { ...DEFAULT_CLIENT_LIMITS },
    timeouts: { ...DEFAULT_H2_CLIENT_TIMEOUTS },
  };
  const rows = [...README.matchAll(/^\| (`[^|]*`) \| ([\d, ]+) \|/gm)];
  const named: string[] = [];
  for (const [, names, values] of rows) {
    const defaults = values.split(",").map(Number);
    for (const [at, [, group, name]] of [...names.matchAll(/`(\w+)\.(\w+)`/g)].entries()) {
      t.equal(groups[group][name], defaults[at], name);
      named.push(name);
    }
  }
  for (const name of Object.keys(DEFAULT_H2_CLIENT_TIMEOUTS)) t.ok(named.includes(name), name);
});

t.test("the program asks", async (t) => {
  const runtime = currentRuntime();
  const server = new H2Server({
    arena: runtime.arena,
    clock: runtime,
    handler: (e) => e.respond(200, [], "Hello, World!"),
  });
  const listener = await listen({ port: 0, hostname: "127.0.0.1" }, (stream) => void server.accept(stream));
  const program = /```js\n([\s\S]*?)```/.exec(README)?.[1] ?? "";
  const asking = program
    .replace("port: 3000", `port: ${listener.address.port}`)
    .replace("const texts", "export const texts")
    .replaceAll(/from "(@percore\/[a-z0-9]+)"/g, (_, name: string) => `from "${import.meta.resolve(name)}"`);
  const url = `data:text/javascript;base64,${Buffer.from(asking).toString("base64")}`;
  const { texts } = (await import(url)) as { texts: string[] };
  t.same(texts, ["Hello, World!", "Hello, World!"]);
  void server.drain();
  await listener.close();
  await server.drain();
});
