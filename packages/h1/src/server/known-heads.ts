// known-heads.ts — request heads that came before, byte for byte: they are parsed, judged and decoded once.
//
// Clients say the same again and again: polls, health checks, API calls, a proxy's requests. A head is a function of its
// bytes alone, and the parser stands at the start of a message each time, so a head that is the same in every byte means
// the same. Only plain requests are kept: no body, no upgrade, no Expect, origin-form, a connection that goes on.
import type { Arena } from "@percore/core";
import type { HttpLimits } from "@percore/http";
import { Codec } from "../codec/codec.ts";
import * as L from "../codec/layout.ts";
import { METHOD_CONNECT } from "../codec/methods.ts";
import { type HeadPlace, HeadView } from "./head-view.ts";

/** Heads kept, a power of two. One per hash; a head takes the place when it comes twice in a row. */
const SLOTS = 256;
/** Largest head kept, bytes: those of browsers are smaller. */
const KNOWN_BYTES_MAX = 1024;
/** Shorter ones are no requests. */
const KNOWN_BYTES_MIN = 16;

export class KnownHead {
  /** Address of the copied bytes. */
  readonly offset: number;
  /** Bytes of the head. */
  size = 0;
  method = 0;
  /** Limits it kept: what is too large for one server may be fine for another. */
  limits: HttpLimits | null = null;
  /** Hash of the head that missed here last. */
  missed = 0;
  /** The head, copied: all exchanges that bring it share it. */
  view: HeadView | null = null;

  constructor(offset: number) {
    this.offset = offset;
  }
}

const stores = new WeakMap<Arena, KnownHeads>();

export class KnownHeads {
  readonly #codec: Codec;
  readonly #slots: KnownHead[] = [];
  #hash = 0;

  /** The one of this arena; made at the first call. */
  static of(arena: Arena): KnownHeads {
    let store = stores.get(arena);
    if (store === undefined) {
      store = new KnownHeads(Codec.of(arena));
      stores.set(arena, store);
    }
    return store;
  }

  private constructor(codec: Codec) {
    const store = codec.machine.arena.allocRecord(SLOTS * KNOWN_BYTES_MAX, 16);
    this.#codec = codec;
    for (let at = 0; at < SLOTS; at += 1) this.#slots.push(new KnownHead(store + at * KNOWN_BYTES_MAX));
  }

  /** The head that the `size` bytes at `at` begin with, if it is known and was within these limits. */
  find(at: number, size: number, limits: HttpLimits): KnownHead | null {
    this.#hash = 0;
    if (size < KNOWN_BYTES_MIN) return null;
    const { machine } = this.#codec;
    this.#hash = machine.hash(at, size);
    const slot = this.#slots[this.#hash & (SLOTS - 1)];
    if (slot.limits !== limits || slot.size > size || machine.same(at, slot.offset, slot.size) === 0) return null;
    return slot;
  }

  /**
   * A good request that `find` did not know was parsed, in one step: `size` bytes at `at`, all of it head. It is kept
   * when it comes for the second time. The control block still describes it.
   * @param record the llhttp record that parsed it
   */
  learn(at: number, size: number, place: HeadPlace, record: number, limits: HttpLimits): void {
    const { machine } = this.#codec;
    const { i32, u8 } = machine.arena;
    const slot = this.#slots[this.#hash & (SLOTS - 1)];
    if (slot.missed !== this.#hash || this.#hash === 0) {
      slot.missed = this.#hash;
      return;
    }
    const method = u8[record + L.PARSER_METHOD];
    const plain =
      size <= KNOWN_BYTES_MAX &&
      (i32[L.SEEN] & ~L.SEEN_CONNECTION) === (L.SEEN_HOST | L.SEEN_TARGET_ORIGIN) &&
      (i32[L.FLAGS] & L.FLAG_CLOSE) === 0 &&
      u8[record + L.PARSER_MINOR] === 1 &&
      method !== METHOD_CONNECT;
    if (!plain) return;
    u8.copyWithin(slot.offset, at, at + size);
    slot.limits = limits;
    slot.size = size;
    slot.method = method;
    slot.view = new HeadView(this.#codec, place);
    slot.view.detach();
    slot.view.fields.keepAnswers();
  }
}
