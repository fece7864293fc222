// The page of `bench -- cores`: what happens to a request's price with more workers, and to uneven work.
import { writeFileSync } from "node:fs";
import { readResult } from "../harness/results.mjs";
import { median, medianOf, pairedRatios } from "../harness/statistics.mjs";
import { ganttChart, taskLegend } from "./gantt.mjs";
import { count, element, escapeMarkup, figure } from "./markup.mjs";
import { PAGE, PALETTE, PICTURE } from "./style.mjs";

/** @returns {string} the page's path, beside the result */
export const writeCoresPage = (file) => {
  const result = readResult(file);
  const path = file.replace(/\.json$/, ".html");
  const body = [header(result), scalingSection(result.scaling.rows), unevenSection(result.uneven), reading()].join(
    "\n",
  );
  const head =
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Percore: thread per core measured</title>';
  writeFileSync(
    path,
    `<!doctype html><html lang="en"><head>${head}<style>${PALETTE}${PAGE}${PICTURE}</style></head><body><main>${body}</main></body></html>\n`,
  );
  return path;
};

const header = ({ when, machine, settings }) => `<h1>Thread per core: gains and losses</h1>
<p class="soft">A thread for each processor that shares nothing needs no locks and no moving of data. It also cannot help a neighbour.</p>
<div class="card facts"><span>measured <b>${escapeMarkup(when.slice(0, 16).replace("T", " "))}</b></span><span>processors <b>${machine.processors} × ${escapeMarkup(machine.processor)}</b></span>
<span>kernel <b>${escapeMarkup(machine.kernel)}</b></span><span>rounds <b>${settings.rounds} × ${settings.seconds} s</b></span></div>`;

const scalingSection = (rows) => {
  const measured = rows.filter(({ rounds }) => rounds.length > 0);
  const body = measured.map(({ model, layout, rounds }) => {
    const single = measured.find((row) => row.model.name === model.name && row.layout.workers === 1);
    const ratio = single === undefined ? "–" : median(pairedRatios({ rounds }, single, "cpu")).toFixed(2);
    const cells = [
      escapeMarkup(model.label),
      escapeMarkup(model.model),
      layout.workers,
      count(medianOf(rounds, "requestsPerSecond")),
      figure(medianOf(rounds, "cpu")),
      figure(medianOf(rounds, "user")),
      ratio,
      medianOf(rounds, "skew").toFixed(2),
    ];
    return element(
      "tr",
      { class: model.name.startsWith("percore") ? "ours" : undefined },
      cells.map((cell) => `<td>${cell}</td>`).join(""),
    );
  });
  const names = ["", "model", "workers", "requests/s", "CPU µs/request", "user", "× one worker", "skew"];
  const head = `<tr>${names.map((name) => `<th>${name}</th>`).join("")}</tr>`;
  return `<h2>Hello, 256 connections, one worker and all</h2><div class="card"><table>${head}${body.join("")}</table></div>
<p class="soft">With all workers the load generator has no processor of its own and shares theirs, so requests/s of the two layouts do not compare; CPU per request does.
Skew: the busiest worker's work against the mean. The kernel deals connections out by a hash, and a connection stays where it was accepted.</p>`;
};

const unevenSection = ({ tasks, workers, expected, results }) => {
  const shown = results.filter((one) => one.shown !== undefined && one.shown !== null);
  const limit = Math.max(...shown.flatMap(({ shown: one }) => one.makespan), expected.fixed) * 1.05;
  const charts = shown.map(
    ({ label, shown: one, makespans }) =>
      `<div class="card"><h3>${escapeMarkup(label)}: done after ${figure(median(makespans))} ms</h3>${ganttChart(one, workers, limit)}</div>`,
  );
  return `<h2>Uneven work: ${tasks.length} tasks on ${workers} workers</h2><div class="legend">${taskLegend(tasks)}</div>${charts.join("")}
<p class="soft">Shared evenly the work would take ${expected.ideal} ms; with each task staying on the worker it was started on (1, 2, 1, 2, 1) it takes ${expected.fixed} ms.</p>`;
};

const reading =
  () => `<h2>How to read it</h2><div class="card"><p><b>Gain.</b> What a worker touches stays in its own caches, and no request pays for a lock or for waking another thread:
compare the work-stealing row with the rows without sharing in CPU per request.</p>
<p><b>Loss.</b> A long task or a busy connection makes its neighbours on the same worker wait although another worker is idle. Work that takes long and comes unevenly belongs in a queue of your own, or in more, smaller pieces.</p></div>`;
