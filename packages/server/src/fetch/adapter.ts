// adapter.ts — fetch handlers as a Handler: a Request out of the exchange, the Response back onto it, and what happens
// when the program fails at it.
import type { Exchange, Handler } from "@percore/http";
import { ServerError } from "../errors.ts";
import { type ContextHost, ServerContext } from "./context.ts";
import { explainNativeError, NativeResponse } from "./native-classes.ts";
import { giveUp, type Report } from "./outcome.ts";
import { markAnswered, markAnswering, type Request, requestOfExchange } from "./request.ts";
import { fromNativeResponse, isOwnResponse, type Response, simpleBodyOf } from "./response.ts";
import { discardResponse, sendSimple, sendStreamed } from "./send.ts";

type AnyResponse = Response | globalThis.Response;
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that accepted a tunnel returns nothing at all.
type Answer = AnyResponse | undefined | void;

/** `fetch(request, info)`: the form of Deno, Bun and others. */
export type FetchHandler = (request: Request, info: ServerContext) => Answer | Promise<Answer>;

/** Gets Upgrade and CONNECT requests where it is given; returns nothing after `info.accept()`. */
export type ConnectHandler = (context: ServerContext) => Answer | Promise<Answer>;

/** Makes the answer to a failed handler; undefined leaves it to the server: 500 with a plain body, and a report. */
export type ErrorHandler = (error: unknown, context: ServerContext) => Answer | Promise<Answer>;

/** Marks handler objects of the WinterTC draft, whose methods take one context: `fetch(ctx)`, `error(ctx, error)`. */
export const PROTOCOL_MARK: symbol = Symbol.for("wintertc.server.protocol");

export interface FetchHandlers {
  /** `this` of the handlers. */
  readonly self: object;
  readonly fetch: FetchHandler;
  readonly connect: ConnectHandler | null;
  readonly error: ErrorHandler | null;
  /** True for objects that carry the draft's mark. */
  readonly contextOnly: boolean;
}

/** Status and text where nobody made an answer. */
interface Fallback {
  readonly status: number;
  readonly text: string;
}

const FETCH_FAILED: Fallback = { status: 500, text: "Internal Server Error\n" };
const CONNECT_FAILED: Fallback = { status: 502, text: "Bad Gateway\n" };
const PLAIN_TEXT: readonly string[] = Object.freeze(["content-type", "text/plain;charset=UTF-8"]);

/**
 * Makes a Handler of fetch handlers.
 *
 * @param report told once of every failure that no `error` handler answered.
 */
export const fetchHandler = (handlers: FetchHandlers, host: ContextHost, report: Report): Handler => {
  const adapter = new FetchAdapter(handlers, host, report);
  return handlers.connect === null
    ? (exchange) => (exchange.method === "CONNECT" ? refuseConnect(exchange) : adapter.fetch(exchange))
    : (exchange) => adapter.route(exchange);
};

const refuseConnect = (exchange: Exchange): void => {
  exchange.respond(501, PLAIN_TEXT, "Not Implemented\n");
};

class FetchAdapter {
  readonly #handlers: FetchHandlers;
  readonly #host: ContextHost;
  readonly #report: Report;
  /** The handler declares a parameter, so it may keep the request. */
  readonly #givesRequest: boolean;

  constructor(handlers: FetchHandlers, host: ContextHost, report: Report) {
    this.#handlers = handlers;
    this.#host = host;
    this.#report = report;
    this.#givesRequest = handlers.fetch.length > 0;
  }

  route(exchange: Exchange): void {
    if (exchange.upgrade === null && exchange.method !== "CONNECT") {
      this.fetch(exchange);
      return;
    }
    const context = new ServerContext(exchange, this.#host, requestOfExchange(exchange));
    const { self, connect } = this.#handlers;
    this.#run(context, CONNECT_FAILED, () => (connect as ConnectHandler).call(self, context));
  }

  fetch(exchange: Exchange): void {
    const { self, fetch, contextOnly } = this.#handlers;
    const request = requestOfExchange(exchange);
    const context = new ServerContext(exchange, this.#host, request);
    let answer: Answer | Promise<Answer>;
    try {
      answer = contextOnly
        ? (fetch as unknown as ConnectHandler).call(self, context)
        : fetch.call(self, request, context);
      if (isOwnResponse(answer) && exchange.open && !exchange.responded) {
        // Whoever was given the request may read its head after this turn.
        if (this.#givesRequest) exchange.retain();
        this.#send(context, answer);
        return;
      }
    } catch (error) {
      this.#fail(context, FETCH_FAILED, error);
      return;
    }
    this.#take(context, FETCH_FAILED, answer);
  }

  #run(context: ServerContext, fallback: Fallback, handler: () => Answer | Promise<Answer>): void {
    let answer: Answer | Promise<Answer>;
    try {
      answer = handler();
    } catch (error) {
      this.#fail(context, fallback, error);
      return;
    }
    this.#take(context, fallback, answer);
  }

  /** What a handler gave: an answer now, or later. */
  #take(context: ServerContext, fallback: Fallback, answer: Answer | Promise<Answer>): void {
    if (isPromise(answer)) {
      answer.then(
        (later) => this.#settle(context, fallback, later),
        (error: unknown) => this.#fail(context, fallback, error),
      );
      return;
    }
    this.#settle(context, fallback, answer);
  }

  #settle(context: ServerContext, fallback: Fallback, answer: Answer): void {
    const { exchange } = context;
    try {
      if (answer === undefined) {
        if (context.settled || !exchange.open) return;
        if (context.fellThrough) {
          this.fetch(exchange);
          return;
        }
      }
      const response = toResponse(answer);
      if (context.settled) throw new ServerError("ERR_RESPONSE_INVALID", "a response came after deny() or accept()");
      if (!exchange.open) {
        discardResponse(response);
        return;
      }
      if (context.fellThrough) throw new ServerError("ERR_RESPONSE_INVALID", "a response came after the fall-through");
      this.#send(context, response);
    } catch (error) {
      this.#fail(context, fallback, error);
    }
  }

  #send(context: ServerContext, response: Response): void {
    const { exchange, request } = context;
    const body = simpleBodyOf(response);
    if (body !== undefined) {
      sendSimple(exchange, response, body);
      markAnswered(request);
      return;
    }
    markAnswering(request);
    sendStreamed(exchange, response, this.#report);
  }

  #fail(context: ServerContext, fallback: Fallback, thrown: unknown): void {
    const { exchange } = context;
    const error = explainNativeError(thrown);
    if (!exchange.open) {
      // An aborted exchange's handler fails as a rule, by the abort itself: nobody is left to be told. A finished one's
      // failure is the program's.
      if (!context.request.signal.aborted) this.#report(error);
      return;
    }
    if (exchange.responded) {
      giveUp(exchange, error, this.#report);
      return;
    }
    const { self, error: handler, contextOnly } = this.#handlers;
    if (handler === null) {
      this.#fallBack(exchange, fallback, error);
      return;
    }
    let answer: Answer | Promise<Answer>;
    try {
      answer = contextOnly
        ? (handler as unknown as (context: ServerContext, error: unknown) => Answer).call(self, context, error)
        : handler.call(self, error, context);
    } catch (second) {
      this.#report(second);
      this.#fallBack(exchange, fallback, error);
      return;
    }
    if (!isPromise(answer)) {
      this.#settleError(context, fallback, error, answer);
      return;
    }
    answer.then(
      (later) => this.#settleError(context, fallback, error, later),
      (second: unknown) => {
        this.#report(second);
        this.#fallBack(exchange, fallback, error);
      },
    );
  }

  #settleError(context: ServerContext, fallback: Fallback, error: unknown, answer: Answer): void {
    const { exchange } = context;
    if (answer === undefined) {
      if (!context.settled) this.#fallBack(exchange, fallback, error);
      return;
    }
    try {
      const response = toResponse(answer);
      if (exchange.open) this.#send(context, response);
    } catch (second) {
      this.#report(second);
      this.#fallBack(exchange, fallback, error);
    }
  }

  /** The last resort, which cannot fail: a status, a line of text, a report. */
  #fallBack(exchange: Exchange, fallback: Fallback, error: unknown): void {
    if (!exchange.open) return;
    if (exchange.responded) {
      giveUp(exchange, error, this.#report);
      return;
    }
    const known = statusOf(error);
    if (known !== null) {
      exchange.respond(known.status, PLAIN_TEXT, known.text);
      return;
    }
    this.#report(error);
    exchange.respond(fallback.status, PLAIN_TEXT, fallback.text);
  }
}

const isPromise = (answer: Answer | Promise<Answer>): answer is Promise<Answer> =>
  typeof answer === "object" && answer !== null && typeof (answer as Promise<Answer>).then === "function";

/** @throws {ServerError} ERR_RESPONSE_INVALID where it is no Response. */
const toResponse = (answer: unknown): Response => {
  if (isOwnResponse(answer)) return answer;
  if (answer instanceof NativeResponse) return fromNativeResponse(answer);
  const what = answer === null ? "null" : typeof answer === "object" ? `a ${answer.constructor?.name}` : typeof answer;
  throw new ServerError("ERR_RESPONSE_INVALID", `the handler gave ${what}, not a Response`);
};

/** Failures that are the client's or nobody's, and have a status of their own: they are not reported. */
const statusOf = (error: unknown): Fallback | null => {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === "ERR_FILE_NOT_FOUND") return { status: 404, text: "Not Found\n" };
  return null;
};
