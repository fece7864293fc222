// h2spec.test.ts — the conformance tests of summerwind/h2spec in strict mode against serve(), where h2spec is on the PATH.
//
// It is no package anywhere: clone it and `go build ./cmd/h2spec` (Go 1.18 or later). PERCORE_DRIVER=poll runs it on the other driver.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { Response, serve } from "../../src/index.ts";

const run = promisify(execFile);

const installed = await run("h2spec", ["--version"]).then(
  () => true,
  () => false,
);

t.test("h2spec --strict", { skip: installed ? false : "h2spec is not installed" }, async (t) => {
  const server = serve({
    port: 0,
    hostname: "127.0.0.1",
    signals: false,
    // Beside HTTP/1.1 on one port a wrong preface is a wrong HTTP/1.1 request, which is answered with a 400.
    http1: false,
    fetch: async (request) => {
      await request.text();
      return new Response("Hello, World!", { headers: { "content-type": "text/plain" } });
    },
  });
  await server.ready;
  const args = ["--host", "127.0.0.1", "--port", String(server.address?.port), "--strict", "--timeout", "2"];
  const { stdout } = await run("h2spec", args).catch((failed: { stdout: string }) => failed);
  const sum = stdout.trimEnd().split("\n").at(-1) ?? "";
  t.match(sum, /^(\d+) tests, \1 passed, 0 skipped, 0 failed$/);
  if (!sum.includes(" 0 failed")) t.comment(stdout);
  await server.close();
  t.equal(server.stats().leases, 0);
});
