// file-part.ts — reads the file at the front of an out-queue, part by part: for streams whose bytes sendfile(2) cannot take.
import { assert } from "./assert.ts";
import { LEASE_BYTES_MAX } from "./blocks.ts";
import { SystemError } from "./errors.ts";
import { shortFile } from "./file-turn.ts";
import type { Block } from "./lease.ts";
import { prepRead } from "./op/file.ts";
import { KIND_READ } from "./op/kinds.ts";
import type { OutQueue } from "./out-queue.ts";
import type { Runtime } from "./runtime.ts";
import type { RingOwner } from "./slots.ts";

/**
 * One per stream that transforms what it sends (TLS), or whose file cannot be mapped. `read` brings the next part of the
 * queue's front into the queue as ordinary bytes; when the file ends or fails, it is taken off the queue and its
 * writer told.
 */
export class FilePartReader implements RingOwner {
  slot = -1;
  tag = 0;
  readonly #runtime: Runtime;
  readonly #queue: OutQueue;
  readonly #onPart: () => void;
  #block: Block | null = null;
  #abandoned = false;

  /** @param onPart called after each `read`: the queue's front has changed. */
  constructor(runtime: Runtime, queue: OutQueue, onPart: () => void) {
    this.#runtime = runtime;
    this.#queue = queue;
    this.#onPart = onPart;
  }

  /** A read is under way: the queue's front must stay where it is, or `abandon` be called. */
  get busy(): boolean {
    return this.#block !== null && !this.#abandoned;
  }

  /** The front of the queue is a file with bytes left. */
  read(): void {
    const file = this.#queue.head;
    assert(file !== null && file.done !== null && this.#block === null, "no file to read, or a read is under way");
    const size = Math.min(file.length, LEASE_BYTES_MAX);
    this.#block = this.#runtime.arena.blocks.take(size);
    this.#runtime.ring.slots.add(this);
    prepRead(this.#runtime.ring, this, file.fd, file.offset, this.#block.offset, size);
  }

  /** The queue is about to be dropped: what the kernel still brings goes nowhere, and `onPart` is not called. */
  abandon(): void {
    this.#abandoned = true;
  }

  complete(kind: number, result: number): void {
    assert(kind === KIND_READ && this.#block !== null, "a read that nobody started");
    const block = this.#block;
    this.#block = null;
    this.#runtime.ring.slots.remove(this);
    if (this.#abandoned) {
      block.unref();
      return;
    }
    try {
      if (result > 0) {
        this.#queue.putBeforeFile(block, result);
      } else {
        block.unref();
        this.#queue.endFile(result === 0 ? shortFile() : new SystemError("read", -result));
      }
    } finally {
      // Also when the file's writer throws: the stream goes on with what follows the file.
      this.#onPart();
    }
  }

  /** A writer's callback has thrown; the runtime has reported it, and the file is off the queue. */
  crash(): void {}
}
