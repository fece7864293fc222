// The peer Fastify: no logger, a parser that leaves bodies alone.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createRequire } from "node:module";

const { fastify } = createRequire(new URL("../peers/package.json", import.meta.url))("fastify");
const port = Number(process.env.PORT);
const www = process.env.WWW ?? "";
const app = fastify({ logger: false, keepAliveTimeout: 3_600_000, bodyLimit: 16 * 1024 * 1024 });

for (const [path, text] of [
  ["/", "Hello, World!"],
  ["/1k", "x".repeat(1024)],
  ["/64k", "x".repeat(65_536)],
  ["/1m", "x".repeat(1_048_576)],
]) {
  app.get(path, async (_request, reply) => {
    reply.type("text/plain");
    return text;
  });
}
app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
app.post("/echo", (request, reply) => {
  reply.header("content-length", request.headers["content-length"]).type("application/octet-stream").send(request.body);
});
app.get("/file/:name", async (request, reply) => {
  const path = `${www}file/${request.params.name}`;
  const { size } = await stat(path);
  reply.header("content-length", size).type("text/plain");
  return reply.send(createReadStream(path));
});
await app.listen({ port, host: "127.0.0.1", backlog: 4096 });
process.on("SIGTERM", () => process.exit(0));
