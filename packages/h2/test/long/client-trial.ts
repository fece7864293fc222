// client-trial.ts — one connection of a server that we play: responses side by side, noise, and at times a fault.
import { Buffer } from "node:buffer";
import { FakeClock, leaseCheck, memoryPair } from "@percore/core/testing";
import type { ClientExchange, ClientRequest } from "@percore/http";
import { createH2Client } from "../../src/client/client.ts";
import type { H2ClientConnection } from "../../src/client/connection.ts";
import * as F from "../../src/codec/frame.ts";
import { ErrorCode } from "../../src/errors.ts";
import { hpackJs } from "../../src/hpack-js.ts";
import { Heard } from "../client/harness.ts";
import { arena, frame, u32 } from "../harness.ts";
import { Choice } from "./choice.ts";
import { COMMON, type Fault, OF_SERVERS } from "./faults.ts";
import { lines, type Step, someBody, someFields, someTrailers, stepsOf } from "./messages.ts";
import { noise } from "./noise.ts";
import type { Line } from "./reference-hpack.ts";
import { Wire } from "./wire.ts";

/** Steps without any progress after which a connection is called stalled. */
const IDLE_ROUNDS = 20;

interface Upload {
  readonly fields: readonly Line[];
  readonly body: Buffer;
  readonly trailers: readonly Line[] | null;
  /** Its caller never says that it is complete. */
  readonly lazy: boolean;
}

interface Plan {
  readonly id: number;
  readonly method: string;
  readonly upload: Upload;
  readonly heard: Heard & { exchange: ClientExchange };
  readonly steps: Step[];
  /** What the receiver has to hear. */
  readonly lines: string[];
  readonly body: string;
  /** The server resets it midway with this code, or -1. */
  readonly gives: number;
  /** Our own side gives it up midway. */
  abandoned: boolean;
}

const begin = (choice: Choice, client: H2ClientConnection, id: number): Plan => {
  const body = someBody(choice);
  const hasBody = body.length > 0 || choice.rarely(3);
  const method = hasBody ? "POST" : choice.one(["GET", "HEAD", "GET", "DELETE"]);
  const bodyLength = !hasBody ? 0 : choice.rarely(2) ? body.length : -1;
  const upload: Upload = {
    fields: someFields(choice),
    body,
    trailers: bodyLength !== 0 ? someTrailers(choice) : null,
    lazy: bodyLength !== 0 && choice.rarely(6),
  };
  const request: ClientRequest = {
    method,
    scheme: "http",
    authority: "a",
    path: `/${id}`,
    fields: upload.fields.flat(),
    upgrade: null,
    bodyLength,
  };
  const heard = new Heard() as Plan["heard"];
  heard.exchange = client.request(request, heard);
  if (bodyLength !== 0) give(choice, heard, upload);
  return { id, method, upload, heard, ...answer(choice, method), abandoned: false };
};

/** Gives the body as fast as it is taken. */
const give = (choice: Choice, heard: Plan["heard"], { body, trailers, lazy }: Upload): void => {
  let at = 0;
  const go = (): void => {
    while (at < body.length && heard.exchange.open) {
      const part = body.subarray(at, at + 1 + choice.number(20_000));
      at += part.length;
      const way = choice.number(3);
      let more = true;
      if (way === 0) more = heard.exchange.write(part.toString("latin1"));
      else if (way === 1) more = heard.exchange.write(part);
      else {
        const lease = arena.lease(part.length);
        lease.length = part.length;
        lease.bytes.set(part);
        more = heard.exchange.writeLease(lease);
      }
      if (!more) return;
    }
    if (!lazy && at === body.length) heard.exchange.end(trailers?.flat());
  };
  heard.behind = (line) => {
    if (line === "drain") go();
    else if (line === "body" && choice.rarely(4)) heard.exchange.pauseBody();
  };
  go();
};

const answer = (choice: Choice, method: string): Pick<Plan, "steps" | "lines" | "body" | "gives"> => {
  const status = choice.one([200, 200, 200, 404, 204, 304, 799]);
  const empty = method === "HEAD" || status === 204 || status === 304;
  const body = empty ? Buffer.alloc(0) : someBody(choice);
  const trailers = empty ? null : someTrailers(choice);
  const informs = choice.rarely(3) ? 1 + choice.number(3) : 0;
  const hint: Line[] = [["link", "</a>"]];
  const fields: Line[] = [...someFields(choice), ["set-cookie", "a"], ["set-cookie", "b"]];
  const announced = choice.rarely(2);
  if (announced) fields.push(["content-length", empty ? "77" : String(body.length)]);
  const heads: Line[][] = Array.from({ length: informs }, () => [[":status", "103"], ...hint]);
  heads.push([[":status", String(status)], ...fields]);
  const steps = stepsOf(choice, heads, body, trailers);
  const endsWithHead = steps.at(-1)?.kind === "headers" && steps.length === heads.length;
  const length = empty || endsWithHead ? 0 : announced ? body.length : -1;
  const heard = [
    ...heads.slice(0, informs).map(() => `inform 103 ${lines(hint)}`),
    `head ${status} ${length} ${lines(fields).join()}`,
    `end ${trailers === null ? "" : lines(trailers).join()}`.trimEnd(),
    "finish",
  ];
  const gives = choice.rarely(6) ? choice.one([ErrorCode.CANCEL, ErrorCode.REFUSED_STREAM, 99]) : -1;
  if (gives >= 0) steps.splice(choice.number(steps.length), steps.length, { kind: "reset" });
  return { steps, lines: heard, body: body.toString("latin1"), gives };
};

export const clientTrial = async (seed: number): Promise<string | null> => {
  const choice = new Choice(seed);
  const clock = new FakeClock(1_000_000);
  const leaks = leaseCheck(arena);
  const reports: unknown[] = [];
  const pair = memoryPair({
    arena,
    seed: choice.rarely(3) ? seed : undefined,
    toClient: { chunkBytesMax: choice.one([16_384, 16_384, 16_384, 16_384, 16_384, 100, 100, 7, 1]) },
  });
  const client = createH2Client(pair.client, {
    clock,
    report: (error) => reports.push(error),
    hpack: choice.rarely(5) ? hpackJs : undefined,
    limits: { headBytesMax: 65_536 },
    h2: {
      tableBytesMax: choice.one([0, 100, 4096, 10_000]),
      streamWindowBytes: choice.one([65_535, 65_535, 20_000, 200_000]),
      streamsMax: 20,
    },
  });
  let closed = false;
  client.onClose = () => {
    closed = true;
  };
  const wire = new Wire(pair.server, pair.pump, choice, true);
  const plans: Plan[] = [];
  let nextId = 1;
  const start = (): Plan => {
    const plan = begin(choice, client, nextId);
    nextId += 2;
    plans.push(plan);
    return plan;
  };
  // Before the server has said a word, or behind it.
  if (choice.rarely(2)) start();
  wire.settings(choice.rarely(2) ? [] : [[F.SETTING_INITIAL_WINDOW_SIZE, choice.one([0, 10, 30_000, 65_535])]]);
  wire.flush();
  wire.flush();
  for (let count = 1 + choice.number(5); count > 0; count -= 1) start();
  const faultAt = choice.rarely(3) ? -1 : choice.number(30);
  const held = faultAt >= 0 ? new Heard() : null;
  const victim = nextId;
  if (held !== null) {
    client.request(
      { method: "POST", scheme: "http", authority: "a", path: "/hold", fields: [], upgrade: null, bodyLength: -1 },
      held,
    );
    nextId += 2;
  }
  wire.flush();
  let fault: Fault | null = null;
  let idle = 0;
  for (let round = 0; idle < IDLE_ROUNDS; round += 1) {
    if (round === faultAt) {
      fault = choice.one([...COMMON, ...OF_SERVERS]);
      if (fault.needsHead === true) wire.headers(victim, [[":status", "200"]], false);
      fault.commit({ choice, wire, victim, headSent: fault.needsHead === true, idle: 9999 });
      if (fault.scope === "connection") break;
    }
    const ready = plans.filter(({ steps }) => steps.length > 0);
    if (ready.length === 0 && round > faultAt) break;
    if (ready.length > 0) {
      const one = choice.one(ready);
      const step = one.steps.shift() as Step;
      let left: Step | null = null;
      if (step.kind === "reset") wire.queue(frame(F.RST_STREAM, 0, one.id, u32(one.gives)));
      else left = wire.step(one.id, step);
      if (left !== null) one.steps.unshift(left);
      // A stream that was given up gets no window any more.
      if (left === step && one.abandoned) one.steps.length = 0;
      else if (left === step) idle += 1;
      else idle = 0;
      if (choice.rarely(60) && one.heard.exchange.open) {
        // The server goes on for a while: it does not know yet.
        one.abandoned = true;
        one.heard.exchange.abort();
        if (choice.rarely(2)) one.steps.length = 0;
      }
    }
    if (choice.rarely(5))
      noise(
        choice,
        wire,
        plans.map(({ id }) => id),
        true,
      );
    if (idle > 0 || choice.rarely(3)) {
      wire.flush();
      for (const { heard } of plans) if (choice.rarely(2) || idle > 2) heard.exchange.resumeBody();
    }
  }
  for (let turn = 0; turn < 6; turn += 1) {
    for (const { heard } of plans) {
      heard.behind = heard.behind === null ? null : heard.behind;
      heard.exchange.resumeBody();
    }
    wire.flush();
  }
  for (const { heard } of plans)
    for (let turn = 0; turn < 500 && heard.exchange.open; turn += 1) heard.exchange.resumeBody();
  if (fault?.scope !== "connection") {
    wire.settings([[F.SETTING_INITIAL_WINDOW_SIZE, 1_000_000]]);
    wire.allow(0, 100_000_000);
    for (let turn = 0; turn < 6; turn += 1) wire.flush();
  }
  const judge = (): string | null => {
    if (wire.wrong !== null) return wire.wrong;
    if (reports.length > 0) return `reported: ${(reports[0] as Error).stack}`;
    if (fault?.scope === "connection") {
      if (wire.goaway !== fault.reason) return `${fault.name}: GOAWAY is ${wire.goaway}, not ${fault.reason}`;
      if (
        held?.lines.at(-1) !== "finish ERR_RESPONSE_INVALID maybe" &&
        held?.lines.at(-1) !== "finish ERR_RESPONSE_INVALID no"
      ) {
        return `${fault.name}: heard as ${held?.lines}`;
      }
    } else if (wire.goaway !== null) return `GOAWAY ${wire.goaway} for no reason`;
    if (fault?.scope === "stream") {
      const { reset } = wire.seen(victim);
      if (reset !== fault.reason) return `${fault.name}: RST_STREAM is ${reset}, not ${fault.reason}`;
      if (held?.error?.code !== "ERR_RESPONSE_INVALID") return `${fault.name}: heard as ${held?.lines}`;
    }
    if (idle >= IDLE_ROUNDS) return "no window opens any more";
    for (const one of plans) {
      const complaint = judgePlan(one, wire, fault?.scope === "connection");
      if (complaint !== null) return `request ${one.id}: ${complaint}`;
    }
    return fault?.scope === "connection" ? null : wire.owed;
  };
  let wrong = judge();
  held?.finished === false && client.close();
  client.close();
  wire.peer.reset();
  await pair.pump.settle();
  if (!closed) wrong ??= "onClose was not called";
  if (client.active + client.streams.size > 0) wrong ??= "something is under way at the end";
  if (plans.some(({ heard }) => !heard.finished)) wrong ??= "a request has not finished";
  clock.advance(700_000);
  if (clock.wheel.size > 0) wrong ??= "a deadline is left";
  try {
    leaks.assertNone();
  } catch (error) {
    wrong ??= String(error);
  }
  if (wrong === null && choice.rarely(4)) wrong = mangled(choice, Buffer.concat(wire.sent));
  return wrong;
};

const judgePlan = (one: Plan, wire: Wire, cut: boolean): string | null => {
  const { heard, upload } = one;
  const seen = wire.seen(one.id);
  const got = heard.lines.filter((line) => line !== "drain");
  const finish = got.at(-1) ?? "";
  const sentBody = upload.body.toString("latin1");
  // The way up: as a text it is UTF-8, and these bodies are ASCII.
  if (!sentBody.startsWith(seen.body)) return "its body has come changed";
  const head = seen.heads[0] ?? [];
  const wanted = [
    `:method: ${one.method}`,
    `:scheme: http`,
    `:path: /${one.id}`,
    `:authority: a`,
    ...lines(upload.fields.map(([name, value]): Line => [name, value.trim()])),
  ];
  if (head.filter((line) => !line.startsWith("content-length")).join() !== wanted.join()) return `its head is ${head}`;
  if (
    seen.ended &&
    (seen.body !== sentBody || seen.heads.slice(1).flat().join() !== lines(upload.trailers ?? []).join())
  ) {
    return "it ended before its end";
  }
  const isFailure = finish.startsWith("finish ERR");
  if (cut && isFailure) return isPrefix(one, got) ? null : `heard ${got}, not ${one.lines}`;
  if (one.abandoned && isFailure) {
    if (!isPrefix(one, got)) return `heard ${got}, not ${one.lines}`;
    return seen.reset === ErrorCode.CANCEL || (seen.ended && one.steps.length === 0)
      ? null
      : `aborted, and reset with ${seen.reset}`;
  }
  if (one.gives >= 0 && one.steps.length === 0 && isFailure) {
    const processed = one.gives === ErrorCode.REFUSED_STREAM ? "no" : "maybe";
    if (finish !== `finish ERR_CONNECTION_CLOSED ${processed}`) return `finished as ${finish}`;
    return isPrefix(one, got) ? null : `heard ${got}, not ${one.lines}`;
  }
  if (got.join("|") !== one.lines.join("|")) return `heard ${got}, not ${one.lines}`;
  if (heard.body !== one.body) return `heard ${heard.body.length} bytes of ${one.body.length}`;
  if (!cut && !seen.ended && seen.reset !== ErrorCode.CANCEL) return `neither ended nor reset (${seen.reset})`;
  return null;
};

/** Everything heard before the failure was right. */
const isPrefix = (one: Plan, got: readonly string[]): boolean => {
  const before = got.filter((line) => !line.startsWith("finish") && !line.startsWith("body error"));
  return one.body.startsWith(one.heard.body) && one.lines.join("|").startsWith(before.join("|"));
};

/** The same bytes with some of them changed: whatever it makes of them, nothing throws and nothing is left. */
const mangled = (choice: Choice, bytes: Buffer): string | null => {
  for (let change = choice.number(6); change >= 0; change -= 1) {
    if (bytes.length > 0) bytes[choice.number(bytes.length)] = choice.number(256);
  }
  const clock = new FakeClock(1_000_000);
  const leaks = leaseCheck(arena);
  const reports: unknown[] = [];
  const { client: stream, server, pump } = memoryPair({ arena });
  const client = createH2Client(stream, { clock, report: (error) => reports.push(error) });
  const all = Array.from({ length: 6 }, (_, at) => {
    const heard = new Heard();
    const method = at % 2 === 0 ? "GET" : "POST";
    const exchange = client.request(
      {
        method,
        scheme: "http",
        authority: "a",
        path: "/",
        fields: [],
        upgrade: null,
        bodyLength: at % 2 === 0 ? 0 : -1,
      },
      heard,
    );
    if (at % 2 === 1) exchange.write(Buffer.alloc(50_000));
    return heard;
  });
  server.attach({
    onData: (lease) => lease.release(),
    onEnd: () => undefined,
    onDrain: () => undefined,
    onClose: () => undefined,
  });
  for (let at = 0; at < bytes.length; at += 5000) {
    if (server.open) server.writeBytes(bytes.subarray(at, at + 5000));
    pump.run();
  }
  server.reset();
  pump.run();
  clock.advance(700_000);
  if (reports.length > 0) return `mangled: reported ${(reports[0] as Error).stack}`;
  if (client.active > 0 || all.some(({ finished }) => !finished)) return "mangled: something is under way at the end";
  try {
    leaks.assertNone();
  } catch (error) {
    return `mangled: ${error}`;
  }
  return null;
};
