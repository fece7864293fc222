// answers.ts — requests and answers one at a time: methods, heads, statuses, failures.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Bench, Test } from "./bench.ts";

const run = promisify(execFile);

export const answersSuite = (t: Test, bench: Bench): Promise<void> =>
  t.test("answers", async (t) => {
    const { client, transport, server, file } = bench;
    const text = async (path: string, method = "GET"): Promise<string> =>
      (await client.ask({ path, method })).body.toString();

    t.test("hello, with its head", async (t) => {
      const { status, headers, body } = await client.ask({ path: "/hello" });
      t.same(
        [status, body.toString(), headers["content-type"], headers["content-length"]],
        [200, "hello", "text/plain;charset=UTF-8", "5"],
      );
      t.ok(Math.abs(Date.parse(String(headers.date)) - Date.now()) < 5_000, "date is now");
      t.equal(await text("/async"), "hello");
      t.equal((await client.ask({ path: "/native" })).headers["x-native"], "1");
    });

    t.test("methods", async (t) => {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
        t.equal(await text("/method", method), method);
      }
    });

    t.test("HEAD has the head of GET and no body", async (t) => {
      for (const path of ["/hello", "/bytes?n=100000", "/file", "/blob"]) {
        const [head, get] = [await client.ask({ path, method: "HEAD" }), await client.ask({ path })];
        t.equal(head.body.length, 0, path);
        t.equal(head.headers["content-length"], get.headers["content-length"], path);
        t.equal(head.status, 200, path);
      }
      const cancelled = bench.service.notes.cancelled;
      t.equal((await client.ask({ path: "/stream?n=100", method: "HEAD" })).status, 200);
      t.equal(bench.service.notes.cancelled, cancelled + 1, "the stream was told");
    });

    t.test("heads", async (t) => {
      const { body } = await client.ask({
        path: "/headers",
        headers: { "X-One": "1", cookie: ["a=1", "b=2"], accept: "x/y" },
      });
      const headers = new Map(JSON.parse(body.toString()) as [string, string][]);
      t.same([headers.get("x-one"), headers.get("cookie"), headers.get("accept")], ["1", "a=1; b=2", "x/y"]);
      t.same((await client.ask({ path: "/cookies" })).headers["set-cookie"], ["a=1", "b=2"]);
      t.match(await text("/late?x=1"), /\/late\?x=1 null$/);
      const late = await client.ask({ path: "/late", headers: { "x-late": "yes" } });
      t.match(late.body.toString(), /yes$/, "a request is valid after await");
      t.match(await text("/url?a=1&b=%20"), /^https?:\/\/[^/]+\/url\?a=1&b=%20$/);
      t.same(JSON.parse(await text("/info")).tls, bench.server.url?.startsWith("https:") === true);
    });

    t.test("statuses", async (t) => {
      for (const code of [200, 201, 204, 205, 304, 404, 418, 503]) {
        const { status, body } = await client.ask({ path: `/status?code=${code}` });
        t.same([status, body.length], [code, 0]);
      }
      t.equal((await client.ask({ path: "/nowhere" })).status, 404);
    });

    t.test("failures", async (t) => {
      const thrown = await client.ask({ path: "/throw" });
      t.same([thrown.status, thrown.body.toString()], [500, "thrown by the test"]);
      const rejected = await client.ask({ path: "/reject" });
      t.same([rejected.status, rejected.body.toString()], [500, "rejected by the test"]);
      t.equal((await client.ask({ path: "/missing" })).status, 500, "the error handler is asked for files too");
      t.equal((await client.ask({ path: "/hello" })).status, 200, "the server goes on");
    });

    t.test("interim responses", async (t) => {
      const hinted = await client.ask({ path: "/hint" });
      t.same([hinted.interim, hinted.body.toString()], [[103], "hinted"]);
      const waited = await client.ask({
        path: "/text",
        method: "POST",
        body: "patient",
        headers: { expect: "100-continue" },
      });
      t.same([waited.interim, waited.body.toString()], [[100], "patient"]);
      const refused = await client.ask({
        path: "/unread",
        method: "POST",
        body: "never sent",
        headers: { expect: "100-continue", "content-length": "10" },
      });
      t.same([refused.interim, refused.body.toString()], [[], "did not look"]);
    });

    t.test("trailers", async (t) => {
      t.same((await client.ask({ path: "/trailers" })).trailers, { "x-sum": "1" });
    });

    t.test("files", async (t) => {
      const whole = await client.ask({ path: "/file" });
      t.same([whole.status, whole.headers["accept-ranges"], whole.body.equals(file)], [200, "bytes", true]);
      const part = await client.ask({ path: "/file", headers: { range: "bytes=100000-199999" } });
      t.same(
        [part.status, part.headers["content-range"], part.body.equals(file.subarray(100_000, 200_000))],
        [206, "bytes 100000-199999/300000", true],
      );
      const parts = await client.ask({ path: "/file", headers: { range: "bytes=0-9,-5" } });
      t.equal(parts.status, 206);
      t.match(parts.headers["content-type"], /^multipart\/byteranges; boundary=/);
      t.equal(parts.body.length, Number(parts.headers["content-length"]));
      t.ok(
        parts.body.includes(Buffer.from(file.subarray(0, 10))) && parts.body.includes(Buffer.from(file.subarray(-5))),
      );
      const none = await client.ask({ path: "/file", headers: { range: "bytes=300000-" } });
      t.same([none.status, none.headers["content-range"]], [416, "bytes */300000"]);
      const etag = String(whole.headers.etag);
      const fresh = await client.ask({ path: "/file", headers: { "if-none-match": etag } });
      t.same([fresh.status, fresh.body.length, fresh.headers.etag], [304, 0, etag]);
      const since = await client.ask({
        path: "/file",
        headers: { "if-modified-since": String(whole.headers["last-modified"]) },
      });
      t.equal(since.status, 304);
      t.equal((await client.ask({ path: "/file", headers: { "if-match": '"other"' } })).status, 412);
      const resumed = await client.ask({ path: "/file", headers: { range: "bytes=-1", "if-range": etag } });
      t.equal(resumed.status, 206);
      const changed = await client.ask({ path: "/file", headers: { range: "bytes=-1", "if-range": '"other"' } });
      t.same([changed.status, changed.body.length], [200, 300_000]);
    });

    t.test("curl", { skip: transport.curl === null && "curl does not reach this transport" }, async (t) => {
      const way = transport.curl?.(server) ?? [];
      const curl = async (...args: string[]): Promise<string> => {
        const path = args.pop();
        const { stdout } = await run("curl", [
          "-sS",
          "--max-time",
          "10",
          ...way.slice(0, -1),
          ...args,
          `${way.at(-1)}${path}`,
        ]);
        return stdout;
      };
      t.equal(await curl("/hello"), "hello");
      t.equal(
        await curl("--data-binary", `@${bench.filePath}`, "-o", "/dev/null", "-w", "%{size_download}", "/echo"),
        "300000",
      );
      t.match(
        await curl("-D", "-", "-H", "Expect: 100-continue", "-d", "abc", "/text"),
        /^HTTP\/[\d.]+ 100[^\r]*\r\n\r\nHTTP\/[\d.]+ 200[^\r]*\r\n[\s\S]*abc$/,
      );
    });
  }) as unknown as Promise<void>;
