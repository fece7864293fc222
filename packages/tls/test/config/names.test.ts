import t from "tap";
import { isServerName, NameTable, namesOf } from "../../src/config/names.ts";

t.test("the DNS names of a certificate", async (t) => {
  t.same(namesOf("DNS:A.example, DNS:*.b.example, IP Address:10.0.0.1"), ["a.example", "*.b.example"]);
  t.same(namesOf('DNS:"a\\u002c b.example", DNS:c.example'), ["c.example"], "a name with a comma is none");
  t.same(namesOf(undefined), []);
  t.same(namesOf("URI:https://a.example, DNS:d.example"), ["d.example"]);
});

t.test("what a client may ask for", async (t) => {
  for (const name of ["a", "a.b", "xn--bcher-kva.example", "a_b.example", "1a.2b", `${"a".repeat(63)}.example`])
    t.ok(isServerName(name), name);
  for (const name of [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    "127.0.0.1",
    "a b",
    "é.example",
    "*",
    `${"a".repeat(64)}.b`,
  ])
    t.notOk(isServerName(name), name);
  t.notOk(isServerName(`${"a.".repeat(127)}a`), "254 characters");
  t.ok(isServerName(`${"a.".repeat(126)}a`), "253 characters");
});

t.test("exact before wildcard, one label, without case, the first entry stays", async (t) => {
  const table = new NameTable<string>();
  table.add("*.Example.com", "wild");
  table.add("www.example.com", "exact");
  table.add("www.example.com", "late");
  t.equal(table.size, 2);
  t.equal(table.find("WWW.example.COM"), "exact");
  t.equal(table.find("api.example.com"), "wild");
  t.equal(table.find("a.b.example.com"), null, "a wildcard stands for one label");
  t.equal(table.find("example.com"), null, "and not for none");
  t.equal(table.find(".example.com"), null);
  t.equal(table.find(""), null);
});
