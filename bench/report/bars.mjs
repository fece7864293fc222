// The picture of a case: a bar for each implementation, CPU µs per request, user and system apart; a dot for each round.
import { median, medianOf, pairedRatios } from "../harness/statistics.mjs";
import { count, element, figure, text, ticksTo } from "./markup.mjs";

const WIDTH = 1000;
const LEFT = 215;
const RIGHT = 205;
const ROW = 27;
const BAR = 15;
const TOP = 26;
/** A bar longer than this many times the median is cut, so that one slow peer does not flatten the others. */
const CUT = 4;

/**
 * @param {{ impl: string, label: string, kind: string, rounds: object[] }[]} rows
 * @param {{ impl: string } | undefined} base row that ratios refer to
 */
export const barChart = (rows, base) => {
  const sorted = [...rows].sort((a, b) => medianOf(a.rounds, "cpu") - medianOf(b.rounds, "cpu"));
  const values = sorted.map((row) => medianOf(row.rounds, "cpu"));
  const limit = Math.min(Math.max(...values) * 1.04, median(values) * CUT);
  const scale = (value) => LEFT + (Math.min(value, limit) / limit) * (WIDTH - LEFT - RIGHT);
  const height = TOP + sorted.length * ROW + 8;
  const parts = [axis(limit, scale, height), ...sorted.map((row, i) => bar(row, base, TOP + i * ROW, scale, limit))];
  if (base !== undefined) {
    const x = scale(medianOf(base.rounds, "cpu"));
    parts.splice(1, 0, element("line", { class: "base", x1: x, x2: x, y1: TOP - 4, y2: height - 6 }));
  }
  const attributes = {
    viewBox: `0 0 ${WIDTH} ${height}`,
    width: WIDTH,
    height,
    role: "img",
    xmlns: "http://www.w3.org/2000/svg",
  };
  return element("svg", attributes, element("title", {}, "CPU time per request by implementation") + parts.join(""));
};

const axis = (limit, scale, height) => {
  const ticks = ticksTo(limit).filter((value) => value <= limit);
  const lines = ticks.map((value) =>
    element("line", { class: "grid", x1: scale(value), x2: scale(value), y1: TOP - 6, y2: height - 6 }),
  );
  const labels = ticks.map((value) => text(scale(value), 13, value, { class: "soft small", "text-anchor": "middle" }));
  const unit = text(LEFT - 18, 13, "CPU µs per request", { class: "soft small", "text-anchor": "end" });
  const right =
    text(WIDTH - 92, 13, base(), { class: "soft small", "text-anchor": "end" }) +
    text(WIDTH - 4, 13, "requests/s", { class: "soft small", "text-anchor": "end" });
  return lines.join("") + labels.join("") + unit + right;
};

const base = () => "× base";

const bar = (row, baseRow, y, scale, limit) => {
  const user = medianOf(row.rounds, "user");
  const cpu = medianOf(row.rounds, "cpu");
  const middle = y + ROW / 2;
  const top = middle - BAR / 2;
  const strong = row.kind === "ours" ? "strong" : undefined;
  const hint = element("title", {}, `${row.label}: ${figure(cpu)} µs, of which ${figure(user)} µs user`);
  const whole = element(
    "rect",
    { x: scale(0), y: top, width: scale(cpu) - scale(0), height: BAR, rx: 3, style: `fill: var(--${row.kind}-light)` },
    hint,
  );
  const userBar = element(
    "rect",
    { x: scale(0), y: top, width: scale(user) - scale(0), height: BAR, rx: 3, style: `fill: var(--${row.kind})` },
    hint,
  );
  const dots = row.rounds
    .filter((round) => round.cpu <= limit)
    .map((round) => element("circle", { class: "dot", cx: scale(round.cpu), cy: middle, r: 2.4 }));
  const cut = cpu > limit ? text(scale(limit) - 6, middle + 4, "»", { class: "strong", "text-anchor": "end" }) : "";
  const labels = [
    text(LEFT - 12, middle + 4, row.label, { class: strong, "text-anchor": "end" }),
    text(WIDTH - 146, middle + 4, figure(cpu), { class: strong ?? "soft", "text-anchor": "end" }),
    text(WIDTH - 92, middle + 4, ratio(row, baseRow), { class: strong, "text-anchor": "end" }),
    text(WIDTH - 4, middle + 4, count(medianOf(row.rounds, "requestsPerSecond")), {
      class: "soft",
      "text-anchor": "end",
    }),
  ];
  return whole + userBar + dots.join("") + cut + labels.join("");
};

const ratio = (row, baseRow) => {
  if (baseRow === undefined) return "";
  const ratios = pairedRatios(row, baseRow, "cpu");
  return ratios.length === 0 ? "–" : median(ratios).toFixed(2);
};
