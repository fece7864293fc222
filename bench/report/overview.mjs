// The whole run in one table: implementations down, cases across, each cell the CPU per request against the case's base.
import { median, medianOf, pairedRatios } from "../harness/statistics.mjs";
import { element, escapeMarkup, figure } from "./markup.mjs";

/** NGINX where it answers the case, node:http where it does not. */
const BASES = ["nginx", "node"];

export const baseOf = (rows) =>
  BASES.map((name) => rows.find((row) => row.impl === name)).find((row) => row !== undefined);

/** Green below 1, red above, stronger the further away, on a logarithmic scale that ends at a factor of 4. */
const tint = (ratio) => {
  const distance = Math.max(-1, Math.min(1, Math.log2(ratio) / 2));
  const colour = distance < 0 ? "var(--good)" : "var(--bad)";
  return `background: color-mix(in srgb, ${colour} ${Math.round(Math.abs(distance) * 70)}%, transparent)`;
};

/** @param {{ name: string, title: string }[]} cases @param {Map<string, object[]>} rowsByCase */
export const overviewTable = (all, cases, rowsByCase) => {
  const peers = all.filter((peer) =>
    [...rowsByCase.values()].some((rows) => rows.some((row) => row.impl === peer.name)),
  );
  const shown = cases.filter((one) => rowsByCase.get(one.name)?.length > 0);
  const head = element("tr", {}, `<th></th>${shown.map((one) => `<th>${escapeMarkup(one.name)}</th>`).join("")}`);
  const body = peers.map((peer) => {
    const cells = shown.map((one) => cell(rowsByCase.get(one.name), peer));
    return element(
      "tr",
      { class: peer.kind === "ours" ? "ours" : undefined },
      `<td>${escapeMarkup(peer.label)}</td>${cells.join("")}`,
    );
  });
  const bases = shown.map(
    (one) => `<td class="soft">${escapeMarkup(baseOf(rowsByCase.get(one.name))?.label ?? "")}</td>`,
  );
  return element(
    "table",
    { class: "overview" },
    `${head}${body.join("")}<tr><td class="soft">base</td>${bases.join("")}</tr>`,
  );
};

const cell = (rows, peer) => {
  const row = rows.find((one) => one.impl === peer.name);
  if (row === undefined) return '<td class="soft">–</td>';
  const base = baseOf(rows);
  const ratios = base === undefined ? [] : pairedRatios(row, base, "cpu");
  const cpu = medianOf(row.rounds, "cpu");
  if (ratios.length === 0) return `<td class="cell">${figure(cpu)} µs</td>`;
  const ratio = median(ratios);
  return element("td", { class: "cell", style: tint(ratio), title: `${figure(cpu)} µs per request` }, ratio.toFixed(2));
};
