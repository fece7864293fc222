// The targets of each stage against measured figures. A target compares two implementations round by round, or has one figure.

import { median, medianOf, pairedRatios, range } from "./statistics.mjs";
import { align, bold, dim, green, red } from "./table.mjs";

/**
 * @typedef {object} Target
 * @property {string} case @property {string} impl
 * @property {string} [base] compare with this implementation in the same rounds; without it the figure itself counts
 * @property {"cpu" | "user" | "requestsPerSecond"} figure
 * @property {number} [most] @property {number} [least]
 */

/** @type {Target[]} */
const H1_TARGETS = [
  { case: "hello-64", impl: "percore", base: "nginx", figure: "cpu", most: 0.95 },
  { case: "hello-64", impl: "percore", base: "floor-uring", figure: "cpu", most: 1.12 },
  { case: "hello-64", impl: "percore", figure: "user", most: 1.3 },
  { case: "hello-64", impl: "percore", base: "node", figure: "cpu", most: 0.4 },
  { case: "hello-64", impl: "percore", base: "hyper", figure: "cpu", most: 1 },
  { case: "hello-64", impl: "percore-poll", base: "nginx", figure: "cpu", most: 1.05 },
  { case: "pipelined-16", impl: "percore", base: "nginx", figure: "requestsPerSecond", least: 5 },
  { case: "memory-64k", impl: "percore", base: "floor-uring", figure: "cpu", most: 1.1 },
  { case: "file-64k", impl: "percore", base: "nginx", figure: "cpu", most: 1.1 },
  { case: "echo-64k", impl: "percore", base: "node", figure: "cpu", most: 0.35 },
];

/** @type {Target[]} */
const H2_TARGETS = [
  ...["percore", "percore-poll"].flatMap((impl) => [
    { case: "h2-hello-m32", impl, base: "nginx", figure: "cpu", most: 0.35 },
    { case: "h2-hello-m32", impl, base: "node", figure: "cpu", most: 0.2 },
    { case: "h2-hello-m32", impl, base: "hyper", figure: "cpu", most: 1.3 },
    { case: "h2-hello-m1", impl, base: "nginx", figure: "cpu", most: 0.85 },
  ]),
];

/** The limits differ by OpenSSL: Node 20 carries 3.0, as Debian's nginx does; later ones carry 3.5. */
const NODE_20 = process.versions.openssl.startsWith("3.0");

/** @type {Target[]} */
const TLS_TARGETS = [
  { case: "tls-hello-64", impl: "percore", base: "nginx", figure: "cpu", most: 0.9 },
  { case: "tls-hello-64", impl: "percore", base: "node", figure: "cpu", most: 0.4 },
  { case: "handshake-ec", impl: "percore", base: "nginx", figure: "cpu", most: NODE_20 ? 1.1 : 0.9 },
  { case: "handshake-resumed", impl: "percore", base: "nginx", figure: "cpu", most: NODE_20 ? 1.1 : 0.9 },
  { case: "tls-memory-1m", impl: "percore", base: "nginx", figure: "cpu", most: NODE_20 ? 0.95 : 0.65 },
];

/** @type {Target[]} */
const PROXY_TARGETS = [
  { case: "proxy-hello-64", impl: "percore", base: "nginx", figure: "cpu", most: 0.95 },
  { case: "proxy-hello-64", impl: "percore", base: "haproxy", figure: "cpu", most: 0.95 },
  { case: "proxy-hello-64", impl: "percore", base: "http-proxy", figure: "cpu", most: 0.2 },
  { case: "proxy-hello-64", impl: "percore", base: "fast-proxy", figure: "cpu", most: 0.2 },
  { case: "proxy-hello-64", impl: "percore", base: "undici", figure: "cpu", most: 0.2 },
  { case: "proxy-tls-hello", impl: "percore", base: "nginx", figure: "cpu", most: 0.95 },
  { case: "proxy-h2-hello", impl: "percore", base: "nginx", figure: "cpu", most: 1.2 },
  { case: "proxy-64k", impl: "percore", base: "nginx", figure: "cpu", most: 1.2 },
];

/**
 * Measured and shown with the targets: the floor itself beside the same bases. A target below it cannot be hit by anybody.
 * @type {Target[]}
 */
const H1_CONTEXT = [
  { case: "hello-64", impl: "floor-uring", base: "nginx", figure: "cpu" },
  { case: "pipelined-16", impl: "floor-uring", base: "nginx", figure: "requestsPerSecond" },
  { case: "echo-64k", impl: "floor-uring", base: "node", figure: "cpu" },
];

/** By command. @type {Record<string, { targets: Target[], context: Target[] }>} */
export const GATES = {
  h1: { targets: H1_TARGETS, context: H1_CONTEXT },
  h2: { targets: H2_TARGETS, context: [] },
  tls: { targets: TLS_TARGETS, context: [] },
  proxy: {
    targets: PROXY_TARGETS,
    context: [{ case: "proxy-hello-64", impl: "haproxy-tcp", base: "nginx", figure: "cpu" }],
  },
};

/** What must be measured, by case. @returns {Map<string, Set<string>>} */
export const neededFor = (targets) => {
  const needed = new Map();
  for (const { case: name, impl, base } of targets) {
    const impls = needed.get(name) ?? new Set();
    needed.set(name, impls.add(impl));
    if (base !== undefined) impls.add(base);
  }
  return needed;
};

const FIGURES = { cpu: "CPU/request", user: "user µs/request", requestsPerSecond: "requests/s" };

const evaluate = (target, cells) => {
  const find = (impl) =>
    cells.find((cell) => cell.case === target.case && cell.impl === impl && cell.rounds.length > 0);
  const cell = find(target.impl);
  const base = target.base === undefined ? undefined : find(target.base);
  const failures = [cell, base].flatMap((one) => one?.failures ?? []);
  if (cell === undefined || (target.base !== undefined && base === undefined) || failures.length > 0) {
    return { target, state: "unmeasured", why: failures[0] ?? "no figures" };
  }
  const values =
    base === undefined ? cell.rounds.map((round) => round[target.figure]) : pairedRatios(cell, base, target.figure);
  const value = base === undefined ? medianOf(cell.rounds, target.figure) : median(values);
  const hit =
    (target.most === undefined || value <= target.most) && (target.least === undefined || value >= target.least);
  return { target, state: hit ? "hit" : "miss", value, spread: range(values), rounds: values.length };
};

/** @returns every target with its measured value and "hit", "miss" or "unmeasured" */
export const evaluateTargets = (targets, cells) => targets.map((target) => evaluate(target, cells));

/** @returns {string} a target in words, without its limit */
export const describeTarget = ({ case: name, impl, figure, base }) =>
  `${name}: ${impl}, ${FIGURES[figure]}${base === undefined ? "" : ` ÷ ${base}`}`;

/** @returns {string} the lines for the terminal */
export const gateTable = (evaluated, shown, cells) => {
  const rows = evaluated.map(({ target, state, value, spread, why }) => [
    describeTarget(target),
    target.most === undefined ? `≥ ${target.least}` : `≤ ${target.most}`,
    value === undefined ? "–" : value.toFixed(2),
    spread === undefined ? why : `${spread[0].toFixed(2)}–${spread[1].toFixed(2)}`,
    state,
  ]);
  const lines = align([["target", "limit", "measured", "rounds", ""], ...rows]);
  const colours = { hit: green, miss: red, unmeasured: red };
  const context = shown
    .map((target) => evaluate(target, cells))
    .filter(({ value }) => value !== undefined)
    .map(({ target, value }) => dim(`the floor itself: ${describeTarget(target)}: ${value.toFixed(2)}`));
  return [bold(lines[0]), ...lines.slice(1).map((line, i) => colours[evaluated[i].state](line)), ...context].join("\n");
};
