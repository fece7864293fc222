// The life of a client's connection: deadlines, back-pressure, abort, shutdown, close, tunnels.
import type { Stream } from "@percore/core";
import t from "tap";
import { textOf } from "../harness.ts";
import { arena, clientRig, codeOf, type Heard } from "./harness.ts";

const head = (lines: string[], status = "200 OK"): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const OK = `${head(["content-length: 2"])}ok`;
const TIMEOUT = "ERR_RESPONSE_TIMEOUT maybe";

t.test("deadlines", async (t) => {
  const timeouts = { responseMs: 5_000, receiveMs: 3_000, sendMs: 2_000, lingerMs: 1_000 };

  t.test("no head in time, though bytes of it drip in", async (t) => {
    const rig = clientRig({ timeouts });
    const { heard } = rig.request();
    rig.server.text();
    for (const byte of "HTTP/1.1 200 OK\r\nA: b\r\n") {
      rig.server.send(byte);
      rig.clock.advance(200);
    }
    t.notOk(heard.finished);
    rig.clock.pass(5_000 - 22 * 200);
    t.same(heard.events, [`finish ${TIMEOUT}`]);
    await rig.finish();
    t.same(rig.life, [`closed ${TIMEOUT}`]);
  });

  t.test("it begins anew with each part of the request and each interim response", async (t) => {
    const rig = clientRig({ timeouts });
    const { heard, exchange } = rig.request({ method: "POST", bodyLength: 2 });
    for (const step of [
      () => exchange.write("a"),
      () => exchange.write("b"),
      () => exchange.end(),
      () => rig.server.send(head([], "102 X")),
    ]) {
      rig.server.text();
      rig.clock.advance(4_800);
      step();
    }
    rig.clock.advance(4_800);
    t.same(heard.events, ["inform 102"]);
    rig.clock.pass(200);
    t.equal(heard.events.at(-1), `finish ${TIMEOUT}`);
    await rig.finish();
  });

  t.test("a response body that pauses; not while its receiver does", async (t) => {
    const rig = clientRig({ timeouts, limits: { bodyBufferBytes: 1 } });
    const { heard, exchange } = rig.request();
    rig.server.text();
    rig.server.send(`${head(["content-length: 10"])}ab`);
    rig.clock.advance(2_900);
    rig.server.send("c");
    rig.clock.advance(2_900);
    exchange.pauseBody();
    rig.server.send("de");
    t.ok(rig.stream.paused);
    rig.clock.advance(60_000);
    t.notOk(heard.finished);
    exchange.resumeBody();
    t.same(heard.events, ["head 200, content-length: 10, 10", "body abcde"]);
    rig.clock.pass(3_000);
    t.same(heard.events.slice(2), [`body error ${TIMEOUT}`, `finish ${TIMEOUT}`]);
    await rig.finish();
  });

  t.test("a server that takes nothing", async (t) => {
    const rig = clientRig({ timeouts, limits: { writeBufferBytes: 1_000 } });
    const { heard, exchange } = rig.request({ method: "POST", bodyLength: -1 });
    rig.server.stream.pause();
    t.notOk(exchange.write(new Uint8Array(200_000)));
    rig.pump.run();
    rig.clock.advance(1_900);
    t.notOk(heard.finished);
    rig.clock.pass(2_100);
    t.same(heard.events, ["finish ERR_SEND_TIMEOUT maybe"]);
    await rig.finish();
  });

  t.test("a request still on its way is no late response", async (t) => {
    const rig = clientRig({ timeouts: { ...timeouts, sendMs: 60_000 } });
    const { heard, exchange } = rig.request({ method: "POST", bodyLength: 150_000 });
    rig.server.stream.pause();
    exchange.write(new Uint8Array(150_000));
    exchange.end();
    rig.pump.run();
    t.ok(rig.stream.queuedBytes > 0);
    rig.clock.pass(5_000);
    t.notOk(heard.finished);
    rig.server.stream.resume();
    rig.server.text();
    rig.clock.pass(5_000);
    t.same(heard.events, ["drain", `finish ${TIMEOUT}`].slice(1));
    await rig.finish();
  });

  t.test("0 switches them off; the connection idles as long as it likes", async (t) => {
    const rig = clientRig({ timeouts: { responseMs: 0, receiveMs: 0, sendMs: 0 } });
    const { heard } = rig.request();
    rig.server.text();
    rig.clock.advance(10_000_000);
    rig.server.send(head(["content-length: 2"]));
    rig.clock.advance(10_000_000);
    rig.server.send("ok");
    rig.clock.advance(10_000_000);
    t.equal(heard.events.at(-1), "finish ok");
    t.equal(rig.client.available, 1);
    await rig.finish();
  });

  t.test("a server that never closes its side", async (t) => {
    const rig = clientRig({ timeouts });
    rig.request();
    rig.server.text();
    rig.server.send(`${head(["content-length: 0", "connection: close"])}`);
    t.ok(rig.server.ended);
    t.notOk(rig.server.closed);
    rig.clock.pass(1_000);
    rig.pump.run();
    t.ok(rig.server.closed);
    t.same(rig.life, ["closed"]);
    await rig.finish();
  });
});

t.test("back-pressure: a paused receiver holds the server, and bounded memory", async (t) => {
  const rig = clientRig({ limits: { bodyBufferBytes: 20_000 } });
  const { heard, exchange } = rig.request();
  let bytes = 0;
  heard.on.head = () => exchange.pauseBody();
  rig.server.text();
  const size = 1_000_000;
  rig.server.queue(`${head([`content-length: ${size}`])}`).queue("x".repeat(size));
  rig.pump.run();
  t.ok(rig.stream.paused);
  t.ok(rig.server.stream.queuedBytes > 800_000);
  t.equal(heard.events.length, 1);
  exchange.resumeBody();
  rig.pump.run();
  bytes = (heard.events[1] ?? "").length - "body ".length;
  t.equal(bytes, size);
  t.same(heard.events.slice(2), ["end", "finish ok"]);
  await rig.finish();
});

t.test("a whole response waits for its receiver, and the connection with it", async (t) => {
  for (const then of ["resumes", "aborts", "server resets", "server sends more", "server ends"] as const) {
    const rig = clientRig();
    const { heard, exchange } = rig.request();
    exchange.pauseBody();
    rig.server.text();
    rig.server.send(OK);
    t.same(heard.events, ["head 200, content-length: 2, 2"], then);
    t.equal(rig.client.available, 0);
    if (then === "server resets") rig.server.reset();
    if (then === "server sends more") rig.server.send("garbage");
    if (then === "server ends") rig.server.end();
    rig.clock.advance(600_000);
    t.notOk(heard.finished);
    if (then === "aborts") exchange.abort(new Error("enough"));
    else exchange.resumeBody();
    if (then === "aborts") t.match(heard.events.at(-1), /^finish ERR_EXCHANGE_ABANDONED maybe/);
    else t.same(heard.events.slice(1), ["body ok", "end", "finish ok"]);
    t.equal(rig.client.available, then === "resumes" ? 1 : 0);
    await rig.finish();
    t.equal(rig.life.filter((event) => event.startsWith("closed")).length, 1);
  }
  // The connection is gone already when the receiver gives up.
  const rig = clientRig();
  const { heard, exchange } = rig.request();
  exchange.pauseBody();
  rig.server.text();
  rig.server.send(OK).reset();
  exchange.abort();
  t.equal(heard.events.at(-1), "finish ERR_EXCHANGE_ABANDONED maybe");
  await rig.finish();
});

t.test("fields stay readable until onFinish, and not beyond", async (t) => {
  const rig = clientRig();
  const { heard } = rig.request();
  rig.server.text();
  rig.server.send(head(["a: b", "content-length: 2", "x:"]));
  rig.server.send("o");
  const { fields } = heard;
  t.equal(fields?.get("a"), "b");
  t.equal(fields?.get("x"), "");
  heard.on.finish = () => t.equal(fields?.get("content-length"), "2");
  rig.server.send("k");
  t.ok(heard.finished);
  const second = rig.request();
  rig.server.text();
  rig.server.send(`${head(["content-length: 2", "x-once: 1"])}ok`);
  t.throws(() => second.heard.fields?.get("content-length"), { code: "ERR_HEAD_GONE" });
  await rig.finish();
});

t.test("abort, from anywhere", async (t) => {
  for (const event of ["inform", "head", "body", "end"]) {
    const rig = clientRig();
    const { heard, exchange } = rig.request();
    rig.server.text();
    heard.on[event] = () => exchange.abort(new Error("enough"));
    rig.server.send(`${head([], "103 X")}${head(["content-length: 4"])}ok`).send("ok");
    t.equal(heard.events.at(-1), "finish ERR_EXCHANGE_ABANDONED maybe", event);
    t.equal(((heard.error as Error).cause as Error).message, "enough");
    t.ok(rig.server.closed);
    await rig.finish();
  }
});

t.test("shutdown", async (t) => {
  const idle = clientRig();
  idle.client.shutdown();
  t.notOk(idle.client.open);
  idle.pump.run();
  t.ok(idle.server.ended);
  idle.server.end();
  t.same(idle.life, ["closed"]);
  idle.client.shutdown();
  idle.client.close();
  await idle.finish();

  const busy = clientRig();
  const { heard } = busy.request();
  busy.server.text();
  busy.client.shutdown();
  t.notOk(busy.client.open);
  t.equal(busy.client.active, 1);
  busy.server.send(OK);
  t.equal(heard.events.at(-1), "finish ok");
  t.ok(busy.server.ended);
  busy.server.send("more").end();
  await busy.finish();
  t.same(busy.life, ["closed"]);
});

t.test("close", async (t) => {
  const rig = clientRig();
  const { heard } = rig.request();
  rig.server.text();
  rig.client.close(new Error("enough"));
  t.match(heard.events, ["finish ERR_EXCHANGE_ABANDONED maybe"]);
  await rig.finish();
  t.same(rig.life, ["closed ERR_EXCHANGE_ABANDONED maybe"]);
});

t.test("the server closes an idle connection", async (t) => {
  const rig = clientRig();
  rig.request();
  rig.server.text();
  rig.server.send(OK).end();
  t.notOk(rig.client.open);
  await rig.finish();
  t.same(rig.life, ["available", "closed"]);
});

t.test("the next request may be made from within onFinish and onAvailable", async (t) => {
  const rig = clientRig();
  const first = rig.request();
  let second: Heard | null = null;
  first.heard.on.finish = () => {
    second = rig.request({ path: "/2" }).heard;
  };
  rig.client.onAvailable = () => void rig.request({ path: "/3" });
  rig.server.text();
  rig.server.send(OK).expect("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").send(OK);
  t.equal((second as Heard | null)?.events.at(-1), "finish ok");
  rig.server.expect("GET /3 HTTP/1.1\r\nhost: a\r\n\r\n");
  await rig.finish();
});

t.test("tunnels", async (t) => {
  const asked = [
    {
      name: "Upgrade",
      request: { upgrade: "WebSocket" },
      answer: head(["connection: upgrade", "upgrade: websocket"], "101 X"),
      event: "tunnel 101, connection: upgrade, upgrade: websocket",
    },
    {
      name: "CONNECT",
      request: { method: "CONNECT", path: "", authority: "b:1" },
      answer: head(["content-length: 5", "transfer-encoding: x"].slice(0, 1)),
      event: "tunnel 200, content-length: 5",
    },
  ];
  for (const { name, request, answer, event } of asked) {
    for (let cut = 1; cut <= answer.length + 5; cut += 1) {
      const rig = clientRig();
      const { heard, exchange } = rig.request(request);
      const got: string[] = [];
      heard.on.tunnel = () => {
        (heard.tunnel as Stream).attach({
          onData(lease): void {
            got.push(textOf(lease));
            lease.release();
          },
          onEnd: () => void got.push("end"),
          onDrain: () => {},
          onClose: (error) => void got.push(error === null ? "close" : `close ${codeOf(error)}`),
        });
      };
      rig.server.text();
      const bytes = `${answer}early`;
      rig.server.send(bytes.slice(0, cut)).send(bytes.slice(cut));
      const wrong = JSON.stringify(heard.events) !== JSON.stringify([event, "finish ok"]) || got.join("") !== "early";
      if (wrong) t.same([heard.events, got], [[event, "finish ok"], ["early"]], `${name} cut at ${cut}`);
      if (exchange.open || rig.client.open || rig.client.available > 0) t.fail("still open");
      (heard.tunnel as Stream).writeBytes(Buffer.from("hello"));
      rig.server.expect("hello").send("back").end();
      (heard.tunnel as Stream).end();
      rig.pump.run();
      if (got.slice(-3).join() !== "back,end,close") t.fail(`${name}: ${got}`);
      await rig.finish();
      if (rig.life.join() !== "closed") t.fail(`${name}: ${rig.life}`);
    }
    t.pass(name);
  }
});

t.test("tunnels: silence, shutdown and close, and one that nobody takes", async (t) => {
  const open = async (): Promise<ReturnType<typeof clientRig> & { heard: Heard }> => {
    const rig = clientRig({ timeouts: { tunnelIdleMs: 5_000 } });
    const { heard } = rig.request({ upgrade: "x" });
    rig.server.text();
    return { ...rig, heard };
  };
  const answer = head(["upgrade: x"], "101 X");
  for (const attached of [true, false]) {
    for (const early of ["", "early"]) {
      for (const end of ["silence", "close", "reset"]) {
        const rig = await open();
        if (attached) {
          rig.heard.on.tunnel = () =>
            rig.heard.tunnel?.attach({ onData: (lease) => lease.release(), onEnd() {}, onDrain() {}, onClose() {} });
        }
        rig.server.send(answer + early);
        rig.client.shutdown();
        t.ok(rig.stream.open, "shutdown leaves it alone");
        if (end === "silence") rig.clock.pass(5_000);
        else if (end === "close") rig.client.close();
        else rig.server.reset();
        await rig.pump.settle();
        // Bytes were given back and nobody has attached: only the deadline finds out.
        rig.clock.pass(5_000);
        await rig.finish();
      }
    }
  }
  t.equal(arena.stats.outstanding, 0);
});
