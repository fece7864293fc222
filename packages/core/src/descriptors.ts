// descriptors.ts — every descriptor of this thread, entered in native's table so that teardown closes it, whatever happens.
import { close, DESCRIPTOR, type NativeRing } from "@percore/native";
import { prepClose } from "./op/close.ts";
import type { Ring } from "./ring.ts";
import type { RingOwner } from "./slots.ts";
import { STAT, type Stats } from "./stats.ts";

export class Descriptors {
  readonly #ring: Ring;
  readonly #table: Uint8Array;
  readonly #stats: Float64Array;

  constructor(ring: Ring, native: NativeRing, stats: Stats) {
    this.#ring = ring;
    this.#table = new Uint8Array(native.descriptors);
    this.#stats = stats.values;
    ring.onDescriptor = (fd) => this.ownStream(fd);
  }

  /** A connected stream: teardown resets it, so that its peer does not wait. */
  ownStream(fd: number): void {
    this.#own(fd, DESCRIPTOR.stream);
  }

  /** A listener, a file, a socket not connected yet. */
  ownOther(fd: number): void {
    this.#own(fd, DESCRIPTOR.other);
  }

  /** It is somebody else's from now on. */
  disown(fd: number): void {
    if (this.#table[fd] === DESCRIPTOR.none) return;
    this.#table[fd] = DESCRIPTOR.none;
    this.#stats[STAT.descriptors] -= 1;
  }

  /** Queues the close; the owner gets a completion of KIND_CLOSE. */
  close(owner: RingOwner, fd: number): void {
    // Cleared when queued: teardown carries out queued closes, and the number may belong to an accept of the same batch.
    // Not before: a thread may be terminated between the two lines.
    prepClose(this.#ring, owner, fd);
    this.disown(fd);
  }

  /** Closes at once. Nothing may be in flight on it. */
  closeNow(fd: number): void {
    this.disown(fd);
    close(fd);
  }

  #own(fd: number, kind: number): void {
    if (this.#table[fd] === DESCRIPTOR.none) this.#stats[STAT.descriptors] += 1;
    this.#table[fd] = kind;
  }
}
