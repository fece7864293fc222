// frame-writer.ts — a client's frames, written straight into the stream's outgoing block.
import type { Stream } from "@percore/core";
import * as F from "../codec/frame.ts";
import { blockBound, type HpackEncoder } from "../codec/hpack/codec.ts";

export class FrameWriter {
  readonly encoder: HpackEncoder;
  readonly #stream: Stream;
  readonly #u8: Uint8Array;

  constructor(stream: Stream, encoder: HpackEncoder) {
    this.#stream = stream;
    this.#u8 = stream.arena.u8;
    this.encoder = encoder;
  }

  /** Preface, our SETTINGS, and a larger window for the connection where `connectionWindow` asks for it (RFC 9113 §3.4). */
  greeting(settings: readonly (readonly [id: number, value: number])[], connectionWindow: number): void {
    const stream = this.#stream;
    const size = settings.length * 6;
    const start = stream.reserve(F.PREFACE.length + F.FRAME_HEAD_BYTES + size);
    for (let index = 0; index < F.PREFACE.length; index += 1) this.#u8[start + index] = F.PREFACE.charCodeAt(index);
    let at = F.putFrameHead(this.#u8, start + F.PREFACE.length, size, F.SETTINGS, 0, 0);
    for (const [id, value] of settings) {
      this.#u8[at] = 0;
      this.#u8[at + 1] = id;
      at = F.putU32(this.#u8, at + 2, value);
    }
    stream.commit(at - start);
    if (connectionWindow > F.WINDOW_DEFAULT) this.windowUpdate(0, connectionWindow - F.WINDOW_DEFAULT);
  }

  acknowledgeSettings(): void {
    this.#control(F.SETTINGS, F.ACK, 0, 0, 0, 0);
  }

  ping(flags: number, first: number, second: number): void {
    this.#control(F.PING, flags, 0, 8, first, second);
  }

  goaway(reason: number): void {
    // The last stream of the server's that we took: it opens none.
    this.#control(F.GOAWAY, 0, 0, 8, 0, reason);
  }

  reset(streamId: number, reason: number): void {
    this.#control(F.RST_STREAM, 0, streamId, 4, reason, 0);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#control(F.WINDOW_UPDATE, 0, streamId, 4, increment, 0);
  }

  dataHead(streamId: number, size: number, end: boolean): void {
    const at = this.#stream.reserve(F.FRAME_HEAD_BYTES);
    F.putFrameHead(this.#u8, at, size, F.DATA, end ? F.END_STREAM : 0, streamId);
    this.#stream.commit(F.FRAME_HEAD_BYTES);
  }

  /** A whole DATA frame, its bytes copied. `bytes` are few enough for one reservation. */
  data(streamId: number, bytes: Uint8Array): void {
    const start = this.#stream.reserve(F.FRAME_HEAD_BYTES + bytes.length);
    const at = F.putFrameHead(this.#u8, start, bytes.length, F.DATA, 0, streamId);
    this.#u8.set(bytes, at);
    this.#stream.commit(F.FRAME_HEAD_BYTES + bytes.length);
  }

  /** A head or trailers, in CONTINUATION frames where they need more than one. */
  headers(streamId: number, list: readonly string[], end: boolean): void {
    const flags = end ? F.END_STREAM : 0;
    const bound = blockBound(list);
    if (F.FRAME_HEAD_BYTES + bound > F.FRAME_BYTES_DEFAULT) {
      this.#largeHeaders(streamId, list, flags, bound);
      return;
    }
    const start = this.#stream.reserve(F.FRAME_HEAD_BYTES + bound);
    const at = this.encoder.encode(this.#u8, start + F.FRAME_HEAD_BYTES, list, 0);
    F.putFrameHead(this.#u8, start, at - start - F.FRAME_HEAD_BYTES, F.HEADERS, flags | F.END_HEADERS, streamId);
    this.#stream.commit(at - start);
  }

  /** Frames of the size that every peer takes: larger ones would only delay those of other streams. */
  #largeHeaders(streamId: number, list: readonly string[], flags: number, bound: number): void {
    const block = new Uint8Array(bound);
    const size = this.encoder.encode(block, 0, list, 0);
    const head = new Uint8Array(F.FRAME_HEAD_BYTES);
    for (let at = 0; at < size; at += F.FRAME_BYTES_DEFAULT) {
      const part = block.subarray(at, Math.min(size, at + F.FRAME_BYTES_DEFAULT));
      const last = at + part.length === size ? F.END_HEADERS : 0;
      if (at === 0) F.putFrameHead(head, 0, part.length, F.HEADERS, flags | last, streamId);
      else F.putFrameHead(head, 0, part.length, F.CONTINUATION, last, streamId);
      this.#stream.writeBytes(head);
      this.#stream.writeBytes(part);
    }
  }

  #control(type: number, flags: number, streamId: number, size: number, first: number, second: number): void {
    const at = this.#stream.reserve(F.FRAME_HEAD_BYTES + size);
    const payload = F.putFrameHead(this.#u8, at, size, type, flags, streamId);
    if (size >= 4) F.putU32(this.#u8, payload, first);
    if (size >= 8) F.putU32(this.#u8, payload + 4, second);
    this.#stream.commit(F.FRAME_HEAD_BYTES + size);
  }
}
