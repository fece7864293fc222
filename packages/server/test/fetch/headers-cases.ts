// headers-cases.ts — Headers (Fetch §5.1).
import { type Case, equal, type FetchClasses, throws } from "./cases.ts";

type Loose = (...args: unknown[]) => unknown;

const loose = (target: object, method: string): Loose => (target as Record<string, Loose>)[method].bind(target);

export const HEADERS_CASES: readonly Case[] = [
  { name: "constructor: nothing", run: ({ Headers }) => equal([...new Headers()], []) },
  { name: "constructor: undefined", run: ({ Headers }) => equal([...new Headers(undefined)], []) },
  {
    name: "constructor: null is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers(null as never)),
  },
  {
    name: "constructor: a number is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers(1 as never)),
  },
  {
    name: "constructor: a string is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers("a" as never)),
  },
  {
    name: "constructor: an object",
    run: ({ Headers }) =>
      equal(
        [...new Headers({ B: "2", a: "1" })],
        [
          ["a", "1"],
          ["b", "2"],
        ],
      ),
  },
  {
    name: "constructor: pairs",
    run: ({ Headers }) =>
      equal(
        [
          ...new Headers([
            ["b", "2"],
            ["a", "1"],
            ["a", "3"],
          ]),
        ],
        [
          ["a", "1, 3"],
          ["b", "2"],
        ],
      ),
  },
  {
    name: "constructor: other Headers are copied",
    run: ({ Headers }) => {
      const first = new Headers({ a: "1" });
      const second = new Headers(first);
      second.set("a", "2");
      equal([first.get("a"), second.get("a")], ["1", "2"]);
    },
  },
  {
    name: "constructor: a Map",
    run: ({ Headers }) => equal(new Headers(new Map([["x-a", "1"]]) as never).get("X-A"), "1"),
  },
  {
    name: "constructor: a generator of iterables",
    run: ({ Headers }) => {
      function* pairs(): Generator<Set<string>> {
        yield new Set(["x", "1"]);
      }
      equal([...new Headers(pairs() as never)], [["x", "1"]]);
    },
  },
  {
    name: "constructor: a pair of one is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers([["a"]] as never)),
  },
  {
    name: "constructor: a pair of three is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers([["a", "b", "c"]] as never)),
  },
  {
    name: "constructor: pairs that are strings are a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers(["ab"] as never)),
  },
  {
    name: "constructor: an enumerable symbol key is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers({ [Symbol("a")]: "1" } as never)),
  },
  {
    name: "constructor: inherited and hidden properties are left out",
    run: ({ Headers }) => {
      const init = Object.create({ inherited: "1" });
      Object.defineProperty(init, "hidden", { value: "1", enumerable: false });
      init.own = "1";
      equal([...new Headers(init)], [["own", "1"]]);
    },
  },
  {
    name: "constructor: values become strings",
    run: ({ Headers }) =>
      equal(
        [...new Headers({ a: 1, b: null, c: undefined } as never)],
        [
          ["a", "1"],
          ["b", "null"],
          ["c", "undefined"],
        ],
      ),
  },
  { name: "constructor: invalid name", run: ({ Headers }) => throws(TypeError, () => new Headers({ "a b": "1" })) },
  { name: "constructor: empty name", run: ({ Headers }) => throws(TypeError, () => new Headers([["", "1"]])) },
  { name: "constructor: name above U+00FF", run: ({ Headers }) => throws(TypeError, () => new Headers({ ā: "1" })) },
  {
    name: "constructor: value with LF inside",
    run: ({ Headers }) => throws(TypeError, () => new Headers({ a: "1\n2" })),
  },
  {
    name: "constructor: value with CR inside",
    run: ({ Headers }) => throws(TypeError, () => new Headers({ a: "1\r2" })),
  },
  { name: "constructor: value with NUL", run: ({ Headers }) => throws(TypeError, () => new Headers({ a: "1\0" })) },
  { name: "constructor: value above U+00FF", run: ({ Headers }) => throws(TypeError, () => new Headers({ a: "€" })) },
  {
    name: "constructor: value of latin-1 characters",
    run: ({ Headers }) => equal(new Headers({ a: "é" }).get("a"), "é"),
  },
  ...[" 1", "1 ", "\t1\t", "\r\n1\r\n", " \t\n1\r "].map((value) => ({
    name: `value ${JSON.stringify(value)} is normalised`,
    run: ({ Headers }: FetchClasses) => equal(new Headers({ a: value }).get("a"), "1"),
  })),
  { name: "value of spaces only is empty", run: ({ Headers }) => equal(new Headers({ a: "  " }).get("a"), "") },
  { name: "value: inner spaces stay", run: ({ Headers }) => equal(new Headers({ a: "1 \t 2" }).get("a"), "1 \t 2") },
  {
    name: "append joins with comma and space",
    run: ({ Headers }) => {
      const headers = new Headers({ a: "1" });
      headers.append("A", "2");
      equal(headers.get("a"), "1, 2");
    },
  },
  {
    name: "append normalises",
    run: ({ Headers }) => {
      const headers = new Headers();
      headers.append("a", " 1 ");
      headers.append("a", "");
      equal(headers.get("a"), "1, ");
    },
  },
  {
    name: "append: one argument is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => loose(new Headers(), "append")("a")),
  },
  { name: "append: invalid name", run: ({ Headers }) => throws(TypeError, () => new Headers().append("a:", "1")) },
  { name: "append: invalid value", run: ({ Headers }) => throws(TypeError, () => new Headers().append("a", "1\n2")) },
  {
    name: "set replaces all, at the place of the first",
    run: ({ Headers }) => {
      const headers = new Headers([
        ["a", "1"],
        ["b", "2"],
        ["a", "3"],
      ]);
      headers.set("A", "4");
      equal(
        [...headers],
        [
          ["a", "4"],
          ["b", "2"],
        ],
      );
    },
  },
  {
    name: "set: one argument is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => loose(new Headers(), "set")("a")),
  },
  { name: "set: invalid name", run: ({ Headers }) => throws(TypeError, () => new Headers().set("", "1")) },
  {
    name: "delete",
    run: ({ Headers }) => {
      const headers = new Headers([
        ["a", "1"],
        ["b", "2"],
        ["A", "3"],
      ]);
      headers.delete("a");
      equal([...headers], [["b", "2"]]);
    },
  },
  { name: "delete of what is not there", run: ({ Headers }) => equal(new Headers().delete("a"), undefined) },
  { name: "delete: invalid name", run: ({ Headers }) => throws(TypeError, () => new Headers().delete("a b")) },
  {
    name: "delete: no argument is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => loose(new Headers(), "delete")()),
  },
  { name: "get of what is not there is null", run: ({ Headers }) => equal(new Headers().get("a"), null) },
  { name: "get: invalid name", run: ({ Headers }) => throws(TypeError, () => new Headers().get("a b")) },
  { name: "get: name is converted", run: ({ Headers }) => equal(new Headers({ null: "1" }).get(null as never), "1") },
  {
    name: "get: no argument is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => loose(new Headers(), "get")()),
  },
  {
    name: "has",
    run: ({ Headers }) => equal([new Headers({ A: "" }).has("a"), new Headers().has("a")], [true, false]),
  },
  { name: "has: invalid name", run: ({ Headers }) => throws(TypeError, () => new Headers().has("ü ")) },
  {
    name: "getSetCookie: each on its own",
    run: ({ Headers }) => {
      const headers = new Headers([
        ["set-cookie", "a=1"],
        ["Set-Cookie", "b=2"],
      ]);
      equal(
        [headers.getSetCookie(), headers.get("set-cookie"), [...headers]],
        [
          ["a=1", "b=2"],
          "a=1, b=2",
          [
            ["set-cookie", "a=1"],
            ["set-cookie", "b=2"],
          ],
        ],
      );
    },
  },
  { name: "getSetCookie of none", run: ({ Headers }) => equal(new Headers().getSetCookie(), []) },
  {
    name: "iteration: sorted by name in lower case",
    run: ({ Headers }) =>
      equal([...new Headers({ Z: "1", "a-b": "2", A: "3", _: "4" }).keys()], ["_", "a", "a-b", "z"]),
  },
  {
    name: "iteration: entries, keys and values",
    run: ({ Headers }) => {
      const headers = new Headers({ b: "2", a: "1" });
      equal(
        [[...headers.entries()], [...headers.keys()], [...headers.values()]],
        [
          [
            ["a", "1"],
            ["b", "2"],
          ],
          ["a", "b"],
          ["1", "2"],
        ],
      );
    },
  },
  {
    name: "iteration: forEach with value, name, headers and this",
    run: ({ Headers }) => {
      const headers = new Headers({ a: "1" });
      const seen: unknown[] = [];
      headers.forEach(function (this: unknown, value, name, all) {
        seen.push(this, value, name, all === headers);
      }, 7);
      equal([Number(seen[0]), ...seen.slice(1)], [7, "1", "a", true]);
    },
  },
  {
    name: "iteration: forEach without a function is a TypeError",
    run: ({ Headers }) => throws(TypeError, () => new Headers().forEach(1 as never)),
  },
  {
    name: "iteration is live: what is added behind the place is seen",
    run: ({ Headers }) => {
      const headers = new Headers({ a: "1", b: "2" });
      const seen: string[] = [];
      for (const [name] of headers) {
        seen.push(name);
        if (name === "a") headers.append("c", "3");
      }
      equal(seen, ["a", "b", "c"]);
    },
  },
  {
    name: "iteration is live: what is deleted is not seen",
    run: ({ Headers }) => {
      const headers = new Headers({ a: "1", b: "2", c: "3" });
      const seen: string[] = [];
      for (const [name] of headers) {
        seen.push(name);
        headers.delete(name);
      }
      equal(seen, ["a", "c"]);
    },
  },
  {
    name: "iterator: its prototype is an iterator's",
    run: ({ Headers }) => {
      const iterator = new Headers()[Symbol.iterator]();
      const prototype = Object.getPrototypeOf(Object.getPrototypeOf(iterator));
      equal(prototype === Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())), true);
      equal(Object.prototype.toString.call(iterator), "[object Headers Iterator]");
    },
  },
  {
    name: "iterator: pairs are fresh each time",
    run: ({ Headers }) => {
      const headers = new Headers({ a: "1" });
      const [first] = headers;
      first[1] = "2";
      equal([...headers], [["a", "1"]]);
    },
  },
  { name: "toString", run: ({ Headers }) => equal(String(new Headers()), "[object Headers]") },
  { name: "instanceof", run: ({ Headers }) => equal(new Headers() instanceof Headers, true) },
  {
    name: "subclass",
    run: ({ Headers }) => {
      class Mine extends Headers {}
      equal(
        [
          new Mine({ a: "1" }).get("a"),
          new Mine() instanceof Mine,
          new Mine() instanceof Headers,
          new Headers() instanceof Mine,
        ],
        ["1", true, true, false],
      );
    },
  },
  {
    name: "names as of Object.prototype are ordinary",
    run: ({ Headers }) => {
      const headers = new Headers();
      equal([headers.has("constructor"), headers.get("hasOwnProperty"), headers.get("__proto__")], [false, null, null]);
      headers.append("constructor", "1");
      equal(headers.get("constructor"), "1");
    },
  },
];
