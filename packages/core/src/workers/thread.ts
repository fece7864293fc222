// thread.ts — for servers: what any thread may ask of the program it is a worker of, whether alone or one of many.
import { workerData } from "node:worker_threads";
import type { ListenOptions } from "../listener.ts";
import type { AcquiredListener, OnStream } from "./acquired-listener.ts";
import { currentMember, type DrainCallback, type SharedBuffer } from "./member.ts";
import { SEED_KEY } from "./messages.ts";

/** True in a worker thread that `run()` started, before and after it calls `run()` itself: its program is supervised already. */
export const isSupervised = (): boolean =>
  typeof workerData === "object" && workerData !== null && Object.hasOwn(workerData, SEED_KEY);

/**
 * Listens, together with the program's other workers where there are any. Ask in every worker with the same words: each
 * gets a socket of its own on the same port, or its share of the one Unix or inherited socket.
 *
 * No connection is lost while a worker is down, restarted or taken away: the others accept what waits for it.
 * @throws {SystemError} EADDRINUSE, EACCES, …; {CoreError} ERR_ADDRESS_INVALID, ERR_DESCRIPTOR_INVALID.
 */
export const acquireListener = (options: ListenOptions, onStream: OnStream): Promise<AcquiredListener> =>
  currentMember().acquire(options, onStream);

/**
 * Calls back when this worker is to finish: on SIGTERM and SIGINT, when it is restarted or taken away, at `drain()`. The
 * worker is given the deadline's time for what the callback returns.
 * @returns a function that takes the callback back.
 */
export const onDrain = (callback: DrainCallback): (() => void) => currentMember().onDrain(callback);

/** Makes memory known to all workers and the supervisor under a name: counters, for one. */
export const shareBuffer = (name: string, buffer: SharedArrayBuffer): void => currentMember().share(name, buffer);

/** What the workers that run have made known under a name; the transport's counters are "core". */
export const sharedBuffers = (name: string): SharedBuffer[] => currentMember().sharedBuffers(name);
