// response-trial.ts — a few requests on one connection and their answers through the client, judged by the model.
import type { Stream } from "@percore/core";
import { clientRig, sendCut } from "../client/harness.ts";
import { textOf } from "../harness.ts";
import { readStream } from "./model.ts";
import { type Asked, type ResponseLimits, type ResponseOutcome, readResponse } from "./response-model.ts";

const LIMITS: ResponseLimits = {
  headBytesMax: 700,
  fieldsMax: 12,
  bodyBytesMax: Number.MAX_SAFE_INTEGER,
  chunkOverheadBytesMax: 64,
  informsMax: 3,
};

export interface Round {
  asked: Asked;
  bytes: string;
  cuts: readonly number[];
  /** The receiver takes nothing of the body before all has been sent. */
  pauses: boolean;
  /** Which of several requests is sent. */
  style: number;
}

const STYLES: readonly (readonly string[])[] = [
  [],
  [],
  ["x-a", "b", "X-Byte", "\xe4", "cookie", "a=b"],
  ["te", "trailers"],
  ["x-long", "l".repeat(400)],
  ["x-large", "l".repeat(17_000)],
];

/** Fields that nobody may send, one at a time. */
const BAD_FIELDS: readonly (readonly string[])[] = [
  ["Host", "b"],
  ["content-length", "5"],
  ["Transfer-Encoding", "chunked"],
  ["connection", "close"],
  ["keep-alive", "1"],
  ["proxy-connection", "x"],
  ["upgrade", "x"],
  ["te", "gzip"],
  ["a b", "c"],
  ["", ""],
  ["a", "\n"],
  ["a"],
  ["a", "\u20ac"],
  ["x", "l".repeat(70_000)],
];

/** Returns what is wrong, or null. Stops at the first round that ends the connection. */
export const responseTrial = async (rounds: readonly Round[]): Promise<string | null> => {
  const { headBytesMax, fieldsMax, chunkOverheadBytesMax, informsMax } = LIMITS;
  const rig = clientRig({
    limits: { headBytesMax, fieldsMax, chunkOverheadBytesMax, informsMax, bodyBufferBytes: 50 },
  });
  let wrong: string | null = null;
  for (const [at, round] of rounds.entries()) {
    wrong = await playRound(rig, round);
    if (wrong !== null) wrong = `round ${at}: ${wrong}`;
    if (wrong !== null || rig.client.available === 0) break;
  }
  if (wrong === null && rig.reports.length > 0) wrong = `reported: ${String((rig.reports[0] as Error).stack)}`;
  await rig.finish().catch((error: unknown) => {
    wrong ??= `at the end: ${String(error)}`;
  });
  return wrong;
};

const playRound = async (rig: ReturnType<typeof clientRig>, round: Round): Promise<string | null> => {
  const { asked, bytes, cuts, pauses } = round;
  const request = {
    method: asked.method,
    path: asked.method === "CONNECT" ? "" : `/${round.style}`,
    authority: "a:1",
    upgrade: asked.upgrade,
    bodyLength: asked.whole ? 0 : 5,
  };
  try {
    rig.request({ ...request, fields: BAD_FIELDS[round.style % BAD_FIELDS.length] });
    return `a bad field was sent: ${BAD_FIELDS[round.style % BAD_FIELDS.length].join().slice(0, 50)}`;
  } catch (error) {
    const { code } = error as Error & { code?: string };
    if (code !== "ERR_FIELD_INVALID" && code !== "ERR_REQUEST_HEAD_TOO_LARGE") throw error;
  }
  const fields = STYLES[round.style % STYLES.length];
  const { heard, exchange } = rig.request({ ...request, fields });
  let tunneled = "";
  heard.on.tunnel = () => {
    (heard.tunnel as Stream).attach({
      onData(lease): void {
        tunneled += textOf(lease);
        lease.release();
      },
      onEnd() {},
      onDrain() {},
      onClose() {},
    });
  };
  let shown = "";
  heard.on.head = () => {
    if (pauses) exchange.pauseBody();
  };
  heard.on.end = () => {
    const { fields } = heard;
    // The bytes they came in are somebody else's by now.
    if (fields !== null)
      for (let at = 0; at < fields.size; at += 1) shown += `, ${fields.rawNameAt(at)}: ${fields.valueAt(at)}`;
  };
  const faulty = judgeRequest(rig.server.text(), asked, fields, round.style);
  if (faulty !== null) return faulty;
  sendCut(rig, bytes, cuts);
  exchange.resumeBody();
  await rig.pump.settle();
  const reusable = rig.client.available === 1;
  if (!reusable && !rig.server.closed) rig.server.end();
  await rig.pump.settle();
  const want = readResponse(bytes, asked, LIMITS);
  return judge(want, heard.events, reusable, tunneled, shown);
};

/** What was sent is one good request to the second reading of the rules for servers too. */
const judgeRequest = (text: string, asked: Asked, fields: readonly string[], style: number): string | null => {
  const bytes = asked.whole ? text : `${text}01234`;
  const limits = {
    headBytesMax: 70_000,
    fieldsMax: 20,
    targetBytesMax: 100,
    bodyBytesMax: 5,
    chunkOverheadBytesMax: 0,
  };
  const { requests, end } = readStream(bytes, limits);
  const lines = fields.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${fields[at + 1]}`] : []));
  const [got] = requests;
  const good =
    requests.length === 1 &&
    end === (asked.method === "CONNECT" ? "closed" : "open") &&
    got.method === asked.method &&
    got.target === (asked.method === "CONNECT" ? "a:1" : `/${style}`) &&
    got.authority === "a:1" &&
    got.body.length === (asked.whole ? 0 : 5) &&
    lines.every((line) => got.fields.includes(line));
  return good
    ? null
    : `sent ${JSON.stringify(text.slice(0, 300))}, read as ${end} ${JSON.stringify(got)?.slice(0, 300)}`;
};

const judge = (
  want: ResponseOutcome,
  events: readonly string[],
  reusable: boolean,
  tunneled: string,
  shown: string,
): string | null => {
  const got = { informs: [] as string[], head: "", tunnel: "", body: "", trailers: null as string | null, finish: "" };
  for (const event of events) {
    const [name] = event.split(" ", 1);
    const rest = event.slice(name.length + 1);
    if (name === "inform") got.informs.push(rest);
    else if (name === "head") got.head = rest.slice(0, rest.lastIndexOf(", "));
    else if (name === "tunnel") got.tunnel = rest;
    else if (name === "end") got.trailers = rest;
    else if (name === "finish") got.finish = rest;
    else if (!rest.startsWith("error")) got.body += rest;
  }
  const fault = `is ${JSON.stringify(events)}, the model says ${JSON.stringify(want)}`;
  if (want.end === "unsure") return got.finish === "" ? `nothing finished: ${fault}` : null;
  if (reusable !== (want.end === "reusable")) return `reusable ${reusable}: ${fault}`;
  switch (want.end) {
    case "reusable":
    case "closed": {
      const same =
        got.informs.join("|") === want.informs.join("|") &&
        got.head === want.head &&
        got.body === want.body &&
        got.trailers === (want.trailers ?? []).join(", ") &&
        got.finish === "ok";
      if (!same) return fault;
      return shown === want.head.slice(3) ? null : `fields at the end are ${shown}: ${fault}`;
    }
    case "tunnel":
      return got.tunnel === want.head && tunneled === want.body && got.finish === "ok" ? null : `${tunneled}: ${fault}`;
    case "refused":
      return got.finish.startsWith("ERR_RESPONSE_INVALID maybe") ? null : fault;
    default:
      return /^ERR_(RESPONSE_INVALID|CONNECTION_CLOSED) maybe/.test(got.finish) ? null : fault;
  }
};
