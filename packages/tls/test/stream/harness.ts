// harness.ts — TLS over an in-memory connection: both ends, their contexts, a clock that stands still, and the look at zero.
import { type Lease, type Stream, type StreamHandler, WHEEL_STEP_MS } from "@percore/core";
import { FakeClock, type MemoryPair, type MemoryPairOptions, memoryPair } from "@percore/core/testing";
import { openEngine, TLS } from "@percore/native/tls";
import type { Test } from "tap";
import {
  clientContext,
  openTicketRing,
  serverContext,
  type TlsContext,
  type TlsContextOptions,
} from "../../src/context.ts";
import type { TlsError } from "../../src/errors.ts";
import { TlsAcceptor, type TlsAcceptorOptions } from "../../src/stream/acceptor.ts";
import { connectTls, type TlsConnectOptions } from "../../src/stream/connect.ts";
import { TlsThread } from "../../src/stream/thread.ts";
import type { TlsStream } from "../../src/stream/tls-stream.ts";
import { make } from "../certificates/make.ts";

export const authority = await make({ name: "Test CA", authority: true });
export const leaf = await make({ issuer: authority });
export const rsaLeaf = await make({ issuer: authority, kind: "rsa" });
export const identity = { chain: leaf.cert + authority.cert, key: leaf.key };
export const rsaIdentity = { chain: rsaLeaf.cert + authority.cert, key: rsaLeaf.key };

export type Version = "TLSv1.3" | "TLSv1.2";
export const VERSIONS: readonly Version[] = ["TLSv1.3", "TLSv1.2"];

export const only = (version: Version): { versionMin: number; versionMax: number } => {
  const bytes = version === "TLSv1.3" ? 0x0304 : 0x0303;
  return { versionMin: bytes, versionMax: bytes };
};

export const serverOf = (options: Partial<TlsContextOptions> = {}): TlsContext =>
  serverContext({ certificates: [identity], tickets: openTicketRing("tests"), alpn: ["h2", "http/1.1"], ...options });

export const clientOf = (options: Partial<TlsContextOptions> = {}): TlsContext =>
  clientContext({ ca: [authority.cert], ...options });

/** Records what a stream tells it; `received` holds copies, so no lease is kept. */
export class Recorder implements StreamHandler {
  readonly stream: Stream;
  readonly received: Uint8Array[] = [];
  bytes = 0;
  ends = 0;
  drains = 0;
  closes = 0;
  error: Error | null = null;
  readonly closed: Promise<void>;
  #resolveClosed: () => void = () => {};

  constructor(stream: Stream) {
    this.stream = stream;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get text(): string {
    return Buffer.concat(this.received).toString("latin1");
  }

  get code(): string | null {
    return this.error === null ? null : (this.error as TlsError).code;
  }

  onData(lease: Lease): void {
    this.bytes += lease.length;
    this.received.push(lease.bytes.slice());
    lease.release();
  }

  onEnd(): void {
    this.ends += 1;
  }

  onDrain(): void {
    this.drains += 1;
  }

  onClose(error: Error | null): void {
    this.closes += 1;
    this.error = error;
    this.#resolveClosed();
  }
}

/** Sends back what it gets, without a copy, and ends when the peer does. */
export class Echo extends Recorder {
  override onData(lease: Lease): void {
    this.bytes += lease.length;
    this.stream.write(lease);
  }

  override onEnd(): void {
    super.onEnd();
    this.stream.end();
  }
}

export interface End<H extends Recorder = Recorder> {
  stream: TlsStream | null;
  handler: H | null;
  error: TlsError | null;
}

export interface TlsPair {
  readonly memory: MemoryPair;
  readonly clock: FakeClock;
  readonly acceptor: TlsAcceptor;
  readonly client: End;
  readonly server: End;
  /** The ends that were established; fails the test where one is not. */
  readonly ends: () => { client: TlsStream; server: TlsStream; atClient: Recorder; atServer: Recorder };
  /** Everything has closed, and nothing is held. */
  readonly expectRest: (t: Test) => Promise<void>;
}

export interface TlsPairOptions extends MemoryPairOptions {
  server?: Partial<TlsAcceptorOptions>;
  client?: Partial<TlsConnectOptions>;
  atServer?: (stream: Stream) => Recorder;
}

/** Connects and shakes hands, as far as it comes. */
export const tlsPair = async (options: TlsPairOptions = {}): Promise<TlsPair> => {
  const memory = memoryPair(options);
  const clock = new FakeClock();
  const acceptor = new TlsAcceptor({ clock, context: serverOf(), ...options.server });
  const client: End = { stream: null, handler: null, error: null };
  const server: End = { stream: null, handler: null, error: null };
  const settle = (end: End, make: (stream: Stream) => Recorder) => (error: Error | null, stream: TlsStream | null) => {
    end.error = error as TlsError | null;
    end.stream = stream;
    if (stream === null) return;
    end.handler = make(stream);
    stream.attach(end.handler);
  };
  acceptor.accept(memory.server, settle(server, options.atServer ?? ((stream) => new Recorder(stream))));
  connectTls(
    memory.client,
    { clock, context: clientOf(), serverName: "localhost", ...options.client },
    settle(client, (stream) => new Recorder(stream)),
  );
  await memory.pump.settle();
  return {
    memory,
    clock,
    acceptor,
    client,
    server,
    ends: () => ({
      client: present(client.stream, client.error),
      server: present(server.stream, server.error),
      atClient: present(client.handler, client.error),
      atServer: present(server.handler, server.error),
    }),
    expectRest: async (t) => {
      await memory.pump.settle();
      clock.advance(1000 + 2 * WHEEL_STEP_MS);
      await memory.pump.settle();
      t.equal(memory.arena.stats.outstanding, 0, "no lease is held");
      t.equal(TlsThread.of(memory.arena).engine.sessions(), 0, "no session is left");
      t.equal(acceptor.stats.handshakes + acceptor.stats.waiting, 0, "no handshake is under way");
      t.equal(clock.wheel.size, 0, "no deadline is set");
    },
  };
};

const present = <T>(value: T | null, error: Error | null): T => {
  if (value === null) throw error ?? new Error("the handshake is not complete");
  return value;
};

/** A session with nothing around it, for bytes that no stream of ours would send. */
export class RawSession {
  static readonly #arena = new Uint8Array(1 << 20);
  static readonly #words = new Int32Array(TLS.words);
  static readonly #engine = openEngine(RawSession.#arena.buffer as ArrayBuffer, RawSession.#words);
  readonly u8: Uint8Array = RawSession.#arena;
  readonly words: Int32Array = RawSession.#words;
  readonly engine = RawSession.#engine;
  readonly handle: number;
  flags = 0;

  constructor(context: TlsContext, serverName: string | null = null) {
    this.handle = this.engine.open(context.native, serverName, serverName, null, null);
  }

  close(): void {
    this.engine.close(this.handle);
  }

  /** Gives it ciphertext, takes ciphertext. */
  read(input: Uint8Array = new Uint8Array(0)): Uint8Array {
    this.u8.set(input, 0);
    return this.#run(TLS.read, input.length);
  }

  write(plain: Uint8Array): Uint8Array {
    this.u8.set(plain, 200_000);
    this.words.set([200_000, plain.length], TLS.parts);
    this.words[TLS.partCount] = 1;
    return this.#run(TLS.write, 0);
  }

  updateKeys(): Uint8Array {
    return this.#run(TLS.updateKeys, 0);
  }

  shutdown(): Uint8Array {
    return this.#run(TLS.shutdown, 0);
  }

  #run(actions: number, inLength: number): Uint8Array {
    const { words } = this;
    words[TLS.handle] = this.handle;
    words[TLS.actions] = actions;
    words[TLS.inOffset] = 0;
    words[TLS.inLength] = inLength;
    words[TLS.spillOffset] = 600_000;
    words[TLS.spillLength] = 16_384;
    words[TLS.outOffset] = 400_000;
    words[TLS.outLength] = 131_072;
    this.flags = this.engine.run();
    return this.u8.slice(400_000, 400_000 + words[TLS.outUsed]);
  }
}
