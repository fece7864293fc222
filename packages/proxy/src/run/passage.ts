// passage.ts — one request on its way through the proxy: what is known of it, and what is to be done when it is over.
import { type Exchange, type FieldList, type Fields, NO_FIELDS } from "@percore/http";
import type { RoutePlan } from "../config/routes-of.ts";
import type { LogHead } from "../log/access-log.ts";
import { type ForwardOrder, type KeyPlan, newRecord, type RequestRecord } from "../plan.ts";
import type { RouteRequest } from "../routing/conditions.ts";
import { hostOf } from "../routing/host.ts";
import { capturesOf } from "../routing/path-tree.ts";
import { parametersOf } from "../routing/route-table.ts";

/** Told when a request is over. */
export type Over = (passage: Passage) => void;

/** It is what the route table looks at and what the forwarder is given, so that a request costs one object and its record. */
export class Passage implements RouteRequest, ForwardOrder {
  readonly exchange: Exchange;
  readonly record: RequestRecord;
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly fields: Fields;
  readonly client: string;
  /** In normal form; as sent where it has none. "/" for "*" and CONNECT, so that routes can match. */
  readonly path: string;
  readonly query: string;
  id = "";
  trace = "";
  logHead: LogHead | null = null;
  release: (() => void) | null = null;
  // — for the forwarder —
  upstream = "";
  target = "";
  extra: FieldList = NO_FIELDS;
  answerExtra: FieldList = NO_FIELDS;
  #route: RoutePlan | null = null;
  #captures: readonly string[] | null = null;
  #over: Over | null;

  constructor(exchange: Exchange, client: string, path: string, query: string, startedMs: number, over: Over) {
    this.exchange = exchange;
    this.method = exchange.method;
    this.scheme = exchange.scheme;
    this.authority = exchange.authority;
    this.fields = exchange.fields;
    this.client = client;
    this.path = path;
    this.query = query;
    this.record = newRecord(startedMs, this.method);
    this.#over = over;
  }

  /** The route that has taken the request. */
  get route(): RoutePlan {
    return this.#route as RoutePlan;
  }

  set route(route: RoutePlan) {
    this.#route = route;
    this.record.route = route.name;
  }

  get host(): string {
    return hostOf(this.authority);
  }

  /** The path's parameters, decoded. */
  get params(): Readonly<Record<string, string>> {
    return parametersOf(this.route.pattern, this.path);
  }

  /** What a name in a template stands for: escaped as it came, so that it can end no path, field or line. */
  fill(name: string): string {
    const at = this.#route?.pattern.names.indexOf(name) ?? -1;
    if (at >= 0) {
      this.#captures ??= capturesOf(this.route.pattern, this.path) ?? [];
      return this.#captures[at] ?? "";
    }
    switch (name) {
      case "client":
        return this.client;
      case "host":
        return this.host;
      case "id":
        return this.id;
      case "method":
        return this.method;
      case "path":
        return this.path;
      case "query":
        return this.query.slice(1);
      case "scheme":
        return this.scheme;
      default:
        return "";
    }
  }

  /** What requests are counted or placed by. */
  keyOf(by: KeyPlan): string {
    switch (by.kind) {
      case "client":
        return this.client;
      case "host":
        return this.host;
      case "path":
        return this.path;
      case "target":
        return this.path + this.query;
      case "route":
        return "";
      case "header":
        return this.fields.get(by.name) ?? "";
      case "cookie":
        return cookieOf(this.fields.get("cookie"), by.name);
    }
  }

  /** The request is over: to be called with its record complete but for the end. Later calls do nothing. */
  done(): void {
    const over = this.#over;
    if (over === null) return;
    this.#over = null;
    this.release?.();
    over(this);
  }
}

/** Value of a cookie, "" where there is none. */
export const cookieOf = (header: string | undefined, name: string): string => {
  for (const pair of header?.split(";") ?? []) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return "";
};
