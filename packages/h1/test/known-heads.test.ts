// known-heads.test.ts — a head that came before is not parsed again, and nobody can tell but by the time it takes.
import type { Exchange } from "@percore/http";
import t from "tap";
import { KnownHeads } from "../src/server/known-heads.ts";
import { arena, fieldLines, rig } from "./harness.ts";

const GET = "GET /a?b=1 HTTP/1.1\r\nHost: one.example\r\nAccept: */*\r\nX-Y: 1\r\nx-y: 2\r\n\r\n";

/** How many of the lookups that follow find a known head. */
const countHits = (): { hits: () => number; restore: () => void } => {
  const store = KnownHeads.of(arena);
  const { find } = KnownHeads.prototype;
  let hits = 0;
  store.find = function counted(this: KnownHeads, ...given: Parameters<KnownHeads["find"]>) {
    const known = find.apply(this, given);
    if (known !== null) hits += 1;
    return known;
  };
  return {
    hits: () => hits,
    restore: () => {
      Reflect.deleteProperty(store, "find");
    },
  };
};

const hitsOf = async (requests: readonly string[], limits = {}): Promise<{ hits: number; seen: unknown[] }> => {
  const counter = countHits();
  const target = rig({ limits });
  for (const bytes of requests) {
    target.peer.send(bytes);
    await target.pump.settle();
  }
  await target.finish();
  counter.restore();
  return { hits: counter.hits(), seen: target.seen };
};

t.test("a plain head is known from the third time on, and shows the same", async (t) => {
  const { hits, seen } = await hitsOf([GET, GET, GET, GET]);
  t.equal(hits, 2);
  t.equal(seen.length, 4);
  for (const request of seen) t.same(request, seen[0]);
});

t.test("pipelined and behind one another in one piece", async (t) => {
  const { hits, seen } = await hitsOf([GET.replace("/a", "/pipe").repeat(8)]);
  t.equal(seen.length, 8);
  t.ok(hits >= 5, `${hits} of 8`);
});

t.test("what is not plain is parsed each time", async (t) => {
  const rows: Record<string, string> = {
    "a body": "POST /b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi",
    "an empty body that is announced": "POST /b0 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n",
    chunks: "POST /c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "absolute-form": "GET http://a.example/d HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "HTTP/1.0": "GET /e HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n",
    "an option beside keep-alive": "GET /f HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, x\r\n\r\n",
    "a leading empty line": "\r\nGET /g HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "more than is kept": `GET /h HTTP/1.1\r\nHost: a.example\r\nX: ${"x".repeat(1024)}\r\n\r\n`,
  };
  for (const [name, bytes] of Object.entries(rows)) {
    const { hits, seen } = await hitsOf([bytes, bytes, bytes, bytes]);
    t.equal(seen.length, 4, name);
    t.equal(hits, 0, name);
  }
});

t.test("one other byte makes another head, wherever it is", async (t) => {
  const base = "GET /byte HTTP/1.1\r\nHost: a.example\r\nA: 0123456789012345678901234567890123456789012345678\r\n\r\n";
  await hitsOf([base, base, base]);
  for (let at = base.indexOf("A: ") + 3; at < base.length - 4; at += 1) {
    const other = `${base.slice(0, at)}Z${base.slice(at + 1)}`;
    const { hits, seen } = await hitsOf([other]);
    t.equal(hits, 0, `at ${at}`);
    t.ok((seen[0] as { fields: string[] }).fields[1].includes("Z"), `seen at ${at}`);
  }
});

t.test("cut anywhere, a known head is found or parsed, and means the same", async (t) => {
  const { seen: whole } = await hitsOf([GET, GET, GET]);
  for (let cut = 1; cut < GET.length; cut += 1) {
    const target = rig();
    target.peer.send(GET.slice(0, cut));
    await target.pump.settle();
    target.peer.send(GET.slice(cut) + GET);
    await target.pump.settle();
    await target.finish();
    t.same(target.seen, [whole[0], whole[0]], `cut at ${cut}`);
  }
});

t.test("limits of one server do not become another's", async (t) => {
  const bytes = `GET /limit HTTP/1.1\r\nHost: a.example\r\nX: ${"x".repeat(300)}\r\n\r\n`;
  t.equal((await hitsOf([bytes, bytes, bytes])).hits, 1);
  const { hits, seen } = await hitsOf([bytes], { headBytesMax: 200 });
  t.equal(hits, 0);
  t.equal(seen.length, 0, "it is refused");
});

t.test("requests per connection are counted for known heads too", async (t) => {
  const { seen } = await hitsOf([GET, GET, GET, GET, GET], { requestsPerConnectionMax: 4 });
  t.equal(seen.length, 4);
});

t.test("a head stays readable after the answer and beyond the turn", async (t) => {
  const kept: Exchange[] = [];
  const target = rig({
    handler: (exchange) => {
      kept.push(exchange);
      exchange.respond(200, [], "ok");
    },
  });
  for (let round = 0; round < 4; round += 1) {
    target.peer.send(GET.replace("/a", "/kept"));
    await target.pump.settle();
  }
  await target.finish();
  const [last] = kept.slice(-1);
  t.equal(last.target, "/kept?b=1");
  t.equal(last.fields.get("x-y"), "1, 2");
  t.equal(last.fields.get("x-y"), "1, 2", "asked again");
  t.equal(last.fields.get("absent"), undefined);
  t.same(fieldLines(last.fields), ["Host: one.example", "Accept: */*", "X-Y: 1", "x-y: 2"]);
});
