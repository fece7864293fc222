// options.ts — what serve() takes, with every default, and what it makes of it: every option is honoured or refused.
import type { CpusOption, DriverOption, ProxyProtocolOptions, RunOptions, RuntimeOptions } from "@percore/core";
import { DEFAULT_H2_LIMITS, type H2Limits } from "@percore/h2";
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Handler, type HttpLimits, type HttpTimeouts } from "@percore/http";
import type { TlsServerOptions } from "@percore/tls";
import { type ConnectHandler, type ErrorHandler, type FetchHandler, PROTOCOL_MARK } from "./fetch/adapter.ts";
import { invalid, show, unknown } from "./option-errors.ts";
import { checkH2Limits, checkLimits, checkNames, checkTimeouts } from "./option-names.ts";
import type { Server } from "./server.ts";

export interface ServeOptions extends Pick<RunOptions, "setuid" | "setgid"> {
  // — who answers —
  /** Answers every request: `(request, info) => Response`. */
  readonly fetch?: FetchHandler;
  /** Answers Upgrade and CONNECT requests. Without it CONNECT is 501 and Upgrade an ordinary request. */
  readonly connect?: ConnectHandler;
  /** Makes the answer when another handler failed. Without it: 500, and the error on standard error. */
  readonly error?: ErrorHandler;
  /** Instead of `fetch`: the raw handler, an exchange at a time. */
  readonly handler?: Handler;

  // — where —
  /** TCP port, default 3000; 0 takes a free one. */
  readonly port?: number;
  /** Name or address to listen on. Default: every address, IPv6 and IPv4. */
  readonly hostname?: string;
  /** Path of a Unix socket, instead of port and hostname. */
  readonly unix?: string;
  /** Permission bits of the socket file. */
  readonly unixMode?: number;
  /** A descriptor that listens already (socket activation), instead of port and hostname. */
  readonly fd?: number;
  /** Connections that may wait to be accepted. Default 4096; the kernel caps it. */
  readonly backlog?: number;
  /** False: listens nowhere; `server.fetch()` still answers. For tests. Default true. */
  readonly listen?: boolean;

  // — on what —
  /** Worker threads, each of which runs the whole program again. Default 1: this thread, and no other is started. */
  readonly workers?: number | "auto";
  /** Pins workers to processors. Default "none". */
  readonly cpus?: CpusOption;
  /** Module the workers import, where it is not the program's main module. */
  readonly entry?: string | URL;
  /** Default: PERCORE_DRIVER, else "auto": io_uring where it works, else epoll. */
  readonly driver?: DriverOption;
  /** Sizes of each worker's rings and memory. */
  readonly runtime?: Omit<RuntimeOptions, "driver">;

  // — what is allowed —
  /** Names as in HttpLimits, or the WinterTC draft's. */
  readonly limits?: Partial<HttpLimits> & DraftLimits;
  /** Names as in HttpTimeouts, or the WinterTC draft's. Milliseconds; 0 switches one off. */
  readonly timeouts?: Partial<HttpTimeouts> & WaitUntilTimeout & DraftTimeouts;
  /** Connections of a worker at a time; more wait in the kernel's queue. Default: no limit. */
  readonly connectionsMax?: number;
  /** Takes the PROXY protocol's header from these peers: whoever may send it may claim any address. Default: nobody. */
  readonly proxyProtocol?: ProxyProtocolOptions;
  /** Sends 100 Continue when the handler asks for the body. Default true. */
  readonly autoContinue?: boolean;
  /** Goes on answering a client that has closed its sending side. Default false: it has left. */
  readonly allowHalfClose?: boolean;
  /** Serves HTTP/1.1. Default true. */
  readonly http1?: boolean;
  /** Serves HTTP/2: by ALPN with `tls`, in the clear by prior knowledge, told apart by the preface. Default true; limits as in H2Limits. */
  readonly http2?: boolean | Partial<H2Limits>;

  // — encrypted —
  /** Serves https on the port: HTTP/2 and HTTP/1.1 by ALPN. See TlsServerOptions. */
  readonly tls?: TlsServerOptions;

  // — life —
  /** Called once it listens; with workers, in the supervisor. */
  readonly onListen?: (server: Server) => void;
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal;
  /** SIGTERM and SIGINT close the server, SIGHUP has it read its certificates again. Default true; false leaves the signals to you. */
  readonly signals?: boolean;
  /** What closing may take before what is left is reset, milliseconds. Default 10,000. */
  readonly drainMs?: number;
}

/** Names of the WinterTC draft for what HttpLimits has. */
export interface DraftLimits {
  readonly maxHeaderSize?: number;
  readonly maxRequestBodySize?: number;
  readonly maxRequestsPerConnection?: number;
  readonly maxConnections?: number;
}

/** Names of the WinterTC draft for what HttpTimeouts has. */
export interface DraftTimeouts {
  readonly idle?: number;
  readonly headers?: number;
  readonly receive?: number;
  readonly send?: number;
  readonly tunnelIdle?: number;
  readonly waitUntil?: number;
}

export interface WaitUntilTimeout {
  /** How long close() waits for promises given to waitUntil(). Default 30,000, but never longer than drainMs. */
  readonly waitUntilMs?: number;
}

/** A handler object of the WinterTC draft, as first argument of serve(). */
export interface HandlerObject {
  readonly fetch: (...args: never[]) => unknown;
  readonly connect?: (...args: never[]) => unknown;
  readonly error?: (...args: never[]) => unknown;
}

export const DEFAULT_PORT = 3000;
export const DEFAULT_DRAIN_MS = 10_000;
export const DEFAULT_WAIT_UNTIL_MS = 30_000;

/** Options, checked and complete. */
export interface Settings {
  readonly given: ServeOptions;
  /** `this` of the handlers: the object they were given in. */
  readonly self: object;
  readonly contextOnly: boolean;
  readonly limits: HttpLimits;
  readonly timeouts: HttpTimeouts;
  readonly waitUntilMs: number;
  readonly connectionsMax: number | undefined;
  readonly drainMs: number;
  /** Null where HTTP/2 is not served. */
  readonly h2: H2Limits | null;
}

type Check = (value: unknown) => string | null;

const whole =
  (min: number, max: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : `a whole number, ${min}..${max}`;
const type =
  (name: "string" | "boolean" | "function" | "object"): Check =>
  (value) =>
    typeof value === name && value !== null ? null : `${name === "object" ? "an" : "a"} ${name}`;
const either =
  (...checks: Check[]): Check =>
  (value) => {
    const wanted: string[] = [];
    for (const check of checks) {
      const reason = check(value);
      if (reason === null) return null;
      wanted.push(reason);
    }
    return wanted.join(", or ");
  };
const word =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string) ? null : words.map((one) => `"${one}"`).join(" or ");
const instance =
  (kind: new (...args: never[]) => unknown): Check =>
  (value) =>
    value instanceof kind ? null : `an instance of ${kind.name}`;
const cpuList: Check = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((cpu) => Number.isInteger(cpu) && cpu >= 0)
    ? null
    : "a list of processor numbers";

const MS_MAX = 2_147_483_647;

/** Every option and what it may be. */
export const CHECKS: { readonly [Name in keyof Required<ServeOptions>]: Check } = {
  fetch: type("function"),
  connect: type("function"),
  error: type("function"),
  handler: type("function"),
  port: whole(0, 65_535),
  hostname: type("string"),
  unix: type("string"),
  unixMode: whole(0, 0o777),
  fd: whole(0, 2_147_483_647),
  backlog: whole(1, 2_147_483_647),
  listen: type("boolean"),
  workers: either(whole(1, 1024), word("auto")),
  cpus: either(word("none", "spread"), cpuList),
  entry: either(type("string"), instance(URL)),
  driver: word("auto", "uring", "poll"),
  runtime: type("object"),
  limits: type("object"),
  timeouts: type("object"),
  connectionsMax: whole(1, Number.MAX_SAFE_INTEGER),
  proxyProtocol: type("object"),
  autoContinue: type("boolean"),
  allowHalfClose: type("boolean"),
  http1: type("boolean"),
  http2: either(type("boolean"), type("object")),
  tls: type("object"),
  onListen: type("function"),
  signal: instance(AbortSignal),
  signals: type("boolean"),
  drainMs: whole(0, MS_MAX),
  setuid: either(type("string"), whole(0, 4_294_967_294)),
  setgid: either(type("string"), whole(0, 4_294_967_294)),
};

const NOT_TOGETHER: readonly (readonly [keyof ServeOptions, keyof ServeOptions])[] = [
  ["handler", "fetch"],
  ["handler", "connect"],
  ["handler", "error"],
  ["unix", "port"],
  ["unix", "hostname"],
  ["unix", "fd"],
  ["fd", "port"],
  ["fd", "hostname"],
  ["fd", "backlog"],
];

/**
 * Checks serve()'s arguments.
 *
 * @throws {ServerError} ERR_OPTION_INVALID, which names the option, and the nearest one for a name that is none.
 */
export const readSettings = (first: ServeOptions | HandlerObject, second: ServeOptions | undefined): Settings => {
  if (typeof first !== "object" || first === null) throw invalid("serve() takes an object: { port, fetch, … }");
  if (second !== undefined && (typeof second !== "object" || second === null)) {
    throw invalid("serve(handlers, options): options is no object");
  }
  const mark = (first as Record<symbol, unknown>)[PROTOCOL_MARK];
  if (mark !== undefined && mark !== 1) {
    throw invalid(`the handler object is of protocol ${String(mark)}, known is 1 (wintertc.server.protocol)`);
  }
  const { fetch, connect, error } = first;
  const options = (second === undefined ? first : { ...second, fetch, connect, error }) as ServeOptions;
  for (const name of HANDLERS) {
    if (second?.[name] !== undefined) throw invalid(`${name} belongs into the handler object, the first argument`);
  }
  checkOptions(second === undefined && mark !== undefined ? onlyOptions(first) : options);
  checkNames(options.runtime, options.proxyProtocol, options.tls);
  const { http1, http2 } = options;
  if (http1 === false && http2 === false) throw invalid("http1 and http2 are both false: nothing is left to serve");
  const limits = checkLimits(options.limits);
  const timeouts = checkTimeouts(options.timeouts);
  if (limits.connectionsMax !== undefined && options.connectionsMax !== undefined) {
    throw invalid("connectionsMax and limits.maxConnections say the same; give one");
  }
  return {
    given: options,
    self: first,
    contextOnly: mark === 1,
    limits: { ...DEFAULT_LIMITS, ...limits.http },
    timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts.http },
    waitUntilMs: timeouts.waitUntilMs ?? DEFAULT_WAIT_UNTIL_MS,
    connectionsMax: options.connectionsMax ?? limits.connectionsMax,
    drainMs: options.drainMs ?? DEFAULT_DRAIN_MS,
    h2: http2 === false ? null : { ...DEFAULT_H2_LIMITS, ...(typeof http2 === "object" ? checkH2Limits(http2) : {}) },
  };
};

const HANDLERS = ["fetch", "connect", "error", "handler"] as const;

/** What of a marked handler object is an option; the rest is the program's. */
const onlyOptions = (object: object): ServeOptions =>
  Object.fromEntries(Object.entries(object).filter(([name]) => Object.hasOwn(CHECKS, name)));

const checkOptions = (options: ServeOptions): void => {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) throw unknown("option", name, Object.keys(CHECKS));
    if (value === undefined) continue;
    const wanted = CHECKS[name as keyof ServeOptions](value);
    if (wanted !== null) throw invalid(`${name} is ${show(value)}; it must be ${wanted}`);
  }
  for (const [one, other] of NOT_TOGETHER) {
    if (options[one] !== undefined && options[other] !== undefined)
      throw invalid(`${one} and ${other} exclude each other`);
  }
  if (options.fetch === undefined && options.handler === undefined) {
    throw invalid('who answers? serve() needs fetch: (request) => new Response("hi"), or handler');
  }
  if (options.unixMode !== undefined && options.unix === undefined) throw invalid("unixMode goes with unix");
};
