// machine.ts — llhttp and the tape in one arena: instantiated once, tested at start, called once per received chunk.
import { Buffer } from "node:buffer";
import { ARENA_PARSER_PAGES, type Arena, assert, PAGE_BYTES } from "@percore/core";
import * as L from "./layout.ts";
import { LLHTTP_WASM_BASE64, TAPE_WASM_BASE64 } from "./wasm-bytes.ts";

/** llhttp's data, bss and stack end here; its heap would begin, if it had one. */
const LLHTTP_END = 76_992;

/** Callbacks of the tape, and the slot of llhttp's table each one takes: those of undici's own callbacks, 1 to 8. */
const SLOTS = [
  "onTarget",
  "onFieldName",
  "onFieldValue",
  "onHeadComplete",
  "onBody",
  "onMessageComplete",
  "onChunkHeader",
  "onResponseHeadComplete",
] as const;

/** Byte offsets in llhttp_settings_t of the events served for requests and responses alike, and by which callback. */
const SETTINGS: readonly (readonly [offset: number, callback: (typeof SLOTS)[number]])[] = [
  [24, "onFieldName"],
  [28, "onFieldValue"],
  [44, "onBody"],
  [48, "onMessageComplete"],
  [88, "onChunkHeader"],
];
const ON_URL = 8;
const ON_STATUS = 12;
const ON_HEAD_COMPLETE = 40;

interface LlhttpExports {
  _initialize(): void;
  llhttp_init(parser: number, type: number, settings: number): void;
  llhttp_execute(parser: number, at: number, size: number): number;
  __indirect_function_table: WebAssembly.Table;
}

type TapeExports = Record<(typeof SLOTS)[number], unknown> & {
  copy(to: number, from: number, size: number): void;
  hash(at: number, size: number): number;
  same(a: number, b: number, size: number): number;
};

/** Modules are compiled once per thread. */
let modules: { readonly llhttp: WebAssembly.Module; readonly tape: WebAssembly.Module } | null = null;

export class Machine {
  readonly arena: Arena;
  /** Runs llhttp over `size` bytes at `at`; what it found lies in the control block and on the tape. */
  readonly execute: (parser: number, at: number, size: number) => number;
  /** Copies `size` bytes; up to 15 bytes behind the end of `to` are overwritten. */
  readonly copy: (to: number, from: number, size: number) => void;
  /** A hash of at most the first 64 of the `size` bytes at `at`. */
  readonly hash: (at: number, size: number) => number;
  /** 1 where the `size` bytes (16 at least) at `a` and at `b` are the same. */
  readonly same: (a: number, b: number, size: number) => number;
  /** Where the next tape begins. Above TAPE_OFFSET only while a handler runs whose own tape lies below. */
  tapeBase: number = L.TAPE_OFFSET;
  /** The arena's bytes once more, for Buffer's fast decoders. */
  readonly bytes: Buffer;
  readonly #init: (parser: number, type: number, settings: number) => void;

  /** Instantiates the modules in the arena's first pages and tests them. Once per arena: see `Codec.of`. */
  constructor(arena: Arena) {
    assert(L.TAPE_END === ARENA_PARSER_PAGES * PAGE_BYTES && LLHTTP_END < L.REQUEST_SETTINGS_OFFSET, "parser pages");
    modules ??= {
      llhttp: new WebAssembly.Module(Buffer.from(LLHTTP_WASM_BASE64, "base64")),
      tape: new WebAssembly.Module(Buffer.from(TAPE_WASM_BASE64, "base64")),
    };
    const { memory } = arena;
    const tape = new WebAssembly.Instance(modules.tape, { env: { memory } }).exports as unknown as TapeExports;
    const llhttp = new WebAssembly.Instance(modules.llhttp, { env: { memory, ...UNUSED_IMPORTS } })
      .exports as unknown as LlhttpExports;
    llhttp._initialize();
    SLOTS.forEach((name, at) => {
      llhttp.__indirect_function_table.set(at + 1, tape[name]);
    });
    for (const settings of [L.REQUEST_SETTINGS_OFFSET, L.RESPONSE_SETTINGS_OFFSET]) {
      for (const [offset, name] of SETTINGS) arena.i32[(settings + offset) >> 2] = SLOTS.indexOf(name) + 1;
    }
    const serve = (event: number, name: (typeof SLOTS)[number]): void => {
      arena.i32[event >> 2] = SLOTS.indexOf(name) + 1;
    };
    serve(L.REQUEST_SETTINGS_OFFSET + ON_URL, "onTarget");
    serve(L.REQUEST_SETTINGS_OFFSET + ON_HEAD_COMPLETE, "onHeadComplete");
    serve(L.RESPONSE_SETTINGS_OFFSET + ON_STATUS, "onTarget");
    serve(L.RESPONSE_SETTINGS_OFFSET + ON_HEAD_COMPLETE, "onResponseHeadComplete");
    this.arena = arena;
    this.bytes = Buffer.from(memory.buffer);
    this.execute = llhttp.llhttp_execute;
    this.copy = tape.copy;
    this.hash = tape.hash;
    this.same = tape.same;
    this.#init = llhttp.llhttp_init;
    selfTest(this);
  }

  /** Makes the record at `parser` (PARSER_BYTES, aligned to 8) a fresh llhttp_t. Nothing is allocated. */
  init(parser: number, type: number): void {
    this.#init(parser, type, type === L.TYPE_REQUEST ? L.REQUEST_SETTINGS_OFFSET : L.RESPONSE_SETTINGS_OFFSET);
  }

  /** llhttp's own words about the error of `parser`. */
  reason(parser: number): string {
    const at = this.arena.i32[(parser + L.PARSER_REASON) >> 2];
    return at === 0 ? "" : this.bytes.toString("latin1", at, this.arena.u8.indexOf(0, at));
  }
}

const unused = (): number => {
  throw new Error("a callback of undici's was called; the function table is not what it was");
};

/** undici's callbacks: imported by the module, replaced in its table, called by nobody. */
const UNUSED_IMPORTS = {
  wasm_on_message_begin: unused,
  wasm_on_url: unused,
  wasm_on_status: unused,
  wasm_on_header_field: unused,
  wasm_on_header_value: unused,
  wasm_on_headers_complete: unused,
  wasm_on_body: unused,
  wasm_on_message_complete: unused,
};

const SELF_TEST_RESPONSE = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" as const;
const SELF_TEST = "PUT /a?b HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive \r\n\r\nhello" as const;

/**
 * Parses one request and one response and compares everything read by offset. A build of llhttp whose record or settings lie otherwise
 * must not serve a single byte.
 */
const selfTest = (machine: Machine): void => {
  const { arena, bytes } = machine;
  const { i32, u8 } = arena;
  const parser = arena.allocRecord(L.PARSER_BYTES);
  const lease = arena.lease(SELF_TEST.length);
  const at = lease.offset;
  bytes.write(SELF_TEST, at, "latin1");
  const checks: [what: string, got: number | string, want: number | string][] = [];
  const run = (size: number): number => {
    machine.init(parser, L.TYPE_REQUEST);
    i32.fill(0, L.BASE, L.FLAGS + 1);
    i32[L.BASE] = at;
    i32[L.TOP] = L.TAPE_OFFSET;
    i32[L.FIELDS_MAX] = 8;
    return machine.execute(parser, at, size);
  };
  checks.push(["result before the body's end", run(SELF_TEST.length - 2), L.HPE_OK]);
  checks.push(["content length left", i32[(parser + L.PARSER_CONTENT_LENGTH) >> 2], 2]);
  checks.push(["result", run(SELF_TEST.length), L.HPE_PAUSED]);
  checks.push(["error", i32[(parser + L.PARSER_ERROR) >> 2], L.HPE_PAUSED]);
  checks.push(["position", i32[(parser + L.PARSER_ERROR_POSITION) >> 2], at + SELF_TEST.length]);
  checks.push(["method", u8[parser + L.PARSER_METHOD], 4]);
  checks.push(["version", `${u8[parser + L.PARSER_MAJOR]}.${u8[parser + L.PARSER_MINOR]}`, "1.0"]);
  checks.push(["flags", i32[L.FLAGS], L.FLAG_CONTENT_LENGTH | L.FLAG_KEEP_ALIVE]);
  checks.push(["flags in the record", u8[parser + L.PARSER_FLAGS], L.FLAG_CONTENT_LENGTH | L.FLAG_KEEP_ALIVE]);
  const seen = L.SEEN_HOST | L.SEEN_CONTENT_LENGTH | L.SEEN_CONNECTION | L.SEEN_CONNECTION_ODD | L.SEEN_TARGET_ORIGIN;
  checks.push(["seen", i32[L.SEEN], seen]);
  const tape: number[] = [...i32.subarray(L.TAPE_OFFSET >> 2, i32[L.TOP] >> 2)];
  const want = [19, 4 | (1 << 24), 25, 1, 28, 14 | (3 << 24), 44, 1, 47, 10 | (2 << 24), 59, 10, at + 74, 5, 0, 0];
  checks.push(["tape", tape.join(), want.join()]);
  machine.init(parser, L.TYPE_REQUEST);
  bytes.write("?", at, "latin1");
  machine.execute(parser, at, 1);
  checks.push(["reason", machine.reason(parser), "Invalid method encountered"]);
  machine.init(parser, L.TYPE_RESPONSE);
  bytes.write(SELF_TEST_RESPONSE, at, "latin1");
  i32.fill(0, L.BASE, L.ANSWER_TO + 1);
  i32[L.BASE] = at;
  i32[L.TOP] = L.TAPE_OFFSET;
  i32[L.FIELDS_MAX] = 8;
  checks.push(["a response without content", machine.execute(parser, at, SELF_TEST_RESPONSE.length), L.HPE_PAUSED]);
  checks.push(["its end", i32[(parser + L.PARSER_ERROR_POSITION) >> 2], at + SELF_TEST_RESPONSE.length]);
  checks.push(["status", (u8[parser + L.PARSER_STATUS + 1] << 8) + u8[parser + L.PARSER_STATUS], 304]);
  checks.push(["reason phrase", `${i32[L.TARGET]} ${i32[L.TARGET_SIZE]}`, "13 12"]);
  lease.release();
  arena.freeRecord(parser, L.PARSER_BYTES);
  for (const [what, got, expected] of checks) {
    assert(got === expected, `llhttp's build is not the one known here: ${what} is ${got}, not ${expected}`);
  }
};
