// A request's path in its normal form, or why there is none.
import fc from "fast-check";
import t from "tap";
import {
  DEFAULT_PATH_POLICY,
  type NormalTarget,
  normalizeTarget,
  PATH_REFUSALS,
  type PathPolicy,
} from "../../src/routing/path.ts";

const pathOf = (target: string, policy?: Partial<PathPolicy>): string => {
  const normal = normalizeTarget(target, { ...DEFAULT_PATH_POLICY, ...policy });
  return typeof normal === "string" ? `refused: ${normal}` : normal.path + normal.query;
};

t.test("RFC 3986 §6.2.2: normal forms", async (t) => {
  for (const { name, target, want } of [
    { name: "a plain path is what it is", target: "/a/b.c-d_e~f", want: "/a/b.c-d_e~f" },
    { name: "the root", target: "/", want: "/" },
    { name: "a query is left alone", target: "/a?b=%2F..%00&c=/../d//", want: "/a?b=%2F..%00&c=/../d//" },
    { name: "an empty query stays", target: "/a?", want: "/a?" },
    { name: "unreserved characters are decoded", target: "/%41%7e%2D/x", want: "/A~-/x" },
    { name: "other escapes are in upper case", target: "/%c3%a4%3a", want: "/%C3%A4%3A" },
    { name: "what browsers forget to escape is escaped", target: '/a[1]|"x"', want: "/a%5B1%5D%7C%22x%22" },
    { name: "one dot is here", target: "/a/./b", want: "/a/b" },
    { name: "two dots are up", target: "/a/b/../c", want: "/a/c" },
    { name: "escaped dots are dots", target: "/a/%2e%2E/c", want: "/c" },
    { name: "a last dot is the directory", target: "/a/b/.", want: "/a/b/" },
    { name: "two last dots are the directory above", target: "/a/b/..", want: "/a/" },
    { name: "three dots are a name", target: "/a/.../b", want: "/a/.../b" },
    { name: "a hidden file is a name", target: "/.well-known/x", want: "/.well-known/x" },
    { name: "slashes in a row are one", target: "//a///b", want: "/a/b" },
    { name: "the last slash stays", target: "/a/", want: "/a/" },
    { name: "slashes at the end are one", target: "/a//", want: "/a/" },
    { name: "OPTIONS *", target: "*", want: "*" },
    { name: "CONNECT", target: "", want: "" },
    { name: "parameters of segments stay", target: "/a;v=1/b", want: "/a;v=1/b" },
  ]) {
    t.equal(pathOf(target), want, name);
  }
});

t.test("what two servers may read differently is refused", async (t) => {
  for (const { name, target, want } of [
    { name: "an escaped slash", target: "/a%2fb", want: "encoded-slash" },
    { name: "an escaped backslash", target: "/a%5Cb", want: "encoded-slash" },
    { name: "NUL", target: "/a%00b", want: "nul" },
    { name: "a backslash", target: "/a\\..\\b", want: "backslash" },
    { name: "above the root", target: "/../etc", want: "above-root" },
    { name: "above the root after some way", target: "/a/../../etc", want: "above-root" },
    { name: "above the root by escapes", target: "/%2e%2e/etc", want: "above-root" },
    { name: "half an escape", target: "/a%4", want: "bad-escape" },
    { name: "no escape", target: "/a%zz", want: "bad-escape" },
    { name: "dots with a parameter", target: "/a/..;x=1/b", want: "dot-parameter" },
    { name: "escaped dots with a parameter", target: "/a/%2e%2e;/b", want: "dot-parameter" },
    { name: "a fragment", target: "/a#b", want: "character" },
    { name: "a fragment in the query", target: "/a?b#c", want: "character" },
    { name: "a space", target: "/a b", want: "character" },
    { name: "a control character", target: "/a\u0001", want: "character" },
    { name: "DEL in the query", target: "/a?\u007f", want: "character" },
    { name: "a byte above 7F", target: "/\u00e4", want: "character" },
    { name: "no slash at its beginning", target: "a/b", want: "character" },
  ]) {
    t.equal(pathOf(target), `refused: ${want}`, name);
  }
});

t.test("policies", async (t) => {
  t.equal(pathOf("/a//b", { duplicateSlashes: "keep" }), "/a//b");
  t.equal(pathOf("/a//../b", { duplicateSlashes: "keep" }), "/a/b", "two dots take the empty segment");
  t.equal(pathOf("/a//b", { duplicateSlashes: "refuse" }), "refused: duplicate-slash");
  t.equal(pathOf("/a%2Fb/%2f..", { encodedSlash: "keep" }), "/a%2Fb/%2F..", "it separates nothing");
  t.equal(pathOf("/a%5cb", { encodedSlash: "keep" }), "refused: encoded-slash", "a backslash is refused all the same");
});

t.test("properties", async (t) => {
  const targets = fc
    .array(
      fc.constantFrom(
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%41",
        "%2F",
        "%2f",
        "%c3",
        "a",
        "b;x",
        "\\",
        "%",
        "[",
        "?",
        "é",
        "#",
      ),
    )
    .map((parts) => `/${parts.join("")}`);
  const policies = fc.record({
    duplicateSlashes: fc.constantFrom("merge" as const, "keep" as const, "refuse" as const),
    encodedSlash: fc.constantFrom("refuse" as const, "keep" as const),
  });
  fc.assert(
    fc.property(targets, policies, (target, policy) => {
      const normal = normalizeTarget(target, policy);
      if (typeof normal === "string") return Object.hasOwn(PATH_REFUSALS, normal);
      const again = normalizeTarget(normal.path + normal.query, policy) as NormalTarget;
      const segments = normal.path.split("/");
      return (
        again.path === normal.path &&
        again.query === normal.query &&
        normal.path.startsWith("/") &&
        !segments.includes("..") &&
        !segments.includes(".") &&
        !/[^!-~]/.test(normal.path)
      );
    }),
    { numRuns: 2_000 },
  );
  t.pass("a normal form is its own normal form, and has no dot segments");
});
