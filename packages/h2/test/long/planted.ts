// planted.ts — proves that the fuzzer finds bugs: each of these is put into a copy of the compiled package, and the fuzzer
// has to find it.
//
//   node build/test/long/planted.js [seconds per bug] [part of the names of those to plant]
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const SECONDS: number = Number(process.argv[2] ?? 60);
const WANTED: string = process.argv[3] ?? "";
const BUILD: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const COPY: string = path.join(BUILD, "planted");

interface Bug {
  readonly what: string;
  /** Compiled file below build/src. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const BUGS: readonly Bug[] = [
  {
    what: "padding is taken for one byte less than it is",
    file: "codec/frame-reader.js",
    from: "this.#dataLeft = this.length - 1 - this.#padLeft;",
    to: "this.#dataLeft = this.length - this.#padLeft;",
  },
  {
    what: "a block seen before is not decoded again though the table has changed",
    file: "codec/hpack/decoder.js",
    from: "if (this.#keptVersion === this.#version && size <= BLOCK_BYTES_MAX && !this.#awaitsUpdate)",
    to: "if (size <= BLOCK_BYTES_MAX && !this.#awaitsUpdate)",
  },
  {
    what: "long integers lose their third byte's weight",
    file: "codec/hpack/decoder.js",
    from: "shift *= 128;",
    to: "shift *= shift === 1 ? 128 : 64;",
  },
  {
    what: "the smallest of several table sizes is not told",
    file: "codec/hpack/encoder.js",
    from: "if (this.#leastDue < this.#sizeDue)",
    to: "if (false)",
  },
  {
    what: "a list sent before is copied though the table has changed",
    file: "codec/hpack/encoder.js",
    from: "if (key !== 0 && this.#keptVersion === this.#version)",
    to: "if (key !== 0)",
  },
  {
    what: "host may differ from :authority",
    file: "codec/request-head.js",
    from: "given.toLowerCase() !== host.toLowerCase()",
    to: "false",
  },
  {
    what: "crumbs of cookies are joined by a comma",
    file: "codec/request-head.js",
    from: "cookie.value.text}; $",
    to: "cookie.value.text}, $",
  },
  {
    what: "fields about the connection pass in trailers",
    file: "codec/request-head.js",
    from: "name.kind === NAME_INVALID || name.kind === NAME_CONNECTION",
    to: "name.kind === NAME_INVALID",
  },
  {
    what: "a DATA frame that is cut goes on at its start",
    file: "connection/outgoing.js",
    from: "part.offset += size;",
    to: "",
  },
  {
    what: "a client's DATA does not count for the connection's window",
    file: "client/sender.js",
    from: "this.window -= size;",
    to: "",
  },
  {
    what: "a server's new first window does not reach open streams",
    file: "client/peer-settings.js",
    from: "stream.sendWindow += difference;",
    to: "",
  },
  {
    what: "frames on their way to a stream that we reset are a fault",
    file: "client/connection.js",
    from: 'return this.#resets.has(id) ? "reset" : "ended";',
    to: 'return "ended";',
  },
  {
    what: "a body may be shorter than its content-length",
    file: "client/incoming.js",
    from: "body.length >= 0 && body.received !== body.length",
    to: "false",
  },
  {
    what: "a window grows only in what the server is told",
    file: "client/receive-windows.js",
    from: "stream.receiveWindow += increment;",
    to: "",
  },
];

const plant = ({ what, file, from, to }: Bug, directory: string): void => {
  const target = path.join(directory, "src", file);
  const text = readFileSync(target, "utf8");
  const places = text.split(from).length - 1;
  if (places !== 1) throw new Error(`"${what}": its place is there ${places} times`);
  writeFileSync(
    target,
    text.replace(from, () => to),
  );
};

let missed = 0;
const bugs = BUGS.filter(({ what }) => what.includes(WANTED));
for (const [index, bug] of bugs.entries()) {
  const directory = path.join(COPY, String(index));
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const part of ["src", "test"]) cpSync(path.join(BUILD, part), path.join(directory, part), { recursive: true });
  plant(bug, directory);
  const started = Date.now();
  const run = spawnSync(process.execPath, [path.join(directory, "test/long/fuzz.js"), String(SECONDS), "1"], {
    encoding: "utf8",
    timeout: (SECONDS + 60) * 1000,
  });
  const found = run.status === 1 && run.stdout.includes("seed");
  if (!found) missed += 1;
  const why = found ? (run.stdout.trimEnd().split("\n").at(2) ?? "").slice(0, 90) : run.stderr.slice(0, 200);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${found ? "found " : "MISSED"} in ${seconds} s: ${bug.what} (${why})`);
}
rmSync(COPY, { recursive: true, force: true });
console.log(`planted: ${bugs.length - missed} of ${bugs.length} found`);
process.exit(missed === 0 ? 0 : 1);
