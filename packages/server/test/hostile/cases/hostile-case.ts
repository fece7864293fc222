// hostile-case.ts — a row of the hostile tables: bytes, and all the outcomes that are safe.
import type { Bytes } from "../raw-client.ts";

/** One safe outcome: what is answered, what the handler is called for, and what becomes of the connection. */
export interface Outcome {
  /** Final statuses in order. */
  readonly answers: readonly number[];
  /** Calls of the handler, as the service notes them. */
  readonly handled: readonly string[];
  /** The server closes; otherwise the connection must go on to serve. */
  readonly closes: boolean;
}

export interface HostileCase {
  /** The rule or the class of attack. */
  readonly name: string;
  readonly send: Bytes;
  /** The client sends FIN after it. */
  readonly fin?: true;
  /** Methods of the requests, where HEAD or CONNECT is among them. */
  readonly methods?: readonly string[];
  /** Any of these is safe; nothing else is. */
  readonly outcomes: readonly Outcome[];
}

/** Refused before the handler hears of it: one of `statuses` (400 unless given), then closed. */
export const refused = (...statuses: number[]): Outcome[] =>
  (statuses.length === 0 ? [400] : statuses).map((status) => ({ answers: [status], handled: [], closes: true }));

/** Refused within the body: the handler may have been called for `call`, and must have been told that the body failed. */
export const bodyRefused = (call: string, ...statuses: number[]): Outcome[] =>
  (statuses.length === 0 ? [400] : statuses).flatMap((status) => [
    { answers: [status], handled: [], closes: true },
    { answers: [status], handled: [`${call} failed`], closes: true },
  ]);

/** Each call answered with 200, and the connection goes on. */
export const served = (...handled: string[]): Outcome[] => [
  { answers: handled.map(() => 200), handled, closes: false },
];

/** Each call answered with 200, then the server closes. */
export const servedAndClosed = (...handled: string[]): Outcome[] => [
  { answers: handled.map(() => 200), handled, closes: true },
];

/** These calls are answered with 200; what follows them is refused. */
export const servedThenRefused = (handled: readonly string[], ...statuses: number[]): Outcome[] =>
  (statuses.length === 0 ? [400] : statuses).map((status) => ({
    answers: [...handled.map(() => 200), status],
    handled,
    closes: true,
  }));

/** The client has closed its side; whether it is answered still depends on who waits for what. Handled or failed, closed. */
export const halfClosed = (call: string, bytes: number): Outcome[] => [
  ...servedAndClosed(`${call} ${bytes}`),
  { answers: [], handled: [`${call} ${bytes}`], closes: true },
  { answers: [], handled: [`${call} failed`], closes: true },
];

/** Closed without a word, and without the handler. */
export const dropped = (): Outcome[] => [{ answers: [], handled: [], closes: true }];

/** What an attacker wants to get past the framing. It is never to be handled where it is hidden in a message. */
export const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
