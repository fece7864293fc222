// head-view.ts — a request head as its exchange shows it: on the tape while it lies there, then copied, or gone.
import { HttpError } from "@percore/http";
import type { Codec } from "../codec/codec.ts";
import { TapeFields } from "../codec/tape-fields.ts";

/** Where a head lies: addresses and positions as the control block had them. */
export interface HeadPlace {
  base: number;
  tape: number;
  fields: number;
  target: number;
  targetSize: number;
}

/** Made when somebody asks, or when the head has to be copied: an exchange that does neither costs none. */
export class HeadView {
  readonly fields: TapeFields;
  readonly #codec: Codec;
  readonly #base: number;
  readonly #tape: number;
  readonly #targetAt: number;
  readonly #targetSize: number;
  #here = true;
  #copy: string | null = null;
  #target: string | null = null;

  constructor(codec: Codec, place: HeadPlace) {
    this.#codec = codec;
    this.#base = place.base;
    this.#tape = place.tape;
    this.#targetAt = place.target;
    this.#targetSize = place.targetSize;
    this.fields = new TapeFields(codec.machine, codec.texts, place.base, place.tape, place.fields);
  }

  get target(): string {
    this.#target ??= this.#decodeTarget();
    return this.#target;
  }

  /** The head's bytes are about to go: copies them, 45 to 95 ns for a text of any usual size (hot-path figures). */
  detach(): void {
    const { i32 } = this.#codec.machine.arena;
    const { size } = this.fields;
    const last = (this.#tape >> 2) + (size - 1) * 4;
    const end = size === 0 ? this.#targetAt + this.#targetSize : i32[last + 2] + i32[last + 3];
    this.#copy = this.#codec.texts.copy(this.#base + this.#targetAt, end - this.#targetAt);
    this.#here = false;
    this.fields.detach(this.#copy, size === 0 ? 0 : i32[this.#tape >> 2] - this.#targetAt);
  }

  /** The bytes are gone and nobody wanted a copy. What has been decoded stays. */
  expire(): void {
    this.#here = false;
    this.fields.expire();
  }

  #decodeTarget(): string {
    if (this.#copy !== null) return this.#copy.slice(0, this.#targetSize);
    if (this.#here) return this.#codec.texts.decode(this.#base + this.#targetAt, this.#targetSize);
    throw new HttpError(
      "ERR_HEAD_GONE",
      "the request head is gone: read it before a synchronous handler returns, or call exchange.retain()",
    );
  }
}
