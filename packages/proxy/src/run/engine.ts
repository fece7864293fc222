// engine.ts — one worker's proxy: takes each request through path, route and limits to whoever answers it.
import { type Exchange, type FieldList, type Handler, NO_FIELDS, reasonOf } from "@percore/http";
import type { LoadedConfig } from "../config/load.ts";
import { planOf } from "../config/plan-of.ts";
import { type Action, type RoutePlan, routesOf, type WeightedUpstream } from "../config/routes-of.ts";
import type { Config } from "../config/schema.ts";
import { clientAddress } from "../limits/client-address.ts";
import { type LimitTables, RouteLimits } from "../limits/route-limits.ts";
import { AccessLog, DEFAULT_LOG_FIELDS } from "../log/access-log.ts";
import type { LineSink } from "../log/line-sink.ts";
import { randomHex, traceOf, traceparentOf } from "../log/trace-context.ts";
import { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { Forwarder, ProxyPlan, Reason, RequestRecord } from "../plan.ts";
import { changePath, locationOf } from "../routing/change-path.ts";
import { changeFields } from "../routing/field-changes.ts";
import { normalizeTarget, type PathPolicy } from "../routing/path.ts";
import { RouteTable } from "../routing/route-table.ts";
import { fillTemplate } from "../routing/template.ts";
import { answerWithFile } from "./file-target.ts";
import { type Over, Passage } from "./passage.ts";
import { watchExchange } from "./watched-exchange.ts";

export interface EngineOptions {
  /** This worker's clock, milliseconds; the runtime's. */
  readonly clock: { readonly now: number };
  readonly worker: number;
  readonly tables: LimitTables;
  /** Makes the forwarder, once. */
  readonly forwarder: (plan: ProxyPlan) => Forwarder;
  /** Opens the access log's file. */
  readonly openLog: (path: string) => LineSink;
  /** Told of faults of handlers and of our own. */
  readonly report: (error: unknown) => void;
  /** 0..1; for weighted splits. */
  readonly random?: () => number;
  /** Told of each request that is over. */
  readonly observe?: (record: RequestRecord) => void;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
}

/** A route as it is carried out. */
interface ActiveRoute extends RoutePlan {
  /** Null where nothing is limited. */
  readonly limiter: RouteLimits | null;
}

/** What a configuration becomes. Replaced as a whole by a reload; requests under way keep the one they began with. */
interface Active {
  readonly table: RouteTable<ActiveRoute>;
  readonly plan: ProxyPlan;
  readonly paths: PathPolicy;
  readonly requestId: { readonly header: string; readonly trust: boolean } | null;
  readonly tracing: Config["tracing"];
}

const PLAIN: FieldList = ["content-type", "text/plain;charset=utf-8"];

export class Engine {
  readonly metrics: ProxyMetrics = new ProxyMetrics();
  readonly forwarder: Forwarder;
  /** Configurations applied so far. */
  generation = 1;
  readonly #options: EngineOptions;
  readonly #random: () => number;
  readonly #wallClock: () => number;
  #active: Active;
  #loaded: LoadedConfig;
  #log: AccessLog | null = null;
  #logPath: string | null = null;
  #sink: LineSink | null = null;

  /** @throws {ConfigError} for files of the configuration that cannot be read; what open(2) gives for the log. */
  constructor(loaded: LoadedConfig, options: EngineOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#wallClock = options.wallClock ?? Date.now;
    this.#loaded = loaded;
    this.#active = this.#activate(loaded);
    this.forwarder = options.forwarder(this.#active.plan);
    this.#openLog(loaded.config);
  }

  /** Answers exchanges; what `serve({ handler })` takes. */
  readonly handler: Handler = (exchange) => this.#handle(exchange);

  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  /**
   * Goes over to another configuration between two requests. Requests, WebSockets and streams under way stay.
   * @throws as the constructor does; then the old configuration goes on as if nothing had been.
   */
  apply(loaded: LoadedConfig): void {
    const active = this.#activate(loaded);
    this.#openLog(loaded.config);
    this.forwarder.apply(active.plan);
    this.#active = active;
    this.#loaded = loaded;
    this.generation += 1;
  }

  /** Goes on in a new log file of the same name. */
  reopenLog(): void {
    this.#sink?.reopen();
  }

  get logDropped(): number {
    return this.#sink?.dropped ?? 0;
  }

  /** Resolves when the forwarder is idle and the log written. */
  async close(): Promise<void> {
    await this.forwarder.close();
    await this.#sink?.flush();
    this.#sink?.close();
  }

  #activate(loaded: LoadedConfig): Active {
    const { config } = loaded;
    const { tables } = this.#options;
    const routes = routesOf(loaded).map((route): ActiveRoute => {
      const limiter = new RouteLimits(route.name, route.limits, tables);
      return { ...route, limiter: limiter.empty ? null : limiter };
    });
    return {
      table: new RouteTable(routes),
      plan: planOf(loaded),
      paths: config.paths,
      requestId:
        config.requestId === false ? null : { ...config.requestId, header: config.requestId.header.toLowerCase() },
      tracing: config.tracing,
    };
  }

  #openLog({ accessLog }: Config): void {
    const options = typeof accessLog === "object" ? accessLog : { file: accessLog === true ? "-" : accessLog };
    const {
      file,
      fields = DEFAULT_LOG_FIELDS,
      only = "all",
    } = options as Partial<Exclude<Config["accessLog"], boolean | string>>;
    const path = file === undefined || (file as unknown) === false ? null : file;
    if (path !== this.#logPath) {
      const opened = path === null ? null : this.#options.openLog(path);
      this.#sink?.close();
      this.#sink = opened;
      this.#logPath = path;
    }
    const { worker } = this.#options;
    this.#log =
      this.#sink === null ? null : new AccessLog(this.#sink, { fields, errorsOnly: only === "errors", worker });
  }

  #handle(exchange: Exchange): void {
    const active = this.#active;
    const target = normalizeTarget(exchange.path, active.paths);
    const isNormal = typeof target !== "string";
    const passage = new Passage(
      exchange,
      clientAddress(exchange, active.plan.forwarded.trust),
      isNormal && target.path.startsWith("/") ? target.path : isNormal ? "/" : exchange.path,
      isNormal ? target.query : "",
      this.#options.clock.now,
      this.#over,
    );
    this.#identify(passage, active);
    if (!isNormal) {
      this.#refuse(passage, 400, "PB", NO_FIELDS);
      return;
    }
    const route = active.table.match(passage);
    if (route === null) {
      this.#refuse(passage, 404, "PN", NO_FIELDS);
      return;
    }
    passage.route = route;
    if (!route.logged) passage.logHead = null;
    if (route.limiter !== null && !this.#admit(passage, route.limiter)) return;
    this.#act(passage, route.action, target.path);
  }

  #identify(passage: Passage, { requestId, tracing }: Active): void {
    const { fields } = passage;
    const extra: string[] = [];
    if (requestId !== null) {
      const theirs = requestId.trust ? fields.get(requestId.header) : undefined;
      passage.id = theirs !== undefined && ID_PATTERN.test(theirs) ? theirs : newRequestId();
      extra.push(requestId.header, passage.id);
    }
    if (tracing !== "off") {
      const given = fields.get("traceparent");
      if (given !== undefined || tracing === "start") {
        const trace = traceOf(given);
        passage.trace = trace.traceId;
        extra.push("traceparent", traceparentOf(trace));
        // A state without the trace it belongs to is not passed on (W3C Trace Context §3.3).
        if (given !== undefined && trace.parentId === null) extra.push("tracestate", "");
      }
    }
    passage.extra = extra;
    if (this.#log !== null) passage.logHead = this.#log.headOf(passage);
  }

  /** Checks the route's limits; what is not let through has been answered. */
  #admit(passage: Passage, limiter: RouteLimits): boolean {
    const verdict = limiter.check(passage.client, (by) => passage.keyOf(by));
    if (!verdict.ok) {
      this.#refuse(passage, verdict.status, verdict.reason, verdict.fields);
      return false;
    }
    passage.release = verdict.release;
    passage.answerExtra = verdict.fields;
    return true;
  }

  /** @param normalPath also "*" and "", which `passage.path` has as "/". */
  #act(passage: Passage, action: Action, normalPath: string): void {
    switch (action.kind) {
      case "forward":
        passage.upstream = action.to.length === 1 ? action.to[0].upstream : this.#pick(action.to);
        passage.target = changePath(action.path, normalPath, passage.query, passage);
        this.forwarder.forward(passage.exchange, passage);
        return;
      case "redirect": {
        const to = locationOf(fillTemplate(action.to, passage)) + (action.keepsQuery ? passage.query : "");
        this.#answer(passage, action.status, ["location", to], "");
        return;
      }
      case "respond":
        this.#answer(passage, action.status, action.fields, action.body);
        return;
      case "files":
        this.#watch(passage);
        this.#guard(passage, () =>
          answerWithFile(passage.exchange, action, passage.path, passage.query, this.#options.report),
        );
        return;
      case "handler":
        this.#watch(passage);
        this.#guard(passage, () =>
          action.handler(passage.exchange, { params: passage.params as never, client: passage.client }),
        );
    }
  }

  #pick(to: readonly WeightedUpstream[]): string {
    const drawn = this.#random();
    return (to.find(({ until }) => drawn < until) ?? to[to.length - 1]).upstream;
  }

  /** An answer of our own, whole. */
  #answer(passage: Passage, status: number, fields: FieldList, body: string): void {
    const { exchange, record, route, answerExtra } = passage;
    const all = answerExtra.length === 0 ? fields : [...fields, ...answerExtra];
    this.#respond(passage, status, changeFields(route.responseFields, all, passage), body);
    record.status = status;
    record.sent = exchange.method === "HEAD" ? 0 : Buffer.byteLength(body);
    passage.done();
  }

  /** A refusal: the status and its words. What a client sent is not repeated in it. */
  #refuse(passage: Passage, status: number, reason: Reason, fields: FieldList): void {
    passage.record.status = status;
    passage.record.reason = reason;
    this.#respond(passage, status, [...PLAIN, ...fields], `${status} ${reasonOf(status)}\n`);
    passage.done();
  }

  #respond({ exchange }: Passage, status: number, fields: FieldList, body: string): void {
    if (exchange.open && !exchange.responded) exchange.respond(status, fields, body);
  }

  /** Somebody else answers: what becomes of it is seen on the exchange. */
  #watch(passage: Passage): void {
    const { record, route, answerExtra } = passage;
    watchExchange(passage.exchange, {
      onHead: (status, fields) => {
        record.status = status;
        record.firstByteMs = this.#options.clock.now - record.startedMs;
        return changeFields(route.responseFields, [...fields, ...answerExtra], passage);
      },
      onBytes: (count) => {
        record.sent += count;
      },
      onFinish: (error) => {
        if (error !== null && record.reason === "-") record.reason = record.firstByteMs < 0 ? "CH" : "CD";
        passage.done();
      },
    });
  }

  /** What a handler throws or rejects with is a 500 that says so in the log, and a report. */
  #guard(passage: Passage, run: () => void | Promise<void>): void {
    const failed = (error: unknown): void => {
      passage.record.reason = "PH";
      this.#options.report(error);
      const { exchange } = passage;
      if (exchange.responded) exchange.abort();
      else this.#respond(passage, 500, PLAIN, "500 Internal Server Error\n");
    };
    try {
      const result = run();
      if (result !== undefined) result.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }

  readonly #over: Over = (passage) => {
    const { record, logHead } = passage;
    record.endedMs = this.#options.clock.now - record.startedMs;
    this.metrics.count(record);
    this.#options.observe?.(record);
    if (logHead !== null) this.#log?.write(record, logHead, this.#wallClock());
  };
}

/** A client's request id that is taken over: visible characters that no log or shell takes for something else. */
const ID_PATTERN = /^[A-Za-z0-9._:+/=-]{1,128}$/;

const ID_PREFIX = randomHex(6);
let ids = 0;

/** Not to be guessed from outside the process, and cheaper than random digits for each: a prefix and a count. */
const newRequestId = (): string => {
  ids += 1;
  return `${ID_PREFIX}${ids.toString(16).padStart(10, "0")}`;
};
