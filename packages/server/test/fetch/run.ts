// run.ts — a fetch handler called with one exchange, and what came of it.
import { type FetchHandlers, fetchHandler } from "../../src/fetch/adapter.ts";
import { arena, FakeExchange, type FakeRequest } from "./fake-exchange.ts";

export interface Run {
  readonly exchange: FakeExchange;
  readonly reports: unknown[];
  readonly waiting: PromiseLike<unknown>[];
}

export const run = (request: FakeRequest, handlers: Partial<FetchHandlers> & Pick<FetchHandlers, "fetch">): Run => {
  const exchange = new FakeExchange(request);
  const reports: unknown[] = [];
  const waiting: PromiseLike<unknown>[] = [];
  const all: FetchHandlers = { self: {}, connect: null, error: null, contextOnly: false, ...handlers };
  const host = { autoContinue: true, waitUntil: (promise: PromiseLike<unknown>) => void waiting.push(promise) };
  fetchHandler(all, host, (error) => void reports.push(error))(exchange);
  return { exchange, reports, waiting };
};

export const turns = async (count = 20): Promise<void> => {
  for (let index = 0; index < count; index += 1) await new Promise(setImmediate);
};

/** For after each test: every lease was given back. */
export const noLeases = (): void => {
  if (arena.stats.outstanding !== 0) throw new Error(`${arena.stats.outstanding} leases are outstanding`);
};
