// request-cases.ts — Request (Fetch §5.4).
import { type Case, equal, type FetchClasses, rejects, sameTwice, streamOfText, throws } from "./cases.ts";

const URL_A = "http://a.example/";

const fails = (name: string, input: unknown, init?: object): Case => ({
  name: `${name} is a TypeError`,
  run: ({ Request }: FetchClasses) => throws(TypeError, () => new Request(input as never, init)),
});

export const REQUEST_CASES: readonly Case[] = [
  {
    name: "defaults",
    run: ({ Request }) => {
      const {
        method,
        url,
        body,
        bodyUsed,
        cache,
        credentials,
        destination,
        integrity,
        keepalive,
        mode,
        redirect,
        referrer,
        referrerPolicy,
        signal,
      } = new Request(URL_A);
      equal(
        [
          method,
          url,
          body,
          bodyUsed,
          cache,
          credentials,
          destination,
          integrity,
          keepalive,
          mode,
          redirect,
          referrer,
          referrerPolicy,
          signal.aborted,
        ],
        [
          "GET",
          URL_A,
          null,
          false,
          "default",
          "same-origin",
          "",
          "",
          false,
          "cors",
          "follow",
          "about:client",
          "",
          false,
        ],
      );
    },
  },
  { name: "duplex", run: ({ Request }) => equal(new Request(URL_A).duplex, "half") },
  {
    name: "URL objects and normalisation",
    run: ({ Request }) =>
      equal(
        [new Request(new URL("/b", URL_A)).url, new Request("HTTP://A.example:80/x/../y z").url],
        ["http://a.example/b", "http://a.example/y%20z"],
      ),
  },
  { name: "fragment stays", run: ({ Request }) => equal(new Request(`${URL_A}#f`).url, `${URL_A}#f`) },
  fails("no URL", "nonsense"),
  fails("a URL with credentials", "http://u:p@a.example/"),
  {
    name: "no argument is a TypeError",
    run: ({ Request }) => throws(TypeError, () => new (Request as new () => unknown)()),
  },
  ...["delete", "get", "head", "options", "post", "put"].map((method) => ({
    name: `method ${method} becomes upper case`,
    run: ({ Request }: FetchClasses) => equal(new Request(URL_A, { method }).method, method.toUpperCase()),
  })),
  ...["patch", "Custom", "chicken"].map((method) => ({
    name: `method ${method} stays as it is`,
    run: ({ Request }: FetchClasses) => equal(new Request(URL_A, { method }).method, method),
  })),
  ...["CONNECT", "trace", "Track", "a b", "", "é"].map((method) =>
    fails(`method ${JSON.stringify(method)}`, URL_A, { method }),
  ),
  ...[
    ["mode", "navigate"],
    ["mode", "x"],
    ["cache", "x"],
    ["credentials", "x"],
    ["redirect", "x"],
    ["referrerPolicy", "x"],
    ["cache", "only-if-cached"],
    ["referrer", "http://:"],
    ["signal", {}],
    ["window", "x"],
  ].map(([option, value]) => fails(`${option} ${JSON.stringify(value)}`, URL_A, { [option as string]: value })),
  {
    name: "options are kept",
    run: ({ Request }) => {
      const request = new Request(URL_A, {
        cache: "no-store",
        credentials: "omit",
        integrity: "i",
        keepalive: true,
        mode: "same-origin",
        redirect: "manual",
        referrerPolicy: "origin",
      });
      equal(
        [
          request.cache,
          request.credentials,
          request.integrity,
          request.keepalive,
          request.mode,
          request.redirect,
          request.referrerPolicy,
        ],
        ["no-store", "omit", "i", true, "same-origin", "manual", "origin"],
      );
    },
  },
  {
    name: "options pass on to a request made of it",
    run: ({ Request }) => {
      const request = new Request(new Request(URL_A, { cache: "no-store", redirect: "error" }), { redirect: "manual" });
      equal([request.cache, request.redirect], ["no-store", "manual"]);
    },
  },
  {
    name: "headers",
    run: ({ Request, Headers }) =>
      equal(
        [
          new Request(URL_A, { headers: { A: "1" } }).headers.get("a"),
          new Request(URL_A, { headers: new Headers([["b", "2"]]) }).headers.get("b"),
        ],
        ["1", "2"],
      ),
  },
  {
    name: "headers a browser keeps to itself are ignored",
    run: ({ Request }) =>
      equal(new Request(URL_A, { headers: { host: "b.example", cookie: "a=1" } }).headers.has("host"), false),
  },
  fails("an invalid header", URL_A, { headers: { "a b": "1" } }),
  {
    name: "headers is the same object, and its own",
    run: ({ Request, Headers }) => {
      const headers = new Headers({ a: "1" });
      const request = new Request(URL_A, { headers });
      request.headers.set("a", "2");
      equal([sameTwice(() => request.headers), headers.get("a")], [true, "1"]);
    },
  },
  {
    name: "headers in init replace those of the request",
    run: ({ Request }) =>
      equal(
        [...new Request(new Request(URL_A, { headers: { a: "1" } }), { headers: { b: "2" } }).headers],
        [["b", "2"]],
      ),
  },
  fails("GET with a body", URL_A, { body: "a" }),
  fails("HEAD with a body", URL_A, { method: "HEAD", body: "a" }),
  {
    name: "empty string is a body",
    run: async ({ Request }) => {
      throws(TypeError, () => new Request(URL_A, { body: "" }));
      equal(await new Request(URL_A, { method: "POST", body: "" }).text(), "");
    },
  },
  {
    name: "body of all kinds",
    run: async ({ Request }) => {
      for (const body of [
        "abc",
        new TextEncoder().encode("abc"),
        new TextEncoder().encode("abc").buffer,
        new Blob(["abc"]),
      ]) {
        equal(await new Request(URL_A, { method: "POST", body }).text(), "abc");
      }
    },
  },
  {
    name: "content-type from the body",
    run: ({ Request }) =>
      equal(
        [
          new Request(URL_A, { method: "POST", body: "a" }).headers.get("content-type"),
          new Request(URL_A, { method: "POST", body: "a", headers: { "content-type": "x/y" } }).headers.get(
            "content-type",
          ),
        ],
        ["text/plain;charset=UTF-8", "x/y"],
      ),
  },
  {
    name: "a stream needs duplex",
    run: async ({ Request }) => {
      throws(TypeError, () => new Request(URL_A, { method: "POST", body: streamOfText("a") }));
      equal(await new Request(URL_A, { method: "POST", body: streamOfText("a", "b"), duplex: "half" }).text(), "ab");
    },
  },
  {
    name: "json, arrayBuffer, bytes, blob, formData",
    run: async ({ Request }) => {
      const make = (body: string | URLSearchParams): InstanceType<typeof Request> =>
        new Request(URL_A, { method: "POST", body });
      equal(await make('{"a":1}').json(), { a: 1 });
      equal((await make("abc").arrayBuffer()).byteLength, 3);
      equal((await make("abc").bytes()).length, 3);
      equal((await make("abc").blob()).type, "text/plain;charset=utf-8");
      equal([...(await make(new URLSearchParams("a=1")).formData()).entries()], [["a", "1"]]);
    },
  },
  {
    name: "a body is read once",
    run: async ({ Request }) => {
      const request = new Request(URL_A, { method: "POST", body: "a" });
      await request.text();
      equal(request.bodyUsed, true);
      await rejects(TypeError, () => request.text());
      throws(TypeError, () => request.clone());
      throws(TypeError, () => new Request(request));
    },
  },
  {
    name: "new Request(request) takes the body",
    run: async ({ Request }) => {
      const first = new Request(URL_A, { method: "POST", body: "a", headers: { x: "1" } });
      const second = new Request(first);
      equal(
        [first.bodyUsed, second.bodyUsed, second.method, second.headers.get("x"), await second.text()],
        [true, false, "POST", "1", "a"],
      );
    },
  },
  {
    name: "new Request(request, { body }) leaves the old body alone",
    run: async ({ Request }) => {
      const first = new Request(URL_A, { method: "POST", body: "a" });
      const second = new Request(first, { body: "b" });
      equal([first.bodyUsed, await second.text(), await first.text()], [false, "b", "a"]);
    },
  },
  {
    name: "new Request(url, request) takes it for an init",
    run: async ({ Request }) => {
      const first = new Request(URL_A, { method: "POST", headers: { x: "1" } });
      const second = new Request("http://b.example/", first);
      equal([second.url, second.method, second.headers.get("x")], ["http://b.example/", "POST", "1"]);
    },
  },
  {
    name: "clone: both can be read",
    run: async ({ Request }) => {
      const request = new Request(URL_A, { method: "PUT", body: "abc", headers: { x: "1" } });
      const copy = request.clone();
      copy.headers.set("x", "2");
      equal(
        [copy.method, copy.url, request.headers.get("x"), await copy.text(), await request.text()],
        ["PUT", URL_A, "1", "abc", "abc"],
      );
    },
  },
  {
    name: "signal follows",
    run: ({ Request }) => {
      const controller = new AbortController();
      const request = new Request(URL_A, { signal: controller.signal });
      const copy = request.clone();
      const third = new Request(request);
      equal([request.signal === controller.signal, request.signal.aborted], [false, false]);
      controller.abort("why");
      equal(
        [request.signal.aborted, request.signal.reason, copy.signal.aborted, third.signal.aborted],
        [true, "why", true, true],
      );
    },
  },
  {
    name: "signal aborted already",
    run: ({ Request }) => equal(new Request(URL_A, { signal: AbortSignal.abort("x") }).signal.reason, "x"),
  },
  {
    name: "signal null parts from the request's",
    run: ({ Request }) => {
      const controller = new AbortController();
      const request = new Request(new Request(URL_A, { signal: controller.signal }), { signal: null });
      controller.abort();
      equal(request.signal.aborted, false);
    },
  },
  {
    name: "signal is the same object",
    run: ({ Request }) => {
      const request = new Request(URL_A);
      equal(
        sameTwice(() => request.signal),
        true,
      );
    },
  },
  {
    name: "toString and instanceof",
    run: ({ Request }) =>
      equal([String(new Request(URL_A)), new Request(URL_A) instanceof Request], ["[object Request]", true]),
  },
  {
    name: "subclass",
    run: ({ Request }) => {
      class Mine extends Request {
        get path(): string {
          return new URL(this.url).pathname;
        }
      }
      equal([new Mine("http://a.example/p").path, new Mine(URL_A) instanceof Request], ["/p", true]);
    },
  },
];
