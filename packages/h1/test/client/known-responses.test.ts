// Response heads that came before, byte for byte, mean the same as if they were parsed.
import type { ClientRequest } from "@percore/http";
import t from "tap";
import { everySplit } from "../harness.ts";
import { clientRig, type Heard, sendCut } from "./harness.ts";

const HEAD = "HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 5\r\n\r\n";
const WHOLE = `${HEAD}hello`;
const EVENTS = [
  "head 200, Server: x, Set-Cookie: a=b, Set-Cookie: c=d, Content-Length: 5, 5",
  "body hello",
  "end",
  "finish ok",
];

/** One exchange after the other on one connection, as far as it carries them. */
const play = async (
  bytes: readonly string[],
  cuts: readonly number[] = [],
  request: Partial<ClientRequest> = {},
  limits = {},
): Promise<{ heard: Heard[]; open: boolean }> => {
  const rig = clientRig({ limits });
  const heard: Heard[] = [];
  for (const text of bytes) {
    if (rig.client.available === 0) break;
    const exchange = rig.request(request);
    heard.push(exchange.heard);
    rig.server.text();
    sendCut(rig, text, cuts);
  }
  const { open } = rig.client;
  await rig.finish();
  return { heard, open };
};

const learn = (text = WHOLE, request: Partial<ClientRequest> = {}): Promise<unknown> =>
  play([text, text, text], [], request);

t.test("again and again, cut anywhere", async (t) => {
  await learn();
  for (const cuts of everySplit(WHOLE.length)) {
    const { heard, open } = await play([WHOLE, WHOLE, WHOLE], cuts);
    for (const { events } of heard) if (events.join() !== EVENTS.join()) t.same(events, EVENTS, `cut at ${cuts}`);
    if (!open || heard.length !== 3) t.fail(`cut at ${cuts}`);
  }
  t.pass("all the same");
});

t.test("one other byte makes another head, wherever it is", async (t) => {
  await learn();
  for (let at = 0; at < HEAD.length; at += 1) {
    const changed = `${HEAD.slice(0, at)}\0${HEAD.slice(at + 1)}hello`;
    const { heard } = await play([WHOLE, WHOLE, changed]);
    if (!heard[2].events.at(-1)?.startsWith("finish ERR_RESPONSE_INVALID")) t.fail(`at ${at}: ${heard[2].events}`);
  }
  t.pass("all were looked at");
});

t.test("the same head answers HEAD and GET", async (t) => {
  await learn();
  for (let round = 0; round < 3; round += 1) {
    const { heard } = await play([HEAD, HEAD, HEAD], [], { method: "HEAD" });
    for (const { events } of heard) t.same(events.slice(1), ["end", "finish ok"]);
    t.same((await play([WHOLE])).heard[0].events, EVENTS);
  }
});

t.test("limits of one client do not become another's", async (t) => {
  await learn();
  const { heard } = await play([WHOLE], [], {}, { fieldsMax: 3 });
  t.equal(heard[0].events.at(-1), "finish ERR_RESPONSE_INVALID maybe ERR_H1_FIELDS_TOO_MANY");
});

t.test("what is behind the response, and what is missing of it", async (t) => {
  await learn();
  // Known by the third time: what comes with a head chooses its place.
  for (let time = 0; time < 4; time += 1) {
    const more = await play([`${WHOLE}x`]);
    t.same(more.heard[0].events, EVENTS);
    t.notOk(more.open);
  }
  const rig = clientRig();
  const { heard, exchange } = rig.request();
  rig.server.text();
  exchange.pauseBody();
  rig.server.send(`${HEAD}he`);
  exchange.resumeBody();
  rig.server.send("l").end();
  t.same(heard.events.slice(1), [
    "body hel",
    "body error ERR_CONNECTION_CLOSED maybe",
    "finish ERR_CONNECTION_CLOSED maybe",
  ]);
  await rig.finish();
});

t.test("a body of many buffers behind a known head", async (t) => {
  const size = 200_000;
  const large = `HTTP/1.1 200 OK\r\nServer: y\r\nX: y\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`;
  await learn(large);
  const { heard, open } = await play([large, large]);
  for (const { events } of heard)
    t.same([events[1].length, ...events.slice(2)], [size + "body ".length, "end", "finish ok"]);
  t.ok(open);
});

t.test("what is not plain is parsed each time", async (t) => {
  const fields = "Server: a longer name\r\n";
  for (const [name, text, events] of [
    ["connection: close", `HTTP/1.1 200 OK\r\n${fields}Connection: close\r\nContent-Length: 0\r\n\r\n`, 3],
    ["HTTP/1.0", `HTTP/1.0 200 OK\r\n${fields}Connection: keep-alive\r\nContent-Length: 0\r\n\r\n`, 3],
    ["chunks", `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`, 4],
    ["interim", `HTTP/1.1 103 Early Hints\r\n${fields}\r\nHTTP/1.1 200 OK\r\n${fields}Content-Length: 0\r\n\r\n`, 4],
  ] as const) {
    for (let round = 0; round < 5; round += 1) {
      const { heard } = await play([text]);
      t.equal(heard[0].events.length, events, name);
      t.equal(heard[0].events.at(-1), "finish ok", name);
    }
  }
});
