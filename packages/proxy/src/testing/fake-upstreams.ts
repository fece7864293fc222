// fake-upstreams.ts — servers in memory for tests: they answer as a function says, over real HTTP, without sockets.
import { type Arena, CoreError, type Lease, type Stream } from "@percore/core";
import { memoryPair, Pump } from "@percore/core/testing";
import { H1Server } from "@percore/h1";
import { H2Server } from "@percore/h2";
import { type Clock, DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Exchange } from "@percore/http";
import type { Dial } from "../forward/connector.ts";

/** A request as a fake server has got it. */
export interface FakeRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly host: string;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Addresses that tell connections apart: counts up for each server. */
  readonly connection: number;
}

/** An answer; "reset" closes the connection without one, "silent" never answers. */
export type FakeAnswer =
  | "reset"
  | "silent"
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly trailers?: Readonly<Record<string, string>>;
    };

/** What a server does; "refused" takes no connections. */
export type FakeServer = "refused" | ((request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>);

export class FakeUpstreams {
  /** Every request, in the order in which their heads came, by the server's address as the configuration has it. */
  readonly requests: Map<string, FakeRequest[]> = new Map();
  readonly #servers: Map<string, FakeServer>;
  readonly #arena: Arena;
  readonly #clock: Clock;
  readonly #pump = new Pump({ auto: true });
  readonly #fronts = new Map<string, { h1: H1Server; h2: H2Server }>();
  /** Connections made so far, by server. */
  readonly connections: Map<string, number> = new Map();

  constructor(servers: Readonly<Record<string, FakeServer>>, arena: Arena, clock: Clock) {
    this.#servers = new Map(Object.entries(servers));
    this.#arena = arena;
    this.#clock = clock;
  }

  /** Gives a server another behaviour from the next request on. */
  set(address: string, server: FakeServer): void {
    this.#servers.set(address, server);
  }

  /** Connects to them instead of to sockets. */
  dialWith(protocolOf: (address: string) => "h1" | "h2"): Dial {
    return async ({ text }) => {
      const server = this.#servers.get(text);
      if (server === undefined || server === "refused") {
        throw Object.assign(new CoreError("ERR_ADDRESS_INVALID", `${text}: connection refused`), {
          code: "ECONNREFUSED",
        });
      }
      const { client, server: end } = memoryPair({ arena: this.#arena, pump: this.#pump });
      const count = (this.connections.get(text) ?? 0) + 1;
      this.connections.set(text, count);
      const { h1, h2 } = this.#frontOf(text);
      if (protocolOf(text) === "h2") h2.accept(end);
      else h1.accept(end);
      return client as Stream;
    };
  }

  #frontOf(text: string): { h1: H1Server; h2: H2Server } {
    let front = this.#fronts.get(text);
    if (front === undefined) {
      const shared = {
        arena: this.#arena,
        clock: this.#clock,
        handler: (exchange: Exchange) => this.#serve(text, exchange),
        limits: DEFAULT_LIMITS,
        timeouts: DEFAULT_TIMEOUTS,
        autoContinue: true,
        report: (error: unknown) => console.error(error),
      };
      front = { h1: new H1Server(shared), h2: new H2Server(shared) };
      this.#fronts.set(text, front);
    }
    return front;
  }

  async #serve(text: string, exchange: Exchange): Promise<void> {
    const { fields } = exchange;
    const headers: Record<string, string> = {};
    for (let at = 0; at < fields.size; at += 1) headers[fields.nameAt(at)] = fields.get(fields.nameAt(at)) ?? "";
    const head = { method: exchange.method, target: exchange.path, host: exchange.authority, headers };
    const body = await bodyOf(exchange);
    const request: FakeRequest = { ...head, body, connection: this.connections.get(text) ?? 0 };
    const seen = this.requests.get(text) ?? [];
    seen.push(request);
    this.requests.set(text, seen);
    const server = this.#servers.get(text);
    const answer = typeof server === "function" ? await server(request) : "reset";
    if (!exchange.open) return;
    if (answer === "reset") exchange.abort();
    else if (answer !== "silent") send(exchange, answer);
  }
}

const send = (exchange: Exchange, answer: Exclude<FakeAnswer, string>): void => {
  const { status = 200, headers = {}, body = "", trailers } = answer;
  const fields = Object.entries(headers).flat();
  if (trailers === undefined) {
    exchange.respond(status, fields, body);
    return;
  }
  exchange.begin(status, fields, -1);
  exchange.write(body);
  exchange.end(Object.entries(trailers).flat());
};

const bodyOf = (exchange: Exchange): Promise<string> =>
  new Promise((resolve, reject) => {
    if (exchange.bodyLength === 0) {
      resolve("");
      return;
    }
    const parts: Uint8Array[] = [];
    exchange.receive({
      onBody: (lease: Lease) => {
        parts.push(lease.bytes.slice());
        lease.release();
      },
      onBodyEnd: () => resolve(Buffer.concat(parts).toString()),
      onBodyError: reject,
    });
  });
