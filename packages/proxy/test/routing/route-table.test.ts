// Which of several routes takes a request.
import fc from "fast-check";
import t from "tap";
import {
  type Conditions,
  hold,
  NO_CONDITIONS,
  passes,
  type RouteRequest,
  type ValueTest,
} from "../../src/routing/conditions.ts";
import { type HostPattern, hostOf, parseHostPattern } from "../../src/routing/host.ts";
import { capturesOf } from "../../src/routing/path-tree.ts";
import { INT_DIGITS_MAX, type PathPattern, parsePattern, SEGMENTS_MAX } from "../../src/routing/pattern.ts";
import { type Matchable, orderRoutes, parametersOf, RouteTable } from "../../src/routing/route-table.ts";

interface TestRoute extends Matchable {
  readonly name: string;
}

const pattern = (text: string): PathPattern => {
  const parsed = parsePattern(text);
  if (typeof parsed === "string") throw new Error(`${text}: ${parsed}`);
  return parsed;
};

const host = (text: string): HostPattern => {
  const parsed = parseHostPattern(text);
  if (typeof parsed === "string") throw new Error(`${text}: ${parsed}`);
  return parsed;
};

/** "example.com/a/*" as a route of that name. */
const route = (name: string, conditions: Partial<Conditions> = {}): TestRoute => {
  const slash = name.indexOf("/");
  return {
    name,
    hosts: [host(name.slice(0, slash) || "*")],
    pattern: pattern(name.slice(slash).split(" ")[0]),
    conditions: { ...NO_CONDITIONS, ...conditions },
  };
};

const request = (
  url: string,
  more: Partial<RouteRequest> & { headers?: Record<string, string> } = {},
): RouteRequest => {
  const [authority, rest] = [url.slice(0, url.indexOf("/")), url.slice(url.indexOf("/"))];
  const [path, query] = rest.split("?");
  const { headers = {}, ...others } = more;
  return {
    method: "GET",
    scheme: "http",
    authority,
    path,
    query: query === undefined ? "" : `?${query}`,
    fields: { get: (name) => headers[name] },
    ...others,
  };
};

/** The definition: the first in order that fits. */
const matchSlowly = (routes: readonly TestRoute[], asked: RouteRequest): TestRoute | null => {
  const name = hostOf(asked.authority);
  const fitsHost = (one: HostPattern): boolean =>
    one.kind === "any" ||
    (one.kind === "exact" ? name === one.host : name.length > one.suffix.length && name.endsWith(one.suffix));
  const row = orderRoutes(routes).find(
    ({ host: one, route: candidate }) =>
      fitsHost(one) && capturesOf(candidate.pattern, asked.path) !== null && hold(candidate.conditions, asked),
  );
  return row?.route ?? null;
};

t.test("the most specific route takes a request", async (t) => {
  const routes = [
    "/*",
    "/api/*",
    "/api/users",
    "/api/users/{id}",
    "/api/users/{id:int}",
    "/api/users/{id:uuid}/x",
    "/api/users/{id}/posts/*",
    "/api/users/me",
    "/files/{rest:path}",
    "example.com/*",
    "example.com/api/*",
    "*.example.com/*",
    "*.b.example.com/only",
    "[::1]/*",
  ].map((name) => route(name));
  const table = new RouteTable(routes);
  for (const [url, want] of [
    ["other/", "/*"],
    ["other/x/y", "/*"],
    ["other/api", "/api/*"],
    ["other/api/", "/api/*"],
    ["other/apis", "/*"],
    ["other/api/users", "/api/users"],
    ["other/api/users/", "/api/*"],
    ["other/api/users/7", "/api/users/{id:int}"],
    ["other/api/users/-7", "/api/users/{id:int}"],
    ["other/api/users/seven", "/api/users/{id}"],
    ["other/api/users/me", "/api/users/me"],
    ["other/api/users/7/x", "/api/*"],
    ["other/api/users/00000000-0000-4000-8000-00000000000f/x", "/api/users/{id:uuid}/x"],
    ["other/api/users/7/posts", "/api/users/{id}/posts/*"],
    ["other/api/users/7/posts/a/b", "/api/users/{id}/posts/*"],
    ["other/files", "/files/{rest:path}"],
    ["other/files/a/b", "/files/{rest:path}"],
    ["example.com/files/a", "example.com/*"],
    ["EXAMPLE.com.:8080/api/x", "example.com/api/*"],
    ["a.example.com/api/x", "*.example.com/*"],
    ["a.b.example.com/only", "*.b.example.com/only"],
    ["a.b.example.com/other", "*.example.com/*"],
    ["b.example.com/only", "*.example.com/*"],
    ["[::1]:80/", "[::1]/*"],
  ]) {
    t.equal(table.match(request(url))?.name, want, url);
    t.equal(matchSlowly(routes, request(url))?.name, want, `${url}, slowly`);
  }
  t.equal(new RouteTable([route("/a")]).match(request("x/b")), null, "none");
});

t.test("conditions", async (t) => {
  const routes = [
    route("/a 0"),
    route("/a 1", { methods: new Set(["GET"]) }),
    route("/a 2", { methods: new Set(["GET"]), headers: [{ name: "x", test: { kind: "present" } }] }),
    route("/a 3", { query: [{ name: "v", test: { kind: "equals", value: "2" } }] }),
    route("/a 4", { scheme: "https" }),
    route("/*"),
  ];
  const table = new RouteTable(routes);
  const nameOf = (url: string, more = {}): string | undefined => table.match(request(url, more))?.name;
  t.equal(nameOf("h/a"), "/a 1");
  t.equal(nameOf("h/a", { method: "HEAD" }), "/a 1", "GET stands for HEAD");
  t.equal(nameOf("h/a", { method: "POST" }), "/a 0");
  t.equal(nameOf("h/a", { headers: { x: "" } }), "/a 2");
  t.equal(nameOf("h/a?v=2", { method: "POST" }), "/a 3");
  t.equal(nameOf("h/a?v=2"), "/a 1", "a method counts more than a query");
  t.equal(nameOf("h/a", { scheme: "https" }), "/a 4");
  const postOnly = new RouteTable([route("/a", { methods: new Set(["POST"]) }), route("/*")]);
  t.equal(postOnly.match(request("h/a"))?.name, "/*", "where conditions fail the next route is tried");
});

t.test("tests of values", async (t) => {
  const rows: [ValueTest, string | undefined, boolean][] = [
    [{ kind: "present" }, "", true],
    [{ kind: "present" }, undefined, false],
    [{ kind: "absent" }, undefined, true],
    [{ kind: "absent" }, "", false],
    [{ kind: "equals", value: "a" }, "a", true],
    [{ kind: "equals", value: "a" }, "A", false],
    [{ kind: "prefix", value: "a" }, "ab", true],
    [{ kind: "suffix", value: "b" }, "ab", true],
    [{ kind: "contains", value: "b" }, "abc", true],
    [{ kind: "contains", value: "b" }, undefined, false],
    [{ kind: "one-of", values: new Set(["a", "b"]) }, "b", true],
    [{ kind: "one-of", values: new Set(["a", "b"]) }, "c", false],
  ];
  for (const [test, value, want] of rows) t.equal(passes(test, value), want, `${JSON.stringify(test)} ${value}`);
});

t.test("parameters", async (t) => {
  t.same(parametersOf(pattern("/u/{id:int}/{name}"), "/u/7/a%20b"), { id: "7", name: "a b" });
  t.same(parametersOf(pattern("/f/{rest:path}"), "/f/a/b"), { rest: "a/b" });
  t.same(parametersOf(pattern("/f/{rest:path}"), "/f"), { rest: "" });
  t.same(parametersOf(pattern("/{x}"), "/%FF"), { x: "%FF" }, "no UTF-8: as it is");
  t.equal(capturesOf(pattern("/{x:int}"), `/${"1".repeat(INT_DIGITS_MAX + 1)}`), null, "an int is a safe integer");
  t.equal(capturesOf(pattern("/{x}"), "/"), null, "a parameter is never empty");
});

t.test("patterns that are none", async (t) => {
  for (const [text, want] of [
    ["a", /begins with a slash/],
    ["/a?b", /no query/],
    ["/a//b", /two slashes/],
    ["//*", /two slashes/],
    ["/a*", /stands alone/],
    ["/*/a", /stands alone/],
    ["/{a}/{a}", /there twice/],
    ["/{a:number}", /no type of a parameter/],
    ["/x{a}", /whole segment/],
    ["/{a:path}/b", /takes the rest/],
    ["/{a:path}/*", /takes the rest/],
    ["/a/../b", /no dot segments/],
    ["/%7euser", /write "%7euser" as "~user"/],
    ["/ä", /byte above 7F/],
    [`/${"a/".repeat(SEGMENTS_MAX)}`, /at most 64/],
  ] as const) {
    t.match(parsePattern(text), want, text);
  }
  t.type(parsePattern(`/${Array(SEGMENTS_MAX).fill("a").join("/")}`), "object", "64 are allowed");
});

t.test("hosts that are none", async (t) => {
  for (const text of ["", "a b", "*.", "a.*.b", "example.com:80", "-a.com", "http://a", "a..b"]) {
    t.type(parseHostPattern(text), "string", text);
  }
  t.same(parseHostPattern("EXAMPLE.com."), { kind: "exact", host: "example.com" });
});

t.test("the table does what the order says", async (t) => {
  const segments = fc.constantFrom("a", "b", "{x}", "{x:int}", "1");
  const paths = fc
    .tuple(
      fc.uniqueArray(segments, { maxLength: 3, selector: (segment) => segment[1] ?? segment }),
      fc.constantFrom("", "/*", "/{r:path}", "/"),
    )
    .map(([parts, end]) => (parts.length === 0 ? end || "/" : `/${parts.join("/")}${end}`));
  const hosts = fc.constantFrom("", "h.example", "*.example", "*.b.example");
  const conditions = fc.constantFrom<Partial<Conditions>[]>(
    {},
    { methods: new Set(["POST"]) },
    { headers: [{ name: "x", test: { kind: "present" } }] },
  );
  const routes = fc
    .array(fc.tuple(hosts, paths, conditions), { maxLength: 12 })
    .map((rows) => rows.map(([name, path, more], index) => ({ ...route(`${name}${path}`, more), name: `${index}` })));
  const urls = fc
    .tuple(
      fc.constantFrom("h.example", "a.b.example", "z"),
      fc.array(fc.constantFrom("a", "b", "1", "c", ""), { maxLength: 4 }),
      fc.constantFrom("GET", "POST"),
      fc.constantFrom<Record<string, string>[]>({}, { x: "1" }),
    )
    .map(([authority, parts, method, headers]) => request(`${authority}/${parts.join("/")}`, { method, headers }));
  fc.assert(
    fc.property(routes, fc.array(urls, { minLength: 1 }), (all, asked) => {
      const table = new RouteTable(all);
      return asked.every((one) => table.match(one)?.name === matchSlowly(all, one)?.name);
    }),
    { numRuns: 2_000 },
  );
  t.pass("in 2,000 tables");
});
