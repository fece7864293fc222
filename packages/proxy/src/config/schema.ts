// schema.ts — the whole configuration's schema: what validates it, what its types are inferred from, and what editors get.
import { z } from "zod";
import { listenError } from "./address.ts";
import { rateLimitSchema, routeSchema } from "./route-schema.ts";
import { upstreamSchema } from "./upstream-schema.ts";
import { count, duration, name, network, oneOrMore, period, positive, size, text } from "./values.ts";

const listenAddress = text(listenError).meta({
  description:
    '":8080" (every address), "127.0.0.1:8080", "unix:/run/proxy.sock", "systemd" or "systemd:name" (a socket unit)',
});

const certificate = z.strictObject({
  cert: z.string().min(1).meta({ description: "File with the certificate and its chain, PEM" }),
  key: z.string().min(1).optional().meta({ description: "File with its key. Default: in the same file" }),
});

const tls = certificate.extend({
  names: z
    .record(z.string(), certificate)
    .default({})
    .meta({ description: 'Further certificates by server name: "www.example.com", "*.example.com"' }),
  unknownNames: z.enum(["default", "refuse"]).default("default").meta({
    description:
      "What clients get that ask for another name, or none: the first certificate, or the end. Default default",
  }),
  minVersion: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.2"),
  clientCa: oneOrMore(z.string())
    .optional()
    .meta({ description: "Files with the authorities of client certificates; with it, clients must show one" }),
});

const listener = z.strictObject({
  address: listenAddress,
  tls: tls.optional().meta({ description: "Serves https. Files are read again when they change" }),
  proxyProtocol: z.array(network).optional().meta({
    description: "Networks of balancers whose PROXY header is believed: who may send it may claim any address",
  }),
  backlog: positive.optional(),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/)
    .optional()
    .meta({ description: 'Permissions of the socket file: "660"' }),
  http1: z.boolean().default(true),
  http2: z.boolean().default(true),
});

const client = z.strictObject({
  connections: positive.optional().meta({ description: "Connections per worker; more wait. Default: no limit" }),
  head: size.optional().meta({ description: "Bytes of a request's head. Default 16KiB" }),
  fields: positive.optional().meta({ description: "Header fields of a request. Default 100" }),
  target: size.optional().meta({ description: "Bytes of a request's target. Default 8KiB" }),
  body: size.optional().meta({ description: "Bytes of a request's body. Default 128MiB" }),
  requests: count.optional().meta({ description: "Requests per connection. Default 0: no limit" }),
  headTimeout: duration.optional().meta({ description: "For a request's head. Default 15s" }),
  idleTimeout: duration.optional().meta({ description: "Between two requests. Default 60s" }),
  receiveTimeout: duration.optional().meta({ description: "Silence within a request's body. Default 30s" }),
  sendTimeout: duration.optional().meta({ description: "Without the client taking a byte. Default 30s" }),
  tunnelTimeout: duration
    .default(3_600_000)
    .meta({ description: "Silence of a WebSocket or tunnel. Default 1h; 0: none" }),
  bodyRate: size.optional().meta({ description: "Least bytes per second of a request's body. Default 240; 0: none" }),
});

const paths = z.strictObject({
  duplicateSlashes: z.enum(["merge", "keep", "refuse"]).default("merge"),
  encodedSlash: z
    .enum(["refuse", "keep"])
    .default("refuse")
    .meta({ description: "What becomes of %2F. Default refuse: 400" }),
});

const forwarded = z.strictObject({
  trust: z.array(network).default([]).meta({
    description: "Networks of proxies before this one whose X-Forwarded-* and Forwarded are believed. Default none",
  }),
  send: z
    .enum(["x-forwarded", "forwarded", "both", "none"])
    .default("x-forwarded")
    .meta({ description: "What upstreams are told" }),
  via: z.string().min(1).default("percore").meta({ description: "Our name in Via" }),
});

/** Fields of the access log, in the order in which they are written. */
export const LOG_FIELDS = [
  "time",
  "id",
  "client",
  "method",
  "host",
  "path",
  "query",
  "scheme",
  "version",
  "status",
  "reason",
  "route",
  "upstream",
  "server",
  "tries",
  "received",
  "sent",
  "total",
  "queue",
  "connect",
  "firstByte",
  "response",
  "userAgent",
  "referer",
  "trace",
  "worker",
] as const;

export type LogField = (typeof LOG_FIELDS)[number];

const accessLog = z.union([
  z.boolean(),
  z.string(),
  z.strictObject({
    file: z.string().default("-").meta({ description: 'Path, or "-" for standard output. Reopened on SIGUSR1' }),
    fields: z.array(z.enum(LOG_FIELDS)).min(1).optional(),
    only: z
      .enum(["all", "errors"])
      .default("all")
      .meta({ description: "errors: statuses from 500, and requests that broke off" }),
  }),
]);

const admin = z.union([
  listenAddress,
  z.strictObject({
    address: listenAddress,
    token: z.string().min(16).optional().meta({ description: "Asked for as `authorization: Bearer …` where given" }),
  }),
]);

export const configSchema = z.strictObject({
  $schema: z.string().optional().meta({ description: "Where editors find this schema" }),
  listen: oneOrMore(z.union([listenAddress, listener])).default(":8080"),
  workers: z
    .union([positive.max(64), z.literal("auto")])
    .default(1)
    .meta({ description: 'Threads; "auto": one per processor' }),
  cpus: z.union([z.enum(["none", "spread"]), z.array(count)]).default("none"),
  driver: z.enum(["auto", "uring", "poll"]).default("auto"),
  drain: period
    .default(30_000)
    .meta({ description: "What ending, or giving way to another version, may take. Default 30s" }),
  watch: z.boolean().default(true).meta({ description: "Applies changes of the file as they are made. Default true" }),
  user: z.string().optional().meta({ description: "User to become once the ports are bound" }),

  upstreams: z.record(name, upstreamSchema).default({}),
  routes: z.array(routeSchema).min(1),
  rateLimits: z.record(name, rateLimitSchema).default({}),

  client: client.prefault({}),
  paths: paths.prefault({}),
  forwarded: forwarded.prefault({}),
  requestId: z
    .union([
      z.literal(false),
      z.strictObject({ header: z.string().default("x-request-id"), trust: z.boolean().default(false) }),
    ])
    .prefault({})
    .meta({ description: "trust: takes the client's id instead of making one" }),
  tracing: z.enum(["off", "continue", "start"]).default("continue").meta({
    description:
      "traceparent (W3C Trace Context): continue a client's trace with a span of ours, start one where there is none. Default continue",
  }),
  accessLog: accessLog.default(false),
  admin: admin.optional(),
});

/** A configuration as people write it. */
export type ConfigInput = z.input<typeof configSchema>;
/** A configuration with its defaults, durations in milliseconds and sizes in bytes. */
export type Config = z.output<typeof configSchema>;

/** JSON Schema (draft 2020-12) for editors. Handlers are functions, which files do not have. */
export const jsonSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }),
  title: "Percore proxy configuration",
});
