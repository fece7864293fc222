// thread.ts — what the TLS connections of one arena share: the native engine, the words they speak through, a place to write.
import { AsyncResource } from "node:async_hooks";
import { type Arena, RESERVE_BYTES_MAX } from "@percore/core";
import { openEngine, type TlsEngine } from "@percore/native/tls";
import { WORDS } from "./words.ts";

/** Everything that starts here starts in nobody's async context; see the same in core's runtime.ts. */
export const ROOT: AsyncResource = new AsyncResource("PercoreTls");

export class TlsThread {
  readonly engine: TlsEngine;
  readonly words: Int32Array;
  /** RESERVE_BYTES_MAX bytes of the arena for what a read writes (flights, alerts), and for writers of closed streams. */
  readonly scratch: number;

  private constructor(arena: Arena) {
    this.words = new Int32Array(WORDS);
    this.engine = openEngine(arena.memory.buffer, this.words);
    this.scratch = arena.carve(RESERVE_BYTES_MAX, 64);
  }

  static readonly #threads = new WeakMap<Arena, TlsThread>();

  static of(arena: Arena): TlsThread {
    let thread = TlsThread.#threads.get(arena);
    if (thread === undefined) {
      thread = new TlsThread(arena);
      TlsThread.#threads.set(arena, thread);
    }
    return thread;
  }
}
