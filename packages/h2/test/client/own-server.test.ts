// Our client and our server with each other, over connections that cut and delay at random.
import { Buffer } from "node:buffer";
import type { Stream, StreamHandler } from "@percore/core";
import { FakeClock, leaseCheck, memoryPair } from "@percore/core/testing";
import type { ClientRequest, Exchange } from "@percore/http";
import t, { type Test } from "tap";
import { createH2Client, type H2ClientOptions } from "../../src/client/client.ts";
import type { H2ClientConnection } from "../../src/client/connection.ts";
import { hpackJs } from "../../src/hpack-js.ts";
import { H2Server, type H2ServerOptions } from "../../src/server/server.ts";
import { arena, bodyOf, textOf } from "../harness.ts";
import { ask, connectTo, Heard, upload } from "./harness.ts";

class Both {
  readonly clock: FakeClock = new FakeClock(1_000_000);
  readonly client: H2ClientConnection;
  readonly server: H2Server;
  readonly reports: unknown[] = [];
  closed: Error | null | undefined;
  readonly pump;
  readonly #leaks = leaseCheck(arena);

  constructor(
    handler: (exchange: Exchange) => void,
    seed?: number,
    options: Partial<H2ClientOptions> = {},
    server: Partial<H2ServerOptions> = {},
  ) {
    const pair = memoryPair({ arena, seed });
    this.pump = pair.pump;
    const report = (error: unknown): void => void this.reports.push(error);
    this.server = new H2Server({ arena, clock: this.clock, handler, report, ...server });
    this.server.accept(pair.server);
    this.client = createH2Client(pair.client, { report, ...options, clock: this.clock });
    this.client.onClose = (error) => {
      this.closed = error;
    };
  }

  ask(request: ClientRequest): Heard & { exchange: ReturnType<H2ClientConnection["request"]> } {
    const heard = new Heard() as ReturnType<Both["ask"]>;
    heard.exchange = this.client.request(request, heard);
    return heard;
  }

  async finish(t: Test): Promise<void> {
    this.client.shutdown();
    await this.pump.settle();
    t.equal(this.closed, null);
    t.same(this.reports, []);
    const { connectionsOpen, exchangesOpen } = this.server.counters;
    t.same([connectionsOpen, exchangesOpen, this.client.active], [0, 0, 0]);
    this.clock.advance(700_000);
    t.equal(this.clock.wheel.size, 0);
    this.#leaks.assertNone();
  }
}

const echo = (exchange: Exchange): void => {
  exchange.begin(200, ["x-method", exchange.method], exchange.bodyLength);
  exchange.onDrain = () => exchange.resumeBody();
  exchange.receive({
    onBody: (lease) => {
      if (!exchange.writeLease(lease)) exchange.pauseBody();
    },
    onBodyEnd: (trailers) => exchange.end(trailers === null ? [] : ["x-sum", trailers.get("x-sum") ?? ""]),
    onBodyError: () => undefined,
  });
};

/** Sends a body as fast as it is taken. */
const feed = (both: Both, size: number, request = upload()): ReturnType<Both["ask"]> => {
  const heard = both.ask(request);
  let left = size;
  const go = (): void => {
    while (left > 0) {
      const part = Math.min(left, 30_000);
      left -= part;
      if (!heard.exchange.write(Buffer.alloc(part, left % 251))) return;
    }
    heard.exchange.end(["x-sum", String(size)]);
  };
  heard.behind = (line) => {
    if (line === "drain") go();
  };
  go();
  return heard;
};

t.test("uploads come back, in whatever pieces", async (t) => {
  for (let seed = 0; seed < 12; seed += 1) {
    for (const hpack of [undefined, hpackJs]) {
      const both = new Both(echo, seed, { hpack });
      const sizes = [0, 1, 1000, 100_000, 300_000];
      const all = sizes.map((size) => feed(both, size));
      await both.pump.settle();
      for (const [at, heard] of all.entries()) {
        t.equal(heard.body.length, sizes[at], `seed ${seed}: ${heard.lines.join(", ")}`);
        t.same(heard.lines.filter((line) => line !== "drain").slice(1), [`end x-sum: ${sizes[at]}`, "finish"]);
      }
      await both.finish(t);
    }
  }
});

t.test("a hundred requests each way of asking", async (t) => {
  const both = new Both((exchange) =>
    bodyOf(exchange, (body) => exchange.respond(200, ["x-path", exchange.path], exchange.method + body)),
  );
  const all = Array.from({ length: 100 }, (_, at) =>
    at % 3 === 0 ? feed(both, at) : both.ask(ask({ method: at % 3 === 1 ? "GET" : "HEAD", path: `/${at}` })),
  );
  await both.pump.settle();
  for (const [at, heard] of all.entries()) {
    const want = at % 3 === 0 ? `POST${"x".repeat(at)}`.length : at % 3 === 1 ? 3 : 0;
    t.equal(heard.body.length, want);
    t.equal(heard.lines.at(-1), "finish");
  }
  await both.finish(t);
});

t.test("a tunnel over CONNECT and over extended CONNECT carries both ways until both have ended", async (t) => {
  for (const upgrade of [null, "websocket"]) {
    for (let seed = 0; seed < 6; seed += 1) {
      const both = new Both((exchange) => {
        const stream = exchange.tunnel([]);
        stream.attach({
          onData: (lease) => stream.write(lease),
          onEnd: () => stream.end(),
          onDrain: () => undefined,
          onClose: () => undefined,
        });
      }, seed);
      const heard = both.ask(connectTo(upgrade));
      await both.pump.settle();
      let got = "";
      const lines: string[] = [];
      const end: StreamHandler = {
        onData(lease) {
          got += textOf(lease);
          lease.release();
        },
        onEnd: () => lines.push("end"),
        onDrain: () => lines.push("drain"),
        onClose: (error) => lines.push(`close ${error}`),
      };
      const { stream } = heard;
      stream?.attach(end);
      for (let sent = 0; sent < 10; sent += 1) stream?.writeBytes(Buffer.alloc(30_000, 0x61 + sent));
      stream?.onFlushed(() => lines.push("flushed"));
      stream?.end();
      await both.pump.settle();
      t.equal(got.length, 300_000);
      t.same(
        lines.filter((line) => line !== "drain"),
        ["flushed", "end", "close null"],
      );
      await both.finish(t);
    }
  }
});

t.test("a server that drains: what was sent is answered, then both close", async (t) => {
  const waiting: Exchange[] = [];
  const both = new Both((exchange) => void waiting.push(exchange));
  const all = [1, 2, 3].map(() => both.ask(ask()));
  await both.pump.settle();
  void both.server.drain();
  await both.pump.settle();
  t.equal(both.client.open, false);
  for (const exchange of waiting) exchange.respond(200, [], "last");
  await both.pump.settle();
  t.ok(all.every(({ body, lines }) => body === "last" && lines.at(-1) === "finish"));
  await both.finish(t);
});

t.test("either side gives streams up at any moment", async (t) => {
  for (let seed = 0; seed < 40; seed += 1) {
    const both = new Both((exchange) => {
      if (exchange.path === "/server") {
        exchange.begin(200, [], -1);
        exchange.write(Buffer.alloc(seed * 1000));
        exchange.abort();
      } else echo(exchange);
    }, seed);
    const byUs = feed(both, 200_000);
    const byServer = both.ask(ask({ path: "/server" }));
    const stays = feed(both, 100_000);
    for (let step = 0; step < seed * 11; step += 1) both.pump.step();
    byUs.exchange.abort();
    await both.pump.settle();
    t.ok(byUs.finished && byServer.finished);
    t.match(byServer.lines.at(-1), /^finish ERR_CONNECTION_CLOSED/);
    t.equal(stays.body.length, 100_000);
    t.equal(stays.lines.at(-1), "finish");
    await both.finish(t);
  }
});

t.test("a server that allows one stream, and one that refuses", async (t) => {
  const both = new Both((exchange) => exchange.respond(200, [], "ok"), undefined, {}, { h2: { streamsMax: 1 } });
  const first = both.ask(ask());
  const second = both.ask(ask());
  await both.pump.settle();
  t.equal(first.lines.at(-1), "finish");
  t.ok(second.finished, second.lines.join());
  t.equal(both.client.available, 1);
  await both.finish(t);
});

t.test("a server's tunnel that is held back hears what came before it hears the end", async (t) => {
  const lines: string[] = [];
  let tunnel: Stream | null = null;
  const both = new Both((exchange) => {
    const stream = exchange.tunnel([]);
    tunnel = stream;
    stream.attach({
      onData(lease) {
        lines.push(textOf(lease));
        lease.release();
      },
      onEnd: () => lines.push("end"),
      onDrain: () => lines.push("drain"),
      onClose: (error) => lines.push(`close ${error}`),
    });
    stream.pause();
    stream.end();
  });
  const heard = both.ask(connectTo());
  await both.pump.settle();
  heard.stream?.attach({
    onData: (lease) => lease.release(),
    onEnd: () => undefined,
    onDrain: () => undefined,
    onClose: () => undefined,
  });
  heard.stream?.writeBytes(Buffer.from("last words"));
  heard.stream?.end();
  await both.pump.settle();
  t.same(lines, []);
  (tunnel as Stream | null)?.resume();
  t.same(lines, ["last words", "end", "close null"]);
  await both.finish(t);
});
