// What a person sees in the terminal: a line of progress that rewrites itself, and a table for each case.
import { median, medianOf, pairedRatios, range, verdict } from "./statistics.mjs";

const isTerminal = process.stderr.isTTY === true;
const paint = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = (text) => paint(1, text);
export const dim = (text) => paint(2, text);
export const green = (text) => paint(32, text);
export const red = (text) => paint(31, text);

/** Microseconds or whatever else, with three digits that matter. */
export const figure = (value) => {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
};
const percent = (share) => `${Math.round(share * 100)} %`;
const mebibytes = (bytes) => (bytes / 1048576).toFixed(0);

export class Progress {
  #total;
  #done = 0;
  #began = Date.now();

  constructor(total) {
    this.#total = total;
  }

  show(text) {
    const left =
      this.#done === 0
        ? ""
        : ` · ${minutes(((Date.now() - this.#began) / this.#done) * (this.#total - this.#done))} left`;
    const line = `${Math.floor((this.#done / this.#total) * 100)} %${left} · ${text}`;
    if (isTerminal) process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 100) - 1)}`);
    else process.stderr.write(`${line}\n`);
  }

  step() {
    this.#done++;
  }

  clear() {
    if (isTerminal) process.stderr.write("\r\u001b[K");
  }
}

const minutes = (ms) => (ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 60_000)} min`);

const COLUMNS = [
  "",
  "req/s",
  "CPU µs/req",
  "user",
  "system",
  "× base",
  "spread",
  "p50",
  "p99",
  "p99.9",
  "RSS MiB",
  "server",
  "load",
  "foreign",
];

/**
 * @param {import("./interleave.mjs").Cell[]} cells of one case
 * @param {Map<string, string>} labels by implementation
 */
export const caseTable = (cells, labels) => {
  const measured = cells.filter((cell) => cell.rounds.length > 0);
  const base =
    measured.find((cell) => cell.impl === "nginx") ?? measured.find((cell) => cell.impl === "node") ?? measured[0];
  const rows = measured
    .sort((a, b) => medianOf(a.rounds, "cpu") - medianOf(b.rounds, "cpu"))
    .map((cell) => rowOf(cell, base, labels.get(cell.impl) ?? cell.impl));
  const lines = align([COLUMNS, ...rows]);
  const [head, ...body] = lines;
  const failures = cells.flatMap((cell) =>
    cell.failures.map((text) => red(`  ${labels.get(cell.impl) ?? cell.impl}: ${text}`)),
  );
  return [
    dim(head),
    ...body.map((line, i) => (rows[i].isOurs ? bold(line) : line)),
    ...failures,
    dim(`  base: ${base?.impl ?? "none"}`),
  ].join("\n");
};

const rowOf = (cell, base, label) => {
  const at = (name) => medianOf(cell.rounds, name);
  const ratios = pairedRatios(cell, base, "cpu");
  const [least, most] = range(ratios);
  const mark = cell === base ? "" : { less: " <", more: " >", equal: " ≈" }[verdict(ratios)];
  const row = [
    label,
    Math.round(at("requestsPerSecond")).toLocaleString("en-US"),
    figure(at("cpu")),
    figure(at("user")),
    figure(at("system")),
    `${median(ratios).toFixed(2)}${mark}`,
    `${least.toFixed(2)}–${most.toFixed(2)}`,
    figure(at("p50")),
    figure(at("p99")),
    figure(at("p999")),
    mebibytes(Math.max(...cell.rounds.map((round) => round.peakRss))),
    percent(at("serverShare")),
    percent(at("loadShare")),
    `${percent(at("foreignServer"))} ${percent(at("foreignLoad"))}`,
  ];
  row.isOurs = /^(percore|before)/.test(cell.impl);
  return row;
};

/** Pads a table: names to the left, figures to the right. */
export const align = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join("  "),
  );
};
