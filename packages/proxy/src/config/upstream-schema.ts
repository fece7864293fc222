// upstream-schema.ts — the upstreams of a configuration: who answers, how they are chosen, watched, limited and tried again.
import { z } from "zod";
import { addressError } from "./address.ts";
import { count, duration, fieldName, oneOrMore, percent, period, positive, size, status, text } from "./values.ts";

const address = text(addressError).meta({
  description: 'Where a server is: "localhost:3000", "http://10.0.0.1:80", "https://api.example", "unix:/run/app.sock"',
});

const server = z.union([
  address,
  z.strictObject({
    address,
    weight: positive.max(256).default(1).meta({ description: "Its share beside the others'. Default 1" }),
  }),
]);

const balance = z.union([
  z.enum(["round-robin", "least-requests", "power-of-two"]),
  z.strictObject({
    hash: z.union([
      z.enum(["client", "host", "path", "target"]),
      z.strictObject({ header: fieldName }),
      z.strictObject({ cookie: z.string().min(1) }),
    ]),
    /** No server gets more than this share of the mean load before its neighbour helps out. */
    load: percent.min(100).max(1_000).default(125).meta({
      description: "Percent of the mean number of requests a server may have before the next one helps. Default 125",
    }),
  }),
]);

const health = z.strictObject({
  path: z
    .string()
    .startsWith("/")
    .optional()
    .meta({ description: "Asked for by GET. Without it a connection is all that is tried" }),
  host: z.string().optional().meta({ description: "Host of the check's request. Default: the server's own address" }),
  status: oneOrMore(z.union([status, z.string().regex(/^[2-5]xx$/)]))
    .optional()
    .meta({ description: "What counts as healthy. Default: 2xx and 3xx" }),
  interval: period.default(5_000).meta({ description: "Between two checks. Default 5s" }),
  timeout: period.default(2_000).meta({ description: "For a check to be answered. Default 2s" }),
  healthy: positive.default(2).meta({ description: "Good checks in a row until it is used again. Default 2" }),
  unhealthy: positive.default(3).meta({ description: "Bad checks in a row until it is no longer used. Default 3" }),
});

const ejection = z.union([
  z.literal(false),
  z.strictObject({
    failures: positive
      .default(5)
      .meta({ description: "Failures in a row (5xx, connect, reset, timeout) that eject a server. Default 5" }),
    time: period.default(30_000).meta({ description: "How long; times the number of ejections in a row. Default 30s" }),
    timeMax: period.default(300_000).meta({ description: "At most so long. Default 5m" }),
    ejectedMax: percent
      .default(10)
      .meta({ description: "Percent of servers that may be ejected; one always may. Default 10" }),
    panic: percent.default(50).meta({ description: "With fewer percent of servers usable, all are used. Default 50" }),
  }),
]);

const pool = z.strictObject({
  idleMax: count.default(128).meta({ description: "Idle connections kept per server and worker. Default 128" }),
  idleTimeout: duration.default(60_000).meta({ description: "An idle connection is closed after this. Default 60s" }),
  age: duration.default(0).meta({ description: "A connection takes no new request after this. Default 0: no limit" }),
  requests: count.default(0).meta({ description: "Requests per connection. Default 0: no limit" }),
});

const limits = z.strictObject({
  connections: positive.optional().meta({ description: "Connections per server and worker. Default: no limit" }),
  requests: positive
    .optional()
    .meta({ description: "Requests in flight per upstream and worker; more wait. Default: no limit" }),
  pending: count.default(1_024).meta({ description: "Requests that may wait; more are answered 503. Default 1024" }),
  pendingTimeout: period.default(5_000).meta({ description: "How long they wait before 503. Default 5s" }),
  responseHead: size.optional().meta({ description: "Bytes of a response's head. Default 64KiB" }),
});

const timeouts = z.strictObject({
  connect: period.default(5_000).meta({ description: "For a connection, TLS included. Default 5s" }),
  firstByte: duration
    .default(60_000)
    .meta({ description: "From the request to the answer's head. Default 60s; 0: none" }),
  idle: duration.default(60_000).meta({ description: "Silence within a body. Default 60s; 0: none" }),
  total: duration.default(0).meta({ description: "For a request with all its tries. Default 0: none" }),
  tunnelIdle: duration
    .default(3_600_000)
    .meta({ description: "Silence of a WebSocket or tunnel. Default 1h; 0: none" }),
});

const retries = z.union([
  z.literal(false),
  z.strictObject({
    attempts: positive.max(10).default(2).meta({ description: "Tries in all. Default 2" }),
    on: z
      .array(z.enum(["connect", "reset", "timeout", "502", "503", "504", "429"]))
      .default(["connect", "reset"])
      .meta({ description: "What is tried again. Default connect and reset" }),
    methods: z
      .array(z.string())
      .default(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
      .meta({ description: "Methods that may be tried again after they were sent. Default: the idempotent ones" }),
    budget: percent.default(20).meta({ description: "Retries in percent of the requests. Default 20" }),
    bodyMax: size
      .default(65_536)
      .meta({ description: "Bytes of a body that are kept to be sent again. Default 64KiB" }),
  }),
]);

const tls = z.strictObject({
  serverName: z.string().optional().meta({ description: "Name asked for and verified. Default: the address's host" }),
  ca: oneOrMore(z.string())
    .optional()
    .meta({ description: "Files with the authorities to trust. Default: the system's" }),
  cert: z.string().optional().meta({ description: "File with our certificate, for servers that ask for one" }),
  key: z.string().optional().meta({ description: "File with its key" }),
  verify: z
    .boolean()
    .default(true)
    .meta({ description: "False takes any certificate: whoever is between can read all" }),
});

export const upstreamObject = z.strictObject({
  servers: oneOrMore(server),
  protocol: z.enum(["auto", "h1", "h2"]).default("auto").meta({
    description:
      "auto: HTTP/2 where TLS agrees on it, else HTTP/1.1. h2 without TLS is by prior knowledge. Default auto",
  }),
  tls: tls.optional(),
  host: z.string().default("keep").meta({
    description: 'Host of requests: "keep" the client\'s, the "server"\'s, or a name of its own. Default keep',
  }),
  proxyProtocol: z
    .union([z.literal(1), z.literal(2)])
    .optional()
    .meta({ description: "Version of the PROXY header sent" }),
  balance: balance.default("round-robin"),
  health: health.optional(),
  ejection: ejection.default({ failures: 5, time: 30_000, timeMax: 300_000, ejectedMax: 10, panic: 50 }),
  pool: pool.prefault({}),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  retries: retries.prefault({}),
  dns: z
    .strictObject({
      ttlMin: period.default(1_000).meta({ description: "Names are looked up no more often. Default 1s" }),
      ttlMax: period.default(60_000).meta({ description: "and no less often. Default 60s" }),
    })
    .prefault({}),
});

export const upstreamSchema = z.union([oneOrMore(address), upstreamObject]);

export type UpstreamObject = z.output<typeof upstreamObject>;
