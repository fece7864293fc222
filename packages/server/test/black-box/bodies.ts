// bodies.ts — bodies of all kinds and sizes, both ways.
import { createHash } from "node:crypto";
import type { Bench, Test } from "./bench.ts";

const SIZES = [0, 1, 2, 100, 4_095, 4_096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 1_000_000];

const pattern = (size: number): Buffer => {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index < size; index += 1) bytes[index] = (index * 31 + (index >> 8)) & 0xff;
  return bytes;
};

const digest = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex");

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    if (at % (size * 8) === 0) await new Promise(setImmediate);
  }
}

export const bodiesSuite = (t: Test, bench: Bench): Promise<void> =>
  t.test("bodies", async (t) => {
    const { client, service } = bench;

    t.test("echo, by length and in chunks", async (t) => {
      for (const size of SIZES) {
        const bytes = pattern(size);
        for (const path of ["/echo", "/size"]) {
          const whole = await client.ask({ path, method: "POST", body: bytes });
          const chunked = await client.ask({ path, method: "POST", body: cut(bytes, 9_973) });
          for (const [how, answer] of Object.entries({ whole, chunked })) {
            const title = `${path} ${size} ${how}`;
            if (path === "/size") t.equal(answer.body.toString(), String(size), title);
            else t.equal(digest(answer.body), digest(bytes), title);
          }
        }
      }
    });

    t.test("many small chunks", async (t) => {
      const bytes = pattern(20_000);
      const answer = await client.ask({ path: "/echo", method: "POST", body: cut(bytes, 7) });
      t.equal(digest(answer.body), digest(bytes));
    });

    t.test("responses of every size", async (t) => {
      for (const size of SIZES) {
        t.equal((await client.ask({ path: `/bytes?n=${size}` })).body.length, size, `bytes ${size}`);
        t.equal(
          (await client.ask({ path: `/string?n=${size}` })).body.length,
          size * 2,
          `string ${size}, two bytes each`,
        );
        const { body, headers } = await client.ask({ path: `/stream?n=${size}` });
        t.equal(body.length, size, `stream ${size}`);
        t.equal(headers["content-length"], undefined, "the length of a stream is not known");
      }
      t.equal((await client.ask({ path: "/iterate" })).body.toString(), "abc");
      const blob = await client.ask({ path: "/blob" });
      t.same(
        [blob.body.toString(), blob.headers["content-length"], blob.headers["content-type"]],
        ["blob", "4", "x/y"],
      );
    });

    t.test("readers", async (t) => {
      const text = "héllo wörld €".repeat(5_000);
      t.equal((await client.ask({ path: "/text", method: "POST", body: text })).body.toString(), text);
      t.equal(
        (await client.ask({ path: "/text", method: "POST", body: cut(Buffer.from(text), 7_001) })).body.toString(),
        text,
      );
      const json = JSON.stringify({ list: [1, 2, { three: "3" }] });
      t.equal((await client.ask({ path: "/json", method: "POST", body: json })).body.toString(), json);
      t.equal((await client.ask({ path: "/clone", method: "POST", body: text })).body.toString(), "same");
      const form = await client.ask({
        path: "/form",
        method: "POST",
        body: "a=1&b=2",
        headers: { "content-type": "application/x-www-form-urlencoded" },
      });
      t.equal(form.body.toString(), '["a","b"]');
      const multipart = '--x\r\ncontent-disposition: form-data; name="one"\r\n\r\n1\r\n--x--\r\n';
      const parts = await client.ask({
        path: "/form",
        method: "POST",
        body: multipart,
        headers: { "content-type": "multipart/form-data; boundary=x" },
      });
      t.equal(parts.body.toString(), '["one"]');
      const bad = await client.ask({ path: "/json", method: "POST", body: "{" });
      t.equal(bad.status, 500);
    });

    t.test("a body nobody reads", async (t) => {
      for (const size of [1, 100_000, 3_000_000]) {
        const answer = await client.ask({ path: "/unread", method: "POST", body: pattern(size) });
        t.same([answer.status, answer.body.toString()], [200, "did not look"], `${size}`);
        const cancelled = await client.ask({ path: "/cancel", method: "POST", body: pattern(size) });
        t.equal(cancelled.body.toString(), "cancelled", `${size} cancelled`);
      }
      t.equal((await client.ask({ path: "/hello" })).status, 200);
    });

    t.test("a body read in part and forgotten holds its connection for a while, not for good", async (t) => {
      const [first, second] = [bench.transport.client(bench.server), bench.transport.client(bench.server)];
      const some = await first.ask({ path: "/some", method: "POST", body: pattern(200_000) });
      t.equal(some.body.toString(), "had some");
      t.equal((await second.ask({ path: "/hello" })).body.toString(), "hello", "others go on");
      t.equal((await first.ask({ path: "/hello" })).body.toString(), "hello", "and so does its own, in the end");
      first.close();
      second.close();
    });

    t.test("a stream that fails halfway is no complete answer", async (t) => {
      await t.rejects(client.ask({ path: "/broken-stream" }));
      t.equal((await client.ask({ path: "/hello" })).status, 200);
    });

    t.equal(service.notes.cancelled >= 0, true);
  }) as unknown as Promise<void>;
