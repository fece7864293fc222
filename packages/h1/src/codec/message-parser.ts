// message-parser.ts — bytes in, one message's head, body ranges and trailers out, however the bytes were cut.
import { type Arena, assert, type Lease } from "@percore/core";
import * as L from "./layout.ts";
import type { Machine } from "./machine.ts";

/** Most bytes looked at in one step, so that what they can put on the tape is bounded. */
export const STEP_BYTES_MAX = 16_384;
/** Fewest bytes that make a tape record behind the head: "1\r\nx\r\n". */
const RECORD_BYTES_MIN = 6;
/** Most fields of one head or trailer section that fit on the tape beside a step's body records. */
export const FIELDS_MAX_MAX = 1000;
/** The largest head that can be carried, and one byte to know that it was larger: one block of the arena. */
export const HEAD_BYTES_MAX_MAX = 65_535;

/** What a step came to. */
export const STEP_MORE = 0;
/** The head has been completed by this step, the message has not. */
export const STEP_HEAD = 1;
/** The message is complete; where its head came in this same step too, `headFresh` says so. */
export const STEP_COMPLETE = 2;
/** The bytes broke the rules. `headFresh` says whether a complete head came before the bad part. */
export const STEP_FAILED = 3;

/** The beginning of a head or trailer section whose end has not come yet: its bytes and what is on the tape of it. */
interface Carry {
  lease: Lease;
  size: number;
  tape: Int32Array;
  control: Int32Array;
}

const NO_TAPE = new Int32Array(0);

/**
 * Parses the messages of one connection, one after the other. Owns an llhttp record; keeps no byte of what it is given
 * but the beginning of a head (or of trailers) that is not complete, in a block of its own.
 *
 * After a step, and until the next one of any parser of this arena, the control block and the tape hold what it found.
 */
export class MessageParser {
  /** Bytes of the step's range that belong to this message. The rest belongs to the next. */
  consumed = 0;
  /** This step completed the head; the control block describes it. */
  headFresh = false;
  /** Bytes of the message's trailers so far, with the empty line behind them. */
  trailerBytes = 0;
  /** The step was one of bytes that belong to something carried: a head or trailers that came in pieces. */
  inCarry = false;
  /** What the next response answers, one of ANSWER_TO_*. Of no account for requests. */
  answerTo: number = L.ANSWER_TO_OTHERS;
  /** llhttp's code of a failed step. */
  errorCode = 0;
  /** The address of the byte llhttp stopped at when it failed. */
  errorAt = 0;
  readonly record: number;
  readonly #machine: Machine;
  readonly #arena: Arena;
  readonly #type: number;
  readonly #fieldsMax: number;
  readonly #headBytesMax: number;
  #phase: number = L.PHASE_HEAD;
  #carry: Carry | null = null;
  /** Block of a head, or of trailers, that is complete now; the control block points into it. */
  #spent: Lease | null = null;
  /** The present message's Connection field may mean something else to llhttp. */
  #oddConnection = false;
  /** llhttp's record has to be made anew before the next message. */
  #stale = false;
  #released = false;

  /**
   * @param type TYPE_REQUEST or TYPE_RESPONSE
   * @param fieldsMax 1..FIELDS_MAX_MAX
   * @param headBytesMax 1..HEAD_BYTES_MAX_MAX. One byte more is carried, no further one: see `carriedBytes`.
   */
  constructor(machine: Machine, type: number, fieldsMax: number, headBytesMax: number) {
    this.#headBytesMax = headBytesMax;
    this.#machine = machine;
    this.#arena = machine.arena;
    this.#type = type;
    this.#fieldsMax = fieldsMax;
    this.record = machine.arena.allocRecord(L.PARSER_BYTES);
    machine.init(this.record, type);
  }

  /** True between messages: nothing of the next one has come. */
  get idle(): boolean {
    return this.#phase === L.PHASE_HEAD && this.#carry === null;
  }

  /** Bytes carried of a head, or of trailers, that is not complete. */
  get carriedBytes(): number {
    return this.#carry === null ? 0 : this.#carry.size;
  }

  /**
   * Looks at up to STEP_BYTES_MAX of the `size` bytes at `at`, to the end of the current message at most.
   * `size` may be 0 only right behind a head, to learn whether the message ends there.
   */
  step(at: number, size: number): number {
    if (this.#spent !== null) this.forgetHead();
    if (this.#stale) this.#freshen();
    const length = Math.min(size, STEP_BYTES_MAX);
    this.trailerBytes = 0;
    this.inCarry = this.#carry !== null;
    if (this.#carry !== null) return this.#stepCarried(this.#carry, at, length);
    const { i32 } = this.#arena;
    const phase = this.#phase;
    i32[L.BASE] = at;
    i32[L.TOP] = this.#machine.tapeBase;
    i32[L.FIELDS] = 0;
    i32[L.BODIES] = 0;
    i32[L.TRAILERS] = 0;
    i32[L.PHASE] = phase;
    i32[L.LAST] = phase === L.PHASE_HEAD ? L.LAST_NOTHING : L.LAST_BODY;
    // A response may have no reason.
    i32[L.TARGET] = 0;
    i32[L.TARGET_SIZE] = 0;
    i32[L.ANSWER_TO] = this.answerTo;
    i32[L.PAUSE_HEAD] = 0;
    i32[L.FIELDS_MAX] = this.#fieldsMax;
    i32[L.CHUNKS] = 0;
    const code = this.#machine.execute(
      this.record,
      at,
      this.#machine.tapeBase === L.TAPE_OFFSET ? length : this.#fit(length),
    );
    return this.#conclude(code, at, length, phase);
  }

  /** Forgets everything; the next byte is the first of a message. */
  reset(): void {
    this.#dropCarry();
    this.#phase = L.PHASE_HEAD;
    this.#machine.init(this.record, this.#type);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#dropCarry();
    this.forgetHead();
    this.#arena.freeRecord(this.record, L.PARSER_BYTES);
  }

  /** Address of the first trailer's name. */
  #firstTrailer(): number {
    const { i32 } = this.#arena;
    return i32[L.BASE] + i32[(i32[L.TOP] - i32[L.TRAILERS] * L.TAPE_RECORD_BYTES) >> 2];
  }

  #freshen(): void {
    this.#stale = false;
    this.#machine.init(this.record, this.#type);
  }

  #conclude(code: number, at: number, length: number, phaseBefore: number): number {
    const { i32 } = this.#arena;
    const phase = i32[L.PHASE];
    this.headFresh = phaseBefore === L.PHASE_HEAD && phase !== L.PHASE_HEAD;
    if (this.headFresh) this.#oddConnection = (i32[L.SEEN] & L.SEEN_CONNECTION_ODD) !== 0;
    if (code === L.HPE_PAUSED) {
      // Only the end of a message pauses here.
      this.consumed = i32[(this.record + L.PARSER_ERROR_POSITION) >> 2] - at;
      if (i32[L.TRAILERS] > 0) this.trailerBytes = at + this.consumed - this.#firstTrailer();
      return this.#complete();
    }
    this.consumed = length;
    if (code !== L.HPE_OK) return this.#fail(code);
    this.#phase = phase;
    if (phase === L.PHASE_HEAD) {
      this.#beginCarry(at, length);
      return STEP_MORE;
    }
    if (phase === L.PHASE_TRAILERS) this.#beginCarryOfTrailers(at, length);
    return this.headFresh ? STEP_HEAD : STEP_MORE;
  }

  #complete(): number {
    const { i32 } = this.#arena;
    this.#phase = L.PHASE_HEAD;
    i32[(this.record + L.PARSER_ERROR) >> 2] = L.HPE_OK;
    // llhttp takes Connection among trailers for the head's, reads some lists of it otherwise than we do, and would
    // refuse what follows; a fresh record does not. Neither does it refuse what follows an interim response of HTTP/1.0.
    this.#stale = this.#oddConnection || i32[L.TRAILERS] > 0 || this.#type === L.TYPE_RESPONSE;
    this.#oddConnection = false;
    return STEP_COMPLETE;
  }

  #fail(code: number): number {
    const { i32 } = this.#arena;
    this.errorCode = code;
    this.errorAt = i32[(this.record + L.PARSER_ERROR_POSITION) >> 2];
    this.#dropCarry();
    return STEP_FAILED;
  }

  /** A step inside of another's handler has less tape left. */
  #fit(length: number): number {
    const room = L.TAPE_END - this.#machine.tapeBase - 2 * this.#fieldsMax * L.TAPE_RECORD_BYTES;
    const fits = (room / L.TAPE_RECORD_BYTES) * RECORD_BYTES_MIN;
    assert(fits > length, "parsers are nested too deep");
    return length;
  }

  // — heads and trailers that came in pieces —

  #beginCarry(at: number, size: number): void {
    const lease = this.#arena.lease(size);
    this.#arena.u8.copyWithin(lease.offset, at, at + size);
    this.#carry = { lease, size, tape: NO_TAPE, control: NO_TAPE };
    this.#saveTape(this.#carry, this.#machine.tapeBase);
  }

  /** Trailer positions are made relative to the first trailer, which becomes the beginning of what is carried. */
  #beginCarryOfTrailers(at: number, length: number): void {
    const { i32 } = this.#arena;
    const count = i32[L.TRAILERS];
    const first = i32[L.TOP] - count * L.TAPE_RECORD_BYTES;
    const shift = i32[first >> 2];
    const base = i32[L.BASE] + shift;
    const size = at + length - base;
    this.trailerBytes = size;
    const lease = this.#arena.lease(size);
    this.#arena.u8.copyWithin(lease.offset, base, base + size);
    const tape = i32.slice(first >> 2, i32[L.TOP] >> 2);
    for (let word = 0; word < tape.length; word += 4) {
      tape[word] -= shift;
      tape[word + 2] -= shift;
    }
    this.#carry = { lease, size, tape, control: i32.slice(L.BASE, L.FLAGS + 1) };
  }

  #saveTape(carry: Carry, from: number): void {
    const { i32 } = this.#arena;
    carry.tape = i32.slice(from >> 2, i32[L.TOP] >> 2);
    carry.control = i32.slice(L.BASE, L.FLAGS + 1);
  }

  #stepCarried(carry: Carry, at: number, available: number): number {
    const { i32, u8 } = this.#arena;
    const length = Math.min(available, this.#headBytesMax + 1 - carry.size);
    const phaseBefore = this.#phase;
    this.#grow(carry, carry.size + length);
    const end = carry.lease.offset + carry.size;
    u8.copyWithin(end, at, at + length);
    const base = this.#machine.tapeBase;
    i32.set(carry.control, L.BASE);
    i32[L.ANSWER_TO] = this.answerTo;
    i32.set(carry.tape, base >> 2);
    i32[L.BASE] = carry.lease.offset;
    i32[L.TOP] = base + carry.tape.length * 4;
    i32[L.BODIES] = 0;
    i32[L.CHUNKS] = 0;
    i32[L.PAUSE_HEAD] = 1;
    const code = this.#machine.execute(this.record, end, length);
    const phase = i32[L.PHASE];
    this.headFresh = phaseBefore === L.PHASE_HEAD && phase !== L.PHASE_HEAD;
    if (this.headFresh) this.#oddConnection = (i32[L.SEEN] & L.SEEN_CONNECTION_ODD) !== 0;
    this.consumed = length;
    if (code === L.HPE_PAUSED) {
      this.consumed = i32[(this.record + L.PARSER_ERROR_POSITION) >> 2] - end;
      i32[(this.record + L.PARSER_ERROR) >> 2] = L.HPE_OK;
      if (phaseBefore === L.PHASE_TRAILERS) this.trailerBytes = carry.size + this.consumed;
      this.#spent = carry.lease;
      this.#carry = null;
      return phase === L.PHASE_COMPLETE ? this.#complete() : this.#headOfCarry();
    }
    if (code !== L.HPE_OK) return this.#fail(code);
    carry.size += length;
    if (phaseBefore === L.PHASE_TRAILERS) this.trailerBytes = carry.size;
    this.#phase = phase;
    this.#saveTape(carry, base);
    return STEP_MORE;
  }

  /** Behind a carried head llhttp was stopped; it may have to say that the message ends there. */
  #headOfCarry(): number {
    const { i32 } = this.#arena;
    const code = this.#machine.execute(this.record, i32[L.BASE], 0);
    if (code === L.HPE_PAUSED) return this.#complete();
    if (code !== L.HPE_OK) return this.#fail(code);
    this.#phase = L.PHASE_BODY;
    return STEP_HEAD;
  }

  #grow(carry: Carry, size: number): void {
    const { lease } = carry;
    if (size <= lease.capacity) return;
    const larger = this.#arena.lease(size);
    this.#arena.u8.copyWithin(larger.offset, lease.offset, lease.offset + carry.size);
    lease.release();
    carry.lease = larger;
  }

  /** Lets go of a completed head's block, once what was wanted of it has been read. The next step does so too. */
  forgetHead(): void {
    this.#spent?.release();
    this.#spent = null;
  }

  #dropCarry(): void {
    this.#carry?.lease.release();
    this.#carry = null;
  }
}
