// trial.ts — one stream of bytes through the server: what the handler saw and what the client got, judged by the model.
import type { Exchange } from "@percore/http";
import { arena, feed, fieldLines, rig, textOf } from "../harness.ts";
import { readResponses } from "./answers.ts";
import { type ModelLimits, type ModelOutcome, type ModelRequest, readStream } from "./model.ts";

export const LIMITS: ModelLimits = {
  headBytesMax: 700,
  fieldsMax: 12,
  targetBytesMax: 60,
  bodyBytesMax: 200,
  chunkOverheadBytesMax: 64,
};

const REFUSALS = new Set([400, 413, 414, 417, 431, 501, 505]);

/** A response that the handler gave and the client has to get. */
interface Given {
  method: string;
  status: number;
  fields: string[];
  body: string;
  trailers: string[];
}

const LONG = "long ".repeat(30);
const utf8 = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
/** Lists differ in identity but not in content, and some do in content: the store of heads has to tell them apart. */
const fieldsOf = (style: number): string[] => [
  "x-style",
  String(style % 3),
  ...(style % 2 === 0 ? ["content-type", "text/plain"] : []),
];

/** Answers in one of many ways, which the request chooses. Returns what the client has to get. */
const answer = (exchange: Exchange, style: number): Given => {
  const fields = fieldsOf(style);
  const given: Given = { method: exchange.method, status: 200, fields, body: "", trailers: [] };
  const whole = (status: number, body: string | Uint8Array | null, shown: string): Given => {
    exchange.respond(status, fields, body);
    return { ...given, status, body: shown };
  };
  switch (style % 13) {
    case 0:
      return whole(200, "short", "short");
    case 1:
      return whole(404, LONG, LONG);
    case 2:
      return whole(200, "ä€", utf8("ä€"));
    case 3:
      return whole(500, new Uint8Array([0, 13, 10, 255]), "\0\r\n\xff");
    case 4:
      return whole(204, null, "");
    case 5:
      return whole(200, exchange.target.slice(0, 30), exchange.target.slice(0, 30));
    case 6: {
      const chunked = exchange.version === "1.1";
      exchange.begin(206, fields, chunked ? -1 : 9);
      exchange.write("ab");
      const lease = arena.lease(3);
      lease.bytes.set([99, 100, 101]);
      exchange.writeLease(lease);
      exchange.write(new Uint8Array([102, 103]));
      exchange.write("é");
      exchange.end(["x-sum", "1"]);
      return { ...given, status: 206, body: `abcdefg${utf8("é")}`, trailers: chunked ? ["x-sum: 1"] : [] };
    }
    case 7:
      exchange.begin(200, fields, 4);
      exchange.write("four");
      exchange.end();
      return { ...given, body: "four" };
    case 8:
      return whole(200, "x".repeat(20_000), "x".repeat(20_000));
    case 9:
      fields.push("Date", "own", "Connection", "keep-alive", "content-length", "4");
      return { ...whole(200, "four", "four"), fields: fields.slice(0, -6) };
    case 10:
      fields.push("x-long", "l".repeat(1500));
      return { ...whole(200, "large head", "large head"), fields: fields.slice(0, -2) };
    case 11:
      exchange.inform(103, ["link", "</a>"]);
      return whole(200, "after a hint", "after a hint");
    default:
      for (const bad of [
        ["a b", "c"],
        ["a", "\n"],
        ["a"],
        ["", "b"],
        ["a", "€"],
        ["transfer-encoding", "x"],
        ["content-length", "x"],
      ]) {
        try {
          exchange.respond(200, bad, null);
        } catch (error) {
          if ((error as { code?: string }).code === "ERR_FIELD_INVALID") continue;
        }
        throw new Error(`bad fields were sent: ${bad.join()}`);
      }
      return whole(200, "good at last", "good at last");
  }
};

const ask = ({ fields }: Exchange): string[] => [
  fields.get("x-a") ?? "none",
  fields.getAll("x-a").join("|"),
  String(fields.count("cookie")),
  fields.get("cookie") ?? "none",
  String(fields.has("x-empty")),
];

export interface Trial {
  /** null where all is well. */
  wrong: string | null;
}

/**
 * Feeds `input` in pieces that end at `cuts`.
 * @param late answers of every `late`-th request come later, out of order; 0 = none
 */
export const trial = async (input: string, cuts: readonly number[], late: number): Promise<Trial> => {
  const complete: ModelRequest[] = [];
  const given: (Given | undefined)[] = [];
  const methods: string[] = [];
  const target = rig({
    limits: { ...LIMITS, pipelinedMax: 3 },
    handler: (exchange) => {
      const index = methods.length;
      methods.push(exchange.method);
      const request: ModelRequest = {
        method: exchange.method,
        target: exchange.target,
        path: exchange.path,
        authority: exchange.authority,
        body: "",
        trailers: null,
        fields: [],
        asked: [],
      };
      exchange.receive({
        onBody(lease) {
          request.body += textOf(lease);
          lease.release();
        },
        onBodyEnd(trailers) {
          request.trailers = trailers === null ? null : fieldLines(trailers);
          request.fields = fieldLines(exchange.fields);
          request.asked = ask(exchange);
          complete[index] = request;
          const style = request.target.length + request.fields.length * 3 + request.body.length;
          const respond = (): void => {
            if (exchange.method === "CONNECT") exchange.respond(403, [], "no");
            given[index] =
              exchange.method === "CONNECT"
                ? { method: "CONNECT", status: 403, fields: [], body: "no", trailers: [] }
                : answer(exchange, style);
          };
          if (late > 0 && index % late === 0) setImmediate(() => exchange.open && respond());
          else respond();
        },
        onBodyError() {},
      });
    },
  });
  const text = await feed(target, input, cuts);
  const { ended } = target.peer;
  let wrong: string | null = null;
  try {
    wrong = judge(readStream(input, LIMITS), complete, given, methods, text, ended);
  } catch (error) {
    wrong = (error as Error).message;
  }
  if (wrong === null && target.reports.length > 0) wrong = `reported: ${String((target.reports[0] as Error).stack)}`;
  target.peer.reset();
  await target.finish().catch((error: unknown) => {
    wrong ??= `at the end: ${String(error)}`;
  });
  return { wrong };
};

const judge = (
  model: ModelOutcome,
  complete: readonly ModelRequest[],
  given: readonly (Given | undefined)[],
  methods: readonly string[],
  text: string,
  ended: boolean,
): string | null => {
  const seen = complete.filter((request) => request !== undefined);
  for (const [at, want] of model.requests.entries()) {
    if (JSON.stringify(seen[at]) !== JSON.stringify(want)) {
      return `request ${at} was seen as ${JSON.stringify(seen[at])}, is ${JSON.stringify(want)} (then ${model.end})`;
    }
  }
  if (model.end === "unsure") return null;
  if (seen.length !== model.requests.length) {
    return `${seen.length} requests seen, there are ${model.requests.length} (then ${model.end}): ${JSON.stringify(seen.at(-1))}`;
  }
  const responses = readResponses(text, methods, ended);
  for (const [at, want] of given.entries()) {
    const got = responses[at];
    if (want === undefined) return `request ${at} was not answered`;
    const body = want.method === "HEAD" || want.status === 204 ? "" : want.body;
    const trailers = want.method === "HEAD" ? [] : want.trailers;
    if (got?.status !== want.status || got.body !== body || got.trailers.join() !== trailers.join()) {
      return `answer ${at} is ${JSON.stringify(got)?.slice(0, 300)}, not ${JSON.stringify(want).slice(0, 300)}`;
    }
    const own = got.fields.filter(([name]) => name === "x-style" || name === "content-type").flat();
    if (own.join() !== want.fields.join()) return `answer ${at} has fields ${own.join()}, not ${want.fields.join()}`;
    if (got.fields.filter(([name]) => name === "date").length !== 1) return `answer ${at} has no date, or two`;
  }
  const extra = responses.slice(given.length);
  if (extra.some((response) => !REFUSALS.has(response.status)))
    return `an answer nobody gave: ${JSON.stringify(extra)}`;
  if (extra.length > 1) return "refused twice";
  if (extra.length === 1 && !ended) return "refused, and went on";
  switch (model.end) {
    case "open":
      return extra.length === 0 && !ended ? null : "the connection should be open";
    case "closed":
      return extra.length === 0 && ended ? null : "the connection should have closed behind its last request";
    case "refused":
      return extra.length === 1 ? null : "should have been refused";
    default:
      // What is not complete may have been seen to be bad, or not yet.
      return null;
  }
};
