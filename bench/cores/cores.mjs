// `npm run bench -- cores`: what thread per core gains and what it loses.

import { buildLoad } from "../harness/build.mjs";
import { writeInputs } from "../harness/cases.mjs";
import { requireMachine } from "../harness/machine.mjs";
import { choose } from "../harness/options.mjs";
import { writeResult } from "../harness/results.mjs";
import { findPeers } from "../harness/servers.mjs";
import { median, medianOf, pairedRatios } from "../harness/statistics.mjs";
import { align, bold, dim, figure, red } from "../harness/table.mjs";
import { peersOf } from "../peers/index.mjs";
import { writeCoresPage } from "../report/cores-page.mjs";
import { layouts, MODELS, measureScaling } from "./scaling.mjs";
import { expectations, runUneven, TASKS, unevenPrograms, WORKERS } from "./uneven.mjs";

/** @returns {Promise<number>} the exit status */
export const runCores = async (options) => {
  requireMachine();
  writeInputs();
  const scaling = await runScaling(options);
  console.log(scalingTable(scaling.rows));
  const uneven = await runUnevenTasks(options.rounds);
  console.log(unevenTable(uneven));
  const file = writeResult(
    "cores",
    { settings: { rounds: options.rounds, seconds: options.seconds }, scaling, uneven },
    options.out,
  );
  console.log(`\nresult: ${file}\npage:   ${writeCoresPage(file)}`);
  return 0;
};

const runScaling = async (options) => {
  const generator = await buildLoad();
  const { present, absent } = await findPeers(peersOf("h1"));
  const peerOf = (model) => present.find((peer) => peer.name === model.peer);
  const models = choose("implementation", MODELS, options.impl).filter((model) => peerOf(model) !== undefined);
  const rows = models.flatMap((model) => layouts().map((layout) => ({ model, layout, rounds: [], failures: [] })));
  for (let round = 1; round <= options.rounds; round++) {
    for (const row of rows.filter(({ failures }) => failures.length === 0)) {
      process.stderr.write(`round ${round} · ${row.model.label} · ${row.layout.workers} worker(s)\n`);
      const peer = peerOf(row.model);
      const warmup = peer.javascript && !options.quick ? 3 : 0.7;
      try {
        const figures = await measureScaling(peer, row.model, row.layout, { ...options, generator, warmup });
        row.rounds.push({ round, ...figures });
        if (figures.errors > 0) row.failures.push(`${figures.errors} errors`);
      } catch (error) {
        row.failures.push(error.message);
      }
    }
  }
  return { rows, absent: absent.filter(({ name }) => MODELS.some((model) => model.peer === name)) };
};

const scalingTable = (rows) => {
  const head = [
    "hello, 256 connections",
    "model",
    "workers",
    "req/s",
    "CPU µs/req",
    "user",
    "× one worker",
    "shares",
    "skew",
  ];
  const body = rows
    .filter(({ rounds }) => rounds.length > 0)
    .map(({ model, layout, rounds }) => {
      const single = rows.find((row) => row.model === model && row.layout.workers === 1);
      const last = rounds.at(-1);
      return [
        model.label,
        model.model,
        String(layout.workers),
        Math.round(medianOf(rounds, "requestsPerSecond")).toLocaleString("en-US"),
        figure(medianOf(rounds, "cpu")),
        figure(medianOf(rounds, "user")),
        median(pairedRatios({ rounds }, single, "cpu")).toFixed(2),
        last.shares.map((share) => `${Math.round(share * 100)} %`).join(" "),
        medianOf(rounds, "skew").toFixed(2),
      ];
    });
  const failures = rows.flatMap(({ model, failures: all }) => all.map((text) => red(`${model.label}: ${text}`)));
  const [first, ...lines] = align([head, ...body]);
  return [bold(first), ...lines, ...failures].join("\n");
};

/** Every program in turn, `rounds` times; the picture shows the run with the median time. */
const runUnevenTasks = async (rounds) => {
  const programs = await unevenPrograms();
  const results = programs.map(({ name, label }) => ({ name, label, runs: [], failures: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, program] of programs.entries()) {
      if (results[index].failures.length > 0) continue;
      try {
        results[index].runs.push(await runUneven(program));
      } catch (error) {
        results[index].failures.push(error.message.split("\n")[0]);
      }
    }
  }
  return {
    tasks: TASKS,
    workers: WORKERS,
    expected: expectations(),
    results: results.map(({ runs, ...rest }) => {
      const sorted = runs.sort((a, b) => a.makespan - b.makespan);
      return {
        ...rest,
        makespans: runs.map((one) => one.makespan),
        busy: runs.map((one) => one.busy),
        shown: sorted[sorted.length >> 1],
      };
    }),
  };
};

const unevenTable = ({ tasks, workers, expected, results }) => {
  const head = [
    `\n${tasks.length} tasks (${tasks.join(", ")} ms) on ${workers} workers`,
    "done after",
    "best",
    "worst",
    "work",
  ];
  const body = results
    .filter(({ makespans }) => makespans.length > 0)
    .map(({ label, makespans, busy }) => [
      label,
      `${figure(median(makespans))} ms`,
      figure(Math.min(...makespans)),
      figure(Math.max(...makespans)),
      `${figure(median(busy))} ms`,
    ]);
  const failures = results.flatMap(({ label, failures: all }) => all.map((text) => red(`${label}: ${text}`)));
  const said = dim(`shared evenly: ${expected.ideal} ms; each task staying where it was started: ${expected.fixed} ms`);
  return [...align([head, ...body]), ...failures, said].join("\n");
};
