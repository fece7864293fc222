// `npm run bench -- h1` (h2, tls, proxy): all cases, all peers, a table after each case, a JSON file and a page at the end.
import { peersOf } from "../peers/index.mjs";
import { writePage } from "../report/page.mjs";
import { buildLoad } from "./build.mjs";
import { H1_CASES, H2_CASES, PROXY_CASES, TLS_CASES, writeInputs } from "./cases.mjs";
import { evaluateTargets, GATES, gateTable, neededFor } from "./gate.mjs";
import { measureCase } from "./interleave.mjs";
import { requireMachine } from "./machine.mjs";
import { choose } from "./options.mjs";
import { writeResult } from "./results.mjs";
import { findPeers } from "./servers.mjs";
import { bold, caseTable, dim, figure, Progress } from "./table.mjs";

const CASES = { h1: H1_CASES, h2: H2_CASES, tls: TLS_CASES, proxy: PROXY_CASES };

/** @param {"h1" | "h2" | "tls" | "proxy"} kind @returns {Promise<number>} the exit status */
export const runSuite = async (kind, options) => {
  requireMachine();
  const { targets, context } = GATES[kind];
  const wanted = choose("implementation", peersOf(kind, options.ours), options.impl);
  const cases = choose("case", CASES[kind], options.case);
  writeInputs();
  const ours = kind === "h1" && options.load === "own";
  const generator = ours ? await buildLoad() : "wrk";
  const { present, absent } = await findPeers(wanted);
  for (const peer of absent) console.log(dim(`absent: ${peer.label} – ${peer.reason}`));
  const needed = options.gate ? neededFor([...targets, ...context]) : undefined;
  const plan = cases
    .filter((one) => needed === undefined || needed.has(one.name))
    .filter((one) => options.load === "own" || one.mode !== "churn")
    .map((one) => planCase(one, present, needed?.get(one.name), options.ours !== undefined));
  const progress = new Progress(plan.reduce((sum, { peers }) => sum + peers.length, 0) * options.rounds);
  const labels = new Map(present.map((peer) => [peer.name, peer.label]));
  const cells = [];
  for (const { one, peers } of plan) {
    const measured = await measureCase({
      ...options,
      one,
      peers,
      generator: one.generator ?? generator,
      onProgress: (event) => report(progress, event),
    });
    progress.clear();
    console.log(`\n${bold(one.title)}\n${caseTable(measured, labels)}`);
    cells.push(...measured);
  }
  const evaluated = evaluateTargets(targets, cells);
  const file = writeResult(
    kind,
    { ...describe(options, present, absent, plan), cells, targets: evaluated },
    options.out,
  );
  const page = writePage(file);
  if (options.gate) console.log(`\n${gateTable(evaluated, context, cells)}`);
  console.log(`\nresult: ${file}\npage:   ${page}`);
  return options.gate && evaluated.some(({ state }) => state !== "hit") ? 1 : 0;
};

const planCase = (one, present, needed, comparing) => {
  const isNeeded = (peer) => needed === undefined || needed.has(peer.name) || (comparing && peer.name === "before");
  const chosen = present.filter(isNeeded);
  const refused = chosen
    .map((peer) => ({ impl: peer.name, reason: peer.refuses(one) }))
    .filter(({ reason }) => reason !== undefined);
  const peers = chosen.filter((peer) => !refused.some(({ impl }) => impl === peer.name));
  return { one, peers, refused };
};

const report = (progress, event) => {
  const { kind, one, peer, round } = event;
  if (kind === "window") progress.show(`${one.title} · round ${round} · ${peer.label}`);
  if (kind === "figures") {
    progress.step();
    progress.show(`${one.title} · round ${round} · ${peer.label}: ${figure(event.figures.cpu)} µs/request`);
  }
  if (kind === "failure") progress.show(`${one.title} · ${peer.label}: ${event.error.message.split("\n")[0]}`);
};

const describe = (options, present, absent, plan) => ({
  settings: {
    rounds: options.rounds,
    seconds: options.seconds,
    load: options.load,
    restart: options.restart,
    before: options.ours,
  },
  peers: present.map(({ name, label, kind, version }) => ({ name, label, kind, version })),
  absent,
  cases: plan.map(({ one, refused }) => ({
    name: one.name,
    title: one.title,
    connections: one.connections,
    pipeline: one.pipeline,
    bytes: one.body.length,
    refused,
  })),
});
