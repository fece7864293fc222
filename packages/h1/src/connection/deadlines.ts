// deadlines.ts — a connection's deadlines on the wheel. Moving one later is a store; the timer looks again when it fires.
import { type Stream, WheelEntry } from "@percore/core";
import type { Clock } from "@percore/http";

export const NEVER: number = Number.POSITIVE_INFINITY;

/** Told when a deadline has passed. */
export interface DeadlineOwner {
  /** The peer has not sent what it should have. */
  readExpired(): void;
  /** The peer has taken no byte. */
  sendExpired(): void;
  /** Some handler may be late. Returns when the next one will be. */
  handlersExpired(now: number): number;
}

export class Deadlines {
  /** Until when the peer has to send something; NEVER where it has not to. */
  read: number = NEVER;
  #send: number = NEVER;
  #queuedThen = 0;
  readonly #owner: DeadlineOwner;
  readonly #clock: Clock;
  readonly #stream: Stream;
  readonly #sendMs: number;
  readonly #timer: WheelEntry;
  #stopped = false;

  constructor(owner: DeadlineOwner, clock: Clock, stream: Stream, sendMs: number) {
    this.#owner = owner;
    this.#clock = clock;
    this.#stream = stream;
    this.#sendMs = sendMs;
    this.#timer = new WheelEntry((now) => this.#fired(now));
  }

  /** The peer has `ms` from now; 0 = all the time it likes. */
  setRead(ms: number): void {
    this.read = ms > 0 ? this.#clock.now + ms : NEVER;
    this.arm(this.read);
  }

  /** A writer waits for the peer to take bytes. */
  armSend(): void {
    if (this.#sendMs === 0 || this.#send !== NEVER) return;
    this.#queuedThen = this.#stream.queuedBytes;
    this.#send = this.#clock.now + this.#sendMs;
    this.arm(this.#send);
  }

  /** The queue has drained. */
  disarmSend(): void {
    this.#send = NEVER;
  }

  arm(deadline: number): void {
    if (deadline < this.#timer.deadline && !this.#stopped) this.#clock.wheel.set(this.#timer, deadline);
  }

  stop(): void {
    this.#stopped = true;
    this.#clock.wheel.remove(this.#timer);
  }

  #fired(now: number): void {
    if (this.#send <= now) this.#sendDue(now);
    if (this.read <= now && !this.#stopped) {
      this.read = NEVER;
      this.#owner.readExpired();
    }
    if (this.#stopped) return;
    const handlers = this.#owner.handlersExpired(now);
    this.arm(Math.min(this.read, this.#send, handlers));
  }

  /** Bytes taken since the last look are progress; a reader may be slow, but it has to read. */
  #sendDue(now: number): void {
    const queued = this.#stream.queuedBytes;
    this.#send = NEVER;
    if (queued === 0) return;
    if (queued >= this.#queuedThen) {
      this.#owner.sendExpired();
      return;
    }
    this.#queuedThen = queued;
    this.#send = now + this.#sendMs;
  }
}
