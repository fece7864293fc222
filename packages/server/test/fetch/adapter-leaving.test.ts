// adapter-leaving.test.ts — what a handler sees of a client that leaves.
import t from "tap";
import type { ServerContext } from "../../src/fetch/context.ts";
import type { Request } from "../../src/fetch/request.ts";
import { Response } from "../../src/fetch/response.ts";
import { noLeases, run, turns } from "./run.ts";

t.afterEach(noLeases);

t.test("when the client leaves", async (t) => {
  t.test("the signal aborts, once it was asked for", async (t) => {
    let signal: AbortSignal | undefined;
    const { exchange, reports } = run(
      {},
      {
        fetch: async (request) => {
          signal = request.signal;
          await new Promise((_, reject) =>
            request.signal.addEventListener("abort", () => reject(request.signal.reason)),
          );
          return new Response("never");
        },
      },
    );
    t.equal(signal?.aborted, false);
    exchange.leave();
    await turns();
    t.equal(signal?.aborted, true);
    t.match(signal?.reason, { name: "AbortError", code: "ECONNRESET" });
    t.same([exchange.responded, reports], [false, []], "its failure by the abort is nobody's news");
  });
  t.test("a signal asked for afterwards is aborted", async (t) => {
    let request: Request | undefined;
    const { exchange } = run(
      {},
      {
        fetch: async (given) => {
          request = given;
          return new Promise<Response>(() => undefined);
        },
      },
    );
    exchange.leave();
    t.equal(request?.signal.aborted, true);
  });
  t.test("a signal does not abort after a complete response", async (t) => {
    let request: Request | undefined;
    const { exchange } = run(
      {},
      {
        fetch: (given) => {
          request = given;
          void given.signal;
          return new Response("hi");
        },
      },
    );
    await turns();
    t.equal(exchange.open, false);
    t.equal(request?.signal.aborted, false);
    t.equal(request?.signal.aborted, false);
  });
  t.test("a streamed response is cancelled", async (t) => {
    const cancelled: unknown[] = [];
    const stream = new ReadableStream({
      pull: (c) => c.enqueue(new Uint8Array(1)),
      cancel: (reason) => {
        cancelled.push(reason);
      },
    });
    const { exchange, reports } = run({ window: 5 }, { fetch: () => new Response(stream) });
    await turns();
    exchange.leave();
    await turns();
    t.match(cancelled, [{ code: "ECONNRESET" }]);
    t.same(reports, []);
  });
  t.test("a generator is returned", async (t) => {
    let finished = false;
    async function* forever(): AsyncGenerator<string> {
      try {
        for (;;) yield "x";
      } finally {
        finished = true;
      }
    }
    const { exchange } = run({ window: 5 }, { fetch: () => new Response(forever()) });
    await turns();
    exchange.leave();
    await turns();
    t.equal(finished, true);
  });
  t.test("a response that comes too late is cancelled", async (t) => {
    let cancelled = false;
    const { exchange } = run(
      {},
      {
        fetch: async () => {
          await turns(2);
          return new Response(
            new ReadableStream({
              cancel: () => {
                cancelled = true;
              },
            }),
          );
        },
      },
    );
    exchange.leave();
    await turns();
    t.equal(cancelled, true);
  });
  t.test("reading the body fails", async (t) => {
    let failure: unknown;
    const { exchange } = run(
      { method: "POST", body: ["a"], bodyLength: -1 },
      {
        fetch: async (request) =>
          new Response(
            await request.text().catch((error: unknown) => {
              failure = error;
              throw error;
            }),
          ),
      },
    );
    exchange.leave();
    await turns();
    t.match(failure, { code: "ECONNRESET" });
  });
  t.test("completed tells", async (t) => {
    let context: ServerContext | undefined;
    const gone = run(
      {},
      {
        fetch: (_, info) => {
          context = info;
          void info.completed;
          return new Promise<Response>(() => undefined);
        },
      },
    );
    gone.exchange.leave();
    await t.rejects(context?.completed as Promise<void>, { name: "AbortError" });
    run(
      {},
      {
        fetch: (_, info) => {
          context = info;
          void info.completed;
          return new Response("hi");
        },
      },
    );
    await t.resolves(context?.completed as Promise<void>);
  });
});
