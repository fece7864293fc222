// memory-link.ts — one direction of an in-memory connection: what it took from the sender and how it cuts, holds and
// breaks it on the way to the receiver.
import { ByteQueue } from "./byte-queue.ts";
import type { Random } from "./random.ts";

/** How one direction behaves. Everything left out behaves like a fast and patient network. */
export interface LinkOptions {
  /** The largest piece handed to the receiver, bytes. 1 is byte by byte. Default and maximum: 16 KiB. */
  chunkBytesMax?: number;
  /** Offsets in this direction's bytes at which a piece ends, whatever its size. */
  cuts?: readonly number[];
  /** What the wire takes from the sender before the receiver has it: both socket buffers. Default 64 KiB. */
  bufferBytes?: number;
  /** The connection is reset, for both ends, when this many bytes were handed to the receiver. */
  resetAt?: number;
}

const CHUNK_BYTES_MAX = 16_384;
const BUFFER_BYTES = 65_536;
/** Steps that a seeded link sits out at most before it moves again. */
const HOLD_STEPS_MAX = 8;

export class MemoryLink {
  readonly flight: ByteQueue = new ByteQueue();
  readonly bufferBytes: number;
  /** Bytes handed to the receiver so far. */
  delivered = 0;
  /** The sender's FIN was taken; it is due when the bytes before it were handed over. */
  fin = false;
  /** The sender is gone without a FIN; the receiver has not noticed yet. */
  broken = false;
  readonly #chunkBytesMax: number;
  readonly #cuts: number[];
  readonly #resetAt: number;
  readonly #random: Random | null;
  #held = 0;

  constructor(options: LinkOptions, random: Random | null) {
    this.#chunkBytesMax = Math.min(options.chunkBytesMax ?? CHUNK_BYTES_MAX, CHUNK_BYTES_MAX);
    this.#cuts = [...(options.cuts ?? [])].sort((left, right) => left - right);
    this.#resetAt = options.resetAt ?? Number.POSITIVE_INFINITY;
    this.bufferBytes = options.bufferBytes ?? BUFFER_BYTES;
    this.#random = random;
  }

  /** Room for bytes from the sender. */
  get room(): number {
    return this.bufferBytes - this.flight.size;
  }

  /** True when the promised reset is due. */
  get resetDue(): boolean {
    return this.delivered >= this.#resetAt;
  }

  /** Bytes of the next piece; 0 where nothing is in flight. */
  nextSize(): number {
    let size = Math.min(this.flight.size, this.#chunkBytesMax, this.#resetAt - this.delivered);
    for (const cut of this.#cuts) {
      if (cut > this.delivered) {
        size = Math.min(size, cut - this.delivered);
        break;
      }
    }
    return this.#random === null ? size : this.#randomSize(this.#random, size);
  }

  /** True while a seeded link takes its time. Each call is one step of waiting. */
  holds(): boolean {
    if (this.#random === null) return false;
    if (this.#held > 0) {
      this.#held -= 1;
      return true;
    }
    if (this.#random.chance(0.25)) this.#held = this.#random.integer(1, HOLD_STEPS_MAX);
    return false;
  }

  /** The sender is gone: what is in flight is lost with it, as a RST may make it. */
  break(): void {
    this.flight.clear();
    this.fin = false;
    this.broken = true;
  }

  // Single bytes, short pieces and everything at once are where parsers go wrong, so each gets its share.
  #randomSize(random: Random, size: number): number {
    if (size <= 1) return size;
    const kind = random.next();
    if (kind < 0.25) return 1;
    if (kind < 0.6) return random.integer(1, Math.min(size, 32));
    if (kind < 0.8) return random.integer(1, size);
    return size;
  }
}
