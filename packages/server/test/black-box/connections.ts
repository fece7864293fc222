// connections.ts — what only a bare HTTP/1.1 connection shows: pipelining, keep-alive, tunnels, batches.

import type { Bench, Test } from "./bench.ts";
import { count, Raw } from "./raw.ts";
import { closeGate } from "./service.ts";

const get = (path: string, ...fields: string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: a.example\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`;

export const connectionsSuite = (t: Test, bench: Bench): Promise<void> => {
  const { transport, server, service } = bench;
  const { socket } = transport;
  if (socket === null)
    return t.test("connections", { skip: "no bare HTTP/1.1 here" }, async () => {}) as unknown as Promise<void>;
  const open = async (): Promise<Raw> => new Raw(await socket(server));

  return t.test("connections", async (t) => {
    t.test("pipelined requests are answered in order", async (t) => {
      const raw = await open();
      closeGate(service.notes);
      raw.send(get("/hold") + get("/method") + get("/async") + get("/hello"));
      await new Promise((resolve) => setTimeout(resolve, 50));
      t.equal(raw.text, "", "nothing overtakes the first");
      service.notes.go();
      const text = await raw.until((text) => count(text, "hello") === 2);
      t.match(text, /held[\s\S]*GET[\s\S]*hello[\s\S]*hello$/);
      t.equal(count(text, "HTTP/1.1 200 OK"), 4);
      raw.send(get("/hello").repeat(50));
      t.equal(count(await raw.until((text) => count(text, "HTTP/1.1 200 OK") === 54), "HTTP/1.1 200 OK"), 54);
      raw.close();
    });

    t.test("keep-alive and its end", async (t) => {
      const raw = await open();
      raw.send(get("/hello"));
      await raw.until((text) => text.endsWith("hello"));
      raw.send(get("/hello", "connection: close"));
      const text = await raw.untilEnd();
      t.equal(count(text, "hello"), 2);
      t.match(text, /connection: close/i);
      t.equal(raw.ended, true);
      const old = await open();
      old.send("GET /hello HTTP/1.0\r\n\r\n");
      t.match(await old.untilEnd(), /^HTTP\/1\.[01] 200 OK\r\n[\s\S]*hello$/);
    });

    t.test("malformed requests are refused and the connection closed", async (t) => {
      for (const [bytes, status] of [
        ["nonsense\r\n\r\n", 400],
        ["GET / HTTP/1.1\r\n\r\n", 400],
        ["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400],
        ["GET / HTTP/3.7\r\nhost: a\r\n\r\n", 505],
      ] as const) {
        const raw = await open();
        raw.send(bytes);
        const text = await raw.untilEnd();
        t.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), bytes.split("\r\n")[0]);
        raw.close();
      }
    });

    t.test("trailers of a request", async (t) => {
      const raw = await open();
      raw.send(
        "POST /trailers-in HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n",
      );
      t.match(await raw.until((text) => text.endsWith("body7")), /body7$/);
      raw.close();
    });

    t.test("upgrade, with bytes that came along", async (t) => {
      const raw = await open();
      raw.send(`${get("/", "connection: upgrade", "upgrade: echo")}early`);
      const head = await raw.until((text) => text.endsWith("early"));
      t.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
      t.match(head, /\r\nx-tunnel: 1\r\n/);
      t.match(head, /\r\n\r\nearly$/, "what was read already comes first");
      raw.send("late");
      t.match(await raw.until((text) => text.endsWith("earlylate")), /earlylate$/);
      const big = "0123456789".repeat(200_000);
      raw.text = "";
      raw.send(big);
      t.equal((await raw.until((text) => text.length >= big.length)) === big, true, "two megabytes and back");
      raw.socket.end();
      await raw.untilEnd();
      t.equal(raw.error, null, "both ends close in order");
    });

    t.test("upgrade to web streams", async (t) => {
      const server = await bench.start({
        connect: async (context) => {
          const { readable, writable } = await context.accept();
          void readable.pipeTo(writable);
        },
      });
      const raw = new Raw(await socket(server));
      raw.send(`${get("/", "connection: upgrade", "upgrade: echo")}early`);
      await raw.until((text) => text.endsWith("early"));
      raw.text = "";
      const big = "0123456789".repeat(100_000);
      raw.send(big);
      t.equal((await raw.until((text) => text.length >= big.length)) === big, true);
      raw.socket.end();
      await raw.untilEnd();
      t.equal(raw.error, null);
      await server.close();
    });

    t.test("CONNECT", async (t) => {
      const raw = await open();
      raw.send("CONNECT b.example:443 HTTP/1.1\r\nhost: b.example:443\r\n\r\n");
      await raw.until((text) => text.endsWith("\r\n\r\n"));
      t.match(raw.text, /^HTTP\/1\.1 200 /);
      raw.text = "";
      raw.send("ping");
      t.equal(await raw.until((text) => text.length >= 4), "ping");
      raw.socket.end();
      await raw.untilEnd();
      const plain = await bench.start({ connect: undefined });
      const other = new Raw(await socket(plain));
      other.send("CONNECT b.example:443 HTTP/1.1\r\nhost: b.example:443\r\n\r\n");
      t.match(await other.until((text) => text.includes("\r\n\r\n")), /^HTTP\/1\.1 501 /);
      other.close();
      await plain.close();
    });

    t.test("a refused upgrade is an ordinary answer", async (t) => {
      const raw = await open();
      raw.send(get("/", "connection: upgrade", "upgrade: refused"));
      t.match(await raw.until((text) => text.endsWith("no")), /^HTTP\/1\.1 403 /);
      raw.send(get("/hello"));
      t.match(await raw.until((text) => text.endsWith("hello")), /hello$/, "the connection goes on");
      raw.close();
    });

    t.test("handlers of one batch do not see each other's AsyncLocalStorage", async (t) => {
      const raw = await open();
      raw.send([1, 2, 3, 4].map((id) => get(`/als?id=${id}`)).join(""));
      const text = await raw.until((text) => text.endsWith("none 4"));
      for (const id of [1, 2, 3, 4]) t.ok(text.includes(`none ${id}`), `request ${id} sees its own`);
      raw.close();
      const several = await Promise.all(Array.from({ length: 8 }, open));
      for (const [id, one] of several.entries()) one.send(get(`/als?id=${id}`));
      for (const [id, one] of several.entries()) {
        t.match(await one.until((text) => text.includes("none")), new RegExp(`none ${id}$`));
        one.close();
      }
    });
  }) as unknown as Promise<void>;
};
