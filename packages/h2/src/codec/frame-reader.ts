// frame-reader.ts — received bytes to frames, in one pass over a buffer and without an object per frame. DATA is shown by
// pieces as it comes; every other frame whole, where it lies, or from a copy when it was split.
import { DATA, FRAME_BYTES_DEFAULT, FRAME_HEAD_BYTES, PADDED, readU32 } from "./frame.ts";

/** The bytes are used up. */
export const STEP_MORE = 0;
/** A frame other than DATA is complete: `u8`, `at`, `size`. */
export const STEP_FRAME = 1;
/** A DATA frame begins; `size` is 0, pieces follow. */
export const STEP_DATA_BEGIN = 2;
/** Some of a DATA frame, `last` when it is its end. */
export const STEP_DATA = 3;
/** A frame is longer than we allow. */
export const STEP_TOO_LARGE = 4;
/** A DATA frame's padding is longer than the frame. */
export const STEP_BAD_PADDING = 5;

export class FrameReader {
  // The frame at hand.
  type = 0;
  flags = 0;
  streamId = 0;
  /** Payload as its header says, padding included. */
  length = 0;
  // Where what the step shows lies.
  u8: Uint8Array;
  at = 0;
  size = 0;
  last = false;
  readonly #arena: Uint8Array;
  #from = 0;
  #end = 0;
  #headKnown = false;
  /** DATA: bytes and padding still to come. -1: the padding's length is not known yet. */
  #dataLeft = -1;
  #padLeft = 0;
  #inData = false;
  /** A frame that was split, its header included. */
  #carry: Uint8Array | null = null;
  #carried = 0;

  constructor(arena: Uint8Array) {
    this.#arena = arena;
    this.u8 = arena;
  }

  /** In the middle of a frame. */
  get inFrame(): boolean {
    return this.#inData || this.#carried > 0;
  }

  /** Shows it the next bytes; those before must be used up. */
  feed(at: number, size: number): void {
    this.#from = at;
    this.#end = at + size;
  }

  next(): number {
    if (this.#inData) return this.#nextData();
    if (this.#carried > 0) return this.#nextCarried();
    const left = this.#end - this.#from;
    if (left < FRAME_HEAD_BYTES) return this.#carryRest();
    this.#readHead(this.#arena, this.#from);
    if (this.length > FRAME_BYTES_DEFAULT) return STEP_TOO_LARGE;
    if (this.type === DATA) {
      this.#from += FRAME_HEAD_BYTES;
      return this.#beginData();
    }
    if (left < FRAME_HEAD_BYTES + this.length) return this.#carryRest();
    this.u8 = this.#arena;
    this.at = this.#from + FRAME_HEAD_BYTES;
    this.size = this.length;
    this.#from = this.at + this.length;
    return STEP_FRAME;
  }

  #readHead(u8: Uint8Array, at: number): void {
    this.length = (u8[at] << 16) | (u8[at + 1] << 8) | u8[at + 2];
    this.type = u8[at + 3];
    this.flags = u8[at + 4];
    this.streamId = readU32(u8, at + 5) & 0x7fff_ffff;
  }

  #beginData(): number {
    this.#inData = true;
    this.#padLeft = 0;
    this.#dataLeft = (this.flags & PADDED) === 0 ? this.length : -1;
    this.size = 0;
    this.last = false;
    return STEP_DATA_BEGIN;
  }

  #nextData(): number {
    this.size = 0;
    if (this.#dataLeft < 0) {
      if (this.length === 0) return STEP_BAD_PADDING;
      if (this.#from === this.#end) return STEP_MORE;
      this.#padLeft = this.#arena[this.#from];
      this.#from += 1;
      this.#dataLeft = this.length - 1 - this.#padLeft;
      if (this.#dataLeft < 0) return STEP_BAD_PADDING;
    }
    const size = Math.min(this.#dataLeft, this.#end - this.#from);
    this.u8 = this.#arena;
    this.at = this.#from;
    this.size = size;
    this.#from += size;
    this.#dataLeft -= size;
    let skipped = 0;
    if (this.#dataLeft === 0) {
      skipped = Math.min(this.#padLeft, this.#end - this.#from);
      this.#from += skipped;
      this.#padLeft -= skipped;
    }
    this.last = this.#dataLeft === 0 && this.#padLeft === 0;
    if (this.last) this.#inData = false;
    return size > 0 || this.last ? STEP_DATA : STEP_MORE;
  }

  /** Keeps what is left of the buffer for the bytes to come. */
  #carryRest(): number {
    const left = this.#end - this.#from;
    if (left > 0) {
      this.#carry = new Uint8Array(left < FRAME_HEAD_BYTES ? FRAME_HEAD_BYTES : FRAME_HEAD_BYTES + this.length);
      this.#take(this.#carry, left);
      this.#headKnown = left >= FRAME_HEAD_BYTES;
    }
    return STEP_MORE;
  }

  #nextCarried(): number {
    let carry = this.#carry as Uint8Array;
    if (!this.#headKnown) {
      this.#take(carry, FRAME_HEAD_BYTES - this.#carried);
      if (this.#carried < FRAME_HEAD_BYTES) return STEP_MORE;
      this.#readHead(carry, 0);
      if (this.length > FRAME_BYTES_DEFAULT) return STEP_TOO_LARGE;
      if (this.type === DATA) {
        this.#carried = 0;
        this.#carry = null;
        return this.#beginData();
      }
      this.#headKnown = true;
      carry = new Uint8Array(FRAME_HEAD_BYTES + this.length);
      this.#carry = carry;
    }
    this.#take(carry, carry.length - this.#carried);
    if (this.#carried < carry.length) return STEP_MORE;
    this.#carry = null;
    this.#carried = 0;
    this.#headKnown = false;
    this.u8 = carry;
    this.at = FRAME_HEAD_BYTES;
    this.size = this.length;
    return STEP_FRAME;
  }

  #take(carry: Uint8Array, wanted: number): void {
    const size = Math.min(wanted, this.#end - this.#from);
    carry.set(this.#arena.subarray(this.#from, this.#from + size), this.#carried);
    this.#carried += size;
    this.#from += size;
  }
}
