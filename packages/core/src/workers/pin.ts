// pin.ts — binds the calling thread to a processor.
import { stat } from "node:fs/promises";
import { setAffinity } from "@percore/native";
import { SystemError } from "../errors.ts";

/** @throws {SystemError} EINVAL where the processor does not exist or is not allowed. */
export const pinNow = (cpu: number): void => {
  const result = setAffinity([cpu]);
  if (result < 0) throw new SystemError("sched_setaffinity", -result, `processor ${cpu}`);
};

/**
 * Starts libuv's thread pool. Threads inherit the processors of whoever starts them, and the pool starts at its first
 * use: by a pinned thread, and all file operations of the process would share one processor.
 */
export const warmThreadPool = async (): Promise<void> => {
  await stat("/");
};
