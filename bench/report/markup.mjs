// Writing HTML and SVG as text: escaping, elements, and how figures are said.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escapeMarkup = (text) => String(text).replace(/[&<>"]/g, (character) => ENTITIES[character]);

/** An element; attributes that are undefined are left out. `content` is markup already. */
export const element = (name, attributes = {}, content = "") => {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeMarkup(typeof value === "number" ? round(value) : value)}"`);
  return `<${name}${written.join("")}>${content}</${name}>`;
};

const round = (value) => Math.round(value * 100) / 100;

export const text = (x, y, content, attributes = {}) => element("text", { x, y, ...attributes }, escapeMarkup(content));

/** Three digits that matter. */
export const figure = (value) => {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
};

/** Microseconds, or milliseconds where those read better. */
export const duration = (us) => (us >= 1000 ? `${figure(us / 1000)} ms` : `${figure(us)} µs`);

export const count = (value) => {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4
    ? `${(value / 1e3).toFixed(0)} k`
    : value >= 1e3
      ? `${(value / 1e3).toFixed(1)} k`
      : value.toFixed(0);
};

/** Round steps for an axis from 0 to a bit above `most`. */
export const ticksTo = (most, wanted = 7) => {
  const raw = most / wanted;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((candidate) => candidate >= raw);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
};
