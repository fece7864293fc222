// Who ran what when: a lane for each worker, a block for each slice of a task, one colour for each task.
import { element, text } from "./markup.mjs";

const WIDTH = 1000;
const LEFT = 90;
const RIGHT = 20;
const LANE = 34;
const TOP = 8;

/** Five tasks, told apart in light and dark, also by people who do not see every colour. */
const COLOURS = ["#0f766e", "#c2702a", "#5b6fb5", "#b0486f", "#8a8f2c"];

/** @param {{ slices: object[], makespan: number }} one @param {number} workers @param {number} limit ms at the right end */
export const ganttChart = (one, workers, limit) => {
  const scale = (ms) => LEFT + (ms / limit) * (WIDTH - LEFT - RIGHT);
  const bottom = TOP + workers * LANE;
  const lanes = Array.from({ length: workers }, (_, worker) =>
    text(LEFT - 12, TOP + worker * LANE + 20, `worker ${worker + 1}`, { class: "soft", "text-anchor": "end" }),
  );
  const blocks = merge(one.slices).map(({ task, worker, start, end }) => {
    const attributes = {
      x: scale(start),
      y: TOP + worker * LANE + 3,
      width: Math.max(0.6, scale(end) - scale(start)),
      height: LANE - 8,
    };
    return element("rect", { ...attributes, fill: COLOURS[task % COLOURS.length] });
  });
  const ticks = Array.from({ length: Math.floor(limit / 50) + 1 }, (_, i) => i * 50).map(
    (ms) =>
      element("line", { class: "grid", x1: scale(ms), x2: scale(ms), y1: TOP, y2: bottom + 4 }) +
      text(scale(ms), bottom + 17, `${ms} ms`, { class: "soft small", "text-anchor": "middle" }),
  );
  const end = element("line", {
    class: "whisker",
    x1: scale(one.makespan),
    x2: scale(one.makespan),
    y1: TOP - 4,
    y2: bottom + 4,
  });
  const attributes = {
    viewBox: `0 0 ${WIDTH} ${bottom + 24}`,
    width: WIDTH,
    height: bottom + 24,
    role: "img",
    xmlns: "http://www.w3.org/2000/svg",
  };
  return element(
    "svg",
    attributes,
    element("title", {}, "Which worker ran which task") + ticks.join("") + lanes.join("") + blocks.join("") + end,
  );
};

export const taskLegend = (tasks) =>
  tasks
    .map(
      (ms, task) =>
        `<span><i style="background: ${COLOURS[task % COLOURS.length]}"></i>task ${task + 1}: ${ms} ms</span>`,
    )
    .join("");

/** Joins slices of one task that follow each other on the same worker; hundreds of slivers help nobody. */
const merge = (slices) => {
  const sorted = [...slices].sort((a, b) => a.worker - b.worker || a.start - b.start);
  const merged = [];
  for (const slice of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && last.worker === slice.worker && last.task === slice.task && slice.start - last.end < 0.3)
      last.end = slice.end;
    else merged.push({ ...slice });
  }
  return merged;
};
