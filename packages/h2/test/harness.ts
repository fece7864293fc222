// harness.ts — a server on an in-memory connection with a fake clock, and a client that speaks frames.
import { Buffer } from "node:buffer";
import { Arena, type Lease } from "@percore/core";
import { FakeClock, leaseCheck, type MemoryStream, memoryPair, type Pump, ScriptedPeer } from "@percore/core/testing";
import type { Exchange, Fields, Handler } from "@percore/http";
import * as F from "../src/codec/frame.ts";
import { blockBound, type HpackDecoder, type HpackEncoder } from "../src/codec/hpack/codec.ts";
import { OWN_CODEC } from "../src/codec/hpack/own-codec.ts";
import { H2Server, type H2ServerOptions } from "../src/server/server.ts";

/** One arena for all tests of a file: what is outstanding at the end of each is compared with its beginning. */
export const arena: Arena = new Arena({ bytes: 64 * 1024 * 1024 });

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

export const frame = (
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array | string | number[] = [],
): Buffer => {
  const body = typeof payload === "string" ? Buffer.from(payload, "latin1") : Buffer.from(payload);
  const bytes = Buffer.alloc(F.FRAME_HEAD_BYTES + body.length);
  F.putFrameHead(bytes, 0, body.length, type, flags, id);
  body.copy(bytes, F.FRAME_HEAD_BYTES);
  return bytes;
};

export const u32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
export const settings = (...entries: [id: number, value: number][]): Buffer =>
  frame(
    F.SETTINGS,
    0,
    0,
    entries.flatMap(([id, value]) => [0, id, ...u32(value)]),
  );
export const windowUpdate = (id: number, increment: number): Buffer => frame(F.WINDOW_UPDATE, 0, id, u32(increment));
export const reset = (id: number, code = 8): Buffer => frame(F.RST_STREAM, 0, id, u32(code));

export const parseFrames = (bytes: Uint8Array): Frame[] => {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    const payload = bytes.slice(at + 9, at + 9 + size);
    frames.push({ type: bytes[at + 3], flags: bytes[at + 4], id: F.readU32(bytes, at + 5), payload });
    at += 9 + size;
  }
  return frames;
};

const GET = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"];
export const get = (...more: string[]): string[] => [...GET, ...more];
export const post = (...more: string[]): string[] => [":method", "POST", ...GET.slice(2), ...more];

/** What the client got on one stream. */
export interface Answer {
  heads: string[][];
  body: string;
  ended: boolean;
  reset: number | null;
}

export const textOf = (lease: Lease): string => Buffer.from(lease.bytes).toString("latin1");
export const fieldLines = (fields: Fields): string[] =>
  Array.from({ length: fields.size }, (_, at) => `${fields.nameAt(at)}: ${fields.valueAt(at)}`);

/** A request's body as text, or the code of its failure, with its trailers. */
export const bodyOf = (exchange: Exchange, done: (body: string, trailers: string[] | null) => void): void => {
  let body = "";
  exchange.receive({
    onBody(lease): void {
      body += textOf(lease);
      lease.release();
    },
    onBodyEnd: (trailers) => done(body, trailers === null ? null : fieldLines(trailers)),
    onBodyError: () => undefined,
  });
};

export const ok: Handler = (exchange) => bodyOf(exchange, (body) => exchange.respond(200, [], `ok${body}`));

export interface RigOptions extends Partial<Omit<H2ServerOptions, "arena" | "clock">> {
  /** Sends preface and SETTINGS, and takes the server's. Default true. */
  greet?: boolean;
  chunkBytesMax?: number;
  cuts?: readonly number[];
}

export class Rig {
  readonly server: H2Server;
  readonly peer: ScriptedPeer;
  readonly stream: MemoryStream;
  readonly clock: FakeClock = new FakeClock(1_000_000);
  readonly pump: Pump;
  readonly reports: unknown[] = [];
  readonly answers = new Map<number, Answer>();
  /** Frames of stream 0, in order. */
  readonly control: Frame[] = [];
  readonly order: number[] = [];
  readonly #encoder: HpackEncoder = OWN_CODEC.encoder(4096);
  readonly #decoder: HpackDecoder = OWN_CODEC.decoder({ listBytesMax: 1e6, fieldsMax: 1e4, tableBytesMax: 4096 });
  readonly #leaks = leaseCheck(arena);
  #partial: Uint8Array = new Uint8Array(0);
  #block: Buffer[] = [];

  constructor(options: RigOptions = {}) {
    const { greet = true, chunkBytesMax, cuts, handler = ok, ...rest } = options;
    const { client, server, pump } = memoryPair({ arena, toServer: { chunkBytesMax, cuts } });
    this.pump = pump;
    this.stream = server;
    this.server = new H2Server({
      wallClock: () => 0,
      report: (error) => this.reports.push(error),
      ...rest,
      handler,
      arena,
      clock: this.clock,
    });
    this.server.accept(server);
    this.peer = new ScriptedPeer(client, pump);
    if (greet) this.send(Buffer.from(F.PREFACE), settings(), frame(F.SETTINGS, F.ACK, 0));
  }

  block(list: readonly string[]): Uint8Array {
    const u8 = new Uint8Array(blockBound(list));
    return u8.slice(0, this.#encoder.encode(u8, 0, list, 0));
  }

  headers(id: number, list: readonly string[], end = true): Buffer {
    return frame(F.HEADERS, F.END_HEADERS | (end ? F.END_STREAM : 0), id, this.block(list));
  }

  /** Sends, runs everything, reads what came. */
  send(...frames: Uint8Array[]): this {
    if (!this.peer.closed && frames.length > 0) this.peer.queue(Buffer.concat(frames));
    return this.read();
  }

  read(): this {
    const bytes = Buffer.concat([this.#partial, this.peer.bytes()]);
    let whole = 0;
    while (whole + 9 <= bytes.length && whole + 9 + bytes.readUIntBE(whole, 3) <= bytes.length) {
      whole += 9 + bytes.readUIntBE(whole, 3);
    }
    this.#partial = bytes.subarray(whole);
    for (const one of parseFrames(bytes.subarray(0, whole))) this.#take(one);
    return this;
  }

  async settle(): Promise<this> {
    await this.pump.settle();
    return this.read();
  }

  answer(id: number): Answer {
    let answer = this.answers.get(id);
    if (answer === undefined) {
      answer = { heads: [], body: "", ended: false, reset: null };
      this.answers.set(id, answer);
    }
    return answer;
  }

  /** Code of the last GOAWAY, or null. */
  get goaway(): number | null {
    const last = this.control.findLast(({ type }) => type === F.GOAWAY);
    return last === undefined ? null : F.readU32(last.payload, 4);
  }

  /** Ends the connection from the client's side, lets deadlines pass, and checks that nothing is held. */
  async finish(): Promise<void> {
    if (!this.peer.closed) this.peer.end();
    await this.pump.settle();
    for (let turn = 0; turn < 3 && !this.peer.closed; turn += 1) {
      this.clock.advance(700_000);
      await this.pump.settle();
    }
    this.peer.bytes();
    const { counters } = this.server;
    if (counters.connectionsOpen !== 0) throw new Error("the connection is still open");
    if (counters.exchangesOpen !== 0) throw new Error("exchanges are still open");
    this.clock.advance(700_000);
    if (this.clock.wheel.size !== 0) throw new Error("a deadline is still on the wheel");
    this.#leaks.assertNone();
  }

  #take(one: Frame): void {
    const { type, flags, id, payload } = one;
    if (id === 0) {
      this.control.push(one);
      return;
    }
    const answer = this.answer(id);
    if (type === F.HEADERS || type === F.CONTINUATION) {
      this.#block.push(Buffer.from(payload));
      if ((flags & F.END_HEADERS) !== 0) {
        const bytes = Buffer.concat(this.#block);
        this.#block = [];
        const { fields } = this.#decoder.decode(bytes, 0, bytes.length);
        answer.heads.push(fields.map(({ name, value }) => `${name.text}: ${value.text}`));
      }
    } else if (type === F.DATA) {
      answer.body += Buffer.from(payload).toString("latin1");
      this.order.push(id);
    } else if (type === F.RST_STREAM) answer.reset = F.readU32(payload, 0);
    if ((type === F.HEADERS || type === F.DATA) && (flags & F.END_STREAM) !== 0) answer.ended = true;
  }
}
