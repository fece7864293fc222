// preface.ts — HTTP/2 by prior knowledge told from HTTP/1.1 on one port: by the preface, which no HTTP/1.1 request begins with.
import { type Lease, type Stream, type StreamHandler, type Wheel, WheelEntry } from "@percore/core";
import { PREFACE } from "@percore/h2";

interface Clock {
  readonly now: number;
  readonly wheel: Wheel;
}

/** Takes a stream whose first bytes come again. */
type Stage = (stream: Stream) => void;

/** Connections of which not enough is known yet. They count as open, and a deadline bounds them. */
export class PrefaceGate {
  /** Connections a deadline ended here. */
  timeouts = 0;
  /** Connections that ended here, for whatever reason. */
  ended = 0;
  readonly #clock: Clock;
  readonly #headersMs: number;
  readonly #lingerMs: number;
  readonly #waiting = new Set<Waiting>();
  #draining = false;
  #whenEmpty: (() => void)[] = [];
  readonly #h1: Stage;
  readonly #h2: Stage;

  constructor(clock: Clock, headersMs: number, lingerMs: number, h1: Stage, h2: Stage) {
    this.#clock = clock;
    this.#headersMs = headersMs;
    this.#lingerMs = lingerMs;
    this.#h1 = h1;
    this.#h2 = h2;
  }

  get size(): number {
    return this.#waiting.size;
  }

  accept(stream: Stream): void {
    this.#waiting.add(new Waiting(this, stream, this.#clock, this.#draining ? this.#lingerMs : this.#headersMs));
  }

  /** Gives those that wait as long as an idle connection has. Resolves when none is left. */
  drain(): Promise<void> {
    if (!this.#draining) for (const waiting of [...this.#waiting]) waiting.expireIn(this.#lingerMs);
    this.#draining = true;
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  close(): void {
    for (const waiting of [...this.#waiting]) waiting.reset();
  }

  /** For those that wait: this one is told. */
  decided(waiting: Waiting, stream: Stream, isH2: boolean): void {
    this.#forget(waiting);
    if (isH2) this.#h2(stream);
    else this.#h1(stream);
  }

  /** For those that wait: this one is gone. */
  gone(waiting: Waiting): void {
    if (!this.#waiting.has(waiting)) return;
    this.ended += 1;
    this.#forget(waiting);
  }

  #forget(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size > 0) return;
    const resolved = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of resolved) resolve();
  }
}

class Waiting implements StreamHandler {
  readonly #gate: PrefaceGate;
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #timer: WheelEntry;
  /** Bytes that are the beginning of a preface so far. */
  #held: Lease | null = null;
  #closing = false;

  constructor(gate: PrefaceGate, stream: Stream, clock: Clock, ms: number) {
    this.#gate = gate;
    this.#stream = stream;
    this.#clock = clock;
    this.#timer = new WheelEntry(() => this.#expired());
    if (ms > 0) clock.wheel.set(this.#timer, clock.now + ms);
    stream.attach(this);
  }

  onData(lease: Lease): void {
    if (this.#closing) {
      lease.release();
      return;
    }
    const all = this.#held === null ? lease : joined(this.#held, lease);
    this.#held = null;
    const { u8 } = this.#stream.arena;
    const size = Math.min(all.length, PREFACE.length);
    let same = 0;
    while (same < size && u8[all.offset + same] === PREFACE.charCodeAt(same)) same += 1;
    if (same === size && size < PREFACE.length) {
      this.#held = all.transient ? all.copy() : all;
      return;
    }
    this.#clock.wheel.remove(this.#timer);
    this.#stream.unread(all);
    this.#gate.decided(this, this.#stream, same === PREFACE.length);
  }

  onEnd(): void {
    this.#end();
  }

  onDrain(): void {}

  onClose(): void {
    this.#clock.wheel.remove(this.#timer);
    this.#held?.release();
    this.#held = null;
    this.#gate.gone(this);
  }

  expireIn(ms: number): void {
    this.#clock.wheel.set(this.#timer, this.#clock.now + Math.max(ms, 1));
  }

  reset(): void {
    this.#stream.reset();
  }

  #expired(): void {
    if (this.#closing) {
      this.#stream.reset();
      return;
    }
    this.#gate.timeouts += 1;
    this.#end();
    this.#clock.wheel.set(this.#timer, this.#clock.now + LINGER_MS);
  }

  #end(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#stream.end();
  }
}

/** A client that was told to go and stays is reset after this long. */
const LINGER_MS = 2_000;

const joined = (first: Lease, second: Lease): Lease => {
  const { arena } = first;
  const all = arena.lease(first.length + second.length);
  arena.u8.copyWithin(all.offset, first.offset, first.offset + first.length);
  arena.u8.copyWithin(all.offset + first.length, second.offset, second.offset + second.length);
  first.release();
  second.release();
  return all;
};
