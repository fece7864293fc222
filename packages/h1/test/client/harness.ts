// harness.ts — a client on an in-memory connection with a fake clock, a scripted server, and what receivers heard.
import { Arena, type Lease, type Stream } from "@percore/core";
import { FakeClock, leaseCheck, type MemoryStream, memoryPair, type Pump, ScriptedPeer } from "@percore/core/testing";
import {
  type ClientConnection,
  ClientError,
  type ClientExchange,
  type ClientRequest,
  type Fields,
  type ResponseReceiver,
} from "@percore/http";
import { createH1Client, type H1ClientOptions } from "../../src/client/client.ts";

export const arena: Arena = new Arena({ bytes: 64 * 1024 * 1024 });

export const GET: ClientRequest = {
  method: "GET",
  scheme: "http",
  authority: "a",
  path: "/",
  fields: [],
  upgrade: null,
  bodyLength: 0,
};

const lines = (fields: Fields): string[] => {
  const list: string[] = [];
  for (let at = 0; at < fields.size; at += 1) list.push(`${fields.rawNameAt(at)}: ${fields.valueAt(at)}`);
  return list;
};

/** Writes down what it hears, in order; neighbouring body parts are joined. */
export class Heard implements ResponseReceiver {
  readonly events: string[] = [];
  error: Error | null = null;
  finished = false;
  fields: Fields | null = null;
  tunnel: Stream | null = null;
  /** Called after an event of that name was noted. */
  readonly on: { [event: string]: (() => void) | undefined } = {};
  #body = -1;

  onInform(status: number, fields: Fields): void {
    this.#note("inform", `inform ${[status, ...lines(fields)].join(", ")}`);
  }
  onHead(status: number, fields: Fields, bodyLength: number): void {
    this.fields = fields;
    this.#note("head", `head ${[status, ...lines(fields), bodyLength].join(", ")}`);
  }
  onTunnel(status: number, fields: Fields, stream: Stream): void {
    this.tunnel = stream;
    this.#note("tunnel", `tunnel ${[status, ...lines(fields)].join(", ")}`);
  }
  onBody(lease: Lease): void {
    const text = Buffer.from(lease.bytes).toString("latin1");
    lease.release();
    if (this.#body === this.events.length - 1 && this.#body >= 0) this.events[this.#body] += text;
    else this.#body = this.events.push(`body ${text}`) - 1;
    this.on.body?.();
  }
  onBodyEnd(trailers: Fields | null): void {
    this.#note("end", trailers === null ? "end" : `end ${lines(trailers).join(", ")}`);
  }
  onBodyError(error: Error): void {
    this.#note("bodyError", `body error ${codeOf(error)}`);
  }
  onDrain(): void {
    this.#note("drain", "drain");
  }
  onFinish(error: Error | null): void {
    if (this.finished) throw new Error("onFinish was called twice");
    this.finished = true;
    this.error = error;
    this.#note("finish", `finish ${error === null ? "ok" : codeOf(error)}`);
  }

  #note(name: string, text: string): void {
    if (this.finished && name !== "finish") throw new Error(`${name} came behind onFinish`);
    this.events.push(text);
    this.on[name]?.();
  }
}

/** "CODE processed cause's code", as far as there is one. */
export const codeOf = (error: Error): string => {
  const { code, cause } = error as Error & { code?: string; cause?: { code?: string } };
  const processed = error instanceof ClientError ? error.processed : "";
  return [code ?? error.message, processed, cause?.code ?? ""].filter((part) => part !== "").join(" ");
};

export interface ClientRig {
  readonly client: ClientConnection;
  /** The scripted server. */
  readonly server: ScriptedPeer;
  readonly stream: MemoryStream;
  readonly clock: FakeClock;
  readonly pump: Pump;
  readonly reports: unknown[];
  /** What the connection said: "available", "closed" or "closed CODE". */
  readonly life: string[];
  request(request?: Partial<ClientRequest>): { heard: Heard; exchange: ClientExchange };
  /** Resets the connection from the server's side and checks that nothing is held. */
  finish(): Promise<void>;
}

/** @param wire how the wire cuts and delays; see memoryPair */
export const clientRig = (options: Partial<H1ClientOptions> = {}, wire: { seed?: number } = {}): ClientRig => {
  const leaks = leaseCheck(arena);
  const clock = new FakeClock(1_000_000);
  const { client: stream, server: serverSide, pump } = memoryPair({ arena, ...wire });
  const reports: unknown[] = [];
  const life: string[] = [];
  const client = createH1Client(stream, { clock, report: (error) => reports.push(error), ...options });
  client.onAvailable = () => void life.push("available");
  client.onClose = (error) => void life.push(error === null ? "closed" : `closed ${codeOf(error)}`);
  const server = new ScriptedPeer(serverSide, pump);
  return {
    client,
    server,
    stream,
    clock,
    pump,
    reports,
    life,
    request(request = {}) {
      const heard = new Heard();
      return { heard, exchange: client.request({ ...GET, ...request }, heard) };
    },
    async finish(): Promise<void> {
      if (!server.closed) server.reset();
      await pump.settle();
      if (client.open || client.active > 0) throw new Error("the connection is still open");
      if (!life.some((event) => event.startsWith("closed"))) throw new Error("onClose was never called");
      if (clock.wheel.size !== 0) clock.advance(700_000);
      if (clock.wheel.size !== 0) throw new Error("a deadline is still on the wheel");
      leaks.assertNone();
    },
  };
};

/** Sends the bytes in pieces that end at each of `cuts`. */
export const sendCut = (target: ClientRig, bytes: string, cuts: readonly number[]): void => {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= from || target.server.closed) continue;
    target.server.send(bytes.slice(from, cut));
    from = cut;
  }
};
