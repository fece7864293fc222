// opener.ts — the receiving side of a TLS stream: plaintext that waits for its owner, and the peer's end after it.
import type { Lease, StreamHandler } from "@percore/core";

export class Opener {
  paused = false;
  /** The peer has sent close_notify; the owner may not have heard of it yet. */
  sawEnd = false;
  /** The owner was told. */
  peerEnded = false;
  /** Reported once everything before it has been delivered. */
  failure: Error | null = null;
  #held: Lease[] | null = null;
  /** Where the next `unread` goes: behind those given back since the last delivery. */
  #unreadAt = 0;

  get holds(): boolean {
    return this.#held !== null;
  }

  /** Gives it to the owner, or keeps it: in a block of its own, for it may lie here long. */
  deliver(lease: Lease, handler: StreamHandler | null): void {
    if (handler !== null && !this.paused && this.#held === null) {
      handler.onData(lease);
      return;
    }
    this.#held ??= [];
    this.#held.push(lease.transient ? lease.copy() : lease);
  }

  unread(lease: Lease): void {
    this.#held ??= [];
    this.#held.splice(this.#unreadAt, 0, lease.transient ? lease.copy() : lease);
    this.#unreadAt += 1;
  }

  /** A new owner hears of the end again. */
  moved(): void {
    this.#unreadAt = 0;
    this.peerEnded = false;
  }

  /** The next piece that was held, or null. */
  shift(): Lease | null {
    const held = this.#held;
    if (held === null) return null;
    this.#unreadAt = 0;
    const lease = held.shift() as Lease;
    if (held.length === 0) this.#held = null;
    return lease;
  }

  dispose(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) for (const lease of held) lease.release();
  }
}
