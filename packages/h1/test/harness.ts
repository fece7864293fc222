// harness.ts — a server on an in-memory connection with a fake clock, and what its handler saw.
import { Arena, type Lease } from "@percore/core";
import {
  FakeClock,
  type LeakCheck,
  leaseCheck,
  type MemoryStream,
  memoryPair,
  type Pump,
  ScriptedPeer,
} from "@percore/core/testing";
import type { Exchange, Fields, Handler } from "@percore/http";
import type { ServerConnection } from "../src/server/connection.ts";
import { H1Server, type H1ServerOptions } from "../src/server/server.ts";

/** One arena for all tests of a file: what is outstanding at the end of each is compared with its beginning. */
export const arena: Arena = new Arena({ bytes: 64 * 1024 * 1024 });

/** A request as a handler saw it. */
export interface Seen {
  method: string;
  target: string;
  path: string;
  authority: string;
  version: string;
  fields: string[];
  bodyLength: number;
  body: string;
  trailers: string[] | null;
  error: string | null;
}

export interface Rig {
  server: H1Server;
  connection: ServerConnection;
  peer: ScriptedPeer;
  stream: MemoryStream;
  clock: FakeClock;
  pump: Pump;
  seen: Seen[];
  reports: unknown[];
  leaks: LeakCheck;
  /** Ends the connection from the client's side, lets deadlines pass, and checks that nothing is held. */
  finish(): Promise<void>;
}

export const DATE = "Thu, 01 Jan 1970 00:00:00 GMT";

export const fieldLines = (fields: Fields): string[] => {
  const lines: string[] = [];
  for (let at = 0; at < fields.size; at += 1) lines.push(`${fields.rawNameAt(at)}: ${fields.valueAt(at)}`);
  return lines;
};

export const textOf = (lease: Lease): string => Buffer.from(lease.bytes).toString("latin1");

/** Records the request with its body and calls back when it is complete, or failed. */
export const record = (exchange: Exchange, seen: Seen[], done: (seen: Seen) => void): void => {
  const entry: Seen = {
    method: exchange.method,
    target: exchange.target,
    path: exchange.path,
    authority: exchange.authority,
    version: exchange.version,
    fields: fieldLines(exchange.fields),
    bodyLength: exchange.bodyLength,
    body: "",
    trailers: null,
    error: null,
  };
  seen.push(entry);
  exchange.receive({
    onBody(lease): void {
      entry.body += textOf(lease);
      lease.release();
    },
    onBodyEnd(trailers): void {
      entry.trailers = trailers === null ? null : fieldLines(trailers);
      done(entry);
    },
    onBodyError(error): void {
      entry.error = (error as Error & { code?: string }).code ?? error.message;
      done(entry);
    },
  });
};

export interface RigOptions extends Partial<Omit<H1ServerOptions, "arena" | "clock">> {
  /** Default: records the request with its body, then answers 200 with "ok". */
  handler?: Handler;
}

export const rig = (options: RigOptions = {}): Rig => {
  const leaks = leaseCheck(arena);
  const clock = new FakeClock(1_000_000);
  const { client, server: serverSide, pump } = memoryPair({ arena });
  const seen: Seen[] = [];
  const reports: unknown[] = [];
  const handler: Handler =
    options.handler ??
    ((exchange): void => {
      record(exchange, seen, (entry) => {
        if (entry.error === null) exchange.respond(200, [], "ok");
      });
    });
  const server = new H1Server({
    wallClock: () => 0,
    report: (error) => reports.push(error),
    ...options,
    handler,
    arena,
    clock,
  });
  const connection = server.accept(serverSide);
  const peer = new ScriptedPeer(client, pump);
  return {
    server,
    connection,
    peer,
    stream: serverSide,
    clock,
    pump,
    seen,
    reports,
    leaks,
    async finish(): Promise<void> {
      if (!peer.closed) peer.end();
      await pump.settle();
      for (let turn = 0; turn < 3 && !peer.closed; turn += 1) {
        clock.advance(700_000);
        await pump.settle();
      }
      peer.bytes();
      if (server.counters.connectionsOpen !== 0) throw new Error("the connection is still open");
      if (server.counters.exchangesOpen !== 0) throw new Error("exchanges are still open");
      if (clock.wheel.size !== 0) clock.advance(700_000);
      if (clock.wheel.size !== 0) throw new Error("a deadline is still on the wheel");
      leaks.assertNone();
    },
  };
};

/** Sends the bytes in pieces that end at each of `cuts`, everything that moves at rest in between. */
export const feed = async (target: Rig, bytes: string, cuts: readonly number[]): Promise<string> => {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= from) continue;
    if (target.peer.closed) break;
    target.peer.send(bytes.slice(from, cut));
    from = cut;
  }
  await target.pump.settle();
  return target.peer.text();
};

/** Whole, byte by byte, and cut in two at each offset (at every `stride`-th where there are many). */
export function* everySplit(size: number, stride = 1): Generator<number[]> {
  yield [];
  yield Array.from({ length: size }, (_, at) => at);
  for (let at = 1; at < size; at += stride) yield [at];
}

/** A response head as the server writes it. */
export const head = (status: string, ...lines: string[]): string =>
  `${[`HTTP/1.1 ${status}`, ...lines].join("\r\n")}\r\n\r\n`;

/** The whole response to an ordinary request here. */
export const OK: string = `${head("200 OK", `date: ${DATE}`, "content-length: 2")}ok`;

/** The server's own answer to what it refuses. */
export const refusal = (status: string): string => {
  const body = `${status}\n`;
  return `${head(status, "content-type: text/plain", `date: ${DATE}`, "connection: close", `content-length: ${body.length}`)}${body}`;
};

/** Status codes in what a server sent, and whether it closed: enough to compare splits. */
export const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]);

/** A request and what comes of it. */
export interface Row {
  name: string;
  bytes: string;
  /** What the handler saw (of the first request, or of each), or the status line of the refusal. */
  want: Partial<Seen> | Partial<Seen>[] | string;
  /** Statuses of all responses, where they are more than the one that `want` tells. */
  statuses?: string;
  options?: RigOptions;
}

/** As much of a tap test as the rows need. */
interface Verdicts {
  pass(name: string): unknown;
  fail(name: string): unknown;
}

/** Feeds each row whole, byte by byte and cut in two at every offset; all must come to the same. */
export const runRows = async (test: Verdicts, rows: readonly Row[]): Promise<void> => {
  for (const row of rows) {
    const { bytes, options } = row;
    const many = bytes.length > 1000;
    for (const cuts of everySplit(bytes.length, many ? 997 : 1)) {
      if (many && cuts.length > 1) cuts.splice(200);
      const target = rig(options);
      const text = await feed(target, bytes, cuts);
      const wrong = compare(row, target, text);
      if (wrong !== null)
        test.fail(`${row.name}, cut at ${cuts.length > 1 ? "every byte" : (cuts[0] ?? "none")}: ${wrong}`);
      await target.finish();
      if (wrong !== null) break;
    }
    test.pass(row.name);
  }
};

const compare = (row: Row, target: Rig, text: string): string | null => {
  const { want } = row;
  const got = statuses(text).join(" ");
  if (typeof want === "string") {
    const expected = row.statuses ?? want.slice(0, 3);
    if (got !== expected) return `answered ${JSON.stringify(text)}, not ${expected}`;
    if (!text.endsWith(refusal(want))) return `refused with ${JSON.stringify(text)}`;
    return target.seen.length === got.split(" ").length - 1 ? null : `the handler saw ${target.seen.length} requests`;
  }
  const wanted = Array.isArray(want) ? want : [want];
  const expected = row.statuses ?? wanted.map(() => "200").join(" ");
  if (got !== expected) return `answered ${JSON.stringify(text)}, not ${expected}`;
  for (const [at, part] of wanted.entries()) {
    for (const [key, value] of Object.entries(part)) {
      const seen = JSON.stringify(target.seen[at]?.[key as keyof Seen]);
      if (seen !== JSON.stringify(value)) return `request ${at}: ${key} is ${seen}, not ${JSON.stringify(value)}`;
    }
  }
  return target.seen.length === wanted.length ? null : `the handler saw ${target.seen.length} requests`;
};
