// README.md: the limits table is the code's, and the program runs.
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import t from "tap";
import { DEFAULT_H2_LIMITS } from "../src/index.ts";

// The client's part has a test of its own.
const [README] = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split("## The client");

t.test("the limits table has every limit with its default", async (t) => {
  const rows = [...README.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, name, value]) => [name, Number(value)]);
  t.same(rows, Object.entries(DEFAULT_H2_LIMITS));
});

t.test("the program serves", async (t) => {
  const program = /```js\n([\s\S]*?)```/.exec(README)?.[1] ?? "";
  const served = program
    .replace("await listen({ port: 3000 },", 'export const listener = await listen({ port: 0, hostname: "127.0.0.1" },')
    .replace("const server", "export const server")
    .replaceAll(/from "(@percore\/[a-z0-9]+)"/g, (_, name: string) => `from "${import.meta.resolve(name)}"`);
  const { listener, server } = (await import(
    `data:text/javascript;base64,${Buffer.from(served).toString("base64")}`
  )) as {
    listener: { address: { port: number }; close(): Promise<void> };
    server: { drain(): Promise<void> };
  };
  const { connect } = await import("node:http2");
  const session = connect(`http://127.0.0.1:${listener.address.port}`);
  const stream = session.request();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  t.equal(Buffer.concat(chunks).toString(), "Hello, World!");
  session.close();
  await listener.close();
  await server.drain();
});
