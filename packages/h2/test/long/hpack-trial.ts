// hpack-trial.ts — header blocks alone: ours against the second reading of RFC 7541, and against bytes that are none.
import { Buffer } from "node:buffer";
import { blockBound, HpackError } from "../../src/codec/hpack/codec.ts";
import { OWN_CODEC } from "../../src/codec/hpack/own-codec.ts";
import { hpackJs } from "../../src/hpack-js.ts";
import { Choice } from "./choice.ts";
import { lines, someFields } from "./messages.ts";
import { type Line, ReferenceEncoder } from "./reference-hpack.ts";

const NAMES = [":status", ":path", "set-cookie", "cookie", "authorization", "etag", "x", "content-length", "vary"];
const CHARACTERS = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

const someLine = (choice: Choice): Line => {
  // The longest ones take integers of three bytes more.
  const length = choice.rarely(100) ? 17_000 : choice.one([0, 1, 3, 19, 20, 70, choice.rarely(10) ? 5000 : 300]);
  const any = choice.rarely(2);
  const value = Array.from({ length }, () => (any ? choice.one(CHARACTERS) : choice.one(["a", "0", "/", "e", "~"])));
  return [choice.one(NAMES), value.join("")];
};

/** Few lines, so that the same bytes come again and mean another entry of the table. */
const FEW: readonly Line[] = [
  ["x-a", "1"],
  ["x-a", "2"],
  ["x-b", "1"],
];

const someList = (choice: Choice): Line[] =>
  choice.rarely(2)
    ? Array.from({ length: 1 + choice.number(2) }, () => choice.one(FEW))
    : [...someFields(choice), ...Array.from({ length: choice.number(4) }, () => someLine(choice))];

export const hpackTrial = (seed: number): string | null => {
  const choice = new Choice(seed);
  return choice.rarely(2) ? decodes(choice) : encodes(choice);
};

const decodes = (choice: Choice): string | null => {
  const tableBytesMax = choice.one([0, 64, 4096, 16_384]);
  const reference = new ReferenceEncoder(choice);
  const decoder = OWN_CODEC.decoder({ listBytesMax: 1e6, fieldsMax: 1e4, tableBytesMax });
  const limits = { listBytesMax: 400, fieldsMax: 5, tableBytesMax };
  const strict = OWN_CODEC.decoder(limits);
  const other = hpackJs.decoder(limits);
  decoder.setTableBytesMax(tableBytesMax);
  strict.setTableBytesMax(tableBytesMax);
  other.setTableBytesMax(tableBytesMax);
  reference.setLimit(tableBytesMax);
  const seen: Line[][] = [];
  for (let round = choice.number(12); round >= 0; round -= 1) {
    const list = seen.length > 0 && choice.rarely(3) ? choice.one(seen) : someList(choice);
    seen.push(list);
    const block = reference.encode(list);
    const got = decoder.decode(block, 0, block.length);
    const text = got.fields.map(({ name, value }) => `${name.text}: ${value.text}`);
    if (got.tooLarge || text.join("\n") !== lines(list).join("\n")) return `decoded as ${text}, is ${lines(list)}`;
    const size = list.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    if (got.size !== size) return `counts for ${got.size}, is ${size}`;
    const [own, theirs] = [strict, other].map((one) => one.decode(block, 0, block.length));
    if (own.tooLarge !== theirs.tooLarge) return `too large: ours ${own.tooLarge}, theirs ${theirs.tooLarge} (${size})`;
    if (own.tooLarge !== (size > 400 || list.length > 5))
      return `too large: ${own.tooLarge} at ${size}, ${list.length}`;
    if (choice.rarely(4)) return broken(choice, decoder, block);
  }
  return null;
};

/** The block with some of it changed. */
const broken = (choice: Choice, decoder: ReturnType<typeof OWN_CODEC.decoder>, block: Buffer): string | null => {
  const bytes = Buffer.from(block);
  for (let change = choice.number(3); change >= 0 && bytes.length > 0; change -= 1) {
    bytes[choice.number(bytes.length)] = choice.number(256);
  }
  const size = choice.number(bytes.length + 1);
  try {
    decoder.decode(bytes, 0, size);
  } catch (error) {
    if (!(error instanceof HpackError)) return `broken: ${(error as Error).stack}`;
    try {
      decoder.decode(Buffer.from([0x82]), 0, 1);
    } catch (again) {
      return (again as HpackError).code === "ERR_HPACK_FAILED" ? null : `broken, then ${again}`;
    }
    return "a decoder that has failed goes on";
  }
  return null;
};

const encodes = (choice: Choice): string | null => {
  const most = choice.one([0, 100, 4096, 65_536]);
  const encoder = OWN_CODEC.encoder(most);
  const oracle = hpackJs.decoder({ listBytesMax: 1e7, fieldsMax: 1e5, tableBytesMax: 65_536 });
  const seen: Line[][] = [];
  /** What the decoder takes for the table's size. */
  let present = 4096;
  for (let round = choice.number(12); round >= 0; round -= 1) {
    const sizes: number[] = [];
    if (choice.rarely(4)) {
      for (let times = choice.number(3); times >= 0; times -= 1) sizes.push(choice.one([0, 40, 200, 4096, 65_536]));
    }
    for (const size of sizes) {
      encoder.setTableBytesMax(size);
      oracle.setTableBytesMax(size);
    }
    const at = choice.number(seen.length + 1);
    const list = at < seen.length ? seen[at] : someList(choice);
    if (at === seen.length) seen.push(list);
    const flat = list.flat();
    const bytes = new Uint8Array(blockBound(flat));
    const end = encoder.encode(bytes, 0, flat, choice.rarely(3) ? 0 : at + 1);
    if (end > bytes.length) return `${end} bytes where ${bytes.length} were promised to do`;
    const updates = leadingUpdates(bytes, end);
    const least = Math.min(present, most, ...sizes.map((size) => Math.min(size, most)));
    // RFC 7541 §4.2: the least since the last block is told, and then the present one.
    if (least < present && Math.min(...updates) > least) return `table sizes ${sizes} are told as ${updates}`;
    present = updates.at(-1) ?? present;
    if (sizes.length > 0 && present !== Math.min(sizes.at(-1) as number, most))
      return `size ${sizes} left at ${present}`;
    const { fields } = oracle.decode(bytes, 0, end);
    const text = fields.map(({ name, value }) => `${name.text}: ${value.text}`);
    if (text.join("\n") !== lines(list).join("\n")) return `encoded as ${text}, is ${lines(list)}`;
    for (const { name, sensitive } of fields) {
      if (name.text === "authorization" && !sensitive) return "authorization may be indexed by others";
    }
  }
  return null;
};

/** Table sizes that lead a block (RFC 7541 §6.3). */
const leadingUpdates = (bytes: Uint8Array, end: number): number[] => {
  const updates: number[] = [];
  for (let at = 0; at < end && (bytes[at] & 0xe0) === 0x20; ) {
    let value = bytes[at] & 0x1f;
    at += 1;
    if (value === 0x1f) {
      for (let shift = 0; ; shift += 7) {
        value += (bytes[at] & 0x7f) << shift;
        at += 1;
        if (bytes[at - 1] < 0x80) break;
      }
    }
    updates.push(value);
  }
  return updates;
};
