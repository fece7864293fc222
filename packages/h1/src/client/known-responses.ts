// known-responses.ts — response heads that came before, byte for byte: they are parsed, judged and decoded once.
//
// A server under load says the same again and again, within one second even the same date. A head is a function of its
// bytes and of what it answers; the parser stands at the start of a message each time. Only plain heads are kept: final,
// HTTP/1.1, a content-length or no content, a connection that goes on.
import type { Arena } from "@percore/core";
import type { ClientLimits } from "@percore/http";
import type { Codec } from "../codec/codec.ts";
import { TapeFields } from "../codec/tape-fields.ts";

/** Heads kept, a power of two. One per hash; a head takes the place when it comes twice in a row. */
const SLOTS = 64;
/** Largest head kept, bytes. */
const KNOWN_BYTES_MAX = 1024;
/** Shorter ones are no responses with fields. */
const KNOWN_BYTES_MIN = 32;

export class KnownResponse {
  /** Address of the copied bytes. */
  readonly offset: number;
  /** Bytes of the head. */
  size = 0;
  status = 0;
  /** Bytes of the body. */
  length = 0;
  answerTo = 0;
  /** Limits it kept: what is too large for one client may be fine for another. */
  limits: ClientLimits | null = null;
  /** Hash of the head that missed here last. */
  missed = 0;
  /** Copied: all exchanges that bring the head share them. */
  fields: TapeFields | null = null;

  constructor(offset: number) {
    this.offset = offset;
  }
}

const stores = new WeakMap<Arena, KnownResponses>();

export class KnownResponses {
  readonly #codec: Codec;
  readonly #slots: KnownResponse[] = [];
  #hash = 0;

  /** The one of this arena; made at the first call. */
  static of(codec: Codec): KnownResponses {
    const { arena } = codec.machine;
    let store = stores.get(arena);
    if (store === undefined) {
      store = new KnownResponses(codec);
      stores.set(arena, store);
    }
    return store;
  }

  private constructor(codec: Codec) {
    const store = codec.machine.arena.allocRecord(SLOTS * KNOWN_BYTES_MAX, 16);
    this.#codec = codec;
    for (let at = 0; at < SLOTS; at += 1) this.#slots.push(new KnownResponse(store + at * KNOWN_BYTES_MAX));
  }

  /** The head that the `size` bytes at `at` begin with, if it is known, answers the same and was within these limits. */
  find(at: number, size: number, answerTo: number, limits: ClientLimits): KnownResponse | null {
    this.#hash = 0;
    if (size < KNOWN_BYTES_MIN) return null;
    const { machine } = this.#codec;
    // Heads of one server begin alike; what comes with them is often of another size.
    this.#hash = (machine.hash(at, size) ^ Math.imul(size, 0x9e3779b1)) | 0;
    const slot = this.#slots[(this.#hash ^ (this.#hash >>> 16)) & (SLOTS - 1)];
    if (slot.limits !== limits || slot.answerTo !== answerTo || slot.size > size) return null;
    return machine.same(at, slot.offset, slot.size) === 0 ? null : slot;
  }

  /**
   * A plain response that `find` did not know was parsed, in one step; its head is `size` bytes at `at`. It is kept when it
   * comes for the second time.
   * @param tape address of the records of its `count` fields
   */
  learn(
    at: number,
    size: number,
    tape: number,
    count: number,
    response: {
      readonly status: number;
      readonly length: number;
      readonly answerTo: number;
      readonly limits: ClientLimits;
    },
  ): void {
    const slot = this.#slots[(this.#hash ^ (this.#hash >>> 16)) & (SLOTS - 1)];
    if (slot.missed !== this.#hash || this.#hash === 0) {
      slot.missed = this.#hash;
      return;
    }
    if (size > KNOWN_BYTES_MAX || size < KNOWN_BYTES_MIN) return;
    const { machine, texts } = this.#codec;
    machine.arena.u8.copyWithin(slot.offset, at, at + size);
    slot.size = size;
    slot.status = response.status;
    slot.length = response.length;
    slot.answerTo = response.answerTo;
    slot.limits = response.limits;
    slot.fields = new TapeFields(machine, texts, at, tape, count);
    slot.fields.keep();
    slot.fields.keepAnswers();
  }
}
