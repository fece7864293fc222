// fuzz.ts — grammar-aware fuzzing of HTTP/2, server and client and header compression, against a second reading of its RFCs.
//
//   node build/test/long/fuzz.js [seconds] [seed]
//
// A connection carries several messages side by side, in frames of every allowed shape and in every order, among frames
// that may come at any time; two of three connections have one fault with a known answer. The other end must see exactly
// the messages, be told exactly the fault, keep to every window, and hold nothing at the end. The first failure is
// printed with its seed and ends the run with status 1.
import { clientTrial } from "./client-trial.ts";
import { hpackTrial } from "./hpack-trial.ts";
import { serverTrial } from "./server-trial.ts";

const seconds = Number(process.argv[2] ?? 600);
const firstSeed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
const REPORT_MS = 60_000;
const BLOCKS_PER_ROUND = 4;

const guarded = async (trial: (seed: number) => string | null | Promise<string | null>, seed: number) => {
  try {
    return await trial(seed);
  } catch (error) {
    return (error as Error).stack ?? String(error);
  }
};

const end = Date.now() + seconds * 1000;
let reported = Date.now();
let rounds = 0;
console.log(`fuzz: ${seconds} s from seed ${firstSeed}`);
for (let seed = firstSeed; Date.now() < end; seed += 1) {
  const trials: [name: string, trial: (seed: number) => string | null | Promise<string | null>, seed: number][] = [
    ["server", serverTrial, seed],
    ["client", clientTrial, seed],
  ];
  for (let block = 0; block < BLOCKS_PER_ROUND; block += 1) {
    trials.push(["hpack", hpackTrial, seed * BLOCKS_PER_ROUND + block]);
  }
  for (const [name, trial, own] of trials) {
    const wrong = await guarded(trial, own);
    if (wrong === null) continue;
    console.log(`${name}, seed ${own} (round ${seed})`);
    console.log(wrong);
    process.exit(1);
  }
  rounds += 1;
  if (Date.now() - reported < REPORT_MS) continue;
  reported = Date.now();
  console.log(`fuzz: ${rounds} connections of each side, ${rounds * BLOCKS_PER_ROUND} header compressions`);
}
console.log(
  `fuzz: nothing found in ${rounds} connections of each side, ${rounds * BLOCKS_PER_ROUND} header compressions`,
);
