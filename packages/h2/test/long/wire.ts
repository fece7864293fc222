// wire.ts — the fuzzer's end of a connection: it sends within windows, reads what comes, and holds every frame to RFC 9113.
import { Buffer } from "node:buffer";
import { type MemoryStream, type Pump, ScriptedPeer } from "@percore/core/testing";
import * as F from "../../src/codec/frame.ts";
import type { HpackDecoder } from "../../src/codec/hpack/codec.ts";
import { hpackJs } from "../../src/hpack-js.ts";
import { frame, parseFrames, u32 } from "../harness.ts";
import type { Choice } from "./choice.ts";
import type { Step } from "./messages.ts";
import { type Line, ReferenceEncoder } from "./reference-hpack.ts";

/** What came on one stream. */
export interface Seen {
  readonly heads: string[][];
  body: string;
  ended: boolean;
  reset: number | null;
  /** What it may still send. */
  window: number;
}

export class Wire {
  readonly encoder: ReferenceEncoder;
  readonly peer: ScriptedPeer;
  readonly streams = new Map<number, Seen>();
  goaway: number | null = null;
  wrong: string | null = null;
  /** All that was sent. */
  readonly sent: Buffer[] = [];
  readonly #choice: Choice;
  readonly #pump: Pump;
  readonly #decoder: HpackDecoder = hpackJs.decoder({ listBytesMax: 1e6, fieldsMax: 1e4, tableBytesMax: 65_536 });
  #batch: Buffer[] = [];
  #partial: Uint8Array = new Uint8Array(0);
  #preface: number;
  #block: Buffer[] = [];
  #blockFor = 0;
  #blockEnds = false;
  /** What the other side may send, and what we may. */
  #theirs = F.WINDOW_DEFAULT;
  #theirInitial = F.WINDOW_DEFAULT;
  #ours = F.WINDOW_DEFAULT;
  #ourInitial = F.WINDOW_DEFAULT;
  readonly #ourStreams = new Map<number, number>();
  #pings: string[] = [];
  /** SETTINGS that wait to be acknowledged, as the table size in each, or -1. */
  readonly #settingsDue: number[] = [];
  #shrunk = false;

  constructor(stream: MemoryStream, pump: Pump, choice: Choice, isServer: boolean) {
    this.#choice = choice;
    this.#pump = pump;
    this.encoder = new ReferenceEncoder(choice);
    this.peer = new ScriptedPeer(stream, pump);
    this.#preface = isServer ? F.PREFACE.length : 0;
    if (!isServer) this.queue(Buffer.from(F.PREFACE));
  }

  queue(bytes: Buffer): void {
    this.#batch.push(bytes);
  }

  /** Sends what was queued, lets everything happen, reads what came. */
  flush(): void {
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    if (bytes.length > 0 && !this.peer.closed && !this.peer.stream.ended) {
      this.sent.push(bytes);
      this.peer.queue(bytes);
    }
    this.#pump.run();
    this.#read();
    this.#shrunk = false;
  }

  seen(id: number): Seen {
    let seen = this.streams.get(id);
    if (seen === undefined) {
      seen = { heads: [], body: "", ended: false, reset: null, window: this.#theirInitial };
      this.streams.set(id, seen);
    }
    return seen;
  }

  // — sending —

  /** Sends a step, or as much of it as the windows allow. Returns what is left of it. */
  step(id: number, step: Step): Step | null {
    if (step.kind === "reset") this.queue(frame(F.RST_STREAM, 0, id, u32(8)));
    else if (step.kind === "headers") this.headers(id, step.list, step.end);
    else return this.#data(id, step);
    return null;
  }

  headers(id: number, list: readonly Line[], end: boolean): void {
    const choice = this.#choice;
    let block = this.encoder.encode(list);
    const flags = end ? F.END_STREAM : 0;
    const cuts = choice.rarely(3) ? choice.number(5) : 0;
    const rest: Buffer[] = [];
    for (let cut = 0; cut < cuts && block.length > 1; cut += 1) {
      const at = 1 + choice.number(block.length - 1);
      rest.unshift(block.subarray(at));
      block = block.subarray(0, at);
    }
    let extra = 0;
    if (choice.rarely(4)) {
      extra |= F.PRIORITY_FLAG;
      block = Buffer.concat([Buffer.from([0, 0, 0, 0, choice.number(256)]), block]);
    }
    if (choice.rarely(4)) {
      extra |= F.PADDED;
      const padding = choice.number(256);
      block = Buffer.concat([Buffer.from([padding]), block, Buffer.alloc(padding)]);
    }
    this.queue(frame(F.HEADERS, flags | extra | (rest.length === 0 ? F.END_HEADERS : 0), id, block));
    for (const [at, part] of rest.entries()) {
      this.queue(frame(F.CONTINUATION, at === rest.length - 1 ? F.END_HEADERS : 0, id, part));
    }
  }

  #data(id: number, step: Step & { kind: "data" }): Step | null {
    const { bytes, end } = step;
    const choice = this.#choice;
    const window = this.#ourStreams.get(id) ?? this.#ourInitial;
    const padding = choice.rarely(4) ? choice.number(256) : -1;
    const room = Math.min(window, this.#ours, 16_384) - (padding + 1);
    if (room < Math.min(bytes.length, 1)) return step;
    const part = bytes.subarray(0, room);
    const last = part.length === bytes.length;
    const flags = (last && end ? F.END_STREAM : 0) | (padding >= 0 ? F.PADDED : 0);
    const payload = padding >= 0 ? Buffer.concat([Buffer.from([padding]), part, Buffer.alloc(padding)]) : part;
    this.#ours -= payload.length;
    this.#ourStreams.set(id, window - payload.length);
    this.queue(frame(F.DATA, flags, id, payload));
    return last ? null : { kind: "data", bytes: bytes.subarray(part.length), end };
  }

  ping(): void {
    const payload = Buffer.from(u32(this.#choice.number(2 ** 31)).concat(u32(this.#choice.number(2 ** 31))));
    this.#pings.push(payload.toString("hex"));
    this.queue(frame(F.PING, 0, 0, payload));
  }

  settings(entries: readonly (readonly [id: number, value: number])[]): void {
    for (const [id, value] of entries) {
      if (id !== F.SETTING_INITIAL_WINDOW_SIZE) continue;
      // What is on its way keeps to the old one, so a smaller one gets a batch of its own.
      if (value < this.#theirInitial && this.sent.length > 0) this.flush();
      this.#shrunk ||= value < this.#theirInitial;
      for (const seen of this.streams.values()) seen.window += value - this.#theirInitial;
      this.#theirInitial = value;
    }
    this.#settingsDue.push(entries.find(([id]) => id === F.SETTING_HEADER_TABLE_SIZE)?.[1] ?? -1);
    this.queue(
      frame(
        F.SETTINGS,
        0,
        0,
        entries.flatMap(([id, value]) => [0, id, ...u32(value)]),
      ),
    );
  }

  allow(id: number, increment: number): void {
    if (id === 0) this.#theirs += increment;
    else this.seen(id).window += increment;
    this.queue(frame(F.WINDOW_UPDATE, 0, id, u32(increment)));
  }

  // — reading —

  #read(): void {
    let bytes = Buffer.concat([this.#partial, this.peer.bytes()]);
    if (this.#preface > 0 && bytes.length >= this.#preface) {
      if (bytes.toString("latin1", 0, this.#preface) !== F.PREFACE) this.wrong ??= "no preface";
      bytes = bytes.subarray(this.#preface);
      this.#preface = 0;
    }
    let whole = 0;
    while (whole + 9 <= bytes.length && whole + 9 + bytes.readUIntBE(whole, 3) <= bytes.length) {
      const size = bytes.readUIntBE(whole, 3);
      if (size > 16_384) this.wrong ??= `a frame of ${size} bytes`;
      whole += 9 + size;
    }
    this.#partial = bytes.subarray(whole);
    for (const { type, flags, id, payload } of parseFrames(bytes.subarray(0, whole))) {
      const complaint = this.#take(type, flags, id, Buffer.from(payload));
      if (complaint !== null) this.wrong ??= `${complaint} (stream ${id})`;
    }
  }

  #take(type: number, flags: number, id: number, payload: Buffer): string | null {
    if (this.#blockFor !== 0 && (type !== F.CONTINUATION || id !== this.#blockFor)) return "a frame within a block";
    switch (type) {
      case F.HEADERS:
        this.#blockEnds = (flags & F.END_STREAM) !== 0;
        this.#block = [payload];
        return this.#takeBlock(flags, id);
      case F.CONTINUATION:
        this.#block.push(payload);
        return this.#takeBlock(flags, id);
      case F.DATA: {
        const seen = this.seen(id);
        if (seen.heads.length === 0 || seen.ended || seen.reset !== null) return "DATA where none is due";
        this.#theirs -= payload.length;
        seen.window -= payload.length;
        if (this.#theirs < 0) return "DATA beyond the connection's window";
        if (seen.window < 0 && payload.length > 0 && !this.#shrunk) return "DATA beyond the stream's window";
        seen.body += payload.toString("latin1");
        seen.ended = (flags & F.END_STREAM) !== 0;
        return null;
      }
      case F.RST_STREAM: {
        const seen = this.seen(id);
        if (seen.reset !== null) return "reset twice";
        seen.reset = F.readU32(payload, 0);
        return null;
      }
      case F.SETTINGS:
        return this.#takeSettings(flags, payload);
      case F.PING:
        if ((flags & F.ACK) === 0) this.queue(frame(F.PING, F.ACK, 0, payload));
        else if (this.#pings.shift() !== payload.toString("hex")) return "an answer to another PING";
        return null;
      case F.GOAWAY:
        this.goaway = F.readU32(payload, 4);
        return null;
      case F.WINDOW_UPDATE: {
        const increment = F.readU32(payload, 0);
        if (increment === 0) return "WINDOW_UPDATE by 0";
        const window = id === 0 ? this.#ours + increment : (this.#ourStreams.get(id) ?? this.#ourInitial) + increment;
        if (window > F.WINDOW_MAX) return "a window above 2^31-1";
        if (id === 0) this.#ours = window;
        else this.#ourStreams.set(id, window);
        return null;
      }
      default:
        return `a frame of type ${type}`;
    }
  }

  #takeBlock(flags: number, id: number): string | null {
    this.#blockFor = (flags & F.END_HEADERS) === 0 ? id : 0;
    if (this.#blockFor !== 0) return null;
    const seen = this.seen(id);
    if (seen.ended || seen.reset !== null) return "HEADERS where none are due";
    const block = Buffer.concat(this.#block);
    const { fields } = this.#decoder.decode(block, 0, block.length);
    seen.heads.push(fields.map(({ name, value }) => `${name.text}: ${value.text}`));
    seen.ended = this.#blockEnds;
    return null;
  }

  #takeSettings(flags: number, payload: Buffer): string | null {
    if ((flags & F.ACK) !== 0) {
      const size = this.#settingsDue.shift();
      if (size === undefined) return "an acknowledgement of nothing";
      if (size >= 0) this.#decoder.setTableBytesMax(size);
      return null;
    }
    for (let at = 0; at < payload.length; at += 6) {
      const value = F.readU32(payload, at + 2);
      const setting = payload.readUInt16BE(at);
      if (setting === F.SETTING_HEADER_TABLE_SIZE) this.encoder.setLimit(value);
      if (setting !== F.SETTING_INITIAL_WINDOW_SIZE) continue;
      for (const [id, window] of this.#ourStreams) this.#ourStreams.set(id, window + value - this.#ourInitial);
      this.#ourInitial = value;
    }
    this.queue(frame(F.SETTINGS, F.ACK, 0));
    return null;
  }

  /** What is still owed: acknowledgements and answers to PING. */
  get owed(): string | null {
    if (this.#settingsDue.length > 0) return `${this.#settingsDue.length} SETTINGS not acknowledged`;
    return this.#pings.length > 0 ? `${this.#pings.length} PINGs not answered` : null;
  }
}
