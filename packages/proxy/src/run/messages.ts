// messages.ts — what the main thread asks of its workers, and what they answer. Everything is plain data.
import type { InheritedSocket } from "@percore/core";
import type { LoadedConfig } from "../config/load.ts";
import type { SeriesSnapshot } from "../metrics/registry.ts";
import type { ServerOverride, UpstreamStatus } from "../plan.ts";

/** A configuration on its way between threads: functions do not cross, so of a program only its name does. */
export type ConfigMessage =
  | (LoadedConfig & { readonly kind: "data" })
  | { readonly kind: "code"; readonly file: string; readonly base: string };

/** What was said about a server by hand; workers that start later are told too. */
export interface Adjustment {
  readonly upstream: string;
  readonly server: string;
  readonly override: ServerOverride | null;
  readonly weight: number | null;
}

export type Command =
  | { readonly type: "apply"; readonly source: ConfigMessage; readonly sockets: readonly InheritedSocket[] }
  | { readonly type: "status" }
  | { readonly type: "metrics" }
  | ({ readonly type: "adjust" } & Adjustment)
  | { readonly type: "reopenLogs" };

export interface ListenerStatus {
  /** As the configuration has it. */
  readonly listen: string;
  /** Where that is: the real port, and every address. */
  readonly addresses: readonly string[];
}

export interface WorkerStatus {
  readonly worker: number;
  readonly generation: number;
  readonly driver: string;
  readonly connections: number;
  readonly requests: number;
  readonly listeners: readonly ListenerStatus[];
  readonly upstreams: readonly UpstreamStatus[];
}

/** Answers by the command's type. */
export interface Answers {
  readonly apply: null;
  readonly status: WorkerStatus;
  readonly metrics: readonly SeriesSnapshot[];
  /** Whether there is such a server. */
  readonly adjust: boolean;
  readonly reopenLogs: null;
}

export interface CommandMessage {
  readonly to: "workers";
  readonly id: number;
  readonly command: Command;
}

export interface AnswerMessage {
  readonly to: "control";
  readonly id: number;
  readonly worker: number;
  readonly answer: unknown;
  /** What went wrong, or null. */
  readonly error: string | null;
}
