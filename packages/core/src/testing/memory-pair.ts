// memory-pair.ts — an in-memory connection: two Streams, the wires between them, and the pump that moves both.
import { Arena } from "../arena.ts";
import type { StreamInfo } from "../stream.ts";
import { type LinkOptions, MemoryLink } from "./memory-link.ts";
import { MemoryStream, memoryAddress } from "./memory-stream.ts";
import { Pump } from "./pump.ts";
import { Random } from "./random.ts";

export interface MemoryPairOptions {
  /** Arena of both ends; leases may then pass from one end to the other. Default: a new one. */
  arena?: Arena;
  /** Moves the connection; several connections may share one. Default: a new one. */
  pump?: Pump;
  /** Cuts and delays at random, the same way for the same seed. Left out: nothing is cut or delayed but as told below. */
  seed?: number;
  /** The direction in which the client sends. */
  toServer?: LinkOptions;
  /** The direction in which the server sends. */
  toClient?: LinkOptions;
  /** What the ends say about themselves where it should differ from plain memory: `{ encrypted: true, alpn: "h2" }`. */
  info?: Partial<Pick<StreamInfo, "encrypted" | "alpn" | "remote" | "local">>;
}

export interface MemoryPair {
  readonly client: MemoryStream;
  readonly server: MemoryStream;
  readonly pump: Pump;
  readonly arena: Arena;
}

/**
 * A connection in memory. Nothing moves by itself: `pump.step()` does one thing, `pump.run()` all that is left to do,
 * `await pump.settle()` also lets promises run in between (a `Pump` made with `auto` does without these calls).
 */
export const memoryPair = (options: MemoryPairOptions = {}): MemoryPair => {
  const arena = options.arena ?? new Arena();
  const pump = options.pump ?? new Pump();
  const random = options.seed === undefined ? null : new Random(options.seed);
  const toServer = new MemoryLink(options.toServer ?? {}, random);
  const toClient = new MemoryLink(options.toClient ?? {}, random);
  const base = { fd: null, kernelTls: false, encrypted: false, alpn: null };
  const [clientAddress, serverAddress] = [memoryAddress("client"), memoryAddress("server")];
  const client = new MemoryStream({
    arena,
    pump,
    sending: toServer,
    receiving: toClient,
    info: { ...base, remote: serverAddress, local: clientAddress, ...options.info },
  });
  const server = new MemoryStream({
    arena,
    pump,
    sending: toClient,
    receiving: toServer,
    info: { ...base, remote: clientAddress, local: serverAddress, ...options.info },
  });
  return { client, server, pump, arena };
};
