// RFC 9112 §4, §6, §7, §9.3: what a response is, where it ends, and whether its connection carries another. Every split.
import type { ClientRequest } from "@percore/http";
import t from "tap";
import { everySplit } from "../harness.ts";
import { type ClientRig, clientRig, sendCut } from "./harness.ts";

interface Verdicts {
  same(got: unknown, want: unknown, name: string): unknown;
  pass(name: string): unknown;
}

interface Row {
  name: string;
  bytes: string;
  /** The server's FIN follows. */
  fin?: boolean;
  request?: Partial<ClientRequest>;
  want: string[];
  /** What the connection said; "available" where left out. */
  life?: string[];
}

const response = (status: string, lines: string[] = [], body = ""): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n${body}`;

const run = async (
  row: Row,
  cuts: readonly number[],
): Promise<{ events: string[]; life: string[]; rig: ClientRig }> => {
  const rig = clientRig();
  const { heard } = rig.request(row.request);
  rig.server.text();
  sendCut(rig, row.bytes, cuts);
  if (row.fin && !rig.server.closed) rig.server.end();
  await rig.pump.settle();
  const events = [...heard.events];
  const life = [...rig.life];
  await rig.finish();
  return { events, life, rig };
};

const runRows = async (t: Verdicts, rows: readonly Row[]): Promise<void> => {
  for (const row of rows) {
    for (const cuts of everySplit(row.bytes.length)) {
      const { events, life } = await run(row, cuts);
      const where = cuts.length > 1 ? "at every byte" : `at ${cuts[0] ?? "nothing"}`;
      const same = JSON.stringify([events, life]) === JSON.stringify([row.want, row.life ?? ["available"]]);
      if (same) continue;
      t.same({ events, life }, { events: row.want, life: row.life ?? ["available"] }, `${row.name}, cut ${where}`);
      break;
    }
    t.pass(row.name);
  }
};

t.test("RFC 9112 §6.3: where a response ends", async (t) => {
  const none = "head 204, 0";
  await runRows(t, [
    {
      name: "content-length",
      bytes: response("200 OK", ["Content-Length: 5", "X-Y:  z "], "hello"),
      want: ["head 200, Content-Length: 5, X-Y: z, 5", "body hello", "end", "finish ok"],
    },
    {
      name: "content-length 0",
      bytes: response("200 OK", ["content-length: 0"]),
      want: ["head 200, content-length: 0, 0", "end", "finish ok"],
    },
    {
      name: "chunked",
      bytes: response("200 OK", ["Transfer-Encoding: chunked"], "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
      want: ["head 200, Transfer-Encoding: chunked, -1", "body abcde", "end", "finish ok"],
    },
    {
      name: "chunked with trailers",
      bytes: response("200 OK", ["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\nSum: 1 \r\nT:\r\n\r\n"),
      want: ["head 200, Transfer-Encoding: chunked, -1", "body abc", "end Sum: 1, T: ", "finish ok"],
    },
    {
      name: "chunked and empty",
      bytes: response("200 OK", ["Transfer-Encoding: chunked"], "0\r\n\r\n"),
      want: ["head 200, Transfer-Encoding: chunked, -1", "end", "finish ok"],
    },
    {
      name: "until the connection closes",
      bytes: response("200 OK", ["A: b"], "hello"),
      fin: true,
      want: ["head 200, A: b, -1", "body hello", "end", "finish ok"],
      life: ["closed"],
    },
    {
      name: "until the connection closes, and empty",
      bytes: response("200 OK"),
      fin: true,
      want: ["head 200, -1", "end", "finish ok"],
      life: ["closed"],
    },
    { name: "204", bytes: response("204 No Content"), want: [none, "end", "finish ok"] },
    {
      name: "204 with content-length: 0",
      bytes: response("204 No Content", ["Content-Length: 0"]),
      want: ["head 204, Content-Length: 0, 0", "end", "finish ok"],
    },
    {
      name: "304 tells the length of what it does not send",
      bytes: response("304 Not Modified", ["Content-Length: 5"]),
      want: ["head 304, Content-Length: 5, 0", "end", "finish ok"],
    },
    {
      name: "HEAD with content-length",
      request: { method: "HEAD" },
      bytes: response("200 OK", ["Content-Length: 5"]),
      want: ["head 200, Content-Length: 5, 0", "end", "finish ok"],
    },
    {
      name: "HEAD with chunked",
      request: { method: "HEAD" },
      bytes: response("200 OK", ["Transfer-Encoding: chunked"]),
      want: ["head 200, Transfer-Encoding: chunked, 0", "end", "finish ok"],
    },
    {
      name: "HEAD without either",
      request: { method: "HEAD" },
      bytes: response("200 OK"),
      want: ["head 200, 0", "end", "finish ok"],
    },
    {
      name: "CONNECT refused has content like any other",
      request: { method: "CONNECT", path: "", authority: "b:1" },
      bytes: response("403 No", ["Content-Length: 2"], "no"),
      want: ["head 403, Content-Length: 2, 2", "body no", "end", "finish ok"],
    },
    {
      name: "no reason",
      bytes: "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx",
      want: ["head 200, Content-Length: 1, 1", "body x", "end", "finish ok"],
    },
    {
      name: "not even a space before it",
      bytes: "HTTP/1.1 200\r\n\r\n",
      fin: true,
      want: ["head 200, -1", "end", "finish ok"],
      life: ["closed"],
    },
    {
      name: "a reason with more than ASCII",
      bytes: "HTTP/1.1 200 d\xe9j\xe0 \t!\r\ncontent-length: 0\r\n\r\n",
      want: ["head 200, content-length: 0, 0", "end", "finish ok"],
    },
    {
      name: "an unregistered status",
      bytes: response("999 Odd", ["content-length: 0"]),
      want: ["head 999, content-length: 0, 0", "end", "finish ok"],
    },
    {
      name: "an offer to upgrade is a field like any other",
      bytes: response("426 Upgrade", ["connection: upgrade", "upgrade: x", "content-length: 2"], "no"),
      want: ["head 426, connection: upgrade, upgrade: x, content-length: 2, 2", "body no", "end", "finish ok"],
    },
  ]);
});

t.test("RFC 9112 §9.3: whether the connection carries another", async (t) => {
  const one = (version: string, ...lines: string[]): string =>
    `HTTP/${version} 200 OK\r\n${[...lines, "content-length: 0"].map((line) => `${line}\r\n`).join("")}\r\n`;
  const want = (lines: string[]): string[] => [
    `head ${["200", ...lines, "content-length: 0, 0"].join(", ")}`,
    "end",
    "finish ok",
  ];
  const rows: [name: string, version: string, lines: string[], reused: boolean][] = [
    ["1.1", "1.1", [], true],
    ["1.1 and keep-alive", "1.1", ["connection: keep-alive"], true],
    ["1.1 and close", "1.1", ["connection: close"], false],
    ["1.1 and close in capitals", "1.1", ["Connection: Close"], false],
    ["1.1 and close in a list", "1.1", ["connection: x,\tclose"], false],
    ["1.1 and close in a second line", "1.1", ["connection: x", "connection: close"], false],
    ["1.1, keep-alive and close", "1.1", ["connection: keep-alive, close"], false],
    ["1.0", "1.0", [], false],
    ["1.0 and keep-alive", "1.0", ["connection: keep-alive"], true],
    ["1.0, keep-alive and close", "1.0", ["connection: keep-alive, close"], false],
  ];
  await runRows(
    t,
    rows.map(([name, version, lines, reused]) => ({
      name,
      bytes: one(version, ...lines),
      fin: !reused,
      want: want(lines),
      life: reused ? ["available"] : ["closed"],
    })),
  );
});

t.test("RFC 9110 §15.2: interim responses", async (t) => {
  const last = response("200 OK", ["content-length: 2"], "ok");
  const wanted = ["head 200, content-length: 2, 2", "body ok", "end", "finish ok"];
  await runRows(t, [
    { name: "100", bytes: response("100 Continue") + last, want: ["inform 100", ...wanted] },
    {
      name: "103 with fields, twice",
      bytes: response("103 Early Hints", ["Link: <a>"]) + response("103 Early Hints") + last,
      want: ["inform 103, Link: <a>", "inform 103", ...wanted],
    },
    { name: "an unregistered one", bytes: response("199 X") + last, want: ["inform 199", ...wanted] },
    {
      name: "content-length: 0",
      bytes: response("100 Continue", ["content-length: 0"]) + last,
      want: ["inform 100, content-length: 0", ...wanted],
    },
    {
      name: "close speaks of nothing yet",
      bytes: response("100 Continue", ["connection: close"]) + last,
      want: ["inform 100, connection: close", ...wanted],
    },
    { name: "of HTTP/1.0", bytes: `HTTP/1.0 100 Continue\r\n\r\n${last}`, want: ["inform 100", ...wanted] },
    {
      name: "before the answer to HEAD",
      request: { method: "HEAD" },
      bytes: response("100 Continue") + response("200 OK", ["content-length: 2"]),
      want: ["inform 100", "head 200, content-length: 2, 0", "end", "finish ok"],
    },
  ]);
});

t.test("a second and a third exchange on the same connection", async (t) => {
  const rig = clientRig();
  for (const [at, body] of ["one", "two", "three"].entries()) {
    const { heard, exchange } = rig.request({ path: `/${at}` });
    rig.server.expect(`GET /${at} HTTP/1.1\r\nhost: a\r\n\r\n`);
    t.ok(exchange.open && exchange.sent && rig.client.active === 1 && rig.client.available === 0);
    rig.server.send(response("200 OK", [`content-length: ${body.length}`], body));
    t.same(heard.events.slice(1), [`body ${body}`, "end", "finish ok"]);
    t.notOk(exchange.open);
    t.equal(rig.client.available, 1);
  }
  t.equal(rig.client.started, 3);
  await rig.finish();
  t.same(rig.life, ["available", "available", "available", "closed ECONNRESET"]);
});
