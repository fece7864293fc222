// files.test.ts — files as responses: preconditions, ranges, variants, and the descriptor that is always given back.
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openDescriptors } from "@percore/core/testing";
import t from "tap";
import { fetchHandler } from "../../src/fetch/adapter.ts";
import { Response } from "../../src/fetch/response.ts";
import { type FileOptions, file } from "../../src/files/file-body.ts";
import { judge, RANGES_MAX } from "../../src/files/preconditions.ts";
import { FakeExchange, FakeFields } from "../fetch/fake-exchange.ts";

const folder = mkdtempSync(join(tmpdir(), "percore-files-"));
t.teardown(() => rmSync(folder, { recursive: true }));
const path = join(folder, "page.html");
writeFileSync(path, "0123456789");
utimesSync(path, 1_700_000_000, 1_700_000_000);
const DATE = "Tue, 14 Nov 2023 22:13:20 GMT";

interface Ask {
  readonly method?: string;
  readonly fields?: readonly string[];
  readonly options?: FileOptions;
  readonly at?: string;
  readonly init?: ConstructorParameters<typeof Response>[1];
}

const ask = ({
  method,
  fields,
  options,
  at = path,
  init,
}: Ask): { exchange: FakeExchange; head: Map<string, string>; reports: unknown[] } => {
  const exchange = new FakeExchange({ method, fields });
  const reports: unknown[] = [];
  const host = { autoContinue: true, waitUntil: () => undefined };
  const fetch = (): Response => new Response(file(at, options), init);
  fetchHandler(
    { self: {}, fetch, connect: null, error: null, contextOnly: false },
    host,
    (error) => void reports.push(error),
  )(exchange);
  const head = new Map<string, string>();
  for (let index = 0; index < exchange.head.length; index += 2)
    head.set(exchange.head[index].toLowerCase(), exchange.head[index + 1]);
  return { exchange, head, reports };
};

const before = openDescriptors();
t.teardown(() => {
  if (openDescriptors() > before) throw new Error("a descriptor is left open");
});

t.test("a whole file", async (t) => {
  const { exchange, head } = ask({});
  t.same([exchange.status, exchange.announced, exchange.body, exchange.open], [200, 10, "<file:10>", false]);
  t.same(
    [head.get("content-type"), head.get("last-modified"), head.get("accept-ranges")],
    ["text/html;charset=utf-8", DATE, "bytes"],
  );
  t.match(head.get("etag"), /^"[\w-]+"$/);
  t.equal(ask({ method: "HEAD" }).exchange.body, "");
  t.equal(ask({ method: "HEAD" }).exchange.announced, 10);
});

t.test("content types by the name's ending", async (t) => {
  for (const [name, type] of [
    ["a.txt", "text/plain;charset=utf-8"],
    ["a.json", "application/json;charset=utf-8"],
    ["a.js", "text/javascript;charset=utf-8"],
    ["a.png", "image/png"],
    ["a.svg", "image/svg+xml;charset=utf-8"],
    ["a", "application/octet-stream"],
    ["a.unheardof", "application/octet-stream"],
  ])
    t.equal(file(name).type, type, name);
  t.equal(file("a.txt", { type: "x/y" }).type, "x/y");
  t.equal(file(pathToFileURL(path)).path, path);
  t.throws(() => file(new URL("http://a.example/x")), TypeError);
});

t.test("options", async (t) => {
  const { head } = ask({ options: { etag: '"mine"', lastModified: false, cacheControl: "max-age=60", ranges: false } });
  t.same(
    [head.get("etag"), head.get("last-modified"), head.get("cache-control"), head.get("accept-ranges")],
    ['"mine"', undefined, "max-age=60", undefined],
  );
  t.match(ask({ options: { etag: "weak" } }).head.get("etag"), /^W\/"/);
  t.equal(ask({ options: { etag: false } }).head.has("etag"), false);
  t.equal(ask({ fields: ["range", "bytes=0-1"], options: { ranges: false } }).exchange.status, 200);
  const own = ask({ init: { headers: { ETag: '"own"', "content-type": "x/y" } } });
  t.same([own.head.get("etag"), own.head.get("content-type")], ['"own"', "x/y"], "what the handler says wins");
});

t.test("what is no file is a 404 and no news", async (t) => {
  mkdirSync(join(folder, "folder"));
  for (const at of [join(folder, "missing"), join(folder, "folder"), `${path}/below`]) {
    const { exchange, reports } = ask({ at });
    t.same([exchange.status, exchange.body, reports], [404, "Not Found\n", []], at);
  }
});

t.test("an error page made of a file is sent whole, with its status", async (t) => {
  const { exchange, head } = ask({ init: { status: 404 }, fields: ["range", "bytes=0-1", "if-modified-since", DATE] });
  t.same([exchange.status, exchange.body, head.has("accept-ranges")], [404, "<file:10>", false]);
});

t.test("ranges", async (t) => {
  for (const { name, range, status, contentRange, body } of [
    { name: "first bytes", range: "bytes=0-1", status: 206, contentRange: "bytes 0-1/10", body: "<file:2>" },
    { name: "to the end", range: "bytes=8-", status: 206, contentRange: "bytes 8-9/10", body: "<file:2>" },
    { name: "the last bytes", range: "bytes=-3", status: 206, contentRange: "bytes 7-9/10", body: "<file:3>" },
    {
      name: "a suffix longer than the file is all of it",
      range: "bytes=-99",
      status: 206,
      contentRange: "bytes 0-9/10",
      body: "<file:10>",
    },
    {
      name: "an end behind the file's",
      range: "bytes=5-99",
      status: 206,
      contentRange: "bytes 5-9/10",
      body: "<file:5>",
    },
    { name: "the unit in capitals", range: "BYTES=0-0", status: 206, contentRange: "bytes 0-0/10", body: "<file:1>" },
    {
      name: "behind the end",
      range: "bytes=10-",
      status: 416,
      contentRange: "bytes */10",
      body: "Range Not Satisfiable\n",
    },
    {
      name: "an empty suffix",
      range: "bytes=-0",
      status: 416,
      contentRange: "bytes */10",
      body: "Range Not Satisfiable\n",
    },
    { name: "another unit is ignored", range: "lines=0-1", status: 200, contentRange: undefined, body: "<file:10>" },
    { name: "nonsense is ignored", range: "bytes=x", status: 200, contentRange: undefined, body: "<file:10>" },
    {
      name: "backwards is unsatisfiable",
      range: "bytes=5-1",
      status: 416,
      contentRange: "bytes */10",
      body: "Range Not Satisfiable\n",
    },
    {
      name: "overlapping ranges become one",
      range: "bytes=0-4,2-6",
      status: 206,
      contentRange: "bytes 0-6/10",
      body: "<file:7>",
    },
    {
      name: "too many ranges are ignored",
      range: `bytes=${Array.from({ length: RANGES_MAX + 1 }, () => "0-0").join()}`,
      status: 200,
      contentRange: undefined,
      body: "<file:10>",
    },
  ]) {
    const { exchange, head } = ask({ fields: ["range", range] });
    t.same([exchange.status, head.get("content-range"), exchange.body], [status, contentRange, body], name);
  }
  t.equal(ask({ method: "HEAD", fields: ["range", "bytes=0-1"] }).exchange.status, 200, "HEAD knows no ranges");
});

t.test("several ranges", async (t) => {
  const { exchange, head } = ask({ fields: ["range", "bytes=0-1, 8-9"] });
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(head.get("content-type") ?? "")?.[1];
  const part = (range: string): string =>
    `\r\n--${boundary}\r\nContent-Type: text/html;charset=utf-8\r\nContent-Range: bytes ${range}/10\r\n\r\n<file:2>`;
  t.equal(exchange.body, `${part("0-1")}${part("8-9")}\r\n--${boundary}--\r\n`);
  t.equal(exchange.announced, exchange.body.length - 2 * "<file:2>".length + 4);
  t.equal(exchange.open, false);
});

t.test("RFC 9110 §13.2.2: the order of preconditions", async (t) => {
  const validators = { etag: '"a"', lastModifiedMs: Date.parse(DATE), lastModified: DATE };
  const weak = { ...validators, etag: 'W/"a"' };
  const earlier = "Tue, 14 Nov 2023 22:13:19 GMT";
  for (const { name, fields, by = validators, want } of [
    { name: "no condition", fields: [], want: "whole" },
    { name: "If-Match with the tag", fields: ["if-match", '"b", "a"'], want: "whole" },
    { name: "If-Match *", fields: ["if-match", "*"], want: "whole" },
    { name: "If-Match with others", fields: ["if-match", '"b"'], want: "failed" },
    { name: "If-Match never matches weakly", fields: ["if-match", 'W/"a"'], by: weak, want: "failed" },
    { name: "If-Unmodified-Since, unmodified", fields: ["if-unmodified-since", DATE], want: "whole" },
    { name: "If-Unmodified-Since, modified", fields: ["if-unmodified-since", earlier], want: "failed" },
    { name: "If-Unmodified-Since that is no date", fields: ["if-unmodified-since", "yesterday"], want: "whole" },
    {
      name: "If-Match goes before If-Unmodified-Since",
      fields: ["if-match", '"a"', "if-unmodified-since", earlier],
      want: "whole",
    },
    { name: "If-None-Match with the tag", fields: ["if-none-match", '"a"'], want: "not-modified" },
    { name: "If-None-Match matches weakly", fields: ["if-none-match", 'W/"a"'], want: "not-modified" },
    { name: "If-None-Match *", fields: ["if-none-match", "*"], want: "not-modified" },
    { name: "If-None-Match with others", fields: ["if-none-match", '"b"'], want: "whole" },
    { name: "If-Modified-Since, unmodified", fields: ["if-modified-since", DATE], want: "not-modified" },
    { name: "If-Modified-Since, modified", fields: ["if-modified-since", earlier], want: "whole" },
    {
      name: "If-None-Match goes before If-Modified-Since",
      fields: ["if-none-match", '"b"', "if-modified-since", DATE],
      want: "whole",
    },
    {
      name: "a failed If-Match goes before If-None-Match",
      fields: ["if-match", '"b"', "if-none-match", '"a"'],
      want: "failed",
    },
    { name: "Range", fields: ["range", "bytes=0-0"], want: "parts" },
    { name: "304 goes before Range", fields: ["range", "bytes=0-0", "if-none-match", '"a"'], want: "not-modified" },
    { name: "If-Range with the tag", fields: ["range", "bytes=0-0", "if-range", '"a"'], want: "parts" },
    { name: "If-Range with another", fields: ["range", "bytes=0-0", "if-range", '"b"'], want: "whole" },
    {
      name: "If-Range never matches weakly",
      fields: ["range", "bytes=0-0", "if-range", 'W/"a"'],
      by: weak,
      want: "whole",
    },
    { name: "If-Range with the date", fields: ["range", "bytes=0-0", "if-range", DATE], want: "parts" },
    { name: "If-Range with another date", fields: ["range", "bytes=0-0", "if-range", earlier], want: "whole" },
  ])
    t.equal(judge(new FakeFields(fields), 10, by, true).kind, want, name);
});

t.test("precompressed variants", async (t) => {
  const script = join(folder, "app.js");
  writeFileSync(script, "plain");
  writeFileSync(`${script}.br`, "br");
  writeFileSync(`${script}.gz`, "gzip");
  const options: FileOptions = { precompressed: ["br", "zstd", "gzip"] };
  for (const { accept, coding, size } of [
    { accept: "gzip, deflate, br, zstd", coding: "br", size: 2 },
    { accept: "gzip", coding: "gzip", size: 4 },
    { accept: "br;q=0.1, gzip;q=0.9", coding: "gzip", size: 4 },
    { accept: "br;q=0, gzip", coding: "gzip", size: 4 },
    { accept: "zstd", coding: undefined, size: 5 },
    { accept: "deflate", coding: undefined, size: 5 },
    { accept: "identity", coding: undefined, size: 5 },
    { accept: "*", coding: "br", size: 2 },
    { accept: undefined, coding: undefined, size: 5 },
  ]) {
    const { exchange, head } = ask({
      at: script,
      options,
      fields: accept === undefined ? [] : ["accept-encoding", accept],
    });
    t.same(
      [head.get("content-encoding"), exchange.announced, head.get("vary")],
      [coding, size, "accept-encoding"],
      String(accept),
    );
    t.equal(head.get("content-type"), "text/javascript;charset=utf-8");
  }
  const tags = new Set(
    ["br", "gzip", "identity"].map((accept) =>
      ask({ at: script, options, fields: ["accept-encoding", accept] }).head.get("etag"),
    ),
  );
  t.equal(tags.size, 3, "each variant has a tag of its own");
});

t.test("read instead of sent", async (t) => {
  t.equal(await new Response(file(path)).text(), "0123456789");
  t.equal((await new Response(file(path)).bytes()).length, 10);
  let size = 0;
  for await (const chunk of new Response(file(path)).body as unknown as AsyncIterable<Uint8Array>) size += chunk.length;
  t.equal(size, statSync(path).size);
});
