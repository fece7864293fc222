// fuzz.ts — grammar-aware fuzzing of the HTTP/1.1 server against a second reading of RFC 9112 (model.ts).
//
//   node build/test/long/fuzz.js [seconds] [seed]
//
// Every stream is fed whole, cut at random places, and byte by byte; each time the handler must see exactly the requests
// that the model sees, the client must get exactly the answers, and nothing may be held at the end. The first failure is
// printed with its seed and ends the run with status 1.
import { Random } from "@percore/core/testing";
import { Choice, requestStream } from "./grammar.ts";
import { trial } from "./trial.ts";

const seconds = Number(process.argv[2] ?? 600);
const firstSeed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
/** Streams longer than this are not fed byte by byte. */
const SINGLE_BYTES_MAX = 1500;
const REPORT_MS = 60_000;

const cutsOf = (choice: Choice, size: number): number[][] => {
  const random = Array.from({ length: 1 + choice.number(6) }, () => choice.number(size + 1)).sort((a, b) => a - b);
  const ways = [[], random];
  if (size <= SINGLE_BYTES_MAX && choice.rarely(3)) ways.push(Array.from({ length: size }, (_, at) => at));
  return ways;
};

const end = Date.now() + seconds * 1000;
let reported = Date.now();
let streams = 0;
let trials = 0;
console.log(`fuzz: ${seconds} s from seed ${firstSeed}`);
for (let seed = firstSeed; Date.now() < end; seed += 1) {
  const choice = new Choice(new Random(seed));
  const input = requestStream(choice);
  const late = choice.number(4);
  for (const cuts of cutsOf(choice, input.length)) {
    const { wrong } = await trial(input, cuts, late);
    trials += 1;
    if (wrong === null) continue;
    console.log(`seed ${seed}, cuts ${cuts.length > 10 ? "every byte" : JSON.stringify(cuts)}, late ${late}`);
    console.log(JSON.stringify(input));
    console.log(wrong);
    process.exit(1);
  }
  streams += 1;
  if (Date.now() - reported < REPORT_MS) continue;
  reported = Date.now();
  console.log(`fuzz: ${streams} streams, ${trials} trials`);
}
console.log(`fuzz: nothing found in ${streams} streams, ${trials} trials`);
