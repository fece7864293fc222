// scripted-peer.ts — plays the other side of a connection from a test: send these bytes, expect those.
import { Buffer } from "node:buffer";
import { assert } from "../assert.ts";
import type { Lease } from "../lease.ts";
import type { Stream, StreamHandler } from "../stream.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { Pump } from "./pump.ts";

/** A string stands for its characters' low bytes (latin-1), so that "\xff" is one byte. */
export type Script = string | Uint8Array;

const toBytes = (script: Script): Uint8Array => (typeof script === "string" ? Buffer.from(script, "latin1") : script);
const toText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

export class ScriptedPeer implements StreamHandler {
  readonly stream: Stream;
  /** The other side has sent all it will send. */
  ended = false;
  /** The connection is gone; `error` says why, null after an orderly close. */
  closed = false;
  error: Error | null = null;
  readonly #pump: Pump;
  readonly #received: ByteQueue = new ByteQueue();
  #drained: (() => void) | null = null;

  /** Attaches itself to `stream`. */
  constructor(stream: Stream, pump: Pump) {
    this.stream = stream;
    this.#pump = pump;
    stream.attach(this);
  }

  onData(lease: Lease): void {
    this.#received.push(lease.bytes.slice());
    lease.release();
  }

  onEnd(): void {
    this.ended = true;
  }

  onDrain(): void {
    this.#drained?.();
  }

  onClose(error: Error | null): void {
    this.closed = true;
    this.error = error;
  }

  /** Sends and runs the pump until nothing moves any more. */
  send(script: Script): this {
    this.queue(script);
    this.#pump.run();
    return this;
  }

  /** Sends without running the pump. */
  queue(script: Script): this {
    this.stream.writeBytes(toBytes(script));
    return this;
  }

  /** Runs the pump and takes everything received so far and not taken before, as latin-1 text. */
  text(): string {
    return toText(this.bytes());
  }

  /** Runs the pump and takes everything received so far and not taken before. */
  bytes(): Uint8Array {
    this.#pump.run();
    return this.#received.drain();
  }

  /** How many received bytes wait to be taken, without running the pump. */
  get pending(): number {
    return this.#received.size;
  }

  /**
   * Runs the pump and takes exactly the next bytes, which must be `script`.
   * @throws {AssertionError} naming what came instead.
   */
  expect(script: Script): this {
    this.#pump.run();
    const want = toBytes(script);
    const got = new Uint8Array(Math.min(want.length, this.#received.size));
    this.#received.shiftInto(got);
    assert(
      Buffer.compare(want, got) === 0,
      `expected ${JSON.stringify(toText(want))}, received ${JSON.stringify(toText(got))}`,
    );
    return this;
  }

  /** Runs the pump; nothing may have been received. */
  expectNothing(): this {
    this.#pump.run();
    assert(this.#received.size === 0, `expected nothing, received ${JSON.stringify(toText(this.#received.drain()))}`);
    return this;
  }

  /** Sends FIN and runs the pump. */
  end(): this {
    this.stream.end();
    this.#pump.run();
    return this;
  }

  /** Resets the connection and runs the pump. */
  reset(): this {
    this.stream.reset();
    this.#pump.run();
    return this;
  }

  /** Is called each time what was queued here has drained. */
  onDrained(callback: () => void): this {
    this.#drained = callback;
    return this;
  }
}
