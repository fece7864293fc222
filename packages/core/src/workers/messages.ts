// messages.ts — what the supervisor and its workers say to each other, and errors in a form that crosses threads.
import type { MessagePort } from "node:worker_threads";
import { CORE_ERRORS, CoreError, type CoreErrorCode, SystemError } from "../errors.ts";
import type { PeerAddress } from "../stream.ts";

/** Where to listen, as a worker asks for it. */
export interface ListenTarget {
  readonly port?: number;
  readonly hostname?: string;
  readonly unix?: string;
  readonly unixMode?: number;
  readonly backlog?: number;
  readonly fd?: number;
}

/** What a worker is given at its birth, as `workerData[SEED_KEY]`. */
export interface WorkerSeed {
  /** Which `run` of the program this worker belongs to, counted from 1 in the order of the calls. */
  readonly run: number;
  readonly index: number;
  readonly workers: number;
  /** The processor to pin it to, or null. */
  readonly cpu: number | null;
  /** False while privileges are still to be dropped: connections wait in the queue until "go". */
  readonly accepting: boolean;
  readonly port: MessagePort;
}

export const SEED_KEY = "@percore/core.worker";

export type ToWorker =
  | { readonly type: "refused"; readonly id: number; readonly error: WireError }
  | { readonly type: "granted"; readonly id: number; readonly grant: Grant }
  /** The descriptors are the worker's to close from now on. */
  | { readonly type: "released"; readonly id: number; readonly fds: readonly number[] }
  /** Accept on this descriptor too: its worker is down or has closed. */
  | { readonly type: "adopt"; readonly key: string; readonly fd: number }
  /** Its worker is back: stop accepting on it. */
  | { readonly type: "giveBack"; readonly key: string; readonly fd: number }
  | { readonly type: "drain"; readonly deadlineMs: number }
  | { readonly type: "go" }
  | { readonly type: "shared"; readonly worker: number; readonly name: string; readonly buffer: SharedArrayBuffer };

export type FromWorker =
  /** The program has called run(). */
  | { readonly type: "hello"; readonly tid: number; readonly driver: string; readonly reason: string }
  /** It serves: main has returned, or has said so. */
  | { readonly type: "up" }
  | { readonly type: "ended" }
  | { readonly type: "failed"; readonly error: WireError }
  | { readonly type: "listen"; readonly id: number; readonly key: string; readonly target: ListenTarget }
  | { readonly type: "release"; readonly id: number; readonly key: string }
  /** `idle`: nothing in the worker had to be drained. */
  | { readonly type: "drained"; readonly idle: boolean }
  | { readonly type: "requestDrain"; readonly deadlineMs: number | null }
  | { readonly type: "share"; readonly name: string; readonly buffer: SharedArrayBuffer };

/** The descriptors to accept on, and where they listen. */
export interface Grant {
  readonly fds: readonly number[];
  readonly address: PeerAddress;
}

export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
}

export const toWire = (thrown: unknown): WireError => {
  const error = (thrown instanceof Error ? thrown : new Error(String(thrown))) as NodeJS.ErrnoException;
  const { name, message, stack, code, errno, syscall } = error;
  return { name, message, stack, code, errno, syscall };
};

/** An error of the same code, class (where it is ours) and stack. */
export const fromWire = (wire: WireError): Error => {
  const error = rebuild(wire);
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
};

const rebuild = ({ name, message, code, errno, syscall }: WireError): Error => {
  if (name === "SystemError" && syscall !== undefined && errno !== undefined) {
    return new SystemError(syscall, errno, message.split(", ").slice(1).join(", "));
  }
  if (code !== undefined && Object.hasOwn(CORE_ERRORS, code)) return new CoreError(code as CoreErrorCode, message);
  const error = new Error(message);
  error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
};
