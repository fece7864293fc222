// bench.ts — what the groups of the suite work with.
import type t from "tap";
import type { ServeOptions, Server } from "../../src/index.ts";
import type { Service } from "./service.ts";
import type { Client, Transport } from "./transport.ts";

export type Test = typeof t;

/** Fewer receive buffers than connections: they are shared, never owned (and the tests see to it). */
export const RECEIVE_BUFFERS = 64;
export const FILE_BYTES = 300_000;

/** What a group of the suite works with. */
export interface Bench {
  readonly transport: Transport;
  readonly service: Service;
  readonly server: Server;
  readonly client: Client;
  readonly file: Uint8Array;
  readonly filePath: string;
  /** Starts another server on the transport. */
  readonly start: (options?: Partial<ServeOptions>) => Promise<Server>;
  /** Blocks of the arena that are held. */
  readonly leases: () => number;
}

/** Waits until the condition holds, at most two seconds. */
export const settles = async (condition: () => boolean, ms = 2_000): Promise<boolean> => {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
};
