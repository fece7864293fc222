// harness.ts — a client on an in-memory connection with a fake clock, and a server that speaks frames.
import { Buffer } from "node:buffer";
import type { Lease, Stream } from "@percore/core";
import { FakeClock, leaseCheck, memoryPair, type Pump, ScriptedPeer } from "@percore/core/testing";
import type { ClientError, ClientExchange, ClientRequest, Fields, ResponseReceiver } from "@percore/http";
import { createH2Client, type H2ClientOptions } from "../../src/client/client.ts";
import type { H2ClientConnection } from "../../src/client/connection.ts";
import * as F from "../../src/codec/frame.ts";
import { blockBound, type HpackDecoder, type HpackEncoder } from "../../src/codec/hpack/codec.ts";
import { OWN_CODEC } from "../../src/codec/hpack/own-codec.ts";
import type { H2Error } from "../../src/errors.ts";
import { arena, type Frame, fieldLines, frame, parseFrames, settings, textOf } from "../harness.ts";

export const ask = (more: Partial<ClientRequest> = {}): ClientRequest => ({
  method: "GET",
  scheme: "http",
  authority: "a",
  path: "/",
  fields: [],
  upgrade: null,
  bodyLength: 0,
  ...more,
});
export const upload = (bodyLength = -1): ClientRequest => ask({ method: "POST", bodyLength });
export const connectTo = (upgrade: string | null = null): ClientRequest =>
  upgrade === null ? ask({ method: "CONNECT", path: "", authority: "b:1" }) : ask({ upgrade });

/** What a receiver has heard, in order, as lines. */
export class Heard implements ResponseReceiver {
  readonly lines: string[] = [];
  body = "";
  stream: Stream | null = null;
  finished = false;
  error: ClientError | null = null;
  /** Keeps body leases instead of releasing them. */
  keeps = false;
  readonly kept: Lease[] = [];
  /** Called behind each call, with its line. */
  behind: ((line: string) => void) | null = null;

  onInform(status: number, fields: Fields): void {
    this.#note(`inform ${status} ${fieldLines(fields).join()}`);
  }
  onHead(status: number, fields: Fields, bodyLength: number): void {
    this.#note(`head ${status} ${bodyLength} ${fieldLines(fields).join()}`.trimEnd());
  }
  onTunnel(status: number, _fields: Fields, stream: Stream): void {
    this.stream = stream;
    this.#note(`tunnel ${status}`);
  }
  onBody(lease: Lease): void {
    this.body += textOf(lease);
    if (this.keeps) this.kept.push(lease);
    else lease.release();
    this.behind?.("body");
  }
  onBodyEnd(trailers: Fields | null): void {
    this.#note(`end ${trailers === null ? "" : fieldLines(trailers).join()}`.trimEnd());
  }
  onBodyError(error: Error): void {
    this.#note(`body error ${(error as ClientError).code}`);
  }
  onDrain(): void {
    this.#note("drain");
  }
  onFinish(error: Error | null): void {
    if (this.finished) throw new Error("finished twice");
    this.finished = true;
    this.error = error as ClientError | null;
    this.#note(error === null ? "finish" : `finish ${this.error?.code} ${this.error?.processed}`);
  }

  /** The RFC's code that the failure was told to the server with, where it was the server's fault. */
  get reason(): number | undefined {
    return (this.error?.cause as H2Error | undefined)?.reason;
  }

  #note(line: string): void {
    this.lines.push(line);
    this.behind?.(line);
  }
}

export interface ClientRigOptions extends Partial<Omit<H2ClientOptions, "clock">> {
  /** Sends the server's SETTINGS, and acknowledges the client's. Default true. */
  greet?: boolean;
  chunkBytesMax?: number;
  cuts?: readonly number[];
  seed?: number;
}

export class ClientRig {
  readonly clock: FakeClock = new FakeClock(1_000_000);
  readonly connection: H2ClientConnection;
  readonly peer: ScriptedPeer;
  readonly pump: Pump;
  readonly reports: unknown[] = [];
  readonly frames: Frame[] = [];
  /** undefined: not closed yet. */
  closed: Error | null | undefined;
  available = 0;
  readonly #encoder: HpackEncoder = OWN_CODEC.encoder(4096);
  readonly #decoder: HpackDecoder = OWN_CODEC.decoder({ listBytesMax: 1e6, fieldsMax: 1e4, tableBytesMax: 4096 });
  readonly #leaks = leaseCheck(arena);
  readonly exchanges: ClientExchange[] = [];
  #greeted = false;
  #partial: Uint8Array = new Uint8Array(0);

  constructor(options: ClientRigOptions = {}) {
    const { greet = true, chunkBytesMax, cuts, seed, ...rest } = options;
    const { client, server, pump } = memoryPair({ arena, seed, toClient: { chunkBytesMax, cuts } });
    this.pump = pump;
    this.connection = createH2Client(client, {
      report: (error) => this.reports.push(error),
      ...rest,
      clock: this.clock,
    });
    this.connection.onAvailable = () => {
      this.available += 1;
    };
    this.connection.onClose = (error) => {
      this.closed = error;
    };
    this.peer = new ScriptedPeer(server, pump);
    if (greet) this.send(settings(), frame(F.SETTINGS, F.ACK, 0));
    else this.read();
  }

  request(request: ClientRequest = ask()): Heard & { exchange: ClientExchange } {
    const heard = new Heard() as Heard & { exchange: ClientExchange };
    heard.exchange = this.connection.request(request, heard);
    this.exchanges.push(heard.exchange);
    return heard;
  }

  block(list: readonly string[]): Uint8Array {
    const u8 = new Uint8Array(blockBound(list));
    return u8.slice(0, this.#encoder.encode(u8, 0, list, 0));
  }

  headers(id: number, list: readonly string[], end = true): Buffer {
    return frame(F.HEADERS, F.END_HEADERS | (end ? F.END_STREAM : 0), id, this.block(list));
  }

  /** A response of one frame, or a head that is followed by more. */
  head(id: number, end = true, ...fields: string[]): Buffer {
    return this.headers(id, [":status", "200", ...fields], end);
  }

  /** Sends, runs everything, reads what came. */
  send(...frames: Uint8Array[]): this {
    if (!this.peer.closed && !this.peer.stream.ended && frames.length > 0) this.peer.queue(Buffer.concat(frames));
    return this.read();
  }

  async settle(): Promise<this> {
    await this.pump.settle();
    return this.read();
  }

  read(): this {
    let bytes = Buffer.concat([this.#partial, this.peer.bytes()]);
    if (!this.#greeted && bytes.length >= F.PREFACE.length) {
      if (bytes.toString("latin1", 0, F.PREFACE.length) !== F.PREFACE) throw new Error("no preface");
      this.#greeted = true;
      bytes = bytes.subarray(F.PREFACE.length);
    }
    let whole = 0;
    while (whole + 9 <= bytes.length && whole + 9 + bytes.readUIntBE(whole, 3) <= bytes.length) {
      whole += 9 + bytes.readUIntBE(whole, 3);
    }
    this.#partial = bytes.subarray(whole);
    this.frames.push(...parseFrames(bytes.subarray(0, whole)));
    return this;
  }

  /** Frames of a type on a stream that have come. */
  got(type: number, id?: number): Frame[] {
    return this.read().frames.filter((one) => one.type === type && (id === undefined || one.id === id));
  }

  /** A request's head and trailers as the server reads them. Each block once, in order. */
  lists(id: number): string[][] {
    return this.got(F.HEADERS, id).map(({ payload }) =>
      this.#decoder.decode(payload, 0, payload.length).fields.map(({ name, value }) => `${name.text}: ${value.text}`),
    );
  }

  data(id: number): string {
    return this.got(F.DATA, id)
      .map(({ payload }) => Buffer.from(payload).toString("latin1"))
      .join("");
  }

  /** The stream's RST_STREAM, or null. */
  reset(id: number): number | null {
    const found = this.got(F.RST_STREAM, id)[0];
    return found === undefined ? null : F.readU32(found.payload, 0);
  }

  /** Code of the GOAWAY, or null. */
  get goaway(): number | null {
    const found = this.got(F.GOAWAY)[0];
    return found === undefined ? null : F.readU32(found.payload, 4);
  }

  ended(id: number): boolean {
    return this.read().frames.some(
      ({ type, id: on, flags }) => on === id && (type === F.HEADERS || type === F.DATA) && (flags & F.END_STREAM) !== 0,
    );
  }

  /** Ends the connection from the client's side, lets deadlines pass, and checks that nothing is held. */
  async finish(): Promise<void> {
    this.connection.close();
    await this.pump.settle();
    if (!this.peer.closed && !this.peer.stream.ended) this.peer.end();
    this.clock.advance(5_000);
    await this.pump.settle();
    this.peer.bytes();
    if (this.closed === undefined) throw new Error("onClose was not called");
    if (this.connection.active !== 0) throw new Error(`${this.connection.active} exchanges are still under way`);
    if (this.connection.streams.size !== 0) throw new Error("a stream is still open");
    if (this.exchanges.some(({ open }) => open)) throw new Error("an exchange has not finished");
    this.clock.advance(700_000);
    if (this.clock.wheel.size !== 0) throw new Error("a deadline is still on the wheel");
    this.#leaks.assertNone();
  }
}
