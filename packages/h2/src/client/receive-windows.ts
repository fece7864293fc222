// receive-windows.ts — what the server may send: windows grow while receivers keep up, and those that do not never stop
// the others. Kept bytes of a stream are at most its window, and all streams' windows together at most half of the
// connection's: the other half is always there for streams whose bytes are let go of.
import type { Clock } from "@percore/http";
import { WINDOW_DEFAULT } from "../codec/frame.ts";
import type { H2Limits } from "../limits.ts";

/** A window used up within this time is too small, milliseconds. */
const GROW_WITHIN_MS = 1000;

/** A stream's window. */
export interface Windowed {
  /** Bytes the server may still send. */
  receiveWindow: number;
  /** What the window is to be. */
  windowTarget: number;
  /** Bytes let go of and not told yet. */
  credited: number;
  /** When it was last told. */
  windowSince: number;
}

export class ReceiveWindows {
  readonly #limits: H2Limits;
  readonly #clock: Clock;
  /** Bytes the server may still send in all, and those let go of and not told yet. */
  #left: number;
  #credited = 0;
  /** What the server may send to a stream beyond our window, as long as it has not read our SETTINGS (RFC 9113 §6.9.2). */
  #excess: number;
  /** Sum of the targets of streams that may hold bytes. */
  #targets = 0;

  constructor(limits: H2Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#left = limits.connectionWindowBytes;
    this.#excess = Math.max(0, WINDOW_DEFAULT - limits.streamWindowBytes);
  }

  opened(stream: Windowed): void {
    stream.windowTarget = this.#limits.streamWindowBytes;
    stream.receiveWindow = stream.windowTarget + this.#excess;
    this.#targets += stream.windowTarget;
  }

  /** Our SETTINGS are in force: windows that were opened before move by the difference, below zero if need be. */
  acknowledged(streams: Iterable<Windowed>): void {
    for (const stream of streams) stream.receiveWindow -= this.#excess;
    this.#excess = 0;
  }

  /** The stream holds nothing any more, and gets nothing. */
  closed(stream: Windowed): void {
    this.#targets -= stream.windowTarget;
  }

  /** A DATA frame begins. False where it is more than the connection's window. */
  take(length: number): boolean {
    this.#left -= length;
    return this.#left >= 0;
  }

  /** Bytes were let go of. Returns the connection's WINDOW_UPDATE, or 0 where it can wait. */
  credit(bytes: number): number {
    this.#credited += bytes;
    // A quarter, not a half: half of it may be held.
    if (this.#credited * 4 < this.#limits.connectionWindowBytes) return 0;
    const increment = this.#credited;
    this.#left += increment;
    this.#credited = 0;
    return increment;
  }

  /** The same for a stream. */
  creditStream(stream: Windowed, bytes: number): number {
    stream.credited += bytes;
    if (stream.credited * 2 < stream.windowTarget) return 0;
    const { now } = this.#clock;
    let increment = stream.credited;
    if (now - stream.windowSince < GROW_WITHIN_MS) increment += this.#grow(stream);
    stream.windowSince = now;
    stream.credited = 0;
    stream.receiveWindow += increment;
    return increment;
  }

  /** Doubles the window, as far as its own limit and that of all of them allow. */
  #grow(stream: Windowed): number {
    const { streamWindowBytesMax, connectionWindowBytes } = this.#limits;
    const room = Math.floor(connectionWindowBytes / 2) - this.#targets;
    const more = Math.min(stream.windowTarget, streamWindowBytesMax - stream.windowTarget, room);
    if (more <= 0) return 0;
    stream.windowTarget += more;
    this.#targets += more;
    return more;
  }
}
