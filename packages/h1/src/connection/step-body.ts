// step-body.ts — what the present step brought of a body: its ranges in the lease being parsed, and the bytes between them.
import type { Lease } from "@percore/core";
import type { IncomingBody } from "@percore/http";
import { bodyRecords } from "../codec/control.ts";
import * as L from "../codec/layout.ts";
import type { Machine } from "../codec/machine.ts";
import { ChunkOverhead } from "./chunk-overhead.ts";

export class StepBody {
  /** The lease being parsed, where somebody may want a part of it. */
  lease: Lease | null = null;
  readonly #machine: Machine;
  readonly #overhead = new ChunkOverhead();
  /** Ranges that have not been handed on: index of the first one's record, and their number. */
  #record = 0;
  #records = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Bytes of chunk size lines beyond what the message's chunks need. */
  get overheadBytes(): number {
    return this.#overhead.bytes;
  }

  /** The step brought ranges that have not been handed on. */
  get pending(): boolean {
    return this.#records > 0;
  }

  /** A new body begins. */
  begin(): void {
    this.#overhead.reset();
  }

  /** Notes the ranges of the step that has just been made. */
  take(): void {
    this.#records = this.#machine.arena.i32[L.BODIES];
    this.#record = bodyRecords(this.#machine);
  }

  /** Nobody wants what is left of the step. */
  drop(): void {
    this.#records = 0;
  }

  /** Hands the next range to `body`. Returns its bytes. */
  next(body: IncomingBody): number {
    const { i32 } = this.#machine.arena;
    const record = this.#record;
    this.#record += 4;
    this.#records -= 1;
    const size = i32[record + 1];
    body.push(this.lease as Lease, i32[record], size);
    return size;
  }

  /**
   * Counts the step's bytes that are no body, before its ranges are handed on.
   * @param from address of the first byte behind the head, or of the step
   * @param to address behind the step's last byte
   */
  countOverhead(from: number, to: number): void {
    const { i32 } = this.#machine.arena;
    // Trailers are bounded as a head is; what came of them in pieces is not counted here either.
    const trailers = i32[L.TRAILERS];
    const end = trailers > 0 ? i32[L.BASE] + i32[(i32[L.TOP] - trailers * L.TAPE_RECORD_BYTES) >> 2] : to;
    this.#overhead.count(i32, this.#record, this.#records, from, end);
  }
}
