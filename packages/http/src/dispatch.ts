// dispatch.ts — calls users' code so that one exchange's async context is never seen by another of the same batch.
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import type { Exchange, Handler } from "./exchange.ts";

type Run = <Argument, Result>(callback: (argument: Argument) => Result, argument: Argument) => Result;

/** A snapshot is taken at load, outside of any exchange; its context is the empty one in all but contrived programs. */
const EMPTY_CONTEXT: Run = AsyncLocalStorage.snapshot();

/**
 * Where the context is kept: in a frame that a snapshot exchanges and puts back (Node 24), or on the current async
 * resource, where what one callback sets the next one sees.
 */
const contextIsResource = (): boolean => {
  const probe = new AsyncLocalStorage<number>();
  EMPTY_CONTEXT(() => probe.enterWith(1), undefined);
  const leaks = EMPTY_CONTEXT(() => probe.getStore(), undefined) !== undefined;
  probe.disable();
  return leaks;
};
const CONTEXT_IS_RESOURCE: boolean = contextIsResource();

/** No parent, and no destroy hook at collection: registering that would cost more than the rest of the call. */
const ROOT = { triggerAsyncId: 0, requireManualDestroy: true };

/**
 * Runs `callback(argument)` in an async context of its own: what it sets with `AsyncLocalStorage.enterWith` is gone when
 * it returns, except for what it started. One callback of the driver serves a whole batch, so without this the
 * exchanges of a batch would share one context. On resources each call gets a resource of its own, which also gives
 * each exchange its own `executionAsyncId`; 23 ns, 50 ns once an AsyncLocalStorage is in use (Node 20.20, November 2026).
 */
export const runIsolated: Run = CONTEXT_IS_RESOURCE
  ? (callback, argument) => new AsyncResource("PERCORE_EXCHANGE", ROOT).runInAsyncScope(callback, null, argument)
  : (callback, argument) => EMPTY_CONTEXT(callback, argument);

/**
 * Calls the handler in an async context of its own. What it throws or rejects with goes to `failed`, once; nothing of
 * it reaches the caller. No closure and no promise is made for a handler that returns undefined.
 */
export const dispatch = (
  handler: Handler,
  exchange: Exchange,
  failed: (exchange: Exchange, error: unknown) => void,
): void => {
  let result: void | Promise<void>;
  try {
    result = runIsolated(handler, exchange);
  } catch (error) {
    failed(exchange, error);
    return;
  }
  if (result !== undefined && result !== null && typeof result.then === "function") {
    result.then(undefined, (error: unknown) => failed(exchange, error));
  }
};

/** Runs callbacks in one async context, again and again. */
export type Context = (callback: () => void) => void;

/** The present async context, kept for callbacks that come later: they see what was set when it was captured. */
export const captureContext = (): Context => {
  if (!CONTEXT_IS_RESOURCE) return AsyncLocalStorage.snapshot();
  const resource = new AsyncResource("PERCORE_CALLBACK", { requireManualDestroy: true });
  return (callback) => resource.runInAsyncScope(callback);
};
