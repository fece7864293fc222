// percore-service.ts — Percore behind the routes of service.ts, by the raw handler and by the fetch handler.
import { currentRuntime, type Lease } from "@percore/core";
import type { BodyReceiver, Exchange } from "@percore/http";
import { type Request, Response, type ServeOptions, serve } from "../../src/index.ts";
import {
  BIG_BYTES,
  BIG_CHUNK,
  note,
  queryValue,
  routeOf,
  type Service,
  type ServiceLog,
  type ServiceOptions,
} from "./service.ts";

/** COUNTERS.inflight of @percore/native, which this package does not import. */
const INFLIGHT = 7;

/** Counts the body and answers when it is whole. */
class Echo implements BodyReceiver {
  readonly #exchange: Exchange;
  readonly #log: ServiceLog;
  #bytes = 0;

  constructor(exchange: Exchange, log: ServiceLog) {
    this.#exchange = exchange;
    this.#log = log;
  }

  onBody(lease: Lease): void {
    this.#bytes += lease.length;
    lease.release();
  }

  onBodyEnd(): void {
    const { method, target } = this.#exchange;
    note(this.#log, method, target, this.#bytes);
    this.#exchange.respond(200, [], `${method} ${target} ${this.#bytes}`);
  }

  onBodyError(): void {
    note(this.#log, this.#exchange.method, this.#exchange.target, "failed");
  }
}

/** Takes what comes first and no more. */
class Hold implements BodyReceiver {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  onBody(lease: Lease): void {
    lease.release();
    this.#exchange.pauseBody();
  }

  onBodyEnd(): void {}

  onBodyError(): void {}
}

const sendBig = (exchange: Exchange): void => {
  let left = BIG_BYTES;
  exchange.begin(200, [], left);
  const more = (): void => {
    while (left > 0) {
      left -= BIG_CHUNK.length;
      if (!exchange.write(BIG_CHUNK)) break;
    }
    if (left === 0) {
      exchange.onDrain = null;
      exchange.end();
    }
  };
  exchange.onDrain = more;
  more();
};

const handler =
  (log: ServiceLog) =>
  (exchange: Exchange): void | Promise<void> => {
    log.calls += 1;
    const { method, target } = exchange;
    switch (routeOf(target)) {
      case "ignore":
        note(log, method, target, "ignored");
        exchange.respond(200, [], "ignored");
        return;
      case "big":
        sendBig(exchange);
        return;
      case "stall":
        return;
      case "hold":
        exchange.receive(new Hold(exchange));
        return;
      case "throw":
        throw new Error("secret");
      case "reject":
        return Promise.reject(new Error("secret"));
      case "field":
        exchange.respond(200, ["x-query", queryValue(target)], null);
        return;
      case "echo":
        exchange.receive(new Echo(exchange, log));
    }
  };

const bigBody = (): ReadableStream<Uint8Array> => {
  let left = BIG_BYTES;
  return new ReadableStream({
    pull: (controller) => {
      left -= BIG_CHUNK.length;
      controller.enqueue(BIG_CHUNK);
      if (left === 0) controller.close();
    },
  });
};

const echo = async (request: Request, target: string, log: ServiceLog): Promise<Response> => {
  let bytes = 0;
  try {
    if (request.body !== null) for await (const chunk of request.body) bytes += chunk.length;
  } catch (error) {
    note(log, request.method, target, "failed");
    throw error;
  }
  note(log, request.method, target, bytes);
  return new Response(`${request.method} ${target} ${bytes}`);
};

const fetchHandler =
  (log: ServiceLog): NonNullable<ServeOptions["fetch"]> =>
  (request, { exchange: { target } }) => {
    log.calls += 1;
    switch (routeOf(target)) {
      case "ignore":
        note(log, request.method, target, "ignored");
        return new Response("ignored");
      case "big":
        return new Response(bigBody(), { headers: { "content-length": String(BIG_BYTES) } });
      case "stall":
        return new Promise(() => {});
      case "hold":
        return request.body === null
          ? new Response()
          : request.body
              .getReader()
              .read()
              .then(() => new Promise<Response>(() => {}));
      case "throw":
        throw new Error("secret");
      case "reject":
        return Promise.reject(new Error("secret"));
      case "field":
        return new Response(null, { headers: { "x-query": queryValue(target) } });
      case "echo":
        return echo(request, target, log);
    }
  };

export const startPercoreService = async (options: ServiceOptions, log: ServiceLog): Promise<Service> => {
  const { kind, ...settings } = options;
  const where = { port: 0, hostname: "127.0.0.1", drainMs: 1_000, ...settings };
  // Handlers here fail on purpose; what they throw is not news.
  const who: ServeOptions =
    kind === "fetch"
      ? { fetch: fetchHandler(log), error: () => new Response("failed", { status: 500 }) }
      : { handler: handler(log) };
  const server = serve({ ...where, ...who });
  await server.ready;
  const runtime = currentRuntime();
  return {
    port: server.address?.port ?? 0,
    arenaSize: runtime.arena.stats.bytes,
    gauges: () => {
      const { connections, leases, timers } = runtime.stats;
      return {
        driver: runtime.driver.kind,
        connections,
        leases,
        receiveCap: runtime.ring.receiveCap,
        heldBytes: runtime.arena.blocks.heldBytes,
        timers,
        inflight: runtime.ring.native.counters()[INFLIGHT],
      };
    },
    close: () => server.close(),
  };
};
