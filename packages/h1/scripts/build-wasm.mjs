// build-wasm.mjs — makes src/codec/wasm-bytes.ts: llhttp as npm undici ships it, importing the arena's memory, and the
// tape's callbacks assembled from tape.wat. Run by `prepare`; its result is not committed but checked by a test.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import wabtReady from "wabt";
import { importMemory } from "./wasm-sections.mjs";

const require = createRequire(import.meta.url);
const here = (path) => new URL(path, import.meta.url);

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const original = new Uint8Array(require("undici/lib/llhttp/llhttp_simd-wasm.js"));
const llhttp = importMemory(original, "env", "memory");

const wabt = await wabtReady();
const features = { simd: true, bulk_memory: true };
const parsed = wabt.parseWat("tape.wat", readFileSync(here("../src/codec/tape.wat"), "utf8"), features);
parsed.validate(features);
const tape = new Uint8Array(parsed.toBinary({ log: false, write_debug_names: false }).buffer);
parsed.destroy();

const source = `// wasm-bytes.ts — made by scripts/build-wasm.mjs, not by hand; the bytes' origin and sums are in test/codec/wasm.test.ts.

/** llhttp ${require("undici/package.json").version} (undici's build), its memory section turned into an import. sha256 ${sha256(llhttp)} */
export const LLHTTP_WASM_BASE64 =
  "${Buffer.from(llhttp).toString("base64")}";

/** tape.wat assembled. sha256 ${sha256(tape)} */
export const TAPE_WASM_BASE64 =
  "${Buffer.from(tape).toString("base64")}";
`;
writeFileSync(here("../src/codec/wasm-bytes.ts"), source);
