// types.test.ts — programs as people write them compile: that this file does is the test.
import t from "tap";
import { type FetchHandler, Headers, Request, Response, type ServeOptions } from "../src/index.ts";

/** Handlers written for the global types, which is what `Request` means without an import. */
const global: FetchHandler = (request: globalThis.Request): globalThis.Response =>
  new globalThis.Response(request.url, { headers: request.headers });

const ours: FetchHandler = async (request, info) => {
  const copy = new Request(request, { headers: new Headers(request.headers) });
  info.waitUntil(copy.text());
  return new Response(copy.body, { status: 201, headers: [["x-a", "1"]] });
};

/** Frameworks hand over a function of this form. */
const framework = {
  fetch: (_request: globalThis.Request): globalThis.Response | Promise<globalThis.Response> =>
    new globalThis.Response(""),
};

const all: ServeOptions[] = [
  { fetch: global },
  { fetch: ours },
  { fetch: framework.fetch },
  { fetch: () => new Response("hi") },
  { fetch: () => new Response(["a", "b"]) },
  { handler: (exchange) => exchange.respond(200, [], "hi") },
];

/** Ours go where the global types are asked for. */
const takesGlobal = (request: globalThis.Request, response: globalThis.Response, headers: globalThis.Headers): number =>
  request.url.length + response.status + [...headers.keys()].length;

t.test("types", async (t) => {
  t.equal(all.length, 6);
  t.equal(takesGlobal(new Request("http://a.example/"), new Response("hi"), new Headers()), 217);
});
