// scripted-ring.ts — a ring without a kernel: the test reads what was submitted and says how it completes.
import { type DriverKind, LAYOUT, type NativeRing } from "@percore/native";

const ENTRIES = 256;
const HEAD_BYTES = 64;

/** What was submitted, by its words. */
export interface Submission {
  readonly op: number;
  readonly ioprio: number;
  readonly fd: number;
  readonly length: number;
  readonly opFlags: number;
  /** user_data: slot, and generation << 8 | kind. */
  readonly slot: number;
  readonly tag: number;
  /** Word 11: of a receive, the bytes after which it ends. */
  readonly cap: number;
}

export class ScriptedRing implements NativeRing {
  readonly kind: DriverKind;
  readonly rings: ArrayBuffer = new ArrayBuffer(HEAD_BYTES + ENTRIES * 16);
  readonly sqes: ArrayBuffer = new ArrayBuffer(ENTRIES * 64);
  readonly descriptors: ArrayBuffer = new ArrayBuffer(65_536);
  readonly layout: Int32Array = new Int32Array(LAYOUT.length);
  readonly setupFlags = 0;
  readonly features = 0;
  closed = false;
  readonly #words = new Int32Array(this.rings);
  readonly #submissions = new Int32Array(this.sqes);
  #onBatch: () => void = () => {};

  constructor(kind: DriverKind = "poll") {
    this.kind = kind;
    const { layout } = this;
    layout[LAYOUT.sqHead] = 0;
    layout[LAYOUT.sqTail] = 4;
    layout[LAYOUT.cqHead] = 8;
    layout[LAYOUT.cqTail] = 12;
    layout[LAYOUT.cqes] = HEAD_BYTES;
    layout[LAYOUT.sqEntries] = ENTRIES;
    layout[LAYOUT.sqMask] = ENTRIES - 1;
    layout[LAYOUT.cqEntries] = ENTRIES;
    layout[LAYOUT.cqMask] = ENTRIES - 1;
    layout[LAYOUT.arenaLow] = 0;
    layout[LAYOUT.arenaHigh] = 1;
  }

  /** Takes what was queued since the last call. */
  take(): Submission[] {
    const taken: Submission[] = [];
    while (this.#words[0] !== this.#words[1]) {
      const at = (this.#words[0] & (ENTRIES - 1)) * 16;
      const words = this.#submissions;
      taken.push({
        op: words[at] & 0xff,
        ioprio: words[at] >>> 16,
        fd: words[at + 1],
        length: words[at + 6],
        opFlags: words[at + 7],
        slot: words[at + 8],
        tag: words[at + 9],
        cap: words[at + 11],
      });
      this.#words[0] = (this.#words[0] + 1) | 0;
    }
    return taken;
  }

  /** Posts a completion; `run` delivers it. */
  post(submission: Pick<Submission, "slot" | "tag">, result: number, flags = 0): void {
    const at = (HEAD_BYTES >>> 2) + (this.#words[3] & (ENTRIES - 1)) * 4;
    this.#words[at] = submission.slot;
    this.#words[at + 1] = submission.tag;
    this.#words[at + 2] = result;
    this.#words[at + 3] = flags;
    this.#words[3] = (this.#words[3] + 1) | 0;
  }

  /** One batch, with everything posted. */
  run(): void {
    this.#onBatch();
  }

  start(onBatch: () => void): void {
    this.#onBatch = onBatch;
  }

  supports(): boolean {
    return true;
  }
  registerBuffers(): number {
    return 0;
  }
  unregisterBuffers(): number {
    return 0;
  }
  submit(): number {
    return this.take().length;
  }
  ref(): void {}
  unref(): void {}
  close(): void {
    this.closed = true;
  }
  counters(): Float64Array {
    return new Float64Array(8);
  }
}
