// The seam (c): a thousand exchanges multiplexed on one stream, each cancelled at a random moment; nothing is left of them.
import { connect } from "../src/connect.ts";
import type { Lease } from "../src/lease.ts";
import type { Stream, StreamHandler } from "../src/stream.ts";
import { overDrivers, serve, until } from "./transport.ts";

const EXCHANGES = 1000;
const FRAME_HEAD = 7;
const OPEN = 1;
const DATA = 2;
const CANCEL = 3;
const DONE = 4;
/** Parts of one answer, and the size of each. */
const PARTS = 5;
const PART = 700;

/** Toy framing: type, id, length; frames may be cut anywhere, so a cut one is copied out and waits for the rest. */
class Framed implements StreamHandler {
  readonly stream: Stream;
  closed = false;
  onFrame: (type: number, id: number, payload: Lease) => void = () => {};
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: Stream) {
    this.stream = stream;
  }

  send(type: number, id: number, payload: number): void {
    const { u8 } = this.stream.arena;
    const at = this.stream.reserve(FRAME_HEAD + payload);
    u8[at] = type;
    u8[at + 1] = id >>> 8;
    u8[at + 2] = id & 0xff;
    u8[at + 3] = payload >>> 24;
    u8[at + 4] = payload >>> 16;
    u8[at + 5] = payload >>> 8;
    u8[at + 6] = payload;
    u8.fill(id & 0xff, at + FRAME_HEAD, at + FRAME_HEAD + payload);
    this.stream.commit(FRAME_HEAD + payload);
  }

  onData(lease: Lease): void {
    if (this.#rest.length > 0) {
      const whole = this.stream.arena.lease(this.#rest.length + lease.length);
      whole.bytes.set(this.#rest);
      whole.bytes.set(lease.bytes, this.#rest.length);
      lease.release();
      this.#rest = new Uint8Array(0);
      this.#parse(whole);
    } else {
      this.#parse(lease);
    }
  }

  #parse(lease: Lease): void {
    const { bytes } = lease;
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD) {
      const length = (bytes[at + 3] << 24) | (bytes[at + 4] << 16) | (bytes[at + 5] << 8) | bytes[at + 6];
      if (bytes.length - at < FRAME_HEAD + length) break;
      this.onFrame(bytes[at], (bytes[at + 1] << 8) | bytes[at + 2], lease.slice(at + FRAME_HEAD, length));
      at += FRAME_HEAD + length;
    }
    this.#rest = bytes.slice(at);
    lease.release();
  }

  onEnd(): void {
    this.stream.end();
  }
  onDrain(): void {}
  onClose(): void {
    this.closed = true;
  }
}

/** Deterministic, so that a failure can be repeated. */
const random = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
};

for (const seed of [1, 2, 3]) {
  overDrivers(`(c) a thousand exchanges on one stream, cancelled at random (seed ${seed})`, {}, async (t, runtime) => {
    const next = random(seed);
    const budget = {
      held: 0,
      credit: (bytes: number): void => {
        budget.held -= bytes;
      },
    };
    const working = new Map<number, number>();
    const { listener, port } = await serve(runtime, (stream) => {
      const framed = new Framed(stream);
      const answer = (id: number): void => {
        const left = working.get(id);
        if (left === undefined || framed.closed) return;
        if (left === 0) {
          working.delete(id);
          framed.send(DONE, id, 0);
          return;
        }
        framed.send(DATA, id, PART);
        working.set(id, left - 1);
        if (next() < 0.5) queueMicrotask(() => answer(id));
        else setImmediate(() => answer(id));
      };
      framed.onFrame = (type, id, payload) => {
        payload.release();
        if (type === CANCEL) working.delete(id);
        if (type !== OPEN) return;
        working.set(id, PARTS);
        answer(id);
      };
      return framed;
    });

    const framed = new Framed(await connect({ hostname: "127.0.0.1", port, runtime }));
    const open = new Map<number, Lease[]>();
    let cancelled = 0;
    let done = 0;
    let wrong = 0;
    const finish = (id: number): void => {
      for (const lease of open.get(id) ?? []) lease.release();
      open.delete(id);
    };
    framed.onFrame = (type, id, payload) => {
      const parts = open.get(id);
      if (payload.bytes.some((byte) => byte !== (id & 0xff))) wrong += 1;
      if (parts === undefined) {
        // A frame that was on its way when we cancelled.
        payload.release();
      } else if (type === DONE) {
        payload.release();
        if (parts.length !== PARTS) wrong += 1;
        done += 1;
        finish(id);
      } else {
        payload.charge(budget, payload.length);
        budget.held += payload.length;
        // Kept beyond the turn, so copied out of the receive buffer.
        const kept = payload.transient ? payload.copy() : payload;
        parts.push(kept);
      }
    };
    framed.stream.attach(framed);
    const cancel = (id: number): void => {
      if (!open.has(id)) return;
      finish(id);
      cancelled += 1;
      framed.send(CANCEL, id, 0);
    };
    for (let id = 0; id < EXCHANGES; id += 1) {
      open.set(id, []);
      framed.send(OPEN, id, Math.floor(next() * 300));
      const moment = next();
      if (moment < 0.2) cancel(id);
      else if (moment < 0.4) queueMicrotask(() => cancel(id));
      else if (moment < 0.7) setImmediate(() => cancel(id));
      else setTimeout(() => cancel(id), moment * 10);
      if (id % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => open.size === 0);
    t.equal(cancelled + done, EXCHANGES, `${cancelled} cancelled, ${done} answered`);
    t.ok(cancelled > 100, "many were cancelled");
    t.equal(wrong, 0);
    t.equal(budget.held, 0, "every budget was credited");
    framed.stream.end();
    await until(() => framed.closed && working.size === 0);
    t.equal(working.size, 0, "the server works for nobody any more");
    await listener.close();
  });
}
