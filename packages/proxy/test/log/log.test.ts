// The parts of a log line, and the file it goes to.
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { isoTime, jsonMs, jsonString } from "../../src/log/json-text.ts";
import { LineSink, type SinkFiles, WAITING_BYTES_MAX } from "../../src/log/line-sink.ts";
import { parseTraceparent, randomHex, traceOf, traceparentOf } from "../../src/log/trace-context.ts";

t.test("strings are JSON on one line, whatever a client sent", async (t) => {
  t.equal(jsonString("/a?b=1"), '"/a?b=1"');
  t.equal(jsonString('a"b\\c'), '"a\\"b\\\\c"');
  t.equal(jsonString("a\r\nb\u001b[2J"), '"a\\r\\nb\\u001b[2J"');
  t.equal(jsonString("\u007f\u009b\u2028"), '"\\u007f\\u009b\\u2028"', "no terminal takes it for a command");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const json = jsonString(text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the property
      return JSON.parse(json) === text && !/[\u0000-\u001f\u007f-\u009f]/.test(json);
    }),
  );
});

t.test("times", async (t) => {
  const start = Date.parse("2026-11-24T09:00:00Z");
  for (const ms of [0, 7, 42, 999, 1_000, 60_001]) t.equal(isoTime(start + ms), new Date(start + ms).toISOString());
  t.equal(isoTime(-1), "1969-12-31T23:59:59.999Z");
  t.equal(jsonMs(1.23456), "1.235");
  t.equal(jsonMs(-1), "-1");
});

t.test("W3C Trace Context §3.2: traceparent", async (t) => {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const span = "b7ad6b7169203331";
  for (const { name, text, want } of [
    { name: "version 00", text: `00-${trace}-${span}-01`, want: { traceId: trace, parentId: span, flags: 1 } },
    { name: "flags we do not know are not passed on", text: `00-${trace}-${span}-ff`, want: { flags: 3 } },
    { name: "a later version that begins alike", text: `cc-${trace}-${span}-01-what`, want: { flags: 1 } },
    { name: "a later version that goes on otherwise", text: `cc-${trace}-${span}-01.what`, want: null },
    { name: "version ff", text: `ff-${trace}-${span}-01`, want: null },
    { name: "version 00 with more behind it", text: `00-${trace}-${span}-01-what`, want: null },
    { name: "capitals", text: `00-${trace.toUpperCase()}-${span}-01`, want: null },
    { name: "a trace of zeros", text: `00-${"0".repeat(32)}-${span}-01`, want: null },
    { name: "a span of zeros", text: `00-${trace}-${"0".repeat(16)}-01`, want: null },
    { name: "too short", text: `00-${trace}-${span}`, want: null },
    { name: "other separators", text: `00_${trace}-${span}-01`, want: null },
    { name: "none", text: undefined, want: null },
  ]) {
    if (want === null) t.equal(parseTraceparent(text), null, name);
    else t.match(parseTraceparent(text), want, name);
  }
  const child = traceOf(`00-${trace}-${span}-01`);
  t.match(child, { traceId: trace, parentId: span, flags: 1, spanId: /^[0-9a-f]{16}$/ });
  t.not(child.spanId, span, "a span of our own");
  t.match(traceparentOf(child), new RegExp(`^00-${trace}-${child.spanId}-01$`));
  const own = traceOf(undefined);
  t.match(own, { parentId: null, traceId: /^[0-9a-f]{32}$/ });
  t.equal(parseTraceparent(traceparentOf(own))?.traceId, own.traceId);
  t.equal(new Set(Array.from({ length: 2_000 }, () => randomHex(8))).size, 2_000);
});

/** Files in memory whose writes finish when told to. */
class SlowFiles implements SinkFiles {
  readonly opened: string[] = [];
  readonly closed: number[] = [];
  text = "";
  pending: ((error: Error | null, bytes?: number) => void) | null = null;
  open(path: string): number {
    this.opened.push(path);
    return 10 + this.opened.length;
  }
  write(fd: number, text: Buffer, done: (error: Error | null, bytes: number) => void): void {
    this.pending = (error, bytes = text.length) => {
      this.pending = null;
      if (error === null) this.text += `${fd}:${text.subarray(0, bytes)}`;
      done(error, bytes);
    };
  }
  writeSync(fd: number, text: Buffer): number {
    this.text += `${fd}:${text}`;
    return text.length;
  }
  close(fd: number): void {
    this.closed.push(fd);
  }
}

t.test("lines go out in order, the rest of a short write first", async (t) => {
  const files = new SlowFiles();
  const sink = new LineSink("log", t.fail, files);
  sink.write("one\n");
  t.equal(files.pending, null, "gathered");
  const flushed = sink.flush();
  sink.write("two\n");
  files.pending?.(null, 2);
  files.pending?.(null);
  // Whoever waits for a flush is not kept from it by lines that came later; they go out behind it.
  files.pending?.(null);
  await flushed;
  t.equal(files.text.replaceAll("11:", ""), "one\ntwo\n");
  sink.write("three\n");
  sink.close();
  sink.write("four\n");
  t.match(files.text, /11:three\n$/, "the rest is written at the end");
  t.equal(sink.dropped, 1, "nothing after it");
  t.same(files.closed, [11]);
});

t.test("a disk that does not keep up costs lines, not memory", async (t) => {
  const files = new SlowFiles();
  const sink = new LineSink("log", t.fail, files);
  const line = `${"x".repeat(65_535)}\n`;
  const fits = WAITING_BYTES_MAX / line.length;
  for (let count = 0; count < fits; count += 1) sink.write(line);
  t.equal(sink.waiting, WAITING_BYTES_MAX);
  t.equal(sink.dropped, 0);
  sink.write("one more\n");
  t.equal(sink.dropped, 1);
});

t.test("a failed write is told, and the next lines are tried again", async (t) => {
  const files = new SlowFiles();
  const failures: string[] = [];
  const sink = new LineSink("log", (error) => failures.push(error.message), files);
  sink.write("one\n");
  void sink.flush();
  files.pending?.(new Error("no space"));
  t.same(failures, ["no space"]);
  t.equal(sink.dropped, 1);
  sink.write("two\n");
  const flushed = sink.flush();
  files.pending?.(null);
  await flushed;
  t.equal(files.text, "11:two\n");
});

t.test("rotation: what was written before goes to the old file", async (t) => {
  const path = join(t.testdir({}), "access.log");
  const sink = new LineSink(path, t.fail);
  sink.write("one\n");
  await sink.flush();
  renameSync(path, `${path}.1`);
  sink.write("two\n");
  sink.reopen();
  await sink.flush();
  sink.write("three\n");
  sink.close();
  t.equal(readFileSync(`${path}.1`, "utf8"), "one\ntwo\n");
  t.equal(readFileSync(path, "utf8"), "three\n");
});
