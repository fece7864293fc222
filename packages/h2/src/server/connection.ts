// connection.ts — a client's connection: frames in, streams, windows and frames out, and how it all ends.
import { type Lease, type PeerAddress, type Stream, type StreamHandler, WheelEntry } from "@percore/core";
import { type ConnectionInfo, dispatch, type Exchange, HttpError } from "@percore/http";
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
import { blockBound, HeaderBlock, type HpackDecoder, type HpackEncoder, HpackError } from "../codec/hpack/codec.ts";
import { ListFields } from "../codec/list-fields.ts";
import { type Priority, readPriority } from "../codec/priority.ts";
import { judgeRequest, type RequestHead, trailersError } from "../codec/request-head.ts";
import { FloodGauge, type FloodLimit } from "../connection/flood-gauge.ts";
import { Schedule } from "../connection/schedule.ts";
import { StreamIds } from "../connection/stream-ids.ts";
import { ErrorCode, H2Error, type H2ErrorCode } from "../errors.ts";
import { ServerExchange } from "./exchange.ts";
import type { H2Server } from "./server.ts";

//            error, GOAWAY and all answered           peer's FIN, linger deadline
//   OPEN ─────────────────────────────────────▶ CLOSING ───────────────────────▶ CLOSED
const OPEN = 0;
/** Our FIN is on its way; what comes is dropped until the peer's. */
const CLOSING = 1;
const CLOSED = 2;

// Two steps of GOAWAY (RFC 9113 §6.8).
const DRAIN_NONE = 0;
/** "No more, please"; what is on its way is still served. */
const DRAIN_TOLD = 1;
/** The last stream was named; later ones are ignored. */
const DRAIN_FINAL = 2;

/** A DATA frame below this, and not the last, is a tiny one. */
const TINY_DATA_BYTES = 64;
/** Largest body that is written behind its head at once. */
const WHOLE_BYTES_MAX = 8192;
/** Room for content-length, its index and its digits. */
const LENGTH_BYTES_MAX = 24;
/** content-length in the static table, as a literal without indexing (RFC 7541 §6.2.2). */
const LENGTH_INDEX = 28;
/** A window used up within this time is too small, milliseconds. */
const GROW_WITHIN_MS = 1000;
/** Body rates are averaged over this long. */
const RATE_WINDOW_MS = 5_000;
/** Priorities kept of streams that have not been opened yet. */
const EARLY_PRIORITIES_MAX = 64;
/** A writer this far beyond its high-water mark only answers what the peer sends on without reading. */
const PAUSE_FACTOR = 4;
const NEVER = Number.POSITIVE_INFINITY;
/** The head of a request whose own is too large. */
const NO_HEAD: RequestHead = judgeRequest(new HeaderBlock([], 0, true));

let connectionIds = 0;

export class ServerConnection implements StreamHandler, ConnectionInfo {
  readonly id: number;
  readonly server: H2Server;
  readonly stream: Stream;
  /** What the peer takes in all, bytes. */
  #sendWindow: number = F.WINDOW_DEFAULT;
  #peerStreamWindow: number = F.WINDOW_DEFAULT;
  #peerFrameBytes: number = F.FRAME_BYTES_DEFAULT;
  /** What the peer may still send in all, and what was let go of and not told yet. */
  #receiveWindow: number;
  #credited = 0;
  #state: number = OPEN;
  #drain: number = DRAIN_NONE;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #encoder: HpackEncoder;
  readonly #u8: Uint8Array;
  readonly #gauge: FloodGauge;
  readonly #streams = new Map<number, ServerExchange>();
  readonly #ids = new StreamIds();
  #schedule: Schedule<ServerExchange> | null = null;
  #early: Map<number, Priority> | null = null;
  /** Streams that count as open; the one being dispatched is not in the map yet. */
  #openCount = 0;
  #dispatching: ServerExchange | null = null;
  #prefaceRead = 0;
  #settingsSeen = false;
  #settingsAcked = false;
  // A header block in pieces.
  #blockStream = 0;
  #blockFlags = 0;
  #blockSelf = false;
  #block: Uint8Array | null = null;
  #blockSize = 0;
  #continuations = 0;
  // The DATA frame at hand.
  #dataFor: ServerExchange | null = null;
  #dataSeen = 0;
  #lease: Lease | null = null;
  #pumping = false;
  readonly #timer: WheelEntry;
  readonly #startedAt: number;
  #activeAt: number;
  #blockSince: number = NEVER;
  #closeAt: number = NEVER;
  #drainAt: number = NEVER;
  /** What was queued on the transport when it was last seen to move, and when. */
  #queuedThen = 0;
  #movedAt = 0;

  constructor(server: H2Server, stream: Stream) {
    connectionIds += 1;
    this.id = connectionIds;
    this.server = server;
    this.stream = stream;
    const { limits, h2, clock, arena } = server;
    this.#u8 = arena.u8;
    this.#reader = new FrameReader(arena.u8);
    this.#decoder = server.hpack.decoder({
      listBytesMax: limits.headBytesMax,
      fieldsMax: limits.fieldsMax,
      tableBytesMax: h2.tableBytesMax,
    });
    this.#encoder = server.hpack.encoder(h2.tableBytesMax);
    this.#gauge = new FloodGauge(h2, clock.now);
    this.#receiveWindow = h2.connectionWindowBytes;
    this.#startedAt = clock.now;
    this.#activeAt = clock.now;
    this.#timer = new WheelEntry((now) => this.#onDeadline(now));
    stream.highWaterBytes = limits.writeBufferBytes;
    this.#writeSettings();
    this.#arm(clock.now + Math.min(server.timeouts.headersMs || NEVER, h2.settingsTimeoutMs));
    stream.attach(this);
  }

  get protocol(): "h2" {
    return "h2";
  }
  get encrypted(): boolean {
    return this.stream.info.encrypted;
  }
  get remote(): PeerAddress {
    return this.stream.info.remote;
  }
  get local(): PeerAddress {
    return this.stream.info.local;
  }
  get alpn(): string | null {
    return this.stream.info.alpn;
  }

  // — from the transport —

  onData(lease: Lease): void {
    this.#activeAt = this.server.clock.now;
    this.#lease = lease;
    try {
      if (this.#state === OPEN) this.#read(lease.offset, lease.length);
      if (this.#state === OPEN && this.#schedule !== null) this.#pump();
    } catch (error) {
      // No handler's: this connection is lost, the worker goes on.
      this.server.report(error, null);
      this.abandon(new HttpError("ERR_EXCHANGE_ABANDONED", "the connection failed", { cause: error }));
    }
    this.#lease = null;
    lease.release();
    if (this.stream.queuedBytes > this.stream.highWaterBytes * PAUSE_FACTOR && this.#state === OPEN) {
      this.stream.pause();
      this.#watchTransport();
    }
  }

  onEnd(): void {
    if (this.#state === CLOSED) return;
    if (this.#state === CLOSING) return;
    if (this.#openCount === 0) this.#finish();
    else if (!this.server.allowHalfClose) {
      this.abandon(new HttpError("ERR_CLIENT_LEFT", "the client closed the connection before it was answered"));
    } else if (this.#drain !== DRAIN_FINAL) {
      this.#drain = DRAIN_FINAL;
    }
  }

  onDrain(): void {
    this.#movedAt = this.server.clock.now;
    if (this.stream.paused) this.stream.resume();
    this.#pump();
    for (const exchange of this.#streams.values()) exchange.sent();
  }

  onClose(error: Error | null): void {
    if (this.#state === CLOSED) return;
    const options = error === null ? undefined : { cause: error };
    this.#close(new HttpError("ERR_CLIENT_LEFT", "the connection closed before the exchange was complete", options));
  }

  // — frames in —

  #read(from: number, length: number): void {
    let at = from;
    let size = length;
    if (this.#prefaceRead < F.PREFACE.length) {
      const read = this.#readPreface(at, size);
      if (read < 0) return;
      at += read;
      size -= read;
    }
    const reader = this.#reader;
    reader.feed(at, size);
    while (this.#state === OPEN) {
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
          this.fail("ERR_H2_FRAME_SIZE", `${reader.length} bytes`);
          return;
        case STEP_BAD_PADDING:
          this.fail("ERR_H2_PADDING");
          return;
        default:
          return;
      }
    }
  }

  #readPreface(at: number, size: number): number {
    let read = 0;
    while (read < size && this.#prefaceRead < F.PREFACE.length) {
      if (this.#u8[at + read] !== F.PREFACE.charCodeAt(this.#prefaceRead)) {
        this.fail("ERR_H2_PREFACE");
        return -1;
      }
      read += 1;
      this.#prefaceRead += 1;
    }
    return read;
  }

  #onFrame(frame: FrameReader): void {
    const { type, streamId } = frame;
    if (!this.#settingsSeen && (type !== F.SETTINGS || (frame.flags & F.ACK) !== 0)) {
      this.fail("ERR_H2_PREFACE", "SETTINGS come first");
      return;
    }
    if (this.#blockStream !== 0 && (type !== F.CONTINUATION || streamId !== this.#blockStream)) {
      this.fail("ERR_H2_CONTINUATION");
      return;
    }
    switch (type) {
      case F.HEADERS:
        this.#onHeaders(frame);
        break;
      case F.PRIORITY:
        this.#onPriority(frame);
        break;
      case F.RST_STREAM:
        this.#onReset(frame);
        break;
      case F.SETTINGS:
        this.#onSettings(frame);
        break;
      case F.PUSH_PROMISE:
        this.fail("ERR_H2_PUSH");
        break;
      case F.PING:
        this.#onPing(frame);
        break;
      case F.GOAWAY:
        if (streamId !== 0) this.fail("ERR_H2_FRAME_STREAM");
        else if (frame.size < 8) this.fail("ERR_H2_FRAME_SIZE");
        else if (this.#openCount === 0) this.#finish();
        else this.#drain = DRAIN_FINAL;
        break;
      case F.WINDOW_UPDATE:
        this.#onWindowUpdate(frame);
        break;
      case F.CONTINUATION:
        this.#onContinuation(frame);
        break;
      case F.PRIORITY_UPDATE:
        this.#onPriorityUpdate(frame);
        break;
      default:
        // Unknown types are ignored (§4.1), but not for ever.
        this.#counts("prioritiesMax");
    }
  }

  #onHeaders(frame: FrameReader): void {
    const { flags, streamId, u8 } = frame;
    let { at, size } = frame;
    if ((streamId & 1) === 0) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if ((flags & F.PADDED) !== 0) {
      const padding = size > 0 ? u8[at] : 0;
      if (size === 0) {
        this.fail("ERR_H2_FRAME_SIZE");
        return;
      }
      at += 1;
      size -= 1 + padding;
    }
    let dependsOnItself = false;
    if ((flags & F.PRIORITY_FLAG) !== 0) {
      if (size >= 5) dependsOnItself = (F.readU32(u8, at) & 0x7fff_ffff) === streamId;
      else if (frame.length < 5) {
        this.fail("ERR_H2_FRAME_SIZE");
        return;
      }
      at += 5;
      size -= 5;
    }
    if (size < 0) {
      this.fail("ERR_H2_PADDING");
      return;
    }
    if ((flags & F.END_HEADERS) !== 0) {
      this.#onBlock(streamId, (flags & F.END_STREAM) !== 0, dependsOnItself, u8, at, size);
      return;
    }
    this.#blockStream = streamId;
    this.#blockFlags = flags;
    this.#blockSelf = dependsOnItself;
    this.#blockSize = 0;
    this.#continuations = 0;
    this.#blockSince = this.server.clock.now;
    if (this.server.timeouts.headersMs > 0) this.#arm(this.#blockSince + this.server.timeouts.headersMs);
    this.#append(u8, at, size);
  }

  #onContinuation(frame: FrameReader): void {
    const { h2 } = this.server;
    if (this.#blockStream === 0) {
      this.fail("ERR_H2_CONTINUATION");
      return;
    }
    this.#continuations += 1;
    const last = (frame.flags & F.END_HEADERS) !== 0;
    if (this.#continuations > h2.continuationsMax || (frame.size === 0 && !last)) {
      this.#flood("continuationsMax");
      return;
    }
    if (this.#blockSize + frame.size > h2.headerBlockBytesMax) {
      this.#flood("headerBlockBytesMax");
      return;
    }
    this.#append(frame.u8, frame.at, frame.size);
    if (!last) return;
    const block = this.#block as Uint8Array;
    const id = this.#blockStream;
    this.#blockStream = 0;
    this.#blockSince = NEVER;
    this.#block = null;
    this.#onBlock(id, (this.#blockFlags & F.END_STREAM) !== 0, this.#blockSelf, block, 0, this.#blockSize);
  }

  #append(u8: Uint8Array, at: number, size: number): void {
    const needed = this.#blockSize + size;
    let block = this.#block;
    if (block === null || block.length < needed) {
      const larger = new Uint8Array(Math.max(needed * 2, 1024));
      if (block !== null) larger.set(block.subarray(0, this.#blockSize));
      block = larger;
      this.#block = block;
    }
    block.set(u8.subarray(at, at + size), this.#blockSize);
    this.#blockSize = needed;
  }

  /** A header block is complete: a request, or trailers. It is decoded whatever becomes of it: the tables need it. */
  #onBlock(id: number, end: boolean, dependsOnItself: boolean, u8: Uint8Array, at: number, size: number): void {
    let block: HeaderBlock;
    try {
      block = this.#decoder.decode(u8, at, size);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      this.fail("ERR_H2_COMPRESSION", error.code);
      return;
    }
    const ids = this.#ids;
    if (id > ids.last) this.#open(id, end, dependsOnItself, block);
    else {
      const exchange = this.#streams.get(id);
      if (exchange !== undefined) this.#onTrailers(exchange, end, block);
      else if (ids.isForgiven(id)) return;
      else if (ids.wasSkipped(id)) this.fail("ERR_H2_FRAME_STREAM", "a stream below the last one");
      else this.fail("ERR_H2_STREAM_CLOSED");
    }
  }

  #open(id: number, end: boolean, dependsOnItself: boolean, block: HeaderBlock): void {
    const { server } = this;
    const { counters, h2, limits } = server;
    this.#ids.open(id);
    if (this.#drain === DRAIN_FINAL) {
      this.#ids.forgive(id);
      return;
    }
    if (this.#openCount >= h2.streamsMax) {
      counters.streamsRefused += 1;
      this.#ids.forgive(id);
      // Before our SETTINGS are known there is no limit to break.
      if (this.#settingsAcked && this.#counts("resetsMax")) return;
      this.#writeReset(id, ErrorCode.REFUSED_STREAM);
      return;
    }
    if (dependsOnItself) {
      this.#streamError(id, "ERR_H2_PRIORITY");
      return;
    }
    const head = block.tooLarge ? NO_HEAD : judgeRequest(block);
    if (head.error !== null && !block.tooLarge) {
      counters.refused += 1;
      this.#streamError(id, "ERR_H2_HEAD");
      return;
    }
    if (end && head.contentLength > 0) {
      counters.refused += 1;
      this.#streamError(id, "ERR_H2_BODY_LENGTH");
      return;
    }
    const exchange = new ServerExchange(this, id, head, end, this.#peerStreamWindow);
    counters.requests += 1;
    counters.exchangesOpen += 1;
    this.#openCount += 1;
    this.#dispatching = exchange;
    if (this.#early !== null) this.#applyEarly(exchange);
    if (block.tooLarge) this.#refuse(exchange, 431, "the head is larger than limits.headBytesMax or fieldsMax");
    else if (head.path.length > limits.targetBytesMax) this.#refuse(exchange, 414, "the target is too long");
    else if (head.contentLength > limits.bodyBytesMax) this.#refuse(exchange, 413, "the body is too large");
    else dispatch(server.handler, exchange, this.handlerFailed);
    this.#dispatching = null;
    if (exchange.closed || this.#state !== OPEN) return;
    this.#streams.set(id, exchange);
    this.#startDeadlines(exchange);
  }

  #refuse(exchange: ServerExchange, status: number, detail: string): void {
    this.server.counters.refused += 1;
    exchange.refuse(status, new HttpError(status === 413 ? "ERR_REQUEST_TOO_LARGE" : "ERR_REQUEST_INVALID", detail));
  }

  #onTrailers(exchange: ServerExchange, end: boolean, block: HeaderBlock): void {
    if (exchange.peerEnded) this.#resetFor(exchange, "ERR_H2_STREAM_CLOSED");
    else if (!end || exchange.isTunnel) this.#resetFor(exchange, "ERR_H2_HEAD");
    else if (block.tooLarge || trailersError(block) !== null) this.#resetFor(exchange, "ERR_H2_HEAD");
    else this.#requestEnded(exchange, block.fields.length > 0 ? new ListFields(block.fields) : null);
  }

  // — request bodies —

  #beginData(frame: FrameReader): void {
    const { streamId, length, flags } = frame;
    this.#dataFor = null;
    this.#dataSeen = 0;
    if (!this.#settingsSeen) this.fail("ERR_H2_PREFACE", "SETTINGS come first");
    else if (this.#blockStream !== 0) this.fail("ERR_H2_CONTINUATION");
    else if ((streamId & 1) === 0 || streamId > this.#ids.last) this.fail("ERR_H2_FRAME_STREAM");
    if (this.#state !== OPEN) return;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) {
      this.fail("ERR_H2_FLOW_CONTROL");
      return;
    }
    const exchange = this.#streams.get(streamId);
    if (exchange === undefined) {
      if (this.#ids.isForgiven(streamId)) return;
      if (this.#ids.wasSkipped(streamId)) this.fail("ERR_H2_FRAME_STREAM");
      else this.fail("ERR_H2_STREAM_CLOSED");
      return;
    }
    if (exchange.peerEnded) {
      this.#resetFor(exchange, "ERR_H2_STREAM_CLOSED");
      return;
    }
    exchange.receiveWindow -= length;
    if (exchange.receiveWindow < 0) {
      this.#resetFor(exchange, "ERR_H2_FLOW_CONTROL");
      return;
    }
    if ((flags & F.END_STREAM) === 0 && length < TINY_DATA_BYTES) {
      if (this.#counts(length === 0 ? "emptyDataMax" : "tinyDataMax")) return;
    }
    this.#dataFor = exchange;
  }

  #onDataPiece(frame: FrameReader): void {
    const { at, size, last } = frame;
    this.#dataSeen += size;
    const exchange = this.#dataFor;
    if (exchange === null || exchange.closed) {
      this.#creditConnection(size + (last ? frame.length - this.#dataSeen : 0));
      return;
    }
    if (last && frame.length > this.#dataSeen) this.credit(exchange, frame.length - this.#dataSeen);
    const body = exchange.requestBody;
    if (body === null) return;
    exchange.progressAt = this.server.clock.now;
    if (size > 0) {
      body.push(this.#lease as Lease, at, size);
      if (exchange.closed) return;
      if (body.length >= 0 && body.received > body.length) {
        this.#resetFor(exchange, "ERR_H2_BODY_LENGTH");
        return;
      }
      const { limits } = this.server;
      if (!exchange.isTunnel && body.received > limits.bodyBytesMax && !body.discarding) this.#bodyTooLarge(exchange);
      else if (body.discarding && body.received - body.discardedFrom > limits.discardBodyBytesMax) {
        // It has its answer, and may stop (§8.1).
        if (exchange.weEnded) this.#endEarly(exchange);
      }
    }
    if (last && (frame.flags & F.END_STREAM) !== 0 && !exchange.closed) this.#requestEnded(exchange, null);
  }

  #requestEnded(exchange: ServerExchange, trailers: ListFields | null): void {
    const body = exchange.requestBody;
    exchange.peerEnded = true;
    if (body !== null) {
      if (body.length >= 0 && body.received !== body.length && !body.discarding) {
        this.#resetFor(exchange, "ERR_H2_BODY_LENGTH");
        return;
      }
      body.end(trailers);
    }
    if (exchange.weEnded && !exchange.closed) this.#remove(exchange);
  }

  #bodyTooLarge(exchange: ServerExchange): void {
    const error = new HttpError("ERR_REQUEST_TOO_LARGE", "the request body is larger than limits.bodyBytesMax");
    this.server.counters.refused += 1;
    exchange.requestBody?.fail(error);
    if (exchange.responded) this.reset(exchange, ErrorCode.CANCEL, error);
    else {
      exchange.requestBody?.discard();
      exchange.refuse(413, error);
    }
  }

  /** The response is out, and the rest of the request is of no use. */
  #endEarly(exchange: ServerExchange): void {
    this.#ids.forgive(exchange.id);
    this.#writeReset(exchange.id, ErrorCode.NO_ERROR);
    exchange.requestBody?.fail(new HttpError("ERR_REQUEST_INVALID", "the stream ended behind its response"));
    this.#remove(exchange);
  }

  /** Bytes were let go of: windows open again. */
  credit(exchange: ServerExchange, bytes: number): void {
    this.#creditConnection(bytes);
    if (exchange.closed || exchange.peerEnded || this.#state !== OPEN) return;
    exchange.credited += bytes;
    if (exchange.credited * 2 < exchange.windowTarget) return;
    const { h2, clock } = this.server;
    let increment = exchange.credited;
    if (clock.now - exchange.windowSince < GROW_WITHIN_MS && exchange.windowTarget < h2.streamWindowBytesMax) {
      const larger = Math.min(exchange.windowTarget * 2, h2.streamWindowBytesMax);
      increment += larger - exchange.windowTarget;
      exchange.windowTarget = larger;
    }
    exchange.windowSince = clock.now;
    exchange.credited = 0;
    exchange.receiveWindow += increment;
    this.#writeWindowUpdate(exchange.id, increment);
  }

  #creditConnection(bytes: number): void {
    if (this.#state !== OPEN) return;
    this.#credited += bytes;
    if (this.#credited * 2 < this.server.h2.connectionWindowBytes) return;
    this.#receiveWindow += this.#credited;
    this.#writeWindowUpdate(0, this.#credited);
    this.#credited = 0;
  }

  // — other frames —

  #onPriority(frame: FrameReader): void {
    const { streamId } = frame;
    if (streamId === 0) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if (this.#counts("prioritiesMax")) return;
    const exchange = this.#streams.get(streamId);
    let error: H2ErrorCode | null = null;
    if (frame.size !== 5) error = "ERR_H2_FRAME_SIZE";
    else if ((F.readU32(frame.u8, frame.at) & 0x7fff_ffff) === streamId) error = "ERR_H2_PRIORITY";
    if (error === null) return;
    // A stream that is not open cannot be reset.
    if (exchange === undefined) this.fail(error);
    else this.#resetFor(exchange, error);
  }

  #onPriorityUpdate(frame: FrameReader): void {
    if (frame.streamId !== 0) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if (frame.size < 4) {
      this.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    if (this.#counts("prioritiesMax")) return;
    const id = F.readU32(frame.u8, frame.at) & 0x7fff_ffff;
    if (id === 0 || (id & 1) === 0) {
      this.fail("ERR_H2_PRIORITY");
      return;
    }
    const text = String.fromCharCode(...frame.u8.subarray(frame.at + 4, frame.at + Math.min(frame.size, 256)));
    const priority = readPriority(text);
    const exchange = this.#streams.get(id);
    if (exchange !== undefined) this.#reprioritise(exchange, priority);
    else if (id > this.#ids.last) {
      this.#early ??= new Map();
      if (this.#early.size < EARLY_PRIORITIES_MAX) this.#early.set(id, priority);
    }
  }

  #applyEarly(exchange: ServerExchange): void {
    const priority = this.#early?.get(exchange.id);
    if (priority === undefined) return;
    this.#early?.delete(exchange.id);
    this.#reprioritise(exchange, priority);
  }

  #reprioritise(exchange: ServerExchange, { urgency, incremental }: Priority): void {
    const waits = exchange.scheduled;
    if (waits) this.#schedule?.remove(exchange);
    exchange.urgency = urgency;
    exchange.incremental = incremental;
    if (waits) this.#schedule?.add(exchange);
  }

  #onReset(frame: FrameReader): void {
    const { streamId } = frame;
    if (frame.size !== 4) {
      this.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    if ((streamId & 1) === 0 || streamId > this.#ids.last) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    const exchange = this.#streams.get(streamId);
    if (exchange === undefined) {
      this.#counts("prioritiesMax");
      return;
    }
    // Work that was begun in vain is what a rapid reset is about.
    const flood = !exchange.weEnded && this.#gauge.passes("resetsMax", this.server.clock.now);
    this.#drop(exchange, new HttpError("ERR_CLIENT_LEFT", "the client reset the stream"));
    if (flood) this.#flood("resetsMax");
  }

  #onSettings(frame: FrameReader): void {
    const { flags, size, u8, at } = frame;
    if (frame.streamId !== 0) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if ((flags & F.ACK) !== 0) {
      if (size !== 0) this.fail("ERR_H2_FRAME_SIZE");
      else if (!this.#settingsAcked) {
        this.#settingsAcked = true;
        if (this.server.h2.tableBytesMax < 4096) this.#decoder.setTableBytesMax(this.server.h2.tableBytesMax);
      }
      return;
    }
    if (size % 6 !== 0) {
      this.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    if (this.#counts("settingsMax")) return;
    this.#settingsSeen = true;
    for (let entry = at; entry < at + size; entry += 6) {
      this.#applySetting((u8[entry] << 8) | u8[entry + 1], F.readU32(u8, entry + 2));
      if (this.#state !== OPEN) return;
    }
    this.#writeControl(F.SETTINGS, F.ACK, 0, 0);
  }

  /** In the order they came (§6.5.3). */
  #applySetting(id: number, value: number): void {
    switch (id) {
      case F.SETTING_HEADER_TABLE_SIZE:
        this.#encoder.setTableBytesMax(value);
        break;
      case F.SETTING_ENABLE_PUSH:
        if (value > 1) this.fail("ERR_H2_SETTINGS", "ENABLE_PUSH");
        break;
      case F.SETTING_INITIAL_WINDOW_SIZE:
        this.#moveWindows(value);
        break;
      case F.SETTING_MAX_FRAME_SIZE:
        if (value < F.FRAME_BYTES_DEFAULT || value > 0xff_ffff) this.fail("ERR_H2_SETTINGS", "MAX_FRAME_SIZE");
        // Larger frames would only delay those of other streams.
        break;
      default:
        break;
    }
  }

  /** Every stream's window moves by the difference, below zero if need be (§6.9.2). */
  #moveWindows(size: number): void {
    if (size > F.WINDOW_MAX) {
      this.fail("ERR_H2_FLOW_CONTROL", "INITIAL_WINDOW_SIZE");
      return;
    }
    const difference = size - this.#peerStreamWindow;
    this.#peerStreamWindow = size;
    for (const exchange of this.#streams.values()) {
      exchange.sendWindow += difference;
      if (exchange.sendWindow > F.WINDOW_MAX) {
        this.fail("ERR_H2_FLOW_CONTROL", "INITIAL_WINDOW_SIZE");
        return;
      }
      if (exchange.queuedBytes > 0 && exchange.sendWindow > 0) this.#addToSchedule(exchange);
    }
  }

  #onPing(frame: FrameReader): void {
    if (frame.streamId !== 0) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    if (frame.size !== 8) {
      this.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    if ((frame.flags & F.ACK) !== 0) {
      if (this.#drain === DRAIN_TOLD) this.#drainFinally();
      return;
    }
    if (this.#counts("pingsMax")) return;
    const at = this.stream.reserve(F.FRAME_HEAD_BYTES + 8);
    const payload = F.putFrameHead(this.#u8, at, 8, F.PING, F.ACK, 0);
    for (let index = 0; index < 8; index += 1) this.#u8[payload + index] = frame.u8[frame.at + index];
    this.stream.commit(F.FRAME_HEAD_BYTES + 8);
  }

  #onWindowUpdate(frame: FrameReader): void {
    const { streamId } = frame;
    if (frame.size !== 4) {
      this.fail("ERR_H2_FRAME_SIZE");
      return;
    }
    if (this.#counts("windowUpdatesMax")) return;
    const increment = F.readU32(frame.u8, frame.at) & 0x7fff_ffff;
    if (streamId === 0) {
      this.#sendWindow += increment;
      if (increment === 0) this.fail("ERR_H2_WINDOW_INCREMENT");
      else if (this.#sendWindow > F.WINDOW_MAX) this.fail("ERR_H2_FLOW_CONTROL");
      return;
    }
    if ((streamId & 1) === 0 || streamId > this.#ids.last) {
      this.fail("ERR_H2_FRAME_STREAM");
      return;
    }
    const exchange = this.#streams.get(streamId);
    if (exchange === undefined) return;
    exchange.sendWindow += increment;
    if (increment === 0) this.#resetFor(exchange, "ERR_H2_WINDOW_INCREMENT");
    else if (exchange.sendWindow > F.WINDOW_MAX) this.#resetFor(exchange, "ERR_H2_FLOW_CONTROL");
    else if (exchange.queuedBytes > 0 && exchange.sendWindow > 0) this.#addToSchedule(exchange);
  }

  // — frames out —

  #writeSettings(): void {
    const { h2, limits } = this.server;
    const settings = [
      [F.SETTING_MAX_CONCURRENT_STREAMS, h2.streamsMax],
      [F.SETTING_MAX_HEADER_LIST_SIZE, limits.headBytesMax],
      [F.SETTING_ENABLE_CONNECT_PROTOCOL, 1],
    ];
    if (h2.streamWindowBytes !== F.WINDOW_DEFAULT) settings.push([F.SETTING_INITIAL_WINDOW_SIZE, h2.streamWindowBytes]);
    if (h2.tableBytesMax !== 4096) settings.push([F.SETTING_HEADER_TABLE_SIZE, h2.tableBytesMax]);
    const size = settings.length * 6;
    const start = this.stream.reserve(F.FRAME_HEAD_BYTES + size);
    let at = F.putFrameHead(this.#u8, start, size, F.SETTINGS, 0, 0);
    for (const [id, value] of settings) {
      this.#u8[at] = 0;
      this.#u8[at + 1] = id;
      at = F.putU32(this.#u8, at + 2, value);
    }
    this.stream.commit(at - start);
    const more = h2.connectionWindowBytes - F.WINDOW_DEFAULT;
    if (more > 0) this.#writeWindowUpdate(0, more);
  }

  #writeControl(type: number, flags: number, streamId: number, size: number, first = 0, second = 0): void {
    const at = this.stream.reserve(F.FRAME_HEAD_BYTES + size);
    const payload = F.putFrameHead(this.#u8, at, size, type, flags, streamId);
    if (size >= 4) F.putU32(this.#u8, payload, first);
    if (size >= 8) F.putU32(this.#u8, payload + 4, second);
    this.stream.commit(F.FRAME_HEAD_BYTES + size);
  }

  #writeReset(streamId: number, reason: number): void {
    this.#writeControl(F.RST_STREAM, 0, streamId, 4, reason);
  }

  #writeWindowUpdate(streamId: number, increment: number): void {
    this.#writeControl(F.WINDOW_UPDATE, 0, streamId, 4, increment);
  }

  #writeGoaway(last: number, reason: number): void {
    this.#writeControl(F.GOAWAY, 0, 0, 8, last, reason);
  }

  /** A head or trailers. @param length content-length, or -1 for none. */
  writeHeaders(exchange: ServerExchange, list: readonly string[], key: number, length: number, end: boolean): void {
    if (exchange.closed || this.#state !== OPEN) return;
    const flags = end ? F.END_STREAM : 0;
    const bound = blockBound(list) + LENGTH_BYTES_MAX;
    if (F.FRAME_HEAD_BYTES + bound <= F.FRAME_BYTES_DEFAULT) {
      const start = this.stream.reserve(F.FRAME_HEAD_BYTES + bound);
      const at = this.#putBlock(this.#u8, start + F.FRAME_HEAD_BYTES, list, key, length);
      const size = at - start - F.FRAME_HEAD_BYTES;
      F.putFrameHead(this.#u8, start, size, F.HEADERS, flags | F.END_HEADERS, exchange.id);
      this.stream.commit(at - start);
    } else this.#writeLargeHeaders(exchange.id, flags, list, length, bound);
    if (end) this.#sentEnd(exchange);
  }

  #writeLargeHeaders(id: number, flags: number, list: readonly string[], length: number, bound: number): void {
    const block = new Uint8Array(bound);
    const size = this.#putBlock(block, 0, list, 0, length);
    const head = new Uint8Array(F.FRAME_HEAD_BYTES);
    for (let at = 0; at < size; at += this.#peerFrameBytes) {
      const part = block.subarray(at, Math.min(size, at + this.#peerFrameBytes));
      const last = at + part.length === size ? F.END_HEADERS : 0;
      const type = at === 0 ? F.HEADERS : F.CONTINUATION;
      F.putFrameHead(head, 0, part.length, type, (at === 0 ? flags : 0) | last, id);
      this.stream.writeBytes(head);
      this.stream.writeBytes(part);
    }
  }

  #putBlock(u8: Uint8Array, start: number, list: readonly string[], key: number, length: number): number {
    const at = this.#encoder.encode(u8, start, list, key);
    return length < 0 ? at : putContentLength(u8, at, length);
  }

  /** Head and body at once; false where the body is too large for that, or has to wait. */
  writeWhole(
    exchange: ServerExchange,
    list: readonly string[],
    key: number,
    length: number,
    body: string | Uint8Array,
    size: number,
  ): boolean {
    if (exchange.closed || this.#state !== OPEN) return true;
    if (size > WHOLE_BYTES_MAX || !this.maySend(exchange, size)) return false;
    const bound = blockBound(list) + LENGTH_BYTES_MAX;
    if (bound + size + 2 * F.FRAME_HEAD_BYTES > F.FRAME_BYTES_DEFAULT) return false;
    const u8 = this.#u8;
    const start = this.stream.reserve(bound + size + 2 * F.FRAME_HEAD_BYTES);
    let at = this.#putBlock(u8, start + F.FRAME_HEAD_BYTES, list, key, length);
    F.putFrameHead(u8, start, at - start - F.FRAME_HEAD_BYTES, F.HEADERS, F.END_HEADERS, exchange.id);
    at = F.putFrameHead(u8, at, size, F.DATA, F.END_STREAM, exchange.id);
    putBody(u8, at, body, size);
    this.stream.commit(at + size - start);
    this.#sentData(exchange, size);
    this.#sentEnd(exchange);
    return true;
  }

  /** Body bytes at once; false where they have to wait. */
  writeData(exchange: ServerExchange, bytes: Uint8Array): boolean {
    if (exchange.closed || this.#state !== OPEN) return true;
    if (exchange.queuedBytes > 0 || bytes.length > WHOLE_BYTES_MAX || !this.maySend(exchange, bytes.length))
      return false;
    const start = this.stream.reserve(F.FRAME_HEAD_BYTES + bytes.length);
    const at = F.putFrameHead(this.#u8, start, bytes.length, F.DATA, 0, exchange.id);
    this.#u8.set(bytes, at);
    this.stream.commit(F.FRAME_HEAD_BYTES + bytes.length);
    this.#sentData(exchange, bytes.length);
    return true;
  }

  /** Nobody waits, and the windows allow it. */
  maySend(exchange: ServerExchange, size: number): boolean {
    return (
      size <= this.#sendWindow &&
      size <= exchange.sendWindow &&
      (this.#schedule === null || this.#schedule.size === 0) &&
      !this.stream.needsDrain
    );
  }

  #sentData(exchange: ServerExchange, size: number): void {
    this.#sendWindow -= size;
    exchange.sendWindow -= size;
    exchange.progressAt = this.server.clock.now;
    this.#gauge.windowUpdatesMax -= 4;
  }

  /** There is something to send for it, if only its end. */
  ready(exchange: ServerExchange): void {
    if (exchange.closed || this.#state !== OPEN) {
      exchange.outgoing?.drop(new HttpError("ERR_EXCHANGE_CLOSED", "the exchange is over"));
      return;
    }
    if (exchange.queuedBytes === 0) {
      if (exchange.hasEnded && !exchange.weEnded) this.#writeEnd(exchange);
      return;
    }
    exchange.progressAt = this.server.clock.now;
    this.#addToSchedule(exchange);
    this.#pump();
    if (exchange.queuedBytes > 0 && this.server.timeouts.sendMs > 0) {
      this.#arm(this.server.clock.now + this.server.timeouts.sendMs);
    }
  }

  #addToSchedule(exchange: ServerExchange): void {
    this.#schedule ??= new Schedule();
    this.#schedule.add(exchange);
  }

  #pump(): void {
    const schedule = this.#schedule;
    if (schedule === null || this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#state === OPEN && !this.stream.needsDrain) {
        const exchange = schedule.first();
        if (exchange === null || !this.#sendSome(schedule, exchange)) break;
      }
    } finally {
      this.#pumping = false;
    }
    if (schedule.size > 0) this.#watchTransport();
  }

  /** One DATA frame, or the end. False where the connection's window is empty. */
  #sendSome(schedule: Schedule<ServerExchange>, exchange: ServerExchange): boolean {
    const out = exchange.outgoing;
    const part = out?.head;
    if (out === null || part === undefined) {
      schedule.remove(exchange);
      if (exchange.hasEnded && !exchange.weEnded) this.#writeEnd(exchange);
      return true;
    }
    if (exchange.sendWindow <= 0) {
      schedule.remove(exchange);
      return true;
    }
    const size = Math.min(part.length, this.#peerFrameBytes, exchange.sendWindow, this.#sendWindow);
    if (size <= 0) return false;
    const end = size === part.length && out.count === 1 && exchange.hasEnded && exchange.trailers === null;
    this.#writeDataHead(exchange.id, size, end);
    this.#sentData(exchange, size);
    const { lease, fd, offset, total } = part;
    const whole = out.took(size);
    if (lease === null) {
      this.stream.sendFile(fd, offset, size, (error, sent) => {
        const { done } = part;
        if (error === null && !whole) return;
        part.done = null;
        // A file that ended early cannot be made good: its frame has been begun.
        if (error !== null) this.abandon(error);
        done?.(error, error === null ? total : sent);
      });
    } else if (whole) {
      lease.offset += offset;
      lease.length = size;
      this.stream.write(lease);
    } else this.stream.write(lease.slice(offset, size));
    if (end) this.#sentEnd(exchange);
    else if (out.count > 0) schedule.took(exchange);
    if (!exchange.closed) exchange.sent();
    return true;
  }

  #writeDataHead(id: number, size: number, end: boolean): void {
    const at = this.stream.reserve(F.FRAME_HEAD_BYTES);
    F.putFrameHead(this.#u8, at, size, F.DATA, end ? F.END_STREAM : 0, id);
    this.stream.commit(F.FRAME_HEAD_BYTES);
  }

  #writeEnd(exchange: ServerExchange): void {
    if (exchange.trailers !== null) this.writeHeaders(exchange, exchange.trailers, 0, -1, true);
    else {
      this.#writeDataHead(exchange.id, 0, true);
      this.#sentEnd(exchange);
    }
  }

  /** Our side of the stream has ended. */
  #sentEnd(exchange: ServerExchange): void {
    exchange.weEnded = true;
    this.server.counters.exchangesOpen -= 1;
    this.#schedule?.remove(exchange);
    if (exchange.hasEnded) this.#finishes(exchange);
    if (exchange.peerEnded) {
      this.#remove(exchange);
      return;
    }
    const body = exchange.requestBody;
    if (body === null || body.hasReceiver || exchange.isTunnel) return;
    if (!body.discarding) body.discard();
    // Without 100 Continue it does not come at all; or there is too much of it.
    const tooMuch = body.length - body.received > this.server.limits.discardBodyBytesMax;
    if (tooMuch || (exchange.awaitsContinue && body.received === 0)) this.#endEarly(exchange);
  }

  responseEnded(exchange: ServerExchange): void {
    if (exchange.weEnded) this.#finishes(exchange);
  }

  #finishes(exchange: ServerExchange): void {
    if (exchange.wantsFinish) this.stream.onFlushed((error) => exchange.finished(error));
  }

  // — streams' ends —

  #remove(exchange: ServerExchange): void {
    if (exchange.closed) return;
    exchange.closed = true;
    this.#streams.delete(exchange.id);
    this.#schedule?.remove(exchange);
    this.#openCount -= 1;
    exchange.completed();
    if (this.#openCount === 0 && this.#drain === DRAIN_FINAL && this.#state === OPEN) this.#finish();
  }

  /** Takes the stream away before its end; the handler hears `error`. */
  #drop(exchange: ServerExchange, error: Error): void {
    if (exchange.closed) return;
    exchange.closed = true;
    this.#streams.delete(exchange.id);
    this.#schedule?.remove(exchange);
    this.#openCount -= 1;
    const { counters } = this.server;
    if (!exchange.weEnded) {
      counters.exchangesOpen -= 1;
      counters.aborted += 1;
    }
    exchange.aborted(error);
    if (this.#openCount === 0 && this.#drain === DRAIN_FINAL && this.#state === OPEN) this.#finish();
  }

  /** Resets a stream for reasons of our own. */
  reset(exchange: ServerExchange, reason: number, error: Error): void {
    if (exchange.closed) return;
    if (this.#state === OPEN) {
      this.#ids.forgive(exchange.id);
      this.#writeReset(exchange.id, reason);
    }
    this.#drop(exchange, error);
  }

  /** Resets an open stream for what the peer did; too many of these are an attack (CVE-2025-8671). */
  #resetFor(exchange: ServerExchange, code: H2ErrorCode): void {
    const error = new H2Error(code);
    this.server.counters.streamErrors += 1;
    this.reset(exchange, error.reason, error);
    this.#counts("resetsMax");
  }

  /** The same for a stream that never became an exchange. */
  #streamError(id: number, code: H2ErrorCode): void {
    this.server.counters.streamErrors += 1;
    this.#ids.forgive(id);
    this.#writeReset(id, new H2Error(code).reason);
    this.#counts("resetsMax");
  }

  readonly handlerFailed = (exchange: Exchange, error: unknown): void => {
    this.server.counters.handlerErrors += 1;
    this.server.report(error, exchange);
    const failed = exchange as ServerExchange;
    if (!failed.open || failed.closed) return;
    if (failed.responded) {
      const cause = new HttpError("ERR_EXCHANGE_ABANDONED", "the handler failed midway", { cause: error });
      this.reset(failed, ErrorCode.INTERNAL_ERROR, cause);
    } else failed.respond(500, ERROR_FIELDS, "500 Internal Server Error\n");
  };

  // — the end —

  /** Counts one of what a limit is for; true when that ended the connection. */
  #counts(limit: FloodLimit): boolean {
    if (!this.#gauge.passes(limit, this.server.clock.now)) return false;
    this.#flood(limit);
    return true;
  }

  #flood(limit: string): void {
    const { floods } = this.server.counters;
    floods[limit] = (floods[limit] ?? 0) + 1;
    this.fail("ERR_H2_FLOOD", limit);
  }

  /** A connection error (§5.4.1): GOAWAY, and the end. */
  fail(code: H2ErrorCode, detail = ""): void {
    if (this.#state !== OPEN) return;
    const error = new H2Error(code, detail);
    this.server.counters.connectionErrors += 1;
    this.#writeGoaway(this.#ids.last, error.reason);
    this.#finish(error);
  }

  /** Finishes what has been begun, then closes; see H2Server.drain. */
  drain(): void {
    if (this.#drain !== DRAIN_NONE || this.#state !== OPEN) return;
    this.#drain = DRAIN_TOLD;
    this.#writeGoaway(F.STREAM_ID_MAX, ErrorCode.NO_ERROR);
    // Its answer says that all that was sent before our GOAWAY was read has come.
    this.#writeControl(F.PING, 0, 0, 8);
    this.#drainAt = this.server.clock.now + (this.server.timeouts.lingerMs || 1);
    this.#arm(this.#drainAt);
  }

  #drainFinally(): void {
    this.#drain = DRAIN_FINAL;
    this.#drainAt = NEVER;
    this.#writeGoaway(this.#ids.last, ErrorCode.NO_ERROR);
    if (this.#openCount === 0) this.#finish();
  }

  /** FIN; what comes is dropped for a while so that no RST overtakes what was sent. */
  #finish(error: Error = new HttpError("ERR_EXCHANGE_ABANDONED", "the connection was closed")): void {
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    this.#abortAll(error);
    this.stream.end();
    if (this.stream.paused) this.stream.resume();
    this.#closeAt = this.server.clock.now + (this.server.timeouts.lingerMs || 1);
    this.#arm(this.#closeAt);
  }

  /** Gives the connection up at once. */
  abandon(error: Error): void {
    if (this.#state === CLOSED) return;
    this.#close(error);
    this.stream.reset();
  }

  #close(error: Error): void {
    this.#state = CLOSED;
    this.server.clock.wheel.remove(this.#timer);
    this.#abortAll(error);
    this.server.removed(this);
  }

  #abortAll(error: Error): void {
    for (const exchange of [...this.#streams.values()]) this.#drop(exchange, error);
    if (this.#dispatching !== null) this.#drop(this.#dispatching, error);
  }

  // — deadlines —

  #arm(deadline: number): void {
    if (deadline < this.#timer.deadline) this.server.clock.wheel.set(this.#timer, deadline);
  }

  #startDeadlines(exchange: ServerExchange): void {
    const { timeouts, clock } = this.server;
    const { now } = clock;
    exchange.progressAt = now;
    exchange.windowSince = now;
    if (timeouts.handlerMs > 0) {
      exchange.deadline = now + timeouts.handlerMs;
      this.#arm(exchange.deadline);
    }
    if (!exchange.peerEnded && timeouts.receiveMs > 0) this.#arm(now + Math.min(timeouts.receiveMs, RATE_WINDOW_MS));
  }

  /** The transport has to take something. */
  #watchTransport(): void {
    if (this.server.timeouts.sendMs === 0) return;
    if (this.stream.queuedBytes !== this.#queuedThen) {
      this.#queuedThen = this.stream.queuedBytes;
      this.#movedAt = this.server.clock.now;
    }
    this.#arm(this.#movedAt + this.server.timeouts.sendMs);
  }

  #onDeadline(now: number): void {
    const { timeouts, h2, counters } = this.server;
    if (this.#state === CLOSING) {
      if (this.#closeAt <= now) this.abandon(new HttpError("ERR_CLIENT_LEFT", "the client never closed its side"));
      else this.#arm(this.#closeAt);
      return;
    }
    let next = NEVER;
    const headers = timeouts.headersMs || NEVER;
    const headersDue = Math.min(this.#settingsSeen ? NEVER : this.#startedAt + headers, this.#blockSince + headers);
    const settingsDue = this.#settingsAcked || !this.#settingsSeen ? NEVER : this.#startedAt + h2.settingsTimeoutMs;
    if (headersDue <= now || settingsDue <= now) {
      counters.timeouts += 1;
      this.fail(headersDue <= now ? "ERR_H2_HEADERS_TIMEOUT" : "ERR_H2_SETTINGS_TIMEOUT");
      return;
    }
    if (this.#drainAt <= now) this.#drainFinally();
    if (this.#state === OPEN && this.#openCount === 0 && timeouts.idleMs > 0) {
      const idleDue = this.#activeAt + timeouts.idleMs;
      if (idleDue <= now) {
        counters.timeouts += 1;
        this.#writeGoaway(this.#ids.last, ErrorCode.NO_ERROR);
        this.#finish();
      } else next = Math.min(next, idleDue);
    }
    if (this.#state === OPEN && this.#transportStalls(now)) return;
    for (const exchange of this.#state === OPEN ? [...this.#streams.values()] : []) {
      next = Math.min(next, this.#streamDeadline(exchange, now));
    }
    if (this.#state === CLOSED) return;
    if (this.#state === CLOSING) {
      this.#arm(this.#closeAt);
      return;
    }
    if (this.stream.queuedBytes > 0 && timeouts.sendMs > 0) next = Math.min(next, this.#movedAt + timeouts.sendMs);
    this.#arm(Math.min(next, headersDue, settingsDue, this.#drainAt, this.#activeAt + (timeouts.idleMs || NEVER)));
  }

  #transportStalls(now: number): boolean {
    const { sendMs } = this.server.timeouts;
    const queued = this.stream.queuedBytes;
    if (sendMs === 0 || queued === 0) {
      this.#queuedThen = 0;
      this.#movedAt = now;
      return false;
    }
    if (queued < this.#queuedThen || this.#queuedThen === 0) this.#movedAt = now;
    this.#queuedThen = queued;
    if (this.#movedAt + sendMs > now) return false;
    this.server.counters.timeouts += 1;
    this.abandon(new HttpError("ERR_SEND_TIMEOUT", "the client took no byte within timeouts.sendMs"));
    return true;
  }

  /** Ends a stream that is too slow; else says when to look again. */
  #streamDeadline(exchange: ServerExchange, now: number): number {
    const { timeouts, counters } = this.server;
    let next = NEVER;
    let error: HttpError | null = null;
    if (exchange.deadline <= now && !exchange.hasEnded) {
      error = new HttpError("ERR_HANDLER_TIMEOUT", "the response was not complete within timeouts.handlerMs");
    } else if (!exchange.hasEnded) next = exchange.deadline;
    const body = exchange.requestBody;
    if (exchange.isTunnel) {
      if (timeouts.tunnelIdleMs > 0) {
        const due = exchange.progressAt + timeouts.tunnelIdleMs;
        if (due <= now) error = new HttpError("ERR_RECEIVE_TIMEOUT", "the tunnel was silent for timeouts.tunnelIdleMs");
        next = Math.min(next, due);
      }
    } else if (exchange.queuedBytes > 0) {
      // Its window, or the connection's, stays shut (zero-window stall).
      const due = exchange.progressAt + (timeouts.sendMs || NEVER);
      if (due <= now) error = new HttpError("ERR_SEND_TIMEOUT", "the client took no byte within timeouts.sendMs");
      next = Math.min(next, due);
    } else if (!exchange.peerEnded && body !== null && timeouts.receiveMs > 0 && !body.failed) {
      // Who is paused by us is not slow.
      const waits = body.flows || exchange.receiveWindow > 0;
      const due = exchange.progressAt + timeouts.receiveMs;
      if (waits && due <= now) error = new HttpError("ERR_RECEIVE_TIMEOUT", "the body paused for timeouts.receiveMs");
      next = Math.min(next, due > now ? due : now + timeouts.receiveMs);
    }
    if (error === null) return next;
    counters.timeouts += 1;
    exchange.deadline = NEVER;
    const isHandlers = error.code === "ERR_HANDLER_TIMEOUT";
    if (exchange.responded) this.reset(exchange, isHandlers ? ErrorCode.INTERNAL_ERROR : ErrorCode.CANCEL, error);
    else {
      const status = isHandlers ? 503 : 408;
      exchange.requestBody?.fail(error);
      exchange.refuse(status, error);
    }
    return NEVER;
  }
}

const ERROR_FIELDS: readonly string[] = Object.freeze(["content-type", "text/plain"]);

/** Not through the encoder: it varies, so it is never in the table, and a head without it can be copied as it stands. */
const putContentLength = (u8: Uint8Array, start: number, length: number): number => {
  u8[start] = 0x0f;
  u8[start + 1] = LENGTH_INDEX - 0x0f;
  let digits = 1;
  for (let rest = length; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  u8[start + 2] = digits;
  let rest = length;
  for (let at = start + 2 + digits; at > start + 2; at -= 1) {
    const next = Math.floor(rest / 10);
    u8[at] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return start + 3 + digits;
};

const ENCODER = new TextEncoder();

const putBody = (u8: Uint8Array, at: number, body: string | Uint8Array, size: number): void => {
  if (typeof body !== "string") u8.set(body, at);
  else if (body.length !== size || size > 48) ENCODER.encodeInto(body, u8.subarray(at, at + size));
  else for (let index = 0; index < size; index += 1) u8[at + index] = body.charCodeAt(index);
};
