// What one request costs in our own code, by feature: fabricated completions, the kernel is never entered.
import { readFileSync } from "node:fs";
import { contextCost, openScene, SCENES } from "./scenes.mjs";

const REPEATS = 150;
const WARM_MS = 600;
const CONTEXT_CALLS = 200_000;

const BUDGETS = JSON.parse(readFileSync(new URL("budgets.json", import.meta.url), "utf8"));

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/** Batches per repeat so that one repeat takes about a millisecond. */
const batchesOf = (scene) => Math.max(1, Math.round(2000 / scene.requests));

const time = async (scene) => {
  const server = await openScene(scene);
  const batches = batchesOf(scene);
  const turn = async () => {
    let spent = 0n;
    for (let at = 0; at < batches; at += 1) {
      const start = process.hrtime.bigint();
      server.batch();
      if (scene.microtasks) await server.afterBatch();
      spent += process.hrtime.bigint() - start;
    }
    return Number(spent) / (batches * scene.requests);
  };
  for (const end = performance.now() + WARM_MS; performance.now() < end; ) await turn();
  const samples = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) samples.push(await turn());
  samples.sort((a, b) => a - b);
  const sends = server.kernel.sends;
  if (sends === 0) throw new Error(`${scene.name}: nothing was sent`);
  return { least: samples[0], quarter: quantile(samples, 0.25) };
};

/** A piece of plain JavaScript whose time stands for the machine's speed just now. */
const yardstick = () => {
  const bytes = new Uint8Array(4096).map((_, at) => at * 7);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 200; repeat += 1) {
    const start = process.hrtime.bigint();
    let sum = 0;
    for (let round = 0; round < 20; round += 1) for (let at = 0; at < 4096; at += 1) sum = (sum * 31 + bytes[at]) | 0;
    const spent = Number(process.hrtime.bigint() - start) / 81_920;
    if (spent < best && sum !== 1) best = spent;
  }
  return best;
};

export const runBudget = async () => {
  const unit = yardstick();
  console.log(
    `node ${process.version}, yardstick ${unit.toFixed(3)} ns (${BUDGETS.yardstickNs} where the budgets were set)`,
  );
  console.log("ns per request, least of 150 repeats | quarter | its own share | budget\n");
  const scale = Math.max(1, unit / BUDGETS.yardstickNs);
  const least = new Map();
  let failed = 0;
  const row = (name, note, figures, own, budget) => {
    const over = budget !== undefined && own > budget * scale;
    if (over) failed += 1;
    const cells = [figures.least, figures.quarter, own].map((ns) => ns.toFixed(0).padStart(6)).join(" ");
    console.log(`${name.padEnd(26)} ${cells} ${String(budget ?? "").padStart(6)} ${over ? "OVER" : "    "} ${note}`);
  };
  for (const scene of SCENES) {
    const figures = await time(scene);
    least.set(scene.name, figures.least);
    row(scene.name, scene.note, figures, figures.least - (least.get(scene.over) ?? 0), BUDGETS.ns[scene.name]);
  }
  let context = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 10; repeat += 1) context = Math.min(context, contextCost(CONTEXT_CALLS));
  row("async context", "one isolated call", { least: context, quarter: context }, context, BUDGETS.ns["async context"]);
  if (failed > 0) console.log(`\n${failed} over budget`);
  return failed > 0 ? 1 : 0;
};
