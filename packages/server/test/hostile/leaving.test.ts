// leaving.test.ts — clients that leave at every byte of an exchange, by RST and by FIN.
import { t } from "tap";
import { RawClient } from "./raw-client.ts";
import { attack } from "./settled.ts";
import { TARGETS } from "./targets.ts";

const EXCHANGES: readonly { readonly name: string; readonly bytes: string; readonly heads: readonly number[] }[] =
  (() => {
    const get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    const post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    const chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const expect = "POST /d HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    return [
      { name: "GET", bytes: get, heads: [get.length] },
      { name: "a body with a length", bytes: `${post}hello`, heads: [post.length] },
      {
        name: "a chunked body with trailers",
        bytes: `${chunked}5;a=b\r\nhello\r\n0\r\nX: b\r\n\r\n`,
        heads: [chunked.length],
      },
      { name: "a body that waits for 100", bytes: `${expect}hello`, heads: [expect.length] },
      {
        name: "three in a pipe",
        bytes: `${get}${post}hello${get}`,
        heads: [get.length, get.length + post.length, get.length * 2 + post.length + 5],
      },
    ];
  })();

/** Runs `work` for each of `count` cuts, some at a time. */
const eachCut = async (count: number, work: (cut: number) => Promise<void>): Promise<void> => {
  for (let from = 0; from < count; from += 40) {
    await Promise.all(Array.from({ length: Math.min(40, count - from) }, (_, at) => work(from + at)));
  }
};

attack(t, TARGETS, { allowHalfClose: true }, async (t, target) => {
  for (const { name, bytes, heads } of EXCHANGES) {
    const complete = (cut: number): number => heads.filter((end) => end <= cut).length;
    const cuts = bytes.length + 1;

    await t.test(`RST at every byte: ${name}`, async (t) => {
      await target.take();
      await eachCut(cuts, async (cut) => {
        const client = await RawClient.open(target.port);
        await client.send(bytes.slice(0, cut));
        client.reset();
        await client.dispose();
      });
      t.equal((await target.idle()).connections, 0, "no connection is left");
      const calls = await target.take();
      const most = Array.from({ length: cuts }, (_, cut) => complete(cut)).reduce((sum, count) => sum + count, 0);
      t.ok(calls.length <= most, `${calls.length} calls for ${most} complete heads`);
    });

    await t.test(`RST at every byte, once the server has it: ${name}`, async (t) => {
      await eachCut(cuts, async (cut) => {
        const client = await RawClient.open(target.port);
        await client.send(bytes.slice(0, cut));
        await new Promise((resolve) => setTimeout(resolve, 20));
        client.reset();
        await client.dispose();
      });
      t.equal((await target.idle()).connections, 0, "no connection is left");
      await target.take();
    });

    await t.test(`FIN at every byte: ${name}`, async (t) => {
      await target.take();
      const wrong: string[] = [];
      await eachCut(cuts, async (cut) => {
        const client = await RawClient.open(target.port);
        await client.send(bytes.slice(0, cut));
        client.finish();
        if (!(await client.closed(5_000))) wrong.push(`${cut}: not closed`);
        if (client.protocolError !== null) wrong.push(`${cut}: ${client.protocolError.message}`);
        const good = client.answers.filter(({ status }) => status === 200).length;
        if (good > complete(cut) || client.answers.length > complete(cut) + 1) {
          wrong.push(`${cut}: answered ${client.answers.map(({ status }) => status)}`);
        }
        if (cut === bytes.length && good !== heads.length) wrong.push(`whole: ${good} answers`);
        await client.dispose();
      });
      t.same(wrong, []);
      await target.idle();
      const calls = (await target.take()).length;
      const heard = Array.from({ length: cuts }, (_, cut) => complete(cut)).reduce((sum, count) => sum + count, 0);
      t.ok(calls <= heard, `${calls} calls for ${heard} complete heads`);
    });
  }

  await t.test("RST while a long answer is on its way", async (t) => {
    await Promise.all(
      Array.from({ length: 40 }, async (_, at) => {
        const client = await RawClient.open(target.port);
        client.reader.bodyKeptMax = 0;
        await client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        await client.until(() => client.reader.bytes > at * 10_000, 5_000);
        client.reset();
        await client.dispose();
      }),
    );
    t.equal((await target.idle()).connections, 0, "no connection is left");
  });

  await t.test("RST within a body that nobody reads", async (t) => {
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const client = await RawClient.open(target.port);
        client.socket.write("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
        client.socket.write(new Uint8Array(1_000_000));
        await new Promise((resolve) => setTimeout(resolve, 100));
        client.reset();
        await client.dispose();
      }),
    );
    t.equal((await target.idle()).connections, 0, "no connection is left");
  });
});
