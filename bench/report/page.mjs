// The report: one HTML file without any other file, made from a result's JSON; and the hello picture alone, for a README.
import { writeFileSync } from "node:fs";
import { describeTarget } from "../harness/gate.mjs";
import { newestResult, readResult } from "../harness/results.mjs";
import { medianOf } from "../harness/statistics.mjs";
import { barChart } from "./bars.mjs";
import { latencyChart } from "./latency.mjs";
import { count, duration, element, escapeMarkup, figure } from "./markup.mjs";
import { baseOf, overviewTable } from "./overview.mjs";
import { PAGE, PALETTE, PICTURE } from "./style.mjs";

/** The case whose picture is written as a file of its own. */
const COVER_CASE = "hello-64";
const TITLES = { h1: "HTTP/1.1", h2: "HTTP/2", tls: "HTTPS", proxy: "Reverse proxies" };

/** @returns {string} the page's path, beside the result */
export const writePage = (file) => {
  const result = readResult(file);
  const rowsByCase = collectRows(result);
  const path = file.replace(/\.json$/, ".html");
  writeFileSync(path, page(result, rowsByCase));
  const cover = rowsByCase.get(COVER_CASE) ?? [];
  if (cover.length > 0) {
    const svg = barChart(cover, baseOf(cover)).replace("<title>", `<style>${PALETTE}${PICTURE}</style><title>`);
    writeFileSync(file.replace(/\.json$/, ".svg"), svg);
  }
  return path;
};

/** `npm run bench -- report [FILE]`. @returns {Promise<number>} the exit status */
export const runReport = async (options) => {
  const file = options.command[1] ?? newestResult("h1");
  if (file === undefined) throw new Error("there is no result yet: npm run bench -- h1");
  console.log(writePage(file));
  return 0;
};

/** Cells with the words that the pictures need, by case. */
const collectRows = (result) => {
  const peers = new Map(result.peers.map((peer) => [peer.name, peer]));
  const rows = new Map(result.cases.map((one) => [one.name, []]));
  for (const cell of result.cells) {
    if (cell.rounds.length > 0) rows.get(cell.case).push({ ...cell, ...peers.get(cell.impl) });
  }
  return rows;
};

const page = (result, rowsByCase) => {
  const sections = result.cases.map((one) => caseSection(one, rowsByCase.get(one.name), result));
  const body = [
    header(result),
    '<h2>All cases at a glance</h2><p class="soft">CPU time per request against the base of each case, median of the rounds: below 1 is less work.</p>',
    element("div", { class: "card" }, overviewTable(result.peers, result.cases, rowsByCase)),
    targetSection(result.targets ?? []),
    ...sections,
    absentSection(result.absent),
    method(result),
  ];
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Percore: ${TITLES[result.kind]} measured</title>`;
  return `<!doctype html><html lang="en"><head>${head}<style>${PALETTE}${PAGE}${PICTURE}</style></head><body><main>${body.join("\n")}</main></body></html>\n`;
};

const fact = (name, value) => `<span>${escapeMarkup(name)} <b>${escapeMarkup(value)}</b></span>`;

const header = ({ kind, when, machine, settings, command }) =>
  [
    `<h1>${TITLES[kind]}, one worker, one processor</h1><p class="soft">How much processor time a server takes for a request. Short bars are better.</p>`,
    '<div class="card facts">',
    fact("measured", when.slice(0, 16).replace("T", " ")),
    fact("processor", `${machine.processor}${machine.virtual ? " (virtual)" : ""}`),
    fact("kernel", machine.kernel),
    fact("Node", machine.node),
    fact("rounds", `${settings.rounds} × ${settings.seconds} s`),
    fact("load", settings.load === "own" ? "bench/load" : "wrk"),
    fact("command", command),
    "</div>",
    '<div class="legend">',
    ...["ours", "server", "runtime", "floor"].map((kind) => legend(kind)),
    "<span>dark: user · light: system · dots: rounds · dashed: base</span></div>",
  ].join("");

const KINDS = {
  ours: "Percore",
  server: "native servers",
  runtime: "JavaScript servers",
  floor: "our floors in C: no parser, no features",
};
const legend = (kind) => `<span><i style="background: var(--${kind})"></i>${KINDS[kind]}</span>`;

const targetSection = (targets) => {
  const measured = targets.filter(({ state }) => state !== "unmeasured");
  if (measured.length === 0) return "";
  const rows = measured.map(({ target, state, value, spread }) => {
    const what = describeTarget(target);
    const limit = target.most === undefined ? `≥ ${target.least}` : `≤ ${target.most}`;
    return `<tr><td>${escapeMarkup(what)}</td><td>${limit}</td><td>${value.toFixed(2)}</td><td>${spread.map((one) => one.toFixed(2)).join("–")}</td><td class="${state}">${state}</td></tr>`;
  });
  const head = "<tr><th>target</th><th>limit</th><th>median</th><th>rounds</th><th></th></tr>";
  return `<h2>Targets</h2><div class="card"><table>${head}${rows.join("")}</table></div>`;
};

const caseSection = (one, rows, result) => {
  if (rows.length === 0) return "";
  const parts = [
    `<h2>${escapeMarkup(one.title)}</h2>`,
    element("div", { class: "card" }, barChart(rows, baseOf(rows))),
  ];
  parts.push(element("div", { class: "card" }, `<h3>Latency</h3>${latencyChart(rows)}`));
  parts.push(
    element("details", {}, `<summary>all figures</summary>${element("div", { class: "card" }, figuresTable(rows))}`),
  );
  const label = (name) => result.peers.find((peer) => peer.name === name)?.label ?? name;
  const refused = one.refused.map(({ impl, reason }) => `${label(impl)} ${reason}`);
  if (refused.length > 0) parts.push(`<p class="soft">Not here: ${escapeMarkup(refused.join("; "))}.</p>`);
  const failed = result.cells
    .filter((cell) => cell.case === one.name)
    .flatMap((cell) => cell.failures.map((why) => `${label(cell.impl)}: ${why}`));
  if (failed.length > 0) parts.push(`<p class="miss">${failed.map(escapeMarkup).join("<br>")}</p>`);
  return parts.join("");
};

const percent = (share) => `${Math.round(share * 100)} %`;

const FIGURES = [
  ["requests/s", (at) => count(at("requestsPerSecond"))],
  ["CPU µs", (at) => figure(at("cpu"))],
  ["user", (at) => figure(at("user"))],
  ["system", (at) => figure(at("system"))],
  ["p50", (at) => duration(at("p50"))],
  ["p99", (at) => duration(at("p99"))],
  ["p99.9", (at) => duration(at("p999"))],
  ["waits per request", (at) => figure(at("waits"))],
  ["peak RSS", (at) => `${(at("peakRss") / 1048576).toFixed(0)} MiB`],
  ["server's processor", (at) => percent(at("serverShare"))],
  ["load's processor", (at) => percent(at("loadShare"))],
  ["foreign, server", (at) => percent(at("foreignServer"))],
  ["foreign, load", (at) => percent(at("foreignLoad"))],
];

const figuresTable = (rows) => {
  const head = `<tr><th></th>${FIGURES.map(([name]) => `<th>${escapeMarkup(name)}</th>`).join("")}<th>rounds</th></tr>`;
  const sorted = [...rows].sort((a, b) => medianOf(a.rounds, "cpu") - medianOf(b.rounds, "cpu"));
  const body = sorted.map((row) => {
    const cells = FIGURES.map(([, say]) => `<td>${say((name) => medianOf(row.rounds, name))}</td>`);
    return `<tr${row.kind === "ours" ? ' class="ours"' : ""}><td>${escapeMarkup(`${row.label} ${row.version}`)}</td>${cells.join("")}<td>${row.rounds.length}</td></tr>`;
  });
  return `<table>${head}${body.join("")}</table>`;
};

const absentSection = (absent) => {
  if (absent.length === 0) return "";
  return `<h2>Absent</h2><p class="soft">Not on this machine, so not measured: ${absent.map((peer) => escapeMarkup(`${peer.label} (${peer.reason})`)).join(", ")}.</p>`;
};

const method = ({ settings, machine }) => `<h2>How it was measured</h2><div class="card">
<p>Each server runs with one worker, pinned to one processor of this machine; the load generator runs on another one, over loopback, closed loop.
All servers of a case are up at once and take turns, one window of ${settings.seconds} s each, ${settings.rounds} rounds: what the machine does to one it does to its neighbours of the round,
so <b>ratios within a round</b> are compared and their median is shown. CPU time is what the scheduler charged to all of the server's processes and threads
during the window; the split into user and system is sampled by the kernel's clock. Before a window every answer is compared byte by byte; during it, status and length of each.</p>
<p>Absolute figures are this machine's${machine.virtual ? ", a virtual one that others share" : ""}. On loopback the client's receive processing runs inside the server's send, so a real network shows a lower share of the kernel in the server.
Latencies of a closed loop at many connections are mostly queueing; the ones at one connection say what a request takes.</p></div>`;
