// incoming.ts — a server's frames: taken apart, judged on the right scope, and told to the exchanges they belong to.
import type { Lease } from "@percore/core";
import { type ClientError, type Fields, hasNoContent } from "@percore/http";
import * as F from "../codec/frame.ts";
import {
  FrameReader,
  STEP_BAD_PADDING,
  STEP_DATA,
  STEP_DATA_BEGIN,
  STEP_FRAME,
  STEP_MORE,
  STEP_TOO_LARGE,
} from "../codec/frame-reader.ts";
import { type HeaderBlock, type HpackDecoder, HpackError } from "../codec/hpack/codec.ts";
import { ListFields } from "../codec/list-fields.ts";
import { trailersError } from "../codec/request-head.ts";
import { FloodGauge, type FloodLimit } from "../connection/flood-gauge.ts";
import type { H2ErrorCode } from "../errors.ts";
import type { H2ClientSettings } from "./client.ts";
import type { H2ClientExchange } from "./exchange.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { HeaderAssembly } from "./header-assembly.ts";
import type { PeerSettings } from "./peer-settings.ts";
import type { ReceiveWindows } from "./receive-windows.ts";
import { H2ResetError } from "./reset-error.ts";
import { judgeResponse, type ResponseHead } from "./response-head.ts";
import type { Sender } from "./sender.ts";

/** A DATA frame below this, and not the last, is a tiny one. */
const TINY_DATA_BYTES = 64;

/** What the frames do to the connection. */
export interface IncomingOwner {
  /** False once nothing is read any more. */
  readonly reading: boolean;
  readonly frames: FrameWriter;
  readonly sender: Sender<H2ClientExchange>;
  readonly windows: ReceiveWindows;
  readonly peer: PeerSettings;
  /** Open streams by their id. */
  readonly streams: ReadonlyMap<number, H2ClientExchange>;
  /** What an id without an open stream is: one that was never opened, one we reset, or one that ended. */
  fateOf(id: number): "idle" | "reset" | "ended";
  /** A connection error (RFC 9113 §5.4.1). */
  fail(code: H2ErrorCode, detail?: string): void;
  /** A stream error (§5.4.2). */
  breakStream(exchange: H2ClientExchange, code: H2ErrorCode, detail?: string): void;
  /** The stream is gone; nothing is sent. */
  dropStream(exchange: H2ClientExchange, error: ClientError): void;
  settingsRead(): void;
  settingsAcknowledged(): void;
  goneAway(lastId: number, reason: number): void;
  creditConnection(bytes: number): void;
  /** The exchange's request is of no use any more: its side is ended. */
  endRequest(exchange: H2ClientExchange): void;
  responseWhole(exchange: H2ClientExchange, trailers: Fields | null): void;
  switched(exchange: H2ClientExchange, head: ResponseHead): void;
  /** Calls a receiver. */
  tell(exchange: H2ClientExchange, what: () => void): void;
}

export class Incoming {
  readonly #owner: IncomingOwner;
  readonly #settings: H2ClientSettings;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #block: HeaderAssembly;
  readonly #gauge: FloodGauge;
  #settingsSeen = false;
  // The DATA frame at hand.
  #dataFor: H2ClientExchange | null = null;
  #dataSeen = 0;
  #lease: Lease | null = null;

  constructor(owner: IncomingOwner, settings: H2ClientSettings, u8: Uint8Array) {
    const { limits, h2, hpack, clock } = settings;
    this.#owner = owner;
    this.#settings = settings;
    this.#reader = new FrameReader(u8);
    this.#decoder = hpack.decoder({
      listBytesMax: limits.headBytesMax,
      fieldsMax: limits.fieldsMax,
      tableBytesMax: h2.tableBytesMax,
    });
    this.#block = new HeaderAssembly(h2);
    this.#gauge = new FloodGauge(h2, clock.now);
  }

  /** A DATA frame has left, which the server may answer with window updates. */
  sentData(): void {
    this.#gauge.windowUpdatesMax -= 4;
  }

  /** A stream was broken by the server; true when that was one too many. */
  countBroken(): boolean {
    return this.#counts("resetsMax");
  }

  /** The lease stays the caller's. */
  read(lease: Lease): void {
    const reader = this.#reader;
    const owner = this.#owner;
    this.#lease = lease;
    reader.feed(lease.offset, lease.length);
    while (owner.reading) {
      switch (reader.next()) {
        case STEP_MORE:
          return;
        case STEP_FRAME:
          this.#onFrame(reader);
          break;
        case STEP_DATA_BEGIN:
          this.#beginData(reader);
          break;
        case STEP_DATA:
          this.#onDataPiece(reader);
          break;
        case STEP_TOO_LARGE:
          owner.fail("ERR_H2_FRAME_SIZE", `${reader.length} bytes`);
          return;
        case STEP_BAD_PADDING:
          owner.fail("ERR_H2_PADDING");
          return;
        default:
          return;
      }
    }
  }

  #onFrame(frame: FrameReader): void {
    const { type, streamId, flags } = frame;
    const owner = this.#owner;
    if (!this.#settingsSeen && (type !== F.SETTINGS || (flags & F.ACK) !== 0)) {
      owner.fail("ERR_H2_PREFACE", "SETTINGS come first");
      return;
    }
    if (this.#block.streamId !== 0 && (type !== F.CONTINUATION || streamId !== this.#block.streamId)) {
      owner.fail("ERR_H2_CONTINUATION");
      return;
    }
    switch (type) {
      case F.HEADERS:
        this.#onHeaders(frame);
        break;
      case F.CONTINUATION:
        this.#onContinuation(frame);
        break;
      case F.RST_STREAM:
        this.#onReset(frame);
        break;
      case F.SETTINGS:
        this.#onSettings(frame);
        break;
      case F.PUSH_PROMISE:
        // We said that we take none (RFC 9113 §8.4).
        owner.fail("ERR_H2_PUSH");
        break;
      case F.PING:
        this.#onPing(frame);
        break;
      case F.GOAWAY:
        this.#onGoaway(frame);
        break;
      case F.WINDOW_UPDATE:
        this.#onWindowUpdate(frame);
        break;
      case F.PRIORITY:
        if (streamId === 0) owner.fail("ERR_H2_FRAME_STREAM");
        else if (frame.size !== 5) owner.fail("ERR_H2_FRAME_SIZE");
        else this.#counts("prioritiesMax");
        break;
      case F.PRIORITY_UPDATE:
        // Servers send none (RFC 9218 §7.1).
        owner.fail("ERR_H2_PRIORITY", "PRIORITY_UPDATE by a server");
        break;
      default:
        // Unknown types are ignored (RFC 9113 §4.1), but not for ever.
        this.#counts("prioritiesMax");
    }
  }

  // — heads —

  #onHeaders(frame: FrameReader): void {
    const { flags, streamId, u8 } = frame;
    const owner = this.#owner;
    let { at, size } = frame;
    if ((streamId & 1) === 0) {
      owner.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if ((flags & F.PADDED) !== 0) {
      if (size === 0) {
        owner.fail("ERR_H2_FRAME_SIZE");
        return;
      }
      size -= 1 + u8[at];
      at += 1;
    }
    if ((flags & F.PRIORITY_FLAG) !== 0) {
      if (frame.length < 5) {
        owner.fail("ERR_H2_FRAME_SIZE");
        return;
      }
      at += 5;
      size -= 5;
    }
    if (size < 0) {
      owner.fail("ERR_H2_PADDING");
      return;
    }
    const end = (flags & F.END_STREAM) !== 0;
    if ((flags & F.END_HEADERS) !== 0) this.#onBlock(streamId, end, u8, at, size);
    else this.#block.begin(streamId, end, u8, at, size);
  }

  #onContinuation(frame: FrameReader): void {
    const block = this.#block;
    if (block.streamId === 0) {
      this.#owner.fail("ERR_H2_CONTINUATION");
      return;
    }
    const last = (frame.flags & F.END_HEADERS) !== 0;
    const passed = block.continue(frame.u8, frame.at, frame.size, last);
    if (passed !== null) {
      this.#owner.fail("ERR_H2_FLOOD", passed);
      return;
    }
    if (!last) return;
    const { streamId, end, u8, size } = block;
    block.clear();
    this.#onBlock(streamId, end, u8, 0, size);
  }

  /** A header block is complete. It is decoded whatever becomes of it: the tables need it. */
  #onBlock(id: number, end: boolean, u8: Uint8Array, at: number, size: number): void {
    const owner = this.#owner;
    let block: HeaderBlock;
    try {
      block = this.#decoder.decode(u8, at, size);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      owner.fail("ERR_H2_COMPRESSION", error.code);
      return;
    }
    const exchange = owner.streams.get(id);
    if (exchange === undefined) this.#onStray(id);
    else if (exchange.peerEnded) owner.breakStream(exchange, "ERR_H2_STREAM_CLOSED");
    else if (block.tooLarge) owner.breakStream(exchange, "ERR_H2_FLOOD", "limits.headBytesMax or fieldsMax");
    else if (exchange.head !== null) this.#onTrailers(exchange, end, block);
    else this.#onHead(exchange, end, judgeResponse(block));
  }

  /** HEADERS or DATA on a stream that is not open. */
  #onStray(id: number): void {
    switch (this.#owner.fateOf(id)) {
      case "idle":
        this.#owner.fail("ERR_H2_FRAME_STREAM");
        break;
      case "ended":
        this.#owner.fail("ERR_H2_STREAM_CLOSED");
        break;
      case "reset":
        // It was on its way when we reset the stream.
        this.#counts("prioritiesMax");
        break;
    }
  }

  #onTrailers(exchange: H2ClientExchange, end: boolean, block: HeaderBlock): void {
    const owner = this.#owner;
    const error = end && exchange.tunnel === null ? trailersError(block) : "HEADERS in the middle of a body";
    if (error !== null) owner.breakStream(exchange, "ERR_H2_HEAD", error);
    else this.#responseEnds(exchange, block.fields.length > 0 ? new ListFields(block.fields) : null);
  }

  #onHead(exchange: H2ClientExchange, end: boolean, head: ResponseHead): void {
    const owner = this.#owner;
    const { status, fields, contentLength } = head;
    if (head.error !== null) {
      owner.breakStream(exchange, "ERR_H2_HEAD", head.error);
      return;
    }
    if (status < 200) {
      this.#onInform(exchange, end, head);
      return;
    }
    if (exchange.isConnect && status < 300) {
      owner.switched(exchange, head);
      if (end && !exchange.closed) owner.responseWhole(exchange, null);
      return;
    }
    exchange.hasNoContent = exchange.isHead || hasNoContent(status);
    if (end && contentLength > 0 && !exchange.hasNoContent) {
      owner.breakStream(exchange, "ERR_H2_BODY_LENGTH");
      return;
    }
    const length = end || exchange.hasNoContent ? 0 : contentLength;
    exchange.progressAt = this.#settings.clock.now;
    exchange.beginResponse(head, length);
    owner.tell(exchange, () => exchange.receiver.onHead(status, fields, length));
    if (exchange.closed) return;
    if (exchange.isConnect) owner.endRequest(exchange);
    if (end) this.#responseEnds(exchange, null);
  }

  #onInform(exchange: H2ClientExchange, end: boolean, { status, fields }: ResponseHead): void {
    const owner = this.#owner;
    if (end) {
      owner.breakStream(exchange, "ERR_H2_HEAD", "an interim response that ends the stream");
      return;
    }
    exchange.informs += 1;
    if (exchange.informs > this.#settings.limits.informsMax) {
      owner.breakStream(exchange, "ERR_H2_FLOOD", "limits.informsMax");
      return;
    }
    exchange.waitingSince = this.#settings.clock.now;
    owner.tell(exchange, () => exchange.receiver.onInform(status, fields));
  }

  #responseEnds(exchange: H2ClientExchange, trailers: Fields | null): void {
    const { body } = exchange;
    if (body !== null && body.length >= 0 && body.received !== body.length) {
      this.#owner.breakStream(exchange, "ERR_H2_BODY_LENGTH");
    } else this.#owner.responseWhole(exchange, trailers);
  }

  // — bodies —

  #beginData(frame: FrameReader): void {
    const { streamId, length, flags } = frame;
    const owner = this.#owner;
    this.#dataFor = null;
    this.#dataSeen = 0;
    if (!this.#settingsSeen) owner.fail("ERR_H2_PREFACE", "SETTINGS come first");
    else if (this.#block.streamId !== 0) owner.fail("ERR_H2_CONTINUATION");
    else if ((streamId & 1) === 0) owner.fail("ERR_H2_FRAME_STREAM");
    else if (!owner.windows.take(length)) owner.fail("ERR_H2_FLOW_CONTROL");
    if (!owner.reading) return;
    const exchange = owner.streams.get(streamId);
    if (exchange === undefined) {
      this.#onStray(streamId);
      return;
    }
    if (exchange.peerEnded) {
      owner.breakStream(exchange, "ERR_H2_STREAM_CLOSED");
      return;
    }
    exchange.receiveWindow -= length;
    if (exchange.receiveWindow < 0 && length > 0) {
      owner.breakStream(exchange, "ERR_H2_FLOW_CONTROL");
      return;
    }
    if (exchange.body === null) {
      owner.breakStream(exchange, "ERR_H2_HEAD", "DATA before a head");
      return;
    }
    if ((flags & F.END_STREAM) === 0 && length < TINY_DATA_BYTES) {
      if (this.#counts(length === 0 ? "emptyDataMax" : "tinyDataMax")) return;
    }
    this.#dataFor = exchange;
  }

  #onDataPiece(frame: FrameReader): void {
    const { at, size, last } = frame;
    const owner = this.#owner;
    this.#dataSeen += size;
    /** Padding, its length included: nobody holds it. */
    const padding = last ? frame.length - this.#dataSeen : 0;
    const exchange = this.#dataFor;
    const body = exchange === null ? null : exchange.body;
    if (exchange === null || exchange.closed || body === null) {
      owner.creditConnection(size + padding);
      return;
    }
    if (padding > 0) exchange.credit(padding);
    exchange.progressAt = this.#settings.clock.now;
    if (size > 0) {
      if (exchange.hasNoContent || (body.length >= 0 && body.received + size > body.length)) {
        owner.creditConnection(size);
        owner.breakStream(exchange, "ERR_H2_BODY_LENGTH");
        return;
      }
      body.push(this.#lease as Lease, at, size);
      if (exchange.closed) return;
    }
    if (last && (frame.flags & F.END_STREAM) !== 0) this.#responseEnds(exchange, null);
  }

  // — other frames —

  #onReset(frame: FrameReader): void {
    const { streamId } = frame;
    const owner = this.#owner;
    if (frame.size !== 4) {
      owner.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    const exchange = owner.streams.get(streamId);
    if (exchange !== undefined) owner.dropStream(exchange, new H2ResetError(F.readU32(frame.u8, frame.at)));
    else if ((streamId & 1) === 0 || owner.fateOf(streamId) === "idle") owner.fail("ERR_H2_FRAME_STREAM");
    else this.#counts("prioritiesMax");
  }

  #onSettings(frame: FrameReader): void {
    const { flags, size, u8, at } = frame;
    const owner = this.#owner;
    if (frame.streamId !== 0) {
      owner.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if (this.#counts("settingsMax")) return;
    if ((flags & F.ACK) !== 0) {
      if (size !== 0) owner.fail("ERR_H2_FRAME_SIZE");
      else {
        const { tableBytesMax } = this.#settings.h2;
        if (tableBytesMax < 4096) this.#decoder.setTableBytesMax(tableBytesMax);
        owner.settingsAcknowledged();
      }
      return;
    }
    if (size % 6 !== 0) {
      owner.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    this.#settingsSeen = true;
    // In the order they came (RFC 9113 §6.5.3).
    for (let entry = at; entry < at + size; entry += 6) {
      const id = (u8[entry] << 8) | u8[entry + 1];
      const wrong = owner.peer.apply(id, F.readU32(u8, entry + 2));
      if (wrong === null) continue;
      owner.fail(wrong, `setting ${id}`);
      return;
    }
    owner.frames.acknowledgeSettings();
    owner.settingsRead();
  }

  #onPing(frame: FrameReader): void {
    const { u8, at } = frame;
    const owner = this.#owner;
    if (frame.streamId !== 0) owner.fail("ERR_H2_FRAME_STREAM");
    else if (frame.size !== 8) owner.fail("ERR_H2_FRAME_SIZE");
    else if (this.#counts("pingsMax")) return;
    // An answer has done its work: the server was heard.
    else if ((frame.flags & F.ACK) === 0) owner.frames.ping(F.ACK, F.readU32(u8, at), F.readU32(u8, at + 4));
  }

  #onGoaway(frame: FrameReader): void {
    const { u8, at } = frame;
    if (frame.streamId !== 0) this.#owner.fail("ERR_H2_FRAME_STREAM");
    else if (frame.size < 8) this.#owner.fail("ERR_H2_FRAME_SIZE");
    else if (!this.#counts("prioritiesMax")) {
      this.#owner.goneAway(F.readU32(u8, at) & F.STREAM_ID_MAX, F.readU32(u8, at + 4));
    }
  }

  #onWindowUpdate(frame: FrameReader): void {
    const { streamId } = frame;
    const owner = this.#owner;
    const { sender } = owner;
    if (frame.size !== 4) {
      owner.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    if (this.#counts("windowUpdatesMax")) return;
    const increment = F.readU32(frame.u8, frame.at) & F.WINDOW_MAX;
    if (streamId === 0) {
      sender.window += increment;
      if (increment === 0) owner.fail("ERR_H2_WINDOW_INCREMENT");
      else if (sender.window > F.WINDOW_MAX) owner.fail("ERR_H2_FLOW_CONTROL");
      return;
    }
    const exchange = owner.streams.get(streamId);
    if (exchange === undefined) {
      if ((streamId & 1) === 0 || owner.fateOf(streamId) === "idle") owner.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    exchange.sendWindow += increment;
    if (increment === 0) owner.breakStream(exchange, "ERR_H2_WINDOW_INCREMENT");
    else if (exchange.sendWindow > F.WINDOW_MAX) owner.breakStream(exchange, "ERR_H2_FLOW_CONTROL");
    else sender.opened(exchange);
  }

  /** Counts one of what a limit is for; true when that ended the connection. */
  #counts(limit: FloodLimit): boolean {
    if (!this.#gauge.passes(limit, this.#settings.clock.now)) return false;
    this.#owner.fail("ERR_H2_FLOOD", limit);
    return true;
  }
}
