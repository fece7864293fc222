// seed.ts — what the main thread leaves for workers that start now or later: which proxy, which configuration, which sockets.
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import type { InheritedSocket } from "@percore/core";
import type { Adjustment, ConfigMessage } from "./messages.ts";

export interface ProxySeed {
  /** Name of the channel between the threads. */
  readonly channel: string;
  readonly source: ConfigMessage;
  readonly sockets: readonly InheritedSocket[];
  readonly adjustments: readonly Adjustment[];
}

const NAME = "percore.proxy.seed";

/** Workers that are started from here on get this. */
export const leaveSeed = (seed: ProxySeed): void => setEnvironmentData(NAME, seed as never);

/** Null in a thread that no proxy has started. */
export const takeSeed = (): ProxySeed | null => (getEnvironmentData(NAME) as ProxySeed | undefined) ?? null;
