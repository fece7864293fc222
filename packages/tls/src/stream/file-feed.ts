// file-feed.ts — brings the file at the front of an out-queue into it, part by part: by the ring, or by node where there is none.
import { read } from "node:fs";
import type { Arena } from "@percore/core";
import {
  type Block,
  CoreError,
  FilePartReader,
  LEASE_BYTES_MAX,
  type OutQueue,
  Runtime,
  SystemError,
} from "@percore/core";
import type { Clock } from "./clock.ts";

/** `read` and `abandon` as core's FilePartReader has them. */
export interface FileFeed {
  read(): void;
  abandon(): void;
}

/**
 * @param onPart called after each `read`: the queue's front has changed.
 * @param guard runs what may throw and keeps it from node, for whom it would be an uncaught exception.
 */
export const fileFeed = (
  clock: Clock,
  arena: Arena,
  queue: OutQueue,
  onPart: () => void,
  guard: (run: () => void) => void,
): FileFeed =>
  clock instanceof Runtime && clock.arena === arena
    ? new FilePartReader(clock, queue, onPart)
    : new NodeFileFeed(arena, queue, onPart, guard);

class NodeFileFeed implements FileFeed {
  readonly #arena: Arena;
  readonly #queue: OutQueue;
  readonly #onPart: () => void;
  readonly #guard: (run: () => void) => void;
  #abandoned = false;

  constructor(arena: Arena, queue: OutQueue, onPart: () => void, guard: (run: () => void) => void) {
    this.#guard = guard;
    this.#arena = arena;
    this.#queue = queue;
    this.#onPart = onPart;
  }

  read(): void {
    const file = this.#queue.head;
    if (file === null) return;
    const size = Math.min(file.length, LEASE_BYTES_MAX);
    const block = this.#arena.blocks.take(size);
    read(file.fd, this.#arena.u8, block.offset, size, file.offset, (error, got) => {
      this.#guard(() => this.#onRead(block, error, got));
    });
  }

  abandon(): void {
    this.#abandoned = true;
  }

  #onRead(block: Block, error: NodeJS.ErrnoException | null, got: number): void {
    if (this.#abandoned) {
      block.unref();
      return;
    }
    try {
      if (error === null && got > 0) {
        this.#queue.putBeforeFile(block, got);
      } else {
        block.unref();
        this.#queue.endFile(error === null ? shortFile() : new SystemError("read", -(error.errno ?? 0)));
      }
    } finally {
      this.#onPart();
    }
  }
}

const shortFile = (): CoreError =>
  new CoreError("ERR_FILE_SHORT", "the file ended before the range that was to be sent");
