// sealer.ts — the sending side of a TLS stream: plaintext waits here until the stream below has room, then becomes records.
import { type FlushDone, FlushMarks, HIGH_WATER_BYTES, OutQueue, RESERVE_BYTES_MAX } from "@percore/core";
import type { Connection } from "./connection.ts";
import { type FileFeed, fileFeed } from "./file-feed.ts";
import {
  OUT_USED,
  PART_COUNT,
  PARTS,
  PARTS_MAX,
  RECORD_OVERHEAD_MAX,
  SMALL_RECORD_BYTES,
  SMALL_RECORDS,
  TAKEN,
  WRITE,
} from "./words.ts";

type Segment = NonNullable<OutQueue["head"]>;

/** Block for bulk: four full records lie in it without a gap. */
const BLOCK_BYTES = 65_536;
/** Records that a short write makes at most: four small ones and a full one. */
const SMALL_RECORDS_MAX = 5;
/** Up to so many bytes are encrypted straight into the outgoing block of the stream below; they fit a reservation. */
const SMALL_BYTES = RESERVE_BYTES_MAX - SMALL_RECORDS_MAX * RECORD_OVERHEAD_MAX;
/** A pause after which records are small again: the peer's congestion window may be, too. */
const BURST_GAP_MS = 1000;

export class Sealer {
  highWaterBytes: number = HIGH_WATER_BYTES;
  corks = 0;
  ended = false;
  readonly out: OutQueue;
  readonly #connection: Connection;
  #marks: FlushMarks | null = null;
  #files: FileFeed | null = null;
  #reading = false;
  #pumping = false;
  #closeSent = false;
  #aboveHighWater = false;
  #drainWatched = false;
  #sealedAt = Number.NEGATIVE_INFINITY;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.out = new OutQueue(connection.inner.arena);
  }

  /** close_notify and FIN are with the stream below. */
  get closeSent(): boolean {
    return this.#closeSent;
  }

  get queuedBytes(): number {
    return this.out.queued + this.#connection.inner.queuedBytes;
  }

  /** Something was written. */
  wrote(): void {
    if (!this.#aboveHighWater && this.queuedBytes > this.highWaterBytes) this.#aboveHighWater = true;
  }

  onFlushed(done: FlushDone): void {
    if (this.out.queued === 0) {
      this.#connection.inner.onFlushed(done);
      return;
    }
    this.#marks ??= new FlushMarks();
    this.#marks.push(this.out.written, done);
  }

  /** Encrypts what is queued, as far as the stream below has room. `now` overrules corks. */
  pump(now: boolean): void {
    const { inner } = this.#connection;
    if (this.#pumping || (this.corks > 0 && !now && !this.ended)) return;
    this.#pumping = true;
    try {
      const { out } = this;
      out.seal();
      const before = out.queued;
      while (out.head !== null && !this.#reading && !inner.needsDrain && this.#connection.open) {
        if (out.head.done === null) this.#seal();
        else this.#readFile(out.head);
        out.seal();
      }
      if (before > out.queued) this.#passMarks();
    } finally {
      this.#pumping = false;
    }
    if (now) inner.flush();
    this.#finish();
    this.checkDrain();
  }

  /** Tells the owner once the queue is down to half of its high-water mark. */
  checkDrain(): void {
    if (!this.#aboveHighWater) return;
    const { inner } = this.#connection;
    if (this.queuedBytes * 2 <= this.highWaterBytes) {
      this.#aboveHighWater = false;
      this.#connection.handler?.onDrain();
    } else if (!inner.needsDrain && inner.queuedBytes > 0 && !this.#drainWatched) {
      // The stream below is under its own mark and will not say when it falls further. Where it has nothing, what is
      // left waits here, for a file or a cork, and this is called again.
      this.#drainWatched = true;
      inner.onFlushed(() => {
        this.#drainWatched = false;
        this.#connection.settleNow();
      });
    }
  }

  /** Drops what is not encrypted; everybody who waits for it is told. */
  dispose(error: Error): void {
    this.#files?.abandon();
    this.#files = null;
    this.out.drop(error);
    this.#marks?.reach(Number.POSITIVE_INFINITY, error);
  }

  /** One native call: as many bytes from the front of the queue as fit the place they go to. */
  #seal(): void {
    const { inner, thread, clock } = this.#connection;
    const { words } = thread;
    const size = this.#gather(words);
    const lease = size <= SMALL_BYTES ? null : inner.arena.lease(BLOCK_BYTES);
    const room = lease === null ? roomFor(size) : BLOCK_BYTES;
    const offset = lease === null ? inner.reserve(room) : lease.offset;
    const burst = clock.now - this.#sealedAt > BURST_GAP_MS;
    this.#sealedAt = clock.now;
    this.#connection.run(burst ? SMALL_RECORDS + WRITE : WRITE, offset, room);
    const used = words[OUT_USED];
    const taken = words[TAKEN];
    if (lease === null) {
      inner.commit(used);
    } else {
      lease.length = used;
      inner.write(lease);
    }
    this.out.took(taken);
    if (taken === 0) this.#connection.sealFailed();
  }

  #gather(words: Int32Array): number {
    let count = 0;
    let size = 0;
    let segment: Segment | null = this.out.head;
    while (segment !== null && segment.done === null && count < PARTS_MAX && size < BLOCK_BYTES) {
      words[PARTS + 2 * count] = segment.offset;
      words[PARTS + 2 * count + 1] = segment.length;
      size += segment.length;
      count += 1;
      segment = segment.next;
    }
    words[PART_COUNT] = count;
    return size;
  }

  #readFile(file: Segment): void {
    if (file.length === 0) {
      this.out.endFile(null);
      return;
    }
    const connection = this.#connection;
    const onPart = (): void => {
      this.#reading = false;
      connection.settleNow();
    };
    this.#files ??= fileFeed(connection.clock, connection.inner.arena, this.out, onPart, (run) =>
      connection.guard(run),
    );
    this.#reading = true;
    this.#files.read();
  }

  /** Those who wait for what has been encrypted now wait for the stream below. */
  #passMarks(): void {
    const marks = this.#marks;
    if (marks === null || marks.size === 0) return;
    const reached = this.out.written - this.out.queued;
    this.#connection.inner.onFlushed((error) => marks.reach(reached, error));
  }

  #finish(): void {
    const connection = this.#connection;
    if (!this.ended || this.#closeSent || this.out.head !== null || this.#reading || !connection.open) return;
    this.#closeSent = true;
    connection.closeNotify();
  }
}

const roomFor = (size: number): number =>
  size + RECORD_OVERHEAD_MAX * (size <= SMALL_RECORD_BYTES ? 1 : SMALL_RECORDS_MAX);
