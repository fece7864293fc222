// access-log.ts — a line of JSON for each request: the chosen fields, in the order they were chosen.
import type { Exchange } from "@percore/http";
import type { LogField } from "../config/schema.ts";
import type { RequestRecord } from "../plan.ts";
import { isoTime, jsonMs, jsonString } from "./json-text.ts";
import type { LineSink } from "./line-sink.ts";

/** What of a request's head the log wants; taken down while the head is there. */
export interface LogHead {
  readonly client: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly scheme: string;
  readonly version: string;
  readonly id: string;
  readonly trace: string;
  readonly userAgent: string;
  readonly referer: string;
}

/** A request as the log looks at it. */
export interface Loggable extends Pick<LogHead, "client" | "path" | "query" | "id" | "trace"> {
  readonly exchange: Exchange;
  readonly authority: string;
}

/** Fields of a log that says nothing else. */
export const DEFAULT_LOG_FIELDS: readonly LogField[] = [
  "time",
  "id",
  "client",
  "method",
  "host",
  "path",
  "query",
  "status",
  "reason",
  "route",
  "upstream",
  "server",
  "tries",
  "received",
  "sent",
  "queue",
  "connect",
  "firstByte",
  "total",
  "userAgent",
];

export interface AccessLogOptions {
  readonly fields: readonly LogField[];
  /** Only statuses from 500, and requests that broke off. */
  readonly errorsOnly: boolean;
  readonly worker: number;
}

type Part = (record: RequestRecord, head: LogHead, endedMs: number) => string;

export class AccessLog {
  readonly sink: LineSink;
  readonly #parts: readonly Part[];
  readonly #errorsOnly: boolean;
  readonly #wantsAgent: boolean;
  readonly #wantsReferer: boolean;

  constructor(sink: LineSink, { fields, errorsOnly, worker }: AccessLogOptions) {
    this.sink = sink;
    this.#errorsOnly = errorsOnly;
    this.#wantsAgent = fields.includes("userAgent");
    this.#wantsReferer = fields.includes("referer");
    this.#parts = fields.map((field, at) => {
      const part = partOf(field, worker);
      const name = `${at === 0 ? "{" : ","}"${NAMES[field] ?? field}":`;
      return (record, head, endedMs) => name + part(record, head, endedMs);
    });
  }

  /** Takes down what the log wants of a request. Decodes nothing that it does not. */
  headOf(request: Loggable): LogHead {
    const { exchange, client, authority, path, query, id, trace } = request;
    return {
      client,
      host: authority,
      path,
      query,
      id,
      trace,
      scheme: exchange.scheme,
      version: exchange.version,
      userAgent: this.#wantsAgent ? (exchange.fields.get("user-agent") ?? "") : "",
      referer: this.#wantsReferer ? (exchange.fields.get("referer") ?? "") : "",
    };
  }

  /** @param endedMs milliseconds since 1970. */
  write(record: RequestRecord, head: LogHead, endedMs: number): void {
    if (this.#errorsOnly && record.status < 500 && record.reason === "-") return;
    let line = "";
    for (const part of this.#parts) line += part(record, head, endedMs);
    this.sink.write(`${line}}\n`);
  }
}

/** Names in the line, where they have a unit. */
const NAMES: Readonly<Partial<Record<LogField, string>>> = {
  received: "receivedBytes",
  sent: "sentBytes",
  total: "totalMs",
  queue: "queueMs",
  connect: "connectMs",
  firstByte: "firstByteMs",
  response: "responseMs",
};

/** How long a phase took: from one time to the next, both since the request came; -1 where it was not reached. */
const span = (from: number, to: number): string => (from < 0 || to < 0 ? "-1" : jsonMs(Math.max(0, to - from)));

const partOf = (field: LogField, worker: number): Part => {
  switch (field) {
    case "time":
      return (record, _head, endedMs) => `"${isoTime(endedMs - Math.max(0, record.endedMs))}"`;
    case "method":
      return (record) => jsonString(record.method);
    case "status":
      return (record) => String(record.status);
    case "reason":
      return (record) => `"${record.reason}"`;
    case "route":
      return (record) => jsonString(record.route);
    case "upstream":
      return (record) => jsonString(record.upstream);
    case "server":
      return (record) => jsonString(record.server);
    case "tries":
      return (record) => String(record.tries);
    case "received":
      return (record) => String(record.received);
    case "sent":
      return (record) => String(record.sent);
    case "total":
      return (record) => jsonMs(record.endedMs);
    case "queue":
      return (record) => span(0, record.queuedMs);
    case "connect":
      return (record) => span(record.queuedMs, record.connectedMs);
    case "firstByte":
      return (record) => span(record.connectedMs, record.firstByteMs);
    case "response":
      return (record) => span(record.firstByteMs, record.endedMs);
    case "worker":
      return () => String(worker);
    case "id":
    case "client":
    case "host":
    case "path":
    case "query":
    case "scheme":
    case "version":
    case "userAgent":
    case "referer":
    case "trace":
      return (_record, head) => jsonString(head[field]);
  }
};
