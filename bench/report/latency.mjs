// The latencies of a case: median, 99 % and 99.9 % on one logarithmic line for each implementation.
import { medianOf } from "../harness/statistics.mjs";
import { duration, element, text } from "./markup.mjs";

const WIDTH = 1000;
const LEFT = 215;
const RIGHT = 215;
const ROW = 24;
const TOP = 26;
const MARKS = [
  { name: "p50", radius: 5 },
  { name: "p99", radius: 4 },
  { name: "p999", radius: 3 },
];

export const latencyChart = (all) => {
  const rows = all.filter((row) => MARKS.every(({ name }) => Number.isFinite(medianOf(row.rounds, name))));
  if (rows.length === 0) return '<p class="soft">The load generator could not tell.</p>';
  const sorted = [...rows].sort((a, b) => medianOf(a.rounds, "p99") - medianOf(b.rounds, "p99"));
  const shown = sorted.flatMap((row) => MARKS.map(({ name }) => medianOf(row.rounds, name)));
  const low = 10 ** Math.floor(Math.log10(Math.min(...shown)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...shown)));
  const scale = (us) => LEFT + (Math.log10(us / low) / Math.log10(high / low)) * (WIDTH - LEFT - RIGHT);
  const height = TOP + sorted.length * ROW + 8;
  const decades = Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, i) => low * 10 ** i);
  const grid = decades.map(
    (us) =>
      element("line", { class: "grid", x1: scale(us), x2: scale(us), y1: TOP - 6, y2: height - 6 }) +
      text(scale(us), 13, duration(us).replace(/\.0+/, ""), { class: "soft small", "text-anchor": "middle" }),
  );
  const head = text(WIDTH - 4, 13, "p50 · p99 · p99.9", { class: "soft small", "text-anchor": "end" });
  const lines = sorted.map((row, i) => line(row, TOP + i * ROW + ROW / 2, scale));
  const attributes = {
    viewBox: `0 0 ${WIDTH} ${height}`,
    width: WIDTH,
    height,
    role: "img",
    xmlns: "http://www.w3.org/2000/svg",
  };
  return element(
    "svg",
    attributes,
    element("title", {}, "Latency by implementation") + grid.join("") + head + lines.join(""),
  );
};

const line = (row, y, scale) => {
  const at = MARKS.map(({ name }) => medianOf(row.rounds, name));
  const strong = row.kind === "ours" ? "strong" : undefined;
  const span = element("line", {
    x1: scale(at[0]),
    x2: scale(at[2]),
    y1: y,
    y2: y,
    style: `stroke: var(--${row.kind}-light); stroke-width: 4`,
  });
  const marks = MARKS.map(({ radius }, i) =>
    element("circle", { cx: scale(at[i]), cy: y, r: radius, style: `fill: var(--${row.kind})` }),
  );
  const label = text(LEFT - 12, y + 4, row.label, { class: strong, "text-anchor": "end" });
  const said = text(WIDTH - 4, y + 4, at.map(duration).join(" · "), { class: strong ?? "soft", "text-anchor": "end" });
  return span + marks.join("") + label + said;
};
