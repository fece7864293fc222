// pressure.ts — slow readers, slow handlers, clients that leave, and more exchanges than receive buffers.
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { type Bench, RECEIVE_BUFFERS, settles, type Test } from "./bench.ts";
import { closeGate } from "./service.ts";
import { keepAliveAgent, reach } from "./transport.ts";

const MIB = 1024 * 1024;
/** What may be under way between a producer and a consumer that has stopped: our queue, and the kernel's both ways. */
const UNDER_WAY_MAX = 14 * MIB;
/** Blocks that one stalled exchange may hold: a multishot receive can take every receive buffer before it is stopped. */
const LEASES_MAX = RECEIVE_BUFFERS + 16;

export const pressureSuite = (t: Test, bench: Bench): Promise<void> =>
  t.test("pressure", async (t) => {
    const { client, service, server, leases, transport } = bench;
    const { notes } = service;

    t.test("a slow reader holds bounded memory", async (t) => {
      const size = 64 * MIB;
      notes.pulled = 0;
      const before = leases();
      const { response, outgoing } = await openResponse(bench, `/stream?n=${size}`);
      await rests(() => notes.pulled);
      t.ok(notes.pulled < UNDER_WAY_MAX, `${notes.pulled} bytes were asked for while nobody read`);
      t.ok(leases() - before <= LEASES_MAX, `${leases() - before} blocks are held`);
      let got = 0;
      for await (const chunk of response) got += (chunk as Buffer).length;
      t.equal(got, size, "everything came in the end");
      outgoing.destroy();
    });

    t.test("a slow handler holds the client back", async (t) => {
      const size = 48 * MIB;
      notes.read = 0;
      closeGate(notes);
      const before = leases();
      const outgoing = request({ ...reach(server), path: "/slow-in", method: "POST" });
      const answered = new Promise<IncomingMessage>((resolve, reject) =>
        outgoing.once("response", resolve).once("error", reject),
      );
      let sent = 0;
      const block = Buffer.alloc(65_536, 0x63);
      const feed = async (): Promise<void> => {
        while (sent < size) {
          sent += block.length;
          if (!outgoing.write(block)) await new Promise((resolve) => outgoing.once("drain", resolve));
        }
        outgoing.end();
      };
      const fed = feed();
      await rests(() => sent);
      t.ok(sent < UNDER_WAY_MAX, `${sent} bytes were sent while nobody read`);
      t.ok(leases() - before <= LEASES_MAX, `${leases() - before} blocks are held`);
      notes.go();
      await fed;
      const response = await answered;
      let text = "";
      for await (const chunk of response) text += chunk;
      t.equal(text, String(size));
    });

    t.test("a slow echo holds both", async (t) => {
      const outgoing = request({ ...reach(server), path: "/echo", method: "POST" });
      const answered = new Promise<IncomingMessage>((resolve, reject) =>
        outgoing.once("response", resolve).once("error", reject),
      );
      const before = leases();
      const size = 40 * MIB;
      let sent = 0;
      const block = Buffer.alloc(65_536, 0x64);
      const feed = async (): Promise<void> => {
        while (sent < size) {
          sent += block.length;
          if (!outgoing.write(block)) await new Promise((resolve) => outgoing.once("drain", resolve));
        }
        outgoing.end();
      };
      const fed = feed();
      const response = await answered;
      response.pause();
      await rests(() => sent);
      t.ok(sent < 2 * UNDER_WAY_MAX, `${sent} bytes were sent while nobody read the echo`);
      t.ok(leases() - before <= LEASES_MAX, `${leases() - before} blocks are held`);
      let got = 0;
      for await (const chunk of response) got += (chunk as Buffer).length;
      await fed;
      t.equal(got, size);
    });

    t.test("a client that leaves", async (t) => {
      notes.aborted.length = 0;
      closeGate(notes);
      const outgoing = request({ ...reach(server), path: "/hold" });
      outgoing.on("error", () => undefined);
      outgoing.end();
      t.ok(await settles(() => server.stats().exchangesOpen === 1));
      outgoing.destroy();
      t.ok(await settles(() => notes.aborted.length === 1), "the signal aborts");
      t.equal(notes.aborted[0]?.code, "ERR_CLIENT_LEFT");
      notes.go();

      const cancelled = notes.cancelled;
      const streaming = await openResponse(bench, `/stream?n=${64 * MIB}`);
      streaming.outgoing.destroy();
      t.ok(await settles(() => notes.cancelled === cancelled + 1), "a streamed response is cancelled");

      closeGate(notes);
      const kept = client.ask({ path: "/hold" });
      await settles(() => server.stats().exchangesOpen === 1);
      notes.go();
      t.equal((await kept).body.toString(), "held");
      await new Promise((resolve) => setTimeout(resolve, 20));
      t.equal(notes.aborted.length, 1, "no signal aborts after its response");
      t.ok(await settles(() => server.stats().exchangesOpen === 0));
    });

    t.test("more unfinished exchanges than receive buffers all get answers", async (t) => {
      closeGate(notes);
      const agent = keepAliveAgent(server);
      const many = 150;
      const answers = Array.from({ length: many }, (_, index) => {
        const outgoing = request({
          ...reach(server),
          agent,
          path: "/hold",
          method: "POST",
          headers: { "content-length": "10" },
        });
        // Half of a body that nobody reads: its bytes must not keep a buffer.
        outgoing.write("half.");
        const answered = textOf(outgoing);
        setTimeout(() => outgoing.end("half."), 200 + index);
        return answered;
      });
      t.ok(await settles(() => server.stats().exchangesOpen === many), `${server.stats().exchangesOpen} are open`);
      t.equal((await client.ask({ path: "/hello" })).body.toString(), "hello", "another one is answered meanwhile");
      notes.go();
      const texts = await Promise.all(answers);
      t.equal(texts.filter((text) => text === "held").length, many);
      agent.destroy();
    });

    t.test("limits", async (t) => {
      const small = await bench.start({ limits: { bodyBytesMax: 1_000, headBytesMax: 2_000, targetBytesMax: 500 } });
      const asks = transport.client(small);
      t.equal((await asks.ask({ path: "/size", method: "POST", body: "x".repeat(1_000) })).body.toString(), "1000");
      t.equal((await asks.ask({ path: "/size", method: "POST", body: "x".repeat(1_001) })).status, 413);
      t.equal((await asks.ask({ path: `/${"x".repeat(600)}` })).status, 414);
      t.equal((await asks.ask({ path: "/hello", headers: { "x-long": "x".repeat(3_000) } })).status, 431);
      async function* endless(): AsyncGenerator<string> {
        for (let index = 0; index < 20; index += 1) yield "x".repeat(100);
      }
      const late = await asks.ask({ path: "/size", method: "POST", body: endless() });
      t.equal(late.status, 413, "also where the length is not announced");
      asks.close();
      await small.close();
    });
  }) as unknown as Promise<void>;

/** Sends a GET and gives the response with nothing of its body read. */
const openResponse = async (
  bench: Bench,
  path: string,
): Promise<{ response: IncomingMessage; outgoing: ClientRequest }> => {
  const outgoing = request({ ...reach(bench.server), path });
  outgoing.end();
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.once("response", resolve).once("error", reject),
  );
  outgoing.on("error", () => undefined);
  response.on("error", () => undefined);
  response.pause();
  return { response, outgoing };
};

const textOf = (outgoing: ClientRequest): Promise<string> =>
  new Promise((resolve, reject) => {
    outgoing.once("error", reject);
    outgoing.once("response", async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
  });

/** Waits until a figure has stood still for a while. */
const rests = async (figure: () => number): Promise<void> => {
  let last = -1;
  for (let tries = 0; tries < 40; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = figure();
    if (now === last && now > 0) return;
    last = now;
  }
};
