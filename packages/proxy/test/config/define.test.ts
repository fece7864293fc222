// That this file compiles, with an error at each line that expects one, is the test.
import t from "tap";
import { type DefinedConfig, defineConfig, onPath } from "../../src/config/define.ts";

const good = defineConfig({
  listen: ":8080",
  upstreams: {
    api: "localhost:3000",
    web: { servers: ["a:1", { address: "b:2", weight: 3 }], balance: "least-requests" },
  },
  rateLimits: { perClient: { rate: "10/s" } },
  routes: [
    { path: "/api/*", upstream: "api", fallback: "web", rateLimit: "perClient" },
    { path: "/users/{id:int}/{tab}", upstream: "api", rewrite: "/u/{id}?tab={tab}&q={query}" },
    { path: "/old/{rest:path}", redirect: "https://{host}/new/{rest}" },
    { path: "/ab/*", split: { api: 90, web: 10 } },
    { host: "x.example", respond: { status: 204 } },
    {
      path: "/hello/{name}",
      handler: onPath("/hello/{name}", (exchange, { params }) => exchange.respond(200, [], `hello ${params.name}`)),
    },
    { handler: (exchange) => exchange.respond(404, [], "") },
  ],
});

const bad: DefinedConfig[] = [
  defineConfig({
    upstreams: { api: "localhost:3000" },
    // @ts-expect-error there is no upstream of that name
    routes: [{ path: "/*", upstream: "apii" }],
  }),
  defineConfig({
    upstreams: { api: "localhost:3000" },
    // @ts-expect-error nor one to fall back to
    routes: [{ path: "/*", upstream: "api", fallback: "web" }],
  }),
  defineConfig({
    upstreams: { api: "localhost:3000" },
    // @ts-expect-error nor one to send a tenth to
    routes: [{ path: "/*", split: { api: 90, canary: 10 } }],
  }),
  defineConfig({
    upstreams: { api: "localhost:3000" },
    rateLimits: { slow: { rate: "1/s" } },
    // @ts-expect-error there is no limit of that name
    routes: [{ path: "/*", upstream: "api", rateLimit: "sloow" }],
  }),
  defineConfig({
    upstreams: { api: "localhost:3000" },
    // @ts-expect-error the path has no such parameter
    routes: [{ path: "/users/{id}", upstream: "api", rewrite: "/u/{idd}" }],
  }),
  defineConfig({
    // @ts-expect-error the path has no such parameter
    routes: [{ path: "/users/{id}", redirect: "/u/{name}" }],
  }),
  defineConfig({
    upstreams: { api: "localhost:3000" },
    // @ts-expect-error there is no such option
    routes: [{ path: "/*", upstream: "api", stripPrefx: "/api" }],
  }),
  defineConfig({
    // @ts-expect-error there is no such option
    listne: ":80",
    routes: [{ respond: {} }],
  }),
  defineConfig({
    // @ts-expect-error there is no such way to balance
    upstreams: { api: { servers: "a:1", balance: "fastest" } },
    routes: [{ upstream: "api" }],
  }),
];

onPath("/hello/{name}", (exchange, { params }) => {
  // @ts-expect-error the path has no such parameter
  exchange.respond(200, [], params.nme);
});

t.test("types", async (t) => {
  t.equal(good.routes.length, 7);
  t.equal(bad.length, 9);
});
