// request-signal.ts — abort signals of requests: made when asked for, aborted when the client leaves.
import type { Exchange } from "@percore/http";

/**
 * Why a request's signal aborted. `name` is AbortError, so that code which tells aborts from failures by it works;
 * `code` says what happened, as the connection saw it.
 */
export class RequestAbortedError extends Error {
  override readonly name = "AbortError";
  readonly code: string;

  constructor(cause: Error | null) {
    super(`the request was aborted: ${cause === null ? "the client left" : cause.message}`, {
      cause: cause ?? undefined,
    });
    const code = (cause as { code?: unknown } | null)?.code;
    this.code = typeof code === "string" ? code : "ERR_REQUEST_ABORTED";
  }
}

/** Adds a listener to an exchange, whose onAbort is one slot. Listeners run in the order they came. */
export const onExchangeAbort = (exchange: Exchange, listener: (reason: Error) => void): void => {
  const earlier = exchange.onAbort;
  if (earlier === null) {
    exchange.onAbort = listener;
    return;
  }
  exchange.onAbort = (reason) => {
    earlier(reason);
    listener(reason);
  };
};

/** The same for onFinish. */
export const onExchangeFinish = (exchange: Exchange, listener: (error: Error | null) => void): void => {
  const earlier = exchange.onFinish;
  if (earlier === null) {
    exchange.onFinish = listener;
    return;
  }
  exchange.onFinish = (error) => {
    earlier(error);
    listener(error);
  };
};

/** The signal of an incoming request that is not answered yet. */
export const signalOfExchange = (exchange: Exchange): AbortSignal => {
  // Closed without an answer: the client left before anybody asked for the signal.
  if (!exchange.open) return abortedSignal(new RequestAbortedError(null));
  const controller = new AbortController();
  onExchangeAbort(exchange, (reason) => controller.abort(new RequestAbortedError(reason)));
  return controller.signal;
};

export const abortedSignal = (reason: unknown): AbortSignal => AbortSignal.abort(reason);

/** A signal of its own that aborts with `signal`, without keeping anything of it alive (Fetch "follow"). */
export const followSignal = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal]);
