// handshake-gate.ts — how many handshakes run at once, and how many of their steps in one turn, so that a flood of new
// connections does not starve the open ones.
import type { Connection } from "./connection.ts";
import { ROOT } from "./thread.ts";

export interface HandshakeLimits {
  /** Handshakes under way at once; more connections wait, and nothing of theirs is read. 1.. Default 256. */
  readonly handshakesMax?: number;
  /** Connections that wait for their handshake; one more is reset. 0.. Default 4096. */
  readonly waitingMax?: number;
  /**
   * Steps in one turn of the loop. A full handshake's costly step (a signature and a key exchange) takes some 0.3 ms (P-256), and
   * that many of them are the longest that open connections wait for. 1.. Default 4.
   */
  readonly stepsPerTurn?: number;
}

export const HANDSHAKES_MAX = 256;
export const WAITING_MAX = 4096;
export const STEPS_PER_TURN = 4;

/** Takes part in the queue; `begin` is called once it may go ahead. */
export interface Waiting {
  begin(): void;
}

export class HandshakeGate {
  /** Handshakes under way, and connections that wait for theirs. */
  active = 0;
  readonly #waiting: Set<Waiting> = new Set();
  readonly #handshakesMax: number;
  readonly #waitingMax: number;
  readonly #stepsPerTurn: number;
  #steps: Connection[] = [];
  #turn = Number.NaN;
  #stepsLeft = 0;
  #immediate: NodeJS.Immediate | null = null;

  constructor(limits: HandshakeLimits = {}) {
    this.#handshakesMax = limits.handshakesMax ?? HANDSHAKES_MAX;
    this.#waitingMax = limits.waitingMax ?? WAITING_MAX;
    this.#stepsPerTurn = limits.stepsPerTurn ?? STEPS_PER_TURN;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Lets it begin now or later. False: there is no room, it is not kept. */
  enter(handshake: Waiting): boolean {
    if (this.active < this.#handshakesMax) {
      this.active += 1;
      handshake.begin();
      return true;
    }
    if (this.#waiting.size >= this.#waitingMax) return false;
    this.#waiting.add(handshake);
    return true;
  }

  /** It will not begin any more. */
  forget(handshake: Waiting): void {
    this.#waiting.delete(handshake);
  }

  /** One that had begun is over; the one that has waited longest begins. */
  leave(): void {
    this.active -= 1;
    for (const next of this.#waiting) {
      if (this.active >= this.#handshakesMax) return;
      this.#waiting.delete(next);
      this.active += 1;
      next.begin();
    }
  }

  /** A connection wants to do a step. False: `goOn` is called in a later turn. `now`: the same within one batch. */
  mayStep(connection: Connection, now: number): boolean {
    if (this.#turn !== now && this.#immediate === null) {
      this.#turn = now;
      this.#stepsLeft = this.#stepsPerTurn;
    }
    if (this.#immediate === null && this.#stepsLeft > 0) {
      this.#stepsLeft -= 1;
      return true;
    }
    this.#steps.push(connection);
    this.#later();
    return false;
  }

  #later(): void {
    this.#immediate ??= ROOT.runInAsyncScope(() => setImmediate(() => this.#run()));
  }

  #run(): void {
    this.#immediate = null;
    const turn = this.#steps.splice(0, this.#stepsPerTurn);
    // What these add waits for the next turn.
    this.#stepsLeft = 0;
    if (this.#steps.length > 0) this.#later();
    for (const connection of turn) connection.goOn();
  }
}
