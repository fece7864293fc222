// hpack.mjs — what header compression costs: our codec and npm hpack.js in turns, on blocks of a real encoder.
//
//   node bench/budget/hpack.mjs [rounds]
import { readFileSync } from "node:fs";
import { hpack } from "@percore/h2";
import { hpackJs } from "@percore/h2/hpack-js";

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = 0.4;
const VECTORS = new URL("../../packages/h2/test/vectors/hpack/nghttp2.json", import.meta.url);
const LIMITS = { listBytesMax: 1_000_000, fieldsMax: 1000, tableBytesMax: 4096 };

const stories = JSON.parse(readFileSync(VECTORS, "utf8"));
const loaded = stories.map(({ story, cases }) => ({
  story,
  blocks: cases.map(({ wire }) => Buffer.from(wire, "hex")),
  fields: cases.reduce((sum, { headers }) => sum + headers.length / 2, 0),
}));
const ONE = loaded.filter(({ story }) => story === "story_20");

/** Decodes each story with a fresh decoder; returns fields. */
const decodeAll = (codec, set) => {
  let fields = 0;
  for (const story of set) {
    const decoder = codec.decoder(LIMITS);
    for (const block of story.blocks) decoder.decode(block, 0, block.length);
    fields += story.fields;
  }
  return fields;
};

const LIST = [
  ":status",
  "200",
  "content-type",
  "text/plain",
  "server",
  "percore",
  "date",
  "Thu, 01 Jan 1970 00:00:00 GMT",
];
const OUT = new Uint8Array(512);
/** A small response head, a thousand times on one connection; `key` tells the codec that the list is the same. */
const encodeMany = (codec, key) => {
  const encoder = codec.encoder(4096);
  for (let at = 0; at < 1000; at += 1) encoder.encode(OUT, 0, LIST, key);
  return 1000;
};

/** Units per second of processor time. */
const rate = (work) => {
  const start = process.cpuUsage();
  const end = performance.now() + SECONDS * 1000;
  let units = 0;
  while (performance.now() < end) units += work();
  const { user, system } = process.cpuUsage(start);
  return (units / (user + system)) * 1e6;
};

const CASES = [
  ["decode, story_20, own", () => decodeAll(hpack, ONE)],
  ["decode, story_20, hpack.js", () => decodeAll(hpackJs, ONE)],
  ["decode, four stories, own", () => decodeAll(hpack, loaded)],
  ["decode, four stories, hpack.js", () => decodeAll(hpackJs, loaded)],
  ["encode a head, own, list known", () => encodeMany(hpack, 7)],
  ["encode a head, own, field by field", () => encodeMany(hpack, 0)],
  ["encode a head, hpack.js", () => encodeMany(hpackJs, 0)],
];
const rates = CASES.map(() => []);
for (let round = 0; round <= ROUNDS; round += 1) {
  // The first round warms up.
  for (const [at, [, work]] of CASES.entries()) {
    const measured = rate(work);
    if (round > 0) rates[at].push(measured);
  }
}
console.log(`${process.version}, ${ROUNDS} rounds of ${SECONDS} s a case, in turns; median (least .. most)`);
for (const [at, [name]] of CASES.entries()) {
  const sorted = rates[at].sort((left, right) => left - right);
  const show = (value) =>
    name.startsWith("decode") ? `${(value / 1e6).toFixed(2)} M fields/s` : `${(1e6 / value).toFixed(3)} µs`;
  console.log(`${name.padEnd(36)} ${show(sorted[sorted.length >> 1])} (${show(sorted[0])} .. ${show(sorted.at(-1))})`);
}
