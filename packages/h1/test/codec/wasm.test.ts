// The parser's bytes: where they come from, that they are what they were, and that nobody depends on chance offsets.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Arena } from "@percore/core";
import t from "tap";
import { Codec } from "../../src/codec/codec.ts";
import * as L from "../../src/codec/layout.ts";
import { LLHTTP_WASM_BASE64, TAPE_WASM_BASE64 } from "../../src/codec/wasm-bytes.ts";

/**
 * llhttp as npm undici 8.12.4 ships it (lib/llhttp/llhttp_simd-wasm.js; llhttp 9.3.1, MIT, the Node.js project), and the
 * same with its memory imported. A change of either is a change of the parser and has to be looked at.
 */
const ORIGINAL_SHA256 = "18403ee56fab07f89a845028bad358bb3ebcda213f8e2ec0989a991e9c33da69";
const IMPORTING_SHA256 = "44d9d2046993d07e0a91da07e077bc501db2165fdb622a8b58cf5731ed5f8705";

const require = createRequire(import.meta.url);
const ROOT = new URL("../../../", import.meta.url);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

t.test("llhttp is undici's build, byte for byte but for its memory", async (t) => {
  const original = new Uint8Array(require("undici/lib/llhttp/llhttp_simd-wasm.js"));
  t.equal(require("undici/package.json").version, "8.12.4");
  t.equal(sha256(original), ORIGINAL_SHA256);
  const { importMemory, sections } = await import(new URL("scripts/wasm-sections.mjs", ROOT).href);
  const bytes = Buffer.from(LLHTTP_WASM_BASE64, "base64");
  t.equal(sha256(bytes), IMPORTING_SHA256);
  t.same(Buffer.from(importMemory(original, "env", "memory")), bytes);
  interface Section {
    id: number;
    start: number;
    end: number;
  }
  const parts = (whole: Uint8Array): Map<number, string> =>
    new Map([...sections(whole)].map((part: Section) => [part.id, sha256(whole.subarray(part.start, part.end))]));
  const [before, after] = [parts(original), parts(bytes)];
  const differing = [...before].filter(([id, sum]) => after.get(id) !== sum).map(([id]) => id);
  t.same(differing, [2, 5], "only imports and memory differ");
  t.notOk(after.has(5));
});

t.test("tape.wat assembles to what is used", async (t) => {
  const { default: wabtReady } = await import("wabt");
  const wabt = await wabtReady();
  const features = { simd: true, bulk_memory: true };
  const source = readFileSync(new URL("src/codec/tape.wat", ROOT), "utf8");
  const module = wabt.parseWat("tape.wat", source, features);
  const { buffer } = module.toBinary({ log: false, write_debug_names: false });
  t.same(Buffer.from(buffer), Buffer.from(TAPE_WASM_BASE64, "base64"));
  const { sections } = await import(new URL("scripts/wasm-sections.mjs", ROOT).href);
  const ids = [...sections(buffer)].map((section: { id: number }) => section.id);
  t.notOk(ids.includes(11), "no data segment");
  t.notOk(ids.includes(6), "no globals, so no stack");
  module.destroy();
});

t.test("the parser keeps to its pages", async (t) => {
  const arena = new Arena({ bytes: 8 * 1024 * 1024 });
  const before = arena.stats.carved;
  const { machine } = Codec.of(arena);
  const { offset } = arena.lease(1024);
  t.ok(offset >= before && before >= L.TAPE_END, "blocks lie behind them");
  t.equal(Codec.of(arena).machine, machine, "one per arena");
  t.equal(arena.memory.buffer.byteLength, 8 * 1024 * 1024, "nothing grew");
});

t.test("settings and kind lie where llhttp looks for them", async (t) => {
  const arena = new Arena({ bytes: 8 * 1024 * 1024 });
  const { machine } = Codec.of(arena);
  const { i32 } = arena;
  const record = arena.allocRecord(L.PARSER_BYTES);
  machine.init(record, L.TYPE_REQUEST);
  t.equal(i32[(record + 56) >> 2], L.REQUEST_SETTINGS_OFFSET, "settings are found where llhttp looks for them");
  t.equal(arena.u8[record + 40], L.TYPE_REQUEST);
  machine.init(record, L.TYPE_RESPONSE);
  t.equal(i32[(record + 56) >> 2], L.RESPONSE_SETTINGS_OFFSET);
});
