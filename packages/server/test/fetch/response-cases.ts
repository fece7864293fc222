// response-cases.ts — Response and the Body mixin (Fetch §5.3, §5.5).
import { type Case, equal, type FetchClasses, rejects, sameTwice, streamOfText, throws } from "./cases.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export const RESPONSE_CASES: readonly Case[] = [
  {
    name: "defaults",
    run: ({ Response }) => {
      const response = new Response();
      equal(
        [
          response.status,
          response.statusText,
          response.ok,
          response.type,
          response.url,
          response.redirected,
          response.body,
          response.bodyUsed,
        ],
        [200, "", true, "default", "", false, null, false],
      );
    },
  },
  {
    name: "null body",
    run: async ({ Response }) =>
      equal(
        [new Response(null).body, await new Response(null).text(), [...new Response(null).headers]],
        [null, "", []],
      ),
  },
  {
    name: "status and text",
    run: ({ Response }) => {
      const response = new Response("a", { status: 404, statusText: "Gone Fishing" });
      equal([response.status, response.statusText, response.ok], [404, "Gone Fishing", false]);
    },
  },
  ...[0, 100, 199, 600, 1000, Number.NaN, "x"].map((status) => ({
    name: `status ${status} is a RangeError`,
    run: ({ Response }: FetchClasses) => throws(RangeError, () => new Response(null, { status: status as never })),
  })),
  {
    name: "status as a string is converted",
    run: ({ Response }) => equal(new Response(null, { status: "201" as never }).status, 201),
  },
  ...["\n", "a\0", "é€"].map((statusText) => ({
    name: `statusText ${JSON.stringify(statusText)} is a TypeError`,
    run: ({ Response }: FetchClasses) => throws(TypeError, () => new Response(null, { statusText })),
  })),
  ...[204, 205, 304].map((status) => ({
    name: `status ${status} with a body is a TypeError`,
    run: ({ Response }: FetchClasses) => {
      throws(TypeError, () => new Response("", { status }));
      equal(new Response(null, { status }).status, status);
    },
  })),
  { name: "init is no object", run: ({ Response }) => throws(TypeError, () => new Response(null, 1 as never)) },
  { name: "init null counts as none", run: ({ Response }) => equal(new Response("a", null as never).status, 200) },
  {
    name: "headers from an object",
    run: ({ Response }) =>
      equal(
        [...new Response("a", { headers: { "X-A": "1" } }).headers],
        [
          ["content-type", "text/plain;charset=UTF-8"],
          ["x-a", "1"],
        ],
      ),
  },
  {
    name: "headers from pairs keep repeats",
    run: ({ Response }) =>
      equal(
        new Response(null, {
          headers: [
            ["a", "1"],
            ["a", "2"],
          ],
        }).headers.get("a"),
        "1, 2",
      ),
  },
  {
    name: "headers from Headers",
    run: ({ Response, Headers }) =>
      equal(new Response(null, { headers: new Headers({ a: "1" }) }).headers.get("a"), "1"),
  },
  {
    name: "set-cookie cannot be set by a script",
    run: ({ Response }) =>
      equal(new Response(null, { headers: { "set-cookie": "a=1" } }).headers.has("set-cookie"), false),
  },
  {
    name: "headers invalid",
    run: ({ Response }) => throws(TypeError, () => new Response(null, { headers: { "a b": "1" } })),
  },
  {
    name: "headers can be changed",
    run: ({ Response }) => {
      const response = new Response("a");
      response.headers.set("content-type", "text/html");
      response.headers.append("x", "1");
      equal(
        [...response.headers],
        [
          ["content-type", "text/html"],
          ["x", "1"],
        ],
      );
    },
  },
  {
    name: "headers is the same object",
    run: ({ Response }) => {
      const response = new Response("a");
      equal(
        sameTwice(() => response.headers),
        true,
      );
    },
  },
  {
    name: "two responses do not share headers",
    run: ({ Response }) => {
      const [first, second] = [new Response("a"), new Response("a")];
      first.headers.set("x", "1");
      equal(second.headers.has("x"), false);
    },
  },
  {
    name: "content-type of a string",
    run: ({ Response }) => equal(new Response("a").headers.get("content-type"), "text/plain;charset=UTF-8"),
  },
  {
    name: "content-type given wins",
    run: ({ Response }) =>
      equal(new Response("a", { headers: { "Content-Type": "x/y" } }).headers.get("content-type"), "x/y"),
  },
  {
    name: "content-type of bytes is none",
    run: ({ Response }) => equal(new Response(bytes("a")).headers.get("content-type"), null),
  },
  {
    name: "content-type of a Blob",
    run: ({ Response }) =>
      equal(
        [
          new Response(new Blob(["a"], { type: "x/y" })).headers.get("content-type"),
          new Response(new Blob(["a"])).headers.get("content-type"),
        ],
        ["x/y", null],
      ),
  },
  {
    name: "content-type of URLSearchParams",
    run: ({ Response }) =>
      equal(
        new Response(new URLSearchParams("a=1")).headers.get("content-type"),
        "application/x-www-form-urlencoded;charset=UTF-8",
      ),
  },
  {
    name: "content-type of FormData has a boundary",
    run: ({ Response }) =>
      equal(
        /^multipart\/form-data; ?boundary=/.test(new Response(new FormData()).headers.get("content-type") ?? ""),
        true,
      ),
  },
  {
    name: "content-type of a stream is none",
    run: ({ Response }) => equal(new Response(streamOfText("a")).headers.get("content-type"), null),
  },
  { name: "text of a string", run: async ({ Response }) => equal(await new Response("héllo €").text(), "héllo €") },
  {
    name: "text of bytes, a view, a buffer",
    run: async ({ Response }) => {
      const whole = bytes("xabcx");
      equal(await new Response(whole.subarray(1, 4)).text(), "abc");
      equal(await new Response(new DataView(whole.buffer, 1, 3)).text(), "abc");
      equal(await new Response(whole.buffer).text(), "xabcx");
    },
  },
  {
    name: "text of other values is their string",
    run: async ({ Response }) =>
      equal(
        [
          await new Response(1 as never).text(),
          await new Response({ toString: () => "o" } as never).text(),
          await new Response(true as never).text(),
        ],
        ["1", "o", "true"],
      ),
  },
  {
    name: "text drops a byte order mark",
    run: async ({ Response }) =>
      equal(
        [await new Response("\ufeffa").text(), await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])).text()],
        ["a", "a"],
      ),
  },
  {
    name: "text replaces lone surrogates and bad bytes",
    run: async ({ Response }) =>
      equal(
        [await new Response("\ud800a").text(), await new Response(new Uint8Array([0xff, 0x61])).text()],
        ["\ufffda", "\ufffda"],
      ),
  },
  { name: "json", run: async ({ Response }) => equal(await new Response('{"a":[1]}').json(), { a: [1] }) },
  {
    name: "json of nothing is a SyntaxError",
    run: ({ Response }) => rejects(SyntaxError, () => new Response("").json()),
  },
  {
    name: "arrayBuffer",
    run: async ({ Response }) => {
      const buffer = await new Response("abc").arrayBuffer();
      equal([buffer instanceof ArrayBuffer, buffer.byteLength], [true, 3]);
    },
  },
  {
    name: "bytes",
    run: async ({ Response }) => equal([...(await new Response(new Uint8Array([1, 2])).bytes())], [1, 2]),
  },
  {
    name: "arrayBuffer is the reader's own",
    run: async ({ Response }) => {
      const given = bytes("abc");
      const got = new Uint8Array(await new Response(given).arrayBuffer());
      got[0] = 0;
      equal(given[0], 97);
    },
  },
  {
    name: "bytes are taken when the response is made",
    run: async ({ Response }) => {
      const given = bytes("abc");
      const response = new Response(given);
      given[0] = 120;
      equal(await response.text(), "abc");
    },
  },
  {
    name: "blob has the content-type",
    run: async ({ Response }) => {
      const blob = await new Response("abc", { headers: { "content-type": "x/y" } }).blob();
      equal([blob.type, blob.size, await blob.text()], ["x/y", 3, "abc"]);
    },
  },
  {
    name: "formData of a form",
    run: async ({ Response }) => {
      const data = await new Response(new URLSearchParams("a=1&b=ü")).formData();
      equal(
        [...data.entries()],
        [
          ["a", "1"],
          ["b", "ü"],
        ],
      );
    },
  },
  {
    name: "formData round trip with a file",
    run: async ({ Response }) => {
      const form = new FormData();
      form.set("a", "1");
      form.set("f", new File(["content"], "n.txt", { type: "text/plain" }));
      const data = await new Response(form).formData();
      const file = data.get("f") as File;
      equal([data.get("a"), file.name, file.type, await file.text()], ["1", "n.txt", "text/plain", "content"]);
    },
  },
  {
    name: "formData of plain text is a TypeError",
    run: ({ Response }) => rejects(TypeError, () => new Response("a=1").formData()),
  },
  {
    name: "a body is read once",
    run: async ({ Response }) => {
      const response = new Response("a");
      equal(response.bodyUsed, false);
      await response.text();
      equal(response.bodyUsed, true);
      await rejects(TypeError, () => response.text());
      await rejects(TypeError, () => response.arrayBuffer());
      throws(TypeError, () => response.clone());
    },
  },
  {
    name: "no body is read as often as one likes",
    run: async ({ Response }) => {
      const response = new Response(null);
      equal([await response.text(), await response.text(), response.bodyUsed], ["", "", false]);
    },
  },
  {
    name: "bodyUsed is true at once",
    run: ({ Response }) => {
      const response = new Response("a");
      void response.text();
      equal(response.bodyUsed, true);
    },
  },
  {
    name: "body is a stream of bytes",
    run: async ({ Response }) => {
      const response = new Response("abc");
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const first = await reader.read();
      equal(
        [
          first.value instanceof Uint8Array,
          new TextDecoder().decode(first.value),
          (await reader.read()).done,
          response.bodyUsed,
        ],
        [true, "abc", true, true],
      );
    },
  },
  {
    name: "body is the same stream each time",
    run: ({ Response }) => {
      const response = new Response("abc");
      equal(
        sameTwice(() => response.body),
        true,
      );
    },
  },
  {
    name: "body: BYOB readers work",
    run: async ({ Response }) => {
      const reader = (new Response("abc").body as ReadableStream).getReader({ mode: "byob" });
      const { value } = await reader.read(new Uint8Array(8));
      equal(new TextDecoder().decode(value), "abc");
      equal((await reader.read(new Uint8Array(8))).done, true);
    },
  },
  {
    name: "body: a given stream is the body",
    run: ({ Response }) => {
      const stream = streamOfText("a");
      equal(new Response(stream).body === stream, true);
    },
  },
  {
    name: "body asked for and not read: text still works",
    run: async ({ Response }) => {
      const response = new Response("abc");
      void response.body;
      equal(await response.text(), "abc");
    },
  },
  {
    name: "a locked stream is a TypeError",
    run: ({ Response }) => {
      const stream = streamOfText("a");
      stream.getReader();
      throws(TypeError, () => new Response(stream));
    },
  },
  {
    name: "a stream that was read from is a TypeError",
    run: async ({ Response }) => {
      const stream = streamOfText("a", "b");
      const reader = stream.getReader();
      await reader.read();
      reader.releaseLock();
      throws(TypeError, () => new Response(stream));
    },
  },
  {
    name: "a locked body cannot be read",
    run: async ({ Response }) => {
      const response = new Response(streamOfText("a"));
      (response.body as ReadableStream).getReader();
      equal(response.bodyUsed, false);
      await rejects(TypeError, () => response.text());
    },
  },
  {
    name: "a stream of parts is joined",
    run: async ({ Response }) => equal(await new Response(streamOfText("a", "b", "c")).text(), "abc"),
  },
  {
    name: "a stream that cuts a character",
    run: async ({ Response }) => {
      const euro = bytes("€");
      const stream = new ReadableStream({
        start: (c) => {
          c.enqueue(euro.slice(0, 1));
          c.enqueue(euro.slice(1));
          c.close();
        },
      });
      equal(await new Response(stream).text(), "€");
    },
  },
  {
    name: "a stream of strings is a TypeError",
    run: ({ Response }) =>
      rejects(TypeError, () =>
        new Response(
          new ReadableStream({
            start: (c) => {
              c.enqueue("a");
              c.close();
            },
          }) as never,
        ).text(),
      ),
  },
  {
    name: "a stream that fails fails the reader",
    run: ({ Response }) =>
      rejects(RangeError, () =>
        new Response(new ReadableStream({ start: (c) => c.error(new RangeError("x")) })).text(),
      ),
  },
  {
    name: "cancel of the body makes it used",
    run: async ({ Response }) => {
      const response = new Response("abc");
      await response.body?.cancel();
      equal(response.bodyUsed, true);
    },
  },
  {
    name: "clone: both can be read",
    run: async ({ Response }) => {
      for (const body of ["abc", bytes("abc"), streamOfText("a", "bc"), new Blob(["abc"])]) {
        const response = new Response(body, { status: 201, headers: { x: "1" } });
        const copy = response.clone();
        equal([copy.status, copy.headers.get("x"), await copy.text(), await response.text()], [201, "1", "abc", "abc"]);
      }
    },
  },
  {
    name: "clone: headers are apart",
    run: ({ Response }) => {
      const response = new Response(null, { headers: { x: "1" } });
      const copy = response.clone();
      copy.headers.set("x", "2");
      equal(response.headers.get("x"), "1");
    },
  },
  {
    name: "clone of a locked body is a TypeError",
    run: ({ Response }) => {
      const response = new Response(streamOfText("a"));
      (response.body as ReadableStream).getReader();
      throws(TypeError, () => response.clone());
    },
  },
  {
    name: "Response.json",
    run: async ({ Response }) => {
      const response = Response.json({ a: 1 }, { status: 201, headers: { x: "1" } });
      equal(
        [response.status, response.headers.get("content-type"), response.headers.get("x"), await response.text()],
        [201, "application/json", "1", '{"a":1}'],
      );
    },
  },
  {
    name: "Response.json keeps a given content-type",
    run: ({ Response }) =>
      equal(Response.json(1, { headers: { "content-type": "x/y" } }).headers.get("content-type"), "x/y"),
  },
  {
    name: "Response.json of what has no JSON is a TypeError",
    run: ({ Response }) => {
      throws(TypeError, () => Response.json(Symbol("a")));
      throws(TypeError, () => Response.json(undefined));
      throws(TypeError, () => Response.json({ a: 1n }));
    },
  },
  {
    name: "Response.json with 204 is a TypeError",
    run: ({ Response }) => throws(TypeError, () => Response.json(1, { status: 204 })),
  },
  {
    name: "Response.redirect",
    run: ({ Response }) => {
      const response = Response.redirect("http://a.example/x y", 301);
      equal([response.status, response.headers.get("location"), response.body], [301, "http://a.example/x%20y", null]);
      equal(Response.redirect("http://a.example/").status, 302);
      throws(TypeError, () => response.headers.set("a", "1"));
    },
  },
  {
    name: "Response.redirect: wrong status is a RangeError",
    run: ({ Response }) => throws(RangeError, () => Response.redirect("http://a.example/", 200)),
  },
  {
    name: "Response.redirect: bad URL is a TypeError",
    run: ({ Response }) => throws(TypeError, () => Response.redirect("http://:")),
  },
  {
    name: "Response.error",
    run: ({ Response }) => {
      const response = Response.error();
      equal([response.type, response.status, response.body], ["error", 0, null]);
      throws(TypeError, () => response.headers.append("a", "1"));
    },
  },
  {
    name: "new Response(body, response)",
    run: async ({ Response }) => {
      const first = new Response("a", { status: 202, statusText: "Fine", headers: { x: "1" } });
      const second = new Response(first.body, first);
      equal(
        [second.status, second.statusText, second.headers.get("x"), await second.text(), first.bodyUsed],
        [202, "Fine", "1", "a", true],
      );
    },
  },
  {
    name: "toString and instanceof",
    run: ({ Response }) =>
      equal([String(new Response()), new Response() instanceof Response], ["[object Response]", true]),
  },
];
