// create-runtime.ts — a runtime for threads that somebody else started: a Worker of one's own, or a main thread that
// wants one without run().
import { openRuntime, type Runtime, type RuntimeOptions } from "../runtime.ts";
import { allowedCpus, placeWorkers } from "./cpu.ts";
import { pinNow } from "./pin.ts";

export interface CreateRuntimeOptions extends RuntimeOptions {
  /** Pins the calling thread to this processor. */
  readonly cpu?: number;
}

/**
 * Opens the calling thread's runtime. There is one per thread; `currentRuntime()` finds it from then on. Nobody
 * supervises it: signals, restarts and the sharing of ports are the caller's business.
 *
 * @throws {CoreError} ERR_RUNTIME_EXISTS, ERR_OPTION_INVALID for a processor that is not allowed, and what the driver
 *   fails with.
 */
export const createRuntime = (options: CreateRuntimeOptions = {}): Runtime => {
  const { cpu, ...rest } = options;
  if (cpu !== undefined) {
    placeWorkers(1, [cpu], allowedCpus());
    pinNow(cpu);
  }
  return openRuntime(rest);
};
