// closing.ts — a server that closes: nobody in flight is reset, nobody who is just sending, and it ends in time.
import { request } from "node:http";
import { type Bench, settles, type Test } from "./bench.ts";
import { Raw } from "./raw.ts";
import { closeGate } from "./service.ts";
import { keepAliveAgent, reach } from "./transport.ts";

export const closingSuite = (t: Test, bench: Bench): Promise<void> =>
  t.test("closing", async (t) => {
    const { service, start, transport } = bench;
    const { notes } = service;

    t.test("requests in flight are answered", async (t) => {
      const server = await start();
      const client = transport.client(server);
      closeGate(notes);
      const held = Array.from({ length: 20 }, () => client.ask({ path: "/hold" }));
      await settles(() => server.stats().exchangesOpen === 20);
      const closed = server.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      notes.go();
      const answers = await Promise.all(held);
      t.equal(answers.filter(({ body }) => body.toString() === "held").length, 20);
      await closed;
      await server.closed;
      await t.rejects(client.ask({ path: "/hello" }), "nobody listens any more");
      client.close();
    });

    t.test("under load no request fails but by a refused connection", async (t) => {
      const server = await start();
      const agent = keepAliveAgent(server);
      let answered = 0;
      const failures: string[] = [];
      let stop = false;
      const loop = async (): Promise<void> => {
        while (!stop) {
          const failure = await new Promise<string | null>((resolve) => {
            const outgoing = request({ ...reach(server), agent, path: "/async" });
            outgoing.once("error", (error: NodeJS.ErrnoException) => resolve(`${error.code} ${outgoing.reusedSocket}`));
            outgoing.once("response", (response) => {
              response.resume();
              response.once("end", () => resolve(null));
            });
            outgoing.end();
          });
          if (failure === null) answered += 1;
          else if (/^(ECONNREFUSED|ENOENT) false$/.test(failure)) return;
          else failures.push(failure);
        }
      };
      // The address is gone after close(); what loops need to know of it is taken before.
      const loops = Array.from({ length: 16 }, loop);
      await settles(() => answered > 200);
      await server.close();
      stop = true;
      await Promise.all(loops);
      t.same(failures, []);
      t.ok(answered > 200);
      agent.destroy();
    });

    t.test(
      "a client that is just sending on an idle connection is answered",
      { skip: transport.socket === null && "writes HTTP/1.1 by hand" },
      async (t) => {
        const server = await start();
        const raw = new Raw(await (transport.socket as NonNullable<typeof transport.socket>)(server));
        raw.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
        await raw.until((text) => text.endsWith("hello"));
        raw.text = "";
        const closed = server.close();
        raw.send("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
        const text = await raw.untilEnd();
        t.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/);
        t.match(text, /connection: close/i);
        t.equal(raw.error, null);
        raw.close();
        await closed;
      },
    );

    t.test("the deadline resets what is left", async (t) => {
      const server = await start({ drainMs: 200 });
      const client = transport.client(server);
      closeGate(notes);
      const held = client.ask({ path: "/hold" });
      await settles(() => server.stats().exchangesOpen === 1);
      const before = Date.now();
      const outcome = t.rejects(held);
      await server.close();
      await outcome;
      t.ok(Date.now() - before < 2_000, `closed after ${Date.now() - before} ms`);
      notes.go();
      client.close();
    });

    t.test("waitUntil holds it open", async (t) => {
      let done = false;
      const server = await start({
        fetch: (_, info) => {
          info.waitUntil(
            new Promise((resolve) => setTimeout(resolve, 150)).then(() => {
              done = true;
            }),
          );
          return new Response("hi");
        },
      });
      const client = transport.client(server);
      await client.ask({ path: "/" });
      client.close();
      await server.close();
      t.equal(done, true);
    });

    t.test("signal, destroy and asyncDispose", async (t) => {
      const controller = new AbortController();
      const first = await start({ signal: controller.signal });
      controller.abort();
      await first.closed;
      const second = await start();
      const client = transport.client(second);
      closeGate(notes);
      const held = t.rejects(client.ask({ path: "/hold" }));
      await settles(() => second.stats().exchangesOpen === 1);
      second.destroy();
      await held;
      await second.closed;
      notes.go();
      client.close();
      const third = await start();
      await third[Symbol.asyncDispose]();
      await third.closed;
    });
  }) as unknown as Promise<void>;
