// planted.ts — proves that the fuzzer finds bugs: each of these is put into a copy of the compiled server, and the fuzzer
// has to find it.
//
//   node build/test/long/planted.js [seconds per bug]
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import wabtReady from "wabt";

const SECONDS: number = Number(process.argv[2] ?? 60);
const PACKAGE: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const BUILD: string = path.join(PACKAGE, "build");
const COPY: string = path.join(PACKAGE, "build", "planted");

interface Bug {
  what: string;
  /** Compiled file below build/src, or the WAT source below src. */
  file: string;
  from: string;
  to: string;
}

const BUGS: Bug[] = [
  {
    what: "tabs are not taken from the end of values",
    file: "codec/tape.wat",
    from: "(i32.ne (local.get $byte) (i32.const 0x09))",
    to: "(i32.const 1)",
  },
  {
    what: "two Host lines pass",
    file: "codec/request-head.js",
    from: "if (seen & L.SEEN_HOST_TWICE)",
    to: "if (false)",
  },
  {
    what: "absolute-form may differ from Host",
    file: "codec/request-head.js",
    from: "hostOf(machine).toLowerCase() !== authority.toLowerCase()",
    to: "false",
  },
  {
    what: "Connection among trailers closes for llhttp",
    file: "codec/message-parser.js",
    from: "this.#oddConnection || i32[L.TRAILERS] > 0 || this.#type === L.TYPE_RESPONSE",
    to: "this.#type === L.TYPE_RESPONSE",
  },
  {
    what: "a carried head ends one byte late",
    file: "codec/message-parser.js",
    from: "this.consumed = i32[(this.record + L.PARSER_ERROR_POSITION) >> 2] - end;",
    to: "this.consumed = i32[(this.record + L.PARSER_ERROR_POSITION) >> 2] - end + 1;",
  },
  {
    what: "chunk overhead of one request counts for the next",
    file: "connection/step-body.js",
    from: "this.#overhead.reset();",
    to: "",
  },
  {
    what: "heads of the same size are taken for each other",
    file: "codec/head-encoder.js",
    from: "if (known[index] !== fields[index])",
    to: "if (known[index].length !== fields[index].length)",
  },
  {
    what: "chunk sizes count characters",
    file: "codec/body-encoder.js",
    from: "const start = this.#putSizeLine(at, size);",
    to: "const start = this.#putSizeLine(at, text.length);",
  },
  {
    what: "an answer that was held back is lost",
    file: "server/connection.js",
    from: "this.first?.takeTurn();",
    to: "",
  },
  {
    what: "bodies beyond their limit pass in chunks",
    file: "server/request-reader.js",
    from: "if (body.received > limits.bodyBytesMax)",
    to: "if (false)",
  },
  {
    what: "a remembered head is compared in part",
    file: "server/known-heads.js",
    from: "machine.same(at, slot.offset, slot.size)",
    to: "machine.same(at, slot.offset, 16)",
  },
  {
    what: "one field too many passes",
    file: "codec/tape.wat",
    from: "(i32.ge_u (i32.load (local.get $counter)) (i32.load offset=44 (local.get $c)))",
    to: "(i32.gt_u (i32.load (local.get $counter)) (i32.load offset=44 (local.get $c)))",
  },
];

/** Bugs of the client's side. */
BUGS.push(
  {
    what: "chunk size lines of a response are not counted",
    file: "client/response-reader.js",
    from: "this.#step.overheadBytes > chunkOverheadBytesMax",
    to: "false",
  },
  {
    what: "any coding of a response passes for chunked",
    file: "codec/response-head.js",
    from: "return judgeCoding(fieldValue(machine, L.TRANSFER_ENCODING));",
    to: "return null;",
  },
  {
    what: "a 2xx answer to CONNECT has a body",
    file: "codec/tape.wat",
    from: "(i32.eq (i32.load offset=72 (local.get $c)) (i32.const 2))",
    to: "(i32.const 0)",
  },
  {
    what: "the answer to HEAD has a body",
    file: "client/response-reader.js",
    from: "this.#parser.answerTo = exchange.answerTo;",
    to: "",
  },
  {
    what: "a connection is used again behind garbage",
    file: "client/response-reader.js",
    from: "if (this.#rest > 0)\n                owner.leave();",
    to: "",
  },
  {
    what: "HTTP/1.0 keeps alive by default",
    file: "codec/response-head.js",
    from: "if (u8[record + L.PARSER_MINOR] === 0 && (flags & L.FLAG_KEEP_ALIVE) === 0)",
    to: "if (false)",
  },
  {
    what: "an empty line before a status line passes",
    file: "codec/response-head.js",
    from: "u8[i32[L.BASE]] !== CAPITAL_H ||",
    to: "",
  },
  {
    what: "DEL in a reason passes",
    file: "codec/tape.wat",
    from: "(i32.ne (local.get $byte) (i32.const 0x7f))",
    to: "(i32.const 1)",
  },
  {
    what: "interim responses are not counted",
    file: "client/response-reader.js",
    from: "exchange.informs += 1;",
    to: "",
  },
  {
    what: "101 to anything passes",
    file: "client/response-reader.js",
    from: "!agreesTo(exchange.upgrade, fields)",
    to: "false",
  },
  {
    what: "fields of a response are not kept for its body's time",
    file: "client/response-reader.js",
    from: "exchange.fields?.keep();",
    to: "",
  },
  {
    what: "a remembered response is compared in part",
    file: "client/known-responses.js",
    from: "machine.same(at, slot.offset, slot.size)",
    to: "machine.same(at, slot.offset, 32)",
  },
  {
    what: "a remembered response to GET answers HEAD",
    file: "client/known-responses.js",
    from: "slot.answerTo !== answerTo ||",
    to: "",
  },
  {
    what: "the body behind a remembered head is counted wrong",
    file: "client/response-reader.js",
    from: "this.#plainLeft = length;",
    to: "this.#plainLeft = length + 1;",
  },
  {
    what: "a connection is used again though the request was not whole",
    file: "client/connection.js",
    from: "const cutOff = !exchange.requestComplete;",
    to: "const cutOff = false;",
  },
);

const replaceOnce = (text: string, { what, from, to }: Bug): string => {
  if (text.split(from).length !== 2)
    throw new Error(`"${what}": its place is there ${text.split(from).length - 1} times`);
  return text.replace(from, () => to);
};

const plant = async (bug: Bug, directory: string): Promise<void> => {
  if (!bug.file.endsWith(".wat")) {
    const file = path.join(directory, "src", bug.file);
    writeFileSync(file, replaceOnce(readFileSync(file, "utf8"), bug));
    return;
  }
  const source = replaceOnce(readFileSync(path.join(PACKAGE, "src", bug.file), "utf8"), bug);
  const wabt = await wabtReady();
  const module = wabt.parseWat("tape.wat", source, { simd: true, bulk_memory: true });
  const base64 = Buffer.from(module.toBinary({}).buffer).toString("base64");
  module.destroy();
  const file = path.join(directory, "src", "codec", "wasm-bytes.js");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(/(TAPE_WASM_BASE64 = )"[^"]*"/, (_, start: string) => `${start}"${base64}"`),
  );
};

let missed = 0;
for (const [index, bug] of BUGS.entries()) {
  const directory = path.join(COPY, String(index));
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const part of ["src", "test"]) cpSync(path.join(BUILD, part), path.join(directory, part), { recursive: true });
  await plant(bug, directory);
  const started = Date.now();
  const run = spawnSync(process.execPath, [path.join(directory, "test/long/fuzz.js"), String(SECONDS), "1"], {
    encoding: "utf8",
    timeout: (SECONDS + 60) * 1000,
  });
  const found = run.status === 1;
  if (!found) missed += 1;
  const why = found ? (run.stdout.trimEnd().split("\n").at(-1) ?? "").slice(0, 90) : run.stderr.slice(0, 200);
  console.log(
    `${found ? "found " : "MISSED"} in ${((Date.now() - started) / 1000).toFixed(1)} s: ${bug.what} (${why})`,
  );
}
rmSync(COPY, { recursive: true, force: true });
console.log(`planted: ${BUGS.length - missed} of ${BUGS.length} found`);
process.exit(missed === 0 ? 0 : 1);
