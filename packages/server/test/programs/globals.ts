// globals.ts — a program whose globals are ours: prints what holds, as JSON.
import "../../src/globals.ts";
import { Headers, Request, Response, serve } from "../../src/index.ts";

const server = serve({
  port: 0,
  hostname: "127.0.0.1",
  signals: false,
  fetch: async (request) => {
    const url = new URL(request.url);
    // Proxying as the standard has it: the incoming request goes to fetch().
    if (url.pathname === "/proxy") return fetch(new globalThis.Request(`${url.origin}/echo`, request as never));
    return new globalThis.Response(`${request.headers.get("x-test")} ${await request.text()}`);
  },
});
await server.ready;
const proxied = await fetch(`${server.url}/proxy`, {
  method: "POST",
  body: "body",
  headers: new globalThis.Headers({ "x-test": "1" }),
});
const asked = await fetch(new globalThis.Request(`${server.url}/echo`, { method: "POST", body: "direct" }) as never);
process.stdout.write(
  JSON.stringify({
    same: [
      globalThis.Request === (Request as never),
      globalThis.Response === (Response as never),
      globalThis.Headers === (Headers as never),
    ],
    proxied: await proxied.text(),
    asked: await asked.text(),
    fetched: asked instanceof globalThis.Response,
    rejects: await fetch(new globalThis.Request("http://127.0.0.1:1/") as never).then(
      () => "resolved",
      (error: Error) => error.name,
    ),
  }),
);
await server.close();
