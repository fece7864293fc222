// RFC 9110 §7.8 (Upgrade), §9.3.6 (CONNECT): tunnels, and requests whose offer is not taken up.
import type { Stream, StreamHandler } from "@percore/core";
import type { Exchange } from "@percore/http";
import t from "tap";
import { DATE, head, OK, record, rig, statuses, textOf } from "./harness.ts";

const UPGRADE = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const CONNECT = "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n";
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SWITCHED = head("101 Switching Protocols", "connection: upgrade", "upgrade: websocket", `date: ${DATE}`);

/** Sends back what comes, in capitals, and notes what happens. */
const echo = (stream: Stream, events: string[]): StreamHandler => ({
  onData(lease) {
    stream.writeBytes(Buffer.from(textOf(lease).toUpperCase()));
    lease.release();
  },
  onEnd() {
    events.push("end");
    stream.end();
  },
  onDrain() {},
  onClose(error) {
    events.push(`close ${error === null ? "" : (error as Error & { code: string }).code}`);
  },
});

t.test("Upgrade: 101, then the bytes that came already, then the stream", async (t) => {
  for (const when of ["at once", "later"]) {
    for (const split of [false, true]) {
      const events: string[] = [];
      const target = rig({
        handler: async (exchange) => {
          t.equal(exchange.upgrade, "websocket");
          if (when === "later") await new Promise((resolve) => setImmediate(resolve));
          const stream = exchange.tunnel([]);
          t.notOk(exchange.open);
          stream.attach(echo(stream, events));
        },
      });
      const bytes = `${UPGRADE}first`;
      if (split) for (const byte of bytes) target.peer.send(byte);
      else target.peer.send(bytes);
      await target.pump.settle();
      target.peer.send(" more");
      t.equal(target.peer.text(), `${SWITCHED}FIRST MORE`, `${when}, ${split ? "split" : "whole"}`);
      t.equal(target.server.counters.tunnels, 1);
      t.equal(target.server.counters.exchangesOpen, 0);
      target.peer.end();
      target.pump.run();
      t.same(events, ["end", "close "]);
      await target.finish();
    }
  }
});

t.test("Upgrade: the handler's own fields", async (t) => {
  const events: string[] = [];
  const target = rig({
    handler: (exchange) => {
      const stream = exchange.tunnel(["Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Accept", "x"]);
      stream.attach(echo(stream, events));
    },
  });
  target.peer.send(UPGRADE);
  t.equal(
    target.peer.text(),
    head(
      "101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Accept: x",
      `date: ${DATE}`,
    ),
  );
  await target.finish();
});

t.test("Upgrade not taken up: an ordinary request with its body, and the next one follows", async (t) => {
  for (const when of ["at once", "later"]) {
    const target = rig({
      handler: (exchange) => {
        record(exchange, target.seen, () => {
          if (when === "at once") exchange.respond(200, [], "ok");
          else setImmediate(() => exchange.respond(200, [], "ok"));
        });
      },
    });
    const withBody = UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc");
    target.peer.send(withBody + GET + GET);
    if (when === "later") t.equal(target.seen.length, 1, "what follows waits for the answer");
    await target.pump.settle();
    t.same(
      target.seen.map((seen) => [seen.path, seen.body]),
      [
        ["/ws", "abc"],
        ["/", ""],
        ["/", ""],
      ],
    );
    t.equal(target.peer.text(), OK + OK + OK);
    await target.finish();
  }
});

t.test("Upgrade with a body: the tunnel waits for its end", async (t) => {
  const events: string[] = [];
  const target = rig({
    handler: (exchange) => {
      t.throws(() => exchange.tunnel([]), { code: "ERR_NO_TUNNEL" });
      record(exchange, target.seen, () => {
        const stream = exchange.tunnel([]);
        stream.attach(echo(stream, events));
      });
    },
  });
  target.peer.send(UPGRADE.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n"));
  target.peer.send("abcdef");
  t.equal(target.peer.text(), `${SWITCHED}DEF`);
  t.equal(target.seen[0].body, "abc");
  await target.finish();
});

t.test("what is no offer: HTTP/1.0, no Connection: upgrade, several protocols", async (t) => {
  for (const request of [
    UPGRADE.replace("HTTP/1.1", "HTTP/1.0"),
    UPGRADE.replace("Connection: Upgrade\r\n", ""),
    UPGRADE.replace("websocket", "websocket, h2c"),
    GET,
  ]) {
    const upgrades: (string | null)[] = [];
    const target = rig({
      handler: (exchange) => {
        upgrades.push(exchange.upgrade);
        t.throws(() => exchange.tunnel([]), { code: "ERR_NO_TUNNEL" });
        exchange.respond(200, [], "ok");
      },
    });
    target.peer.send(request);
    t.same(upgrades, [null]);
    t.same(statuses(target.peer.text()), ["200"]);
    await target.finish();
  }
});

t.test("Upgrade behind pipelined requests waits for its turn", async (t) => {
  const exchanges: Exchange[] = [];
  const events: string[] = [];
  const target = rig({ handler: (exchange) => void exchanges.push(exchange) });
  target.peer.send(`${GET}${UPGRADE}late`);
  t.equal(exchanges.length, 2);
  t.throws(() => exchanges[1].tunnel([]), { code: "ERR_NO_TUNNEL" }, "not before the first is answered");
  exchanges[0].respond(200, [], "ok");
  const stream = exchanges[1].tunnel([]);
  stream.attach(echo(stream, events));
  t.equal(target.peer.text(), `${OK}${SWITCHED}LATE`);
  await target.finish();
});

t.test("CONNECT: 200 without a length, then the stream", async (t) => {
  const events: string[] = [];
  const target = rig({
    handler: (exchange) => {
      t.equal(exchange.method, "CONNECT");
      t.equal(exchange.authority, "b.example:443");
      t.equal(exchange.path, "");
      t.equal(exchange.upgrade, null);
      t.throws(() => exchange.respond(200, [], null), { code: "ERR_STATUS_INVALID" });
      const stream = exchange.tunnel(["via", "1.1 me"]);
      stream.attach(echo(stream, events));
    },
  });
  target.peer.send(`${CONNECT}tls`);
  t.equal(target.peer.text(), `${head("200 OK", "via: 1.1 me", `date: ${DATE}`)}TLS`);
  await target.finish();
});

t.test("CONNECT refused: what follows is never taken for a request", async (t) => {
  const exchanges: Exchange[] = [];
  const target = rig({ handler: (exchange) => void exchanges.push(exchange) });
  target.peer.send(CONNECT + GET);
  t.equal(exchanges.length, 1);
  exchanges[0].respond(403, [], "no");
  await target.pump.settle();
  t.equal(exchanges.length, 1);
  t.match(target.peer.text(), /^HTTP\/1\.1 403 .*connection: close/s);
  t.ok(target.peer.ended);
  await target.finish();
});

t.test("tunnelIdleMs: silence both ways is reset", async (t) => {
  const events: string[] = [];
  const target = rig({
    timeouts: { tunnelIdleMs: 1000, lingerMs: 100 },
    handler: (exchange) => {
      const stream = exchange.tunnel([]);
      stream.attach(echo(stream, events));
    },
  });
  target.peer.send(UPGRADE);
  for (let round = 0; round < 5; round += 1) {
    target.clock.advance(900);
    target.peer.send("x");
  }
  t.same(events, []);
  target.clock.pass(1000);
  target.pump.run();
  t.same(events, ["close ERR_STREAM_ABANDONED"]);
  await target.finish();
});

t.test("a tunnel whose client left before anybody was attached", async (t) => {
  const events: string[] = [];
  let stream: Stream | null = null;
  const target = rig({
    handler: (exchange) => {
      stream = exchange.tunnel([]);
    },
  });
  target.peer.send(`${UPGRADE}abc`);
  target.peer.reset();
  target.pump.run();
  (stream as unknown as Stream).attach(echo(stream as unknown as Stream, events));
  await target.pump.settle();
  t.equal(events.length, 1);
  t.match(events[0], /^close /);
  await target.finish();
});
