// The peer Bun: Bun.serve with a fetch handler (not its static routes, which run no handler).
const www = process.env.WWW ?? "";
const plain = { headers: { "content-type": "text/plain" } };
const memory = new Map([
  ["/", "Hello, World!"],
  ["/1k", "x".repeat(1024)],
  ["/64k", "x".repeat(65_536)],
  ["/1m", "x".repeat(1_048_576)],
]);

Bun.serve({
  port: Number(process.env.PORT),
  hostname: "127.0.0.1",
  idleTimeout: 255,
  fetch: async (request) => {
    const path = request.url.slice(request.url.indexOf("/", 8));
    const found = memory.get(path);
    if (found !== undefined) return new Response(found, plain);
    if (path === "/echo") return new Response(await request.arrayBuffer(), plain);
    if (path.startsWith("/file/")) return new Response(Bun.file(`${www}${path.slice(1)}`));
    return new Response(null, { status: 404 });
  },
});
process.on("SIGTERM", () => process.exit(0));
