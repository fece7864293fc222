// A ring without a kernel: hands out buffers as io_uring would, fabricates the completions of a batch, and takes every
// submission at once. What is left of the time is the product's own code.
import { LAYOUT } from "../../native/index.js";

const ENTRIES = 4096;
const HEAD_BYTES = 64;
const OP_SEND = 26;
const OP_SENDMSG = 9;
const CQE_BUFFER = 1;
const CQE_MORE = 2;
const BUFFER_SHIFT = 16;

export class FabricatedRing {
  kind = "poll";
  rings = new ArrayBuffer(HEAD_BYTES + ENTRIES * 16);
  sqes = new ArrayBuffer(ENTRIES * 64);
  descriptors = new ArrayBuffer(65_536);
  layout = new Int32Array(32);
  setupFlags = 0;
  features = 0;
  /** Sends that were submitted. */
  sends = 0;
  #words = new Int32Array(this.rings);
  #submissions = new Int32Array(this.sqes);
  #arena = null;
  #group = null;
  #onBatch = () => {};
  #next = 0;
  #receives = new Map();
  #sent = [];

  constructor() {
    const { layout } = this;
    layout[LAYOUT.sqTail] = 4;
    layout[LAYOUT.cqHead] = 8;
    layout[LAYOUT.cqTail] = 12;
    layout[LAYOUT.cqes] = HEAD_BYTES;
    layout[LAYOUT.sqEntries] = ENTRIES;
    layout[LAYOUT.sqMask] = ENTRIES - 1;
    layout[LAYOUT.cqEntries] = ENTRIES;
    layout[LAYOUT.cqMask] = ENTRIES - 1;
  }

  /** Told once, when the runtime has its arena: offsets in it are the addresses of this kernel. */
  useArena(arena) {
    this.#arena = arena;
  }

  /** Takes what was submitted: receives are remembered by descriptor, sends complete with the next batch. */
  take() {
    const words = this.#words;
    const sqes = this.#submissions;
    while (words[0] !== words[1]) {
      const at = (words[0] & (ENTRIES - 1)) * 16;
      const op = sqes[at] & 0xff;
      if (op === OP_SEND) {
        this.sends += 1;
        this.#sent.push(sqes[at + 8], sqes[at + 9], sqes[at + 6]);
      } else if (op === OP_SENDMSG) {
        this.sends += 1;
        this.#sent.push(sqes[at + 8], sqes[at + 9], this.#messageSize(sqes[at + 4]));
      } else this.#receives.set(sqes[at + 1], { slot: sqes[at + 8], tag: sqes[at + 9] });
      words[0] = (words[0] + 1) | 0;
    }
  }

  /**
   * Completes the sends that are due and one receive for each descriptor, and runs the batch.
   * @param given what each receives, or a list of which each takes the next
   */
  deliver(fds, given) {
    for (let at = 0; at < this.#sent.length; at += 3)
      this.#post(this.#sent[at], this.#sent[at + 1], this.#sent[at + 2], 0);
    this.#sent.length = 0;
    const { offset, mask } = this.#group;
    const { i32, u8 } = this.#arena;
    for (const fd of fds) {
      const { slot, tag } = this.#receives.get(fd);
      const entry = offset + (this.#group.head & mask) * 16;
      this.#group.head += 1;
      const bytes = Array.isArray(given) ? given[this.#next++ % given.length] : given;
      u8.set(bytes, i32[entry >> 2]);
      const id = (i32[(entry >> 2) + 3] & 0xffff) << BUFFER_SHIFT;
      this.#post(slot, tag, bytes.length, id | CQE_BUFFER | CQE_MORE);
    }
    this.#onBatch();
  }

  #messageSize(message) {
    const { i32 } = this.#arena;
    let size = 0;
    for (let part = 0, at = i32[(message + 16) >> 2]; part < i32[(message + 24) >> 2]; part += 1, at += 16) {
      size += i32[(at + 8) >> 2];
    }
    return size;
  }

  #post(slot, tag, result, flags) {
    const words = this.#words;
    const at = (HEAD_BYTES >> 2) + (words[3] & (ENTRIES - 1)) * 4;
    words[at] = slot;
    words[at + 1] = tag;
    words[at + 2] = result;
    words[at + 3] = flags;
    words[3] = (words[3] + 1) | 0;
  }

  registerBuffers(group, offset, entries) {
    if (group === 0) this.#group = { offset, mask: entries - 1, head: 0 };
    return 0;
  }
  unregisterBuffers() {
    return 0;
  }
  supports() {
    return true;
  }
  start(onBatch) {
    this.#onBatch = onBatch;
  }
  submit() {
    this.take();
    return 0;
  }
  ref() {}
  unref() {}
  close() {}
  counters() {
    return new Float64Array(8);
  }
}
