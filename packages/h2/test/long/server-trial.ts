// server-trial.ts — one connection of a client that we play: requests side by side, noise, and at times a fault.
import { Buffer } from "node:buffer";
import { FakeClock, leaseCheck, memoryPair } from "@percore/core/testing";
import type { Exchange } from "@percore/http";
import * as F from "../../src/codec/frame.ts";
import { hpackJs } from "../../src/hpack-js.ts";
import { H2Server } from "../../src/server/server.ts";
import { arena, bodyOf, fieldLines } from "../harness.ts";
import { Choice } from "./choice.ts";
import { COMMON, type Fault, OF_CLIENTS } from "./faults.ts";
import { lines, type Step, someBody, someFields, someTrailers, stepsOf } from "./messages.ts";
import { noise } from "./noise.ts";
import type { Line } from "./reference-hpack.ts";
import { Wire } from "./wire.ts";

/** Steps without any progress after which a connection is called stalled. */
const IDLE_ROUNDS = 20;

interface Plan {
  readonly id: number;
  readonly steps: Step[];
  readonly method: string;
  readonly fields: string[];
  readonly body: string;
  readonly trailers: string[] | null;
  /** The client resets it midway. */
  readonly gives: boolean;
  sent: number;
}

interface Given {
  readonly informs: number;
  readonly status: number;
  readonly body: string;
  readonly trailers: string[];
}

/** Byte by byte now and then: it takes as long as ten others. */
const PIECES = [16_384, 16_384, 16_384, 16_384, 16_384, 16_384, 100, 100, 7, 1];
const LARGE = "large ".repeat(20_000);
const MIDDLE = "m".repeat(20_000);
const STYLES = 9;

/** Answers in one of many ways. Returns what the client has to get. */
const answer = (exchange: Exchange, style: number): Given => {
  const fields = ["x-style", String(style), ...(style % 2 === 0 ? ["content-type", "text/plain"] : [])];
  const given: Given = { informs: 0, status: 200, body: "", trailers: [] };
  const whole = (status: number, body: string | null): Given => {
    exchange.respond(status, fields, body);
    return { ...given, status, body: body ?? "" };
  };
  switch (style) {
    case 0:
      return whole(200, "small");
    case 1:
      return whole(404, MIDDLE);
    case 2: {
      exchange.begin(206, fields, -1);
      exchange.write("ab");
      const lease = arena.lease(3);
      lease.length = 3;
      lease.bytes.set([99, 100, 101]);
      exchange.writeLease(lease);
      exchange.write(Buffer.alloc(9000, 0x66));
      exchange.end(["x-sum", "1"]);
      return { ...given, status: 206, body: `abcde${"f".repeat(9000)}`, trailers: ["x-sum: 1"] };
    }
    case 3:
      exchange.inform(103, ["link", "</a>"]);
      exchange.begin(200, fields, 4);
      exchange.write("four");
      exchange.end();
      return { ...given, informs: 1, body: "four" };
    case 4:
      return whole(204, null);
    case 5:
      return whole(200, LARGE);
    case 6:
      fields.push("x-long", "l".repeat(20_000));
      return whole(200, "large head");
    case 7:
      fields.push("Date", "own", "content-length", "5");
      return whole(200, "dated");
    default:
      exchange.begin(200, fields, -1);
      for (let part = 0; part < 20; part += 1) exchange.write(Buffer.alloc(5000, 0x70));
      exchange.end();
      return { ...given, body: "p".repeat(100_000) };
  }
};

/** What the handler is to see of a request's fields: crumbs of cookies are one (RFC 9113 §8.2.3). */
const seenFields = (list: readonly Line[]): string[] => {
  const cookie = list.filter(([name]) => name === "cookie").map(([, value]) => value);
  const first = list.findIndex(([name]) => name === "cookie");
  return lines(
    list
      .map((line, at): Line => (at === first ? ["cookie", cookie.join("; ")] : line))
      .filter(([name], at) => name !== "cookie" || at === first),
  );
};

const plan = (choice: Choice, id: number, style: number): Plan => {
  const body = someBody(choice);
  const method = body.length > 0 ? choice.one(["POST", "PUT", "GET"]) : choice.one(["GET", "HEAD", "DELETE", "POST"]);
  const trailers = someTrailers(choice);
  const ordinary: Line[] = someFields(choice);
  if (choice.rarely(3)) ordinary.push(["cookie", "a=b"], ["x-between", "y"], ["cookie", "c=d"]);
  if (choice.rarely(4)) ordinary.push(["te", "trailers"]);
  if (choice.rarely(4)) ordinary.push(["host", "A"]);
  if (choice.rarely(4)) ordinary.push(["priority", choice.one(["u=1", "u=5, i", "bad"])]);
  if (choice.rarely(2)) ordinary.push(["content-length", String(body.length)]);
  const pseudo: Line[] = [
    [":method", method],
    [":scheme", choice.one(["http", "https"])],
    [":path", `/${style}/${id}`],
    [":authority", "a"],
  ];
  const shift = choice.number(4);
  const list = [...pseudo.slice(shift), ...pseudo.slice(0, shift), ...ordinary];
  const steps = stepsOf(choice, [list], body, trailers);
  const gives = choice.rarely(6);
  if (gives) steps.splice(1 + choice.number(steps.length), steps.length, { kind: "reset" });
  return {
    id,
    steps,
    method,
    fields: seenFields(ordinary),
    body: body.toString("latin1"),
    trailers: trailers === null || trailers.length === 0 ? null : lines(trailers),
    gives,
    sent: 0,
  };
};

interface Noted {
  readonly method: string;
  readonly fields: string[];
  readonly body: string;
  readonly trailers: string[] | null;
}

/** @param mutate bytes to feed instead, changed by the caller: only what never may happen is judged then */
export const serverTrial = async (seed: number): Promise<string | null> => {
  const choice = new Choice(seed);
  const clock = new FakeClock(1_000_000);
  const leaks = leaseCheck(arena);
  const reports: unknown[] = [];
  const noted = new Map<number, Noted>();
  const given = new Map<number, Given>();
  const late: (() => void)[] = [];
  const server = new H2Server({
    arena,
    clock,
    wallClock: () => 0,
    report: (error) => reports.push(error),
    hpack: choice.rarely(5) ? hpackJs : undefined,
    limits: { headBytesMax: 65_536 },
    h2: {
      tableBytesMax: choice.one([0, 100, 4096, 10_000]),
      streamWindowBytes: choice.one([65_535, 65_535, 20_000, 200_000]),
    },
    handler: (exchange) => {
      if (exchange.path === "/hold") return;
      const [, style, id] = exchange.path.split("/").map(Number);
      const early = style >= STYLES;
      const respond = (): void => {
        if (exchange.open) given.set(id, answer(exchange, style % STYLES));
      };
      bodyOf(exchange, (body, trailers) => {
        noted.set(id, { method: exchange.method, fields: fieldLines(exchange.fields), body, trailers });
        if (early) return;
        if (id % 3 === 0) late.push(respond);
        else respond();
      });
      if (early) respond();
    },
  });
  const pair = memoryPair({
    arena,
    seed: choice.rarely(3) ? seed : undefined,
    toServer: { chunkBytesMax: choice.one(PIECES) },
  });
  server.accept(pair.server);
  const wire = new Wire(pair.client, pair.pump, choice, false);
  wire.settings(choice.rarely(2) ? [] : [[F.SETTING_INITIAL_WINDOW_SIZE, choice.one([0, 10, 30_000, 65_535])]]);
  wire.flush();
  wire.flush();

  const plans: Plan[] = [];
  let nextId = 1;
  const more = 1 + choice.number(6);
  const open = (): void => {
    if (choice.rarely(6)) nextId += 2;
    plans.push(plan(choice, nextId, choice.number(STYLES + 2)));
    nextId += 2;
  };
  for (let count = 0; count < more; count += 1) open();
  // HEADERS open streams in the order of their ids.
  const begun = (one: Plan): boolean => one.sent > 0;
  const faultAt = choice.rarely(3) ? -1 : choice.number(30);
  let fault: Fault | null = null;
  let victim = 0;
  let idle = 0;
  for (let round = 0; idle < IDLE_ROUNDS; round += 1) {
    if (round === faultAt) {
      fault = choice.one([...COMMON, ...OF_CLIENTS]);
      victim = Math.max(nextId, ...plans.map(({ id }) => id + 2));
      // The streams that were not begun are below it now, and can never be.
      for (const one of plans) if (!begun(one)) one.steps.length = 0;
      if (fault.needsHead === true) {
        wire.headers(
          victim,
          [
            [":method", "POST"],
            [":scheme", "http"],
            [":path", "/hold"],
            [":authority", "a"],
          ],
          false,
        );
      }
      fault.commit({ choice, wire, victim, headSent: fault.needsHead === true, idle: victim + 20 });
      nextId = victim + 2;
      if (fault.scope === "connection") break;
    }
    const ready = plans.filter(
      (one) =>
        one.steps.length > 0 &&
        (begun(one) || plans.every((other) => other.id >= one.id || begun(other) || other.steps.length === 0)),
    );
    if (ready.length === 0 && round > faultAt) break;
    if (ready.length > 0) {
      const one = choice.one(ready);
      const step = one.steps.shift() as Step;
      const left = wire.step(one.id, step);
      if (left !== null) one.steps.unshift(left);
      if (left === step) idle += 1;
      else {
        idle = 0;
        one.sent += 1;
      }
    }
    if (choice.rarely(5))
      noise(
        choice,
        wire,
        plans
          .filter(begun)
          .filter(({ steps }) => steps.length > 0)
          .map(({ id }) => id),
        false,
      );
    if (idle > 0 || choice.rarely(3)) {
      wire.flush();
      if (late.length > 0 && choice.rarely(2)) late.shift()?.();
    }
  }
  const settle = (): void => {
    for (let turn = 0; turn < 6; turn += 1) wire.flush();
  };
  settle();
  while (late.length > 0) late.shift()?.();
  settle();
  wire.settings([[F.SETTING_INITIAL_WINDOW_SIZE, 1_000_000]]);
  wire.allow(0, 100_000_000);
  if (fault?.scope !== "connection") settle();

  const judge = (): string | null => {
    if (wire.wrong !== null) return wire.wrong;
    if (reports.length > 0) return `reported: ${(reports[0] as Error).stack}`;
    if (fault?.scope === "connection") {
      if (wire.goaway !== fault.reason) return `${fault.name}: GOAWAY is ${wire.goaway}, not ${fault.reason}`;
    } else if (wire.goaway !== null) return `GOAWAY ${wire.goaway} for no reason`;
    if (fault?.scope === "stream") {
      const { reset } = wire.seen(victim);
      if (reset !== fault.reason) return `${fault.name}: RST_STREAM is ${reset}, not ${fault.reason}`;
    }
    if (idle >= IDLE_ROUNDS) return "no window opens any more";
    for (const one of plans) {
      const whole = one.steps.length === 0 && one.sent > 0 && !one.gives;
      const got = noted.get(one.id);
      const want: Noted = { method: one.method, fields: one.fields, body: one.body, trailers: one.trailers };
      if (got !== undefined && JSON.stringify(got) !== JSON.stringify(want)) {
        return `request ${one.id} was seen as ${JSON.stringify(got).slice(0, 600)}, is ${JSON.stringify(want).slice(0, 600)}`;
      }
      if (fault?.scope === "connection" || !whole) continue;
      if (got === undefined) return `request ${one.id} was not seen`;
      const complaint = judgeAnswer(one, given.get(one.id), wire);
      if (complaint !== null) return complaint;
    }
    return fault?.scope === "connection" ? null : wire.owed;
  };
  let wrong = judge();
  wire.peer.reset();
  await pair.pump.settle();
  clock.advance(700_000);
  const { connectionsOpen, exchangesOpen } = server.counters;
  if (connectionsOpen + exchangesOpen > 0) wrong ??= `${exchangesOpen} exchanges are open at the end`;
  if (clock.wheel.size > 0) wrong ??= "a deadline is left";
  try {
    leaks.assertNone();
  } catch (error) {
    wrong ??= String(error);
  }
  if (wrong === null && choice.rarely(4)) wrong = mangled(choice, Buffer.concat(wire.sent));
  return wrong;
};

const judgeAnswer = (one: Plan, want: Given | undefined, wire: Wire): string | null => {
  const seen = wire.seen(one.id);
  if (want === undefined) return `request ${one.id} was not answered`;
  const isHead = one.method === "HEAD";
  const head = seen.heads[want.informs];
  if (head?.[0] !== `:status: ${want.status}`) return `answer ${one.id} begins with ${head}`;
  if (seen.heads[0]?.[0] !== (want.informs > 0 ? ":status: 103" : head[0])) return `answer ${one.id}: interim heads`;
  if (seen.body !== (isHead ? "" : want.body)) return `answer ${one.id} has ${seen.body.length} bytes of body`;
  if (head.filter((line) => line.startsWith("date: ")).length !== 1) return `answer ${one.id} has no date, or two`;
  const trailers = seen.heads.slice(want.informs + 1).flat();
  if (trailers.join() !== (isHead ? "" : want.trailers.join())) return `answer ${one.id} has trailers ${trailers}`;
  if (!seen.ended) return `answer ${one.id} has no end`;
  const length = head.find((line) => line.startsWith("content-length: "));
  if (length !== undefined && want.status !== 204 && length !== `content-length: ${want.body.length}`) {
    return `answer ${one.id}: ${length}, body of ${want.body.length}`;
  }
  return seen.reset === null || seen.reset === 0 ? null : `answer ${one.id} was reset with ${seen.reset}`;
};

/** The same bytes with some of them changed: whatever it makes of them, nothing throws and nothing is left. */
const mangled = (choice: Choice, bytes: Buffer): string | null => {
  for (let change = choice.number(6); change >= 0; change -= 1) {
    bytes[24 + choice.number(Math.max(1, bytes.length - 24))] = choice.number(256);
  }
  const clock = new FakeClock(1_000_000);
  const leaks = leaseCheck(arena);
  const reports: unknown[] = [];
  const server = new H2Server({
    arena,
    clock,
    wallClock: () => 0,
    report: (error) => reports.push(error),
    handler: (exchange) => bodyOf(exchange, (body) => exchange.open && exchange.respond(200, [], body)),
  });
  const { client, server: stream, pump } = memoryPair({ arena });
  server.accept(stream);
  const peer = client;
  peer.attach({
    onData: (lease) => lease.release(),
    onEnd: () => undefined,
    onDrain: () => undefined,
    onClose: () => undefined,
  });
  for (let at = 0; at < bytes.length; at += 5000) {
    if (peer.open && !peer.ended) peer.writeBytes(bytes.subarray(at, at + 5000));
    pump.run();
  }
  peer.reset();
  pump.run();
  clock.advance(700_000);
  if (reports.length > 0) return `mangled: reported ${(reports[0] as Error).stack}`;
  if (server.counters.connectionsOpen + server.counters.exchangesOpen > 0)
    return "mangled: something is open at the end";
  try {
    leaks.assertNone();
  } catch (error) {
    return `mangled: ${error}`;
  }
  return null;
};
