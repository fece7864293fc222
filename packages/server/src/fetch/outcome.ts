// outcome.ts — how a response that was begun comes to its end, well or badly.
import type { Exchange } from "@percore/http";

/** Told of what goes wrong when the head is out and nobody can be answered any more. */
export type Report = (error: unknown) => void;

/** Completes the response behind its body: plainly, or with trailers. */
export type Finish = (exchange: Exchange) => void;

export const endPlain: Finish = (exchange) => exchange.end();

export const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** The response cannot be completed: the client sees a reset, the program a report. */
export const giveUp = (exchange: Exchange, error: unknown, report: Report): void => {
  if (!exchange.open) return;
  exchange.abort(toError(error));
  report(error);
};
