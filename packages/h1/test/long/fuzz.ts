// fuzz.ts — grammar-aware fuzzing of both sides of HTTP/1.1 against a second reading of RFC 9112 (model.ts and
// response-model.ts).
//
//   node build/test/long/fuzz.js [seconds] [seed]
//
// Every stream is fed whole, cut at random places, and byte by byte; each time the handler must see exactly the requests
// that the model sees, the client must get exactly the answers, and nothing may be held at the end. The other way round,
// a client's receivers must hear what the model reads, and the connection be used again only where that is right. The
// first failure is printed with its seed and ends the run with status 1.
import { Random } from "@percore/core/testing";
import { Choice, requestStream } from "./grammar.ts";
import { responseStream } from "./response-grammar.ts";
import type { Asked } from "./response-model.ts";
import { type Round, responseTrial } from "./response-trial.ts";
import { trial } from "./trial.ts";

const seconds = Number(process.argv[2] ?? 600);
const firstSeed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
/** Streams longer than this are not fed byte by byte. */
const SINGLE_BYTES_MAX = 1500;
const REPORT_MS = 60_000;

const singly = (size: number): number[] => Array.from({ length: size }, (_, at) => at);
const somewhere = (choice: Choice, size: number): number[] =>
  Array.from({ length: 1 + choice.number(6) }, () => choice.number(size + 1)).sort((a, b) => a - b);

const fail = (seed: number, input: unknown, how: string, wrong: string): never => {
  console.log(`seed ${seed}, ${how}`);
  console.log(JSON.stringify(input));
  console.log(wrong);
  process.exit(1);
};

let trials = 0;

const fuzzServer = async (seed: number): Promise<void> => {
  const choice = new Choice(new Random(seed));
  const input = requestStream(choice);
  const late = choice.number(4);
  const ways = [[], somewhere(choice, input.length)];
  if (input.length <= SINGLE_BYTES_MAX && choice.rarely(3)) ways.push(singly(input.length));
  for (const cuts of ways) {
    const { wrong } = await trial(input, cuts, late);
    trials += 1;
    if (wrong === null) continue;
    fail(seed, input, `cuts ${cuts.length > 10 ? "every byte" : JSON.stringify(cuts)}, late ${late}`, wrong);
  }
};

const ASKED: readonly Asked[] = [
  { method: "GET", upgrade: null, whole: true },
  { method: "GET", upgrade: null, whole: true },
  { method: "GET", upgrade: null, whole: true },
  { method: "HEAD", upgrade: null, whole: true },
  { method: "POST", upgrade: null, whole: false },
  { method: "GET", upgrade: "x", whole: true },
  { method: "CONNECT", upgrade: null, whole: true },
];

const fuzzClient = async (seed: number): Promise<void> => {
  const choice = new Choice(new Random(seed));
  const plan = Array.from({ length: 1 + choice.number(4) }, () => ({
    asked: choice.one(ASKED),
    bytes: responseStream(choice),
    pauses: choice.rarely(4),
    style: choice.number(100),
  }));
  if (choice.rarely(3)) {
    // The same again and again, later ones with a byte changed: what is remembered of the first must not show.
    const [first] = plan;
    for (let count = 3 + choice.number(3); plan.length < count; ) plan.push(first);
    for (const [at, round] of plan.entries()) {
      const cut = choice.number(first.bytes.length + 1);
      const changed =
        first.bytes.slice(0, cut) +
        choice.one(["", "a", "0", "1", " ", "\r\n"]) +
        first.bytes.slice(cut + choice.number(2));
      plan[at] = {
        ...first,
        asked: choice.rarely(6) ? round.asked : first.asked,
        bytes: choice.rarely(5) ? changed : first.bytes,
      };
    }
  }
  const ways: ((size: number) => number[])[] = [() => [], (size) => somewhere(choice, size)];
  if (choice.rarely(3)) ways.push(singly);
  for (const [way, cutsOf] of ways.entries()) {
    const rounds: Round[] = plan.map((round) => ({ ...round, cuts: cutsOf(round.bytes.length) }));
    const wrong = await responseTrial(rounds);
    trials += 1;
    if (wrong === null) continue;
    const cuts = rounds.map((round) => round.cuts);
    fail(seed, plan, way === 2 ? "cut at every byte" : `cuts ${JSON.stringify(cuts)}`, wrong);
  }
};

const end = Date.now() + seconds * 1000;
let reported = Date.now();
let streams = 0;
console.log(`fuzz: ${seconds} s from seed ${firstSeed}`);
for (let seed = firstSeed; Date.now() < end; seed += 1) {
  await fuzzServer(seed);
  await fuzzClient(seed);
  streams += 2;
  if (Date.now() - reported < REPORT_MS) continue;
  reported = Date.now();
  console.log(`fuzz: ${streams} streams, ${trials} trials`);
}
console.log(`fuzz: nothing found in ${streams} streams, ${trials} trials`);
