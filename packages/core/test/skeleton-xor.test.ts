// The seam (b): a Stream over a Stream that transforms its bytes; sendFile falls through to reading and writing.
import { closeSync, mkdtempSync, openSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../src/connect.ts";
import { FilePartReader } from "../src/file-part.ts";
import { FlushMarks } from "../src/flush-marks.ts";
import type { Lease } from "../src/lease.ts";
import { OutQueue } from "../src/out-queue.ts";
import type { Runtime, Settler } from "../src/runtime.ts";
import type { Stream, StreamHandler, StreamInfo } from "../src/stream.ts";
import { overDrivers, pattern, Recorder, serve, until } from "./transport.ts";

/** Toy encryption. What TLS does, without the TLS: its own queue of plain bytes, transformed into the stream below. */
class XorStream implements Stream, StreamHandler, Settler {
  highWaterBytes = 65_536;
  ended = false;
  peerEnded = false;
  readonly arena: Stream["arena"];
  readonly #runtime: Runtime;
  readonly #below: Stream;
  readonly #key: number;
  readonly #out: OutQueue;
  readonly #files: FilePartReader;
  readonly #marks = new FlushMarks();
  #handler: StreamHandler | null = null;
  #corked = 0;
  #scheduled = false;

  constructor(runtime: Runtime, below: Stream, key: number) {
    this.arena = below.arena;
    this.#runtime = runtime;
    this.#below = below;
    this.#key = key;
    this.#out = new OutQueue(below.arena);
    this.#files = new FilePartReader(runtime, this.#out, () => this.#schedule());
  }

  get info(): StreamInfo {
    return {
      ...this.#below.info,
      remote: this.#below.info.remote,
      local: this.#below.info.local,
      fd: null,
      encrypted: true,
      kernelTls: false,
      alpn: null,
    };
  }
  get open(): boolean {
    return this.#below.open;
  }
  get paused(): boolean {
    return this.#below.paused;
  }
  get queuedBytes(): number {
    return this.#out.queued + this.#below.queuedBytes;
  }
  get needsDrain(): boolean {
    return this.queuedBytes > this.highWaterBytes;
  }
  attach(handler: StreamHandler): void {
    const first = this.#handler === null;
    this.#handler = handler;
    if (first) this.#below.attach(this);
  }
  reserve(size: number): number {
    return this.#out.reserve(size);
  }
  commit(size: number): void {
    this.#out.commit(size);
    this.#schedule();
  }
  write(lease: Lease): void {
    this.#out.writeLease(lease);
    this.#schedule();
  }
  writeBytes(bytes: Uint8Array): void {
    this.#out.writeBytes(bytes);
    this.#schedule();
  }
  sendFile(fd: number, offset: number, length: number, done: (error: Error | null, sent: number) => void): void {
    this.#out.writeFile(fd, offset, length, done);
    this.#schedule();
  }
  cork(): void {
    this.#corked += 1;
  }
  uncork(): void {
    this.#corked -= 1;
    this.#schedule();
  }
  flush(): void {
    this.#pump();
    this.#below.flush();
  }
  end(): void {
    this.ended = true;
    this.#schedule();
  }
  reset(): void {
    this.#below.reset();
  }
  onFlushed(done: (error: Error | null) => void): void {
    this.#marks.push(this.#out.written, done);
    this.#schedule();
  }
  pause(): void {
    this.#below.pause();
  }
  resume(): void {
    this.#below.resume();
  }
  unread(lease: Lease): void {
    this.#handler = null;
    this.#transform(lease.offset, lease.length);
    this.#below.unread(lease);
  }

  // — from the stream below —

  onData(lease: Lease): void {
    this.#transform(lease.offset, lease.length);
    this.#handler?.onData(lease);
  }
  onEnd(): void {
    this.peerEnded = true;
    this.#handler?.onEnd();
  }
  onDrain(): void {
    this.#schedule();
    if (!this.needsDrain) this.#handler?.onDrain();
  }
  onClose(error: Error | null): void {
    this.#files.abandon();
    this.#out.drop(error ?? new Error("closed"));
    this.#marks.reach(Number.POSITIVE_INFINITY, error);
    this.#handler?.onClose(error);
  }
  settle(): void {
    this.#scheduled = false;
    if (this.#corked === 0) this.#pump();
  }
  crash(): void {
    this.#below.reset();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#runtime.schedule(this);
  }

  #pump(): void {
    this.#out.seal();
    while (this.#out.head !== null && !this.#below.needsDrain && !this.#files.busy && this.#below.open) {
      const head = this.#out.head;
      if (head.done === null) {
        const size = Math.min(head.length, 16_384);
        const at = this.#below.reserve(size);
        this.arena.u8.copyWithin(at, head.offset, head.offset + size);
        this.#transform(at, size);
        this.#below.commit(size);
        this.#out.took(size);
      } else if (head.length === 0) {
        this.#out.endFile(null);
      } else {
        this.#files.read();
      }
    }
    this.#marks.reach(this.#out.written - this.#out.queued, null);
    if (this.ended && this.#out.head === null && !this.#below.ended) this.#below.end();
  }

  #transform(offset: number, length: number): void {
    const { u8 } = this.arena;
    for (let at = offset; at < offset + length; at += 1) u8[at] ^= this.#key;
  }
}

const content = pattern(700_000);
const path = join(mkdtempSync(join(tmpdir(), "percore-")), "content");
writeFileSync(path, content);

overDrivers("(b) a transforming stream over a stream; files go through it in order", {}, async (t, runtime) => {
  const file = openSync(path, "r");
  const raw: Recorder[] = [];
  const told: unknown[] = [];
  const { listener, port } = await serve(runtime, (below) => {
    const stream = new XorStream(runtime, below, 0x5a);
    t.equal(stream.info.fd, null, "no descriptor to take a short cut to");
    const recorder = new Recorder(stream);
    raw.push(recorder);
    stream.attach(recorder);
    stream.writeBytes(Buffer.from("<"));
    stream.sendFile(file, 0, content.length, (error, sent) => told.push([error, sent]));
    stream.writeBytes(Buffer.from("|"));
    stream.sendFile(file, 10, 5, (error, sent) => told.push([error, sent]));
    stream.sendFile(file, content.length - 3, 10, (error, sent) =>
      told.push([(error as { code?: string } | null)?.code, sent]),
    );
    stream.writeBytes(Buffer.from(">"));
    stream.onFlushed((error) => told.push(error));
    stream.end();
    return stream;
  });
  const stream = new XorStream(runtime, await connect({ hostname: "127.0.0.1", port, runtime }), 0x5a);
  const recorder = new Recorder(stream);
  stream.attach(recorder);
  await until(() => recorder.ends === 1);
  const want = Buffer.concat([
    Buffer.from("<"),
    content,
    Buffer.from("|"),
    content.subarray(10, 15),
    content.subarray(content.length - 3),
    Buffer.from(">"),
  ]);
  t.equal(Buffer.compare(Buffer.concat(recorder.received), want), 0);
  t.same(told, [[null, content.length], [null, 5], ["ERR_FILE_SHORT", 3], null]);
  stream.end();
  t.equal(await recorder.closed, null);
  await raw[0].closed;
  closeSync(file);
  await listener.close();
});

overDrivers("(b) reset in the middle of a file: told, and nothing leaks", {}, async (t, runtime) => {
  const file = openSync(path, "r");
  const told: unknown[] = [];
  const { listener, port } = await serve(runtime, (below) => {
    const stream = new XorStream(runtime, below, 0x5a);
    const recorder = new Recorder(stream);
    stream.attach(recorder);
    for (let at = 0; at < 30; at += 1) stream.sendFile(file, 0, content.length, (_error, sent) => told.push(sent));
    return stream;
  });
  const recorder = new Recorder(await connect({ hostname: "127.0.0.1", port, runtime }));
  recorder.stream.attach(recorder);
  recorder.stream.pause();
  await new Promise((resolve) => setTimeout(resolve, 50));
  recorder.stream.reset();
  await recorder.closed;
  await until(() => told.length === 30);
  t.equal(told.length, 30);
  t.equal(told.at(-1), 0, "the last had not begun");
  closeSync(file);
  await listener.close();
});
