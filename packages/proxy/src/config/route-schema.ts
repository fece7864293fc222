// route-schema.ts — the routes of a configuration: which requests, and what becomes of them.
import type { Exchange } from "@percore/http";
import { z } from "zod";
import { parseHostPattern } from "../routing/host.ts";
import { parsePattern } from "../routing/pattern.ts";
import { count, fieldName, name, network, oneOrMore, period, positive, rate, size, status, text } from "./values.ts";

const host = text((value) => errorOf(parseHostPattern(value))).meta({
  description: '"example.com", "*.example.com" (every name below), or "*"',
});

const path = text((value) => errorOf(parsePattern(value))).meta({
  description: '"/exact", "/prefix/*", "/users/{id:int}", "/files/{name:path}"; types: int, uuid, string, path',
});

const errorOf = (parsed: object | string): string | null => (typeof parsed === "string" ? parsed : null);

const method = z.string().regex(/^[A-Z][A-Z0-9_-]*$/, { error: 'must be a method in capitals: "GET"' });

const valueTest = z
  .union([
    z.boolean(),
    oneOrMore(z.string()),
    z.strictObject({ prefix: z.string().min(1) }),
    z.strictObject({ suffix: z.string().min(1) }),
    z.strictObject({ contains: z.string().min(1) }),
  ])
  .meta({ description: "true: is there; false: is not; a value, or several; or { prefix }, { suffix }, { contains }" });

const headerChanges = z.strictObject({
  set: z
    .record(fieldName, z.string())
    .default({})
    .meta({ description: "Replaces what there is. {parameter} of the path, {client}, {host}, {id} are put in" }),
  add: z.record(fieldName, z.string()).default({}).meta({ description: "Adds to what there is" }),
  remove: z.array(fieldName).default([]).meta({ description: "Takes away, before set and add" }),
});

const redirect = z.union([
  z.string(),
  z.strictObject({
    to: z
      .string()
      .min(1)
      .meta({ description: '"/new/{id}", "https://{host}{path}"; the query is kept unless there is one' }),
    status: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(308),
  }),
]);

const respond = z.strictObject({
  status: status.default(200),
  headers: z.record(fieldName, z.string()).default({}),
  body: z.string().default(""),
});

const files = z.union([
  z.string(),
  z.strictObject({
    root: z.string().min(1).meta({ description: "Folder; nothing outside it is sent, also not by symbolic links" }),
    index: z.string().default("index.html").meta({ description: "File of a folder. Default index.html" }),
    notFound: z
      .string()
      .optional()
      .meta({ description: "File sent, with 200, for what is not there: for single-page applications" }),
    cacheControl: z.string().optional(),
    precompressed: z.array(z.enum(["br", "zstd", "gzip"])).default([]),
  }),
]);

const key = z
  .union([
    z.enum(["client", "host", "route"]),
    z.strictObject({ header: fieldName }),
    z.strictObject({ cookie: z.string().min(1) }),
  ])
  .meta({
    description:
      "What requests are counted by: the client's address, the host, the route as a whole, a header or a cookie",
  });

export const rateLimitSchema = z.strictObject({
  rate: rate.meta({ description: '"100/s", "20/m", "1000/h", "5/d"' }),
  burst: positive.optional().meta({ description: "Requests at once. Default: as many as the rate has per its unit" }),
  by: key.default("client"),
});

const concurrency = z.union([positive, z.strictObject({ max: positive, by: key.default("client") })]);

/** What a handler of a route is called with beside the exchange. */
export interface HandlerContext<Parameters = Readonly<Record<string, string>>> {
  /** The path's parameters, decoded. */
  readonly params: Parameters;
  /** Address of the client, as seen behind trusted proxies. */
  readonly client: string;
}

/** A function as a route's target: answers the exchange as any handler does. */
export type HandlerTarget = (exchange: Exchange, context: HandlerContext<never>) => void | Promise<void>;

export const handlerSchema = z.custom<HandlerTarget>((value) => typeof value === "function", {
  error: "must be a function",
});

export const routeSchema = z.strictObject({
  name: name.optional().meta({ description: "In logs and metrics. Default: its host and path" }),
  host: oneOrMore(host).default("*"),
  path: oneOrMore(path).default("/*"),
  method: oneOrMore(method).optional(),
  scheme: z.enum(["http", "https"]).optional(),
  headers: z.record(fieldName, valueTest).default({}),
  query: z.record(z.string(), valueTest).default({}),

  upstream: name.optional(),
  split: z.record(name, count).optional().meta({ description: "Upstreams with their weights" }),
  fallback: name
    .optional()
    .meta({ description: "Upstream that is asked where the first has no server left, or failed before it answered" }),
  redirect: redirect.optional(),
  respond: respond.optional(),
  files: files.optional(),
  handler: handlerSchema.optional(),

  rewrite: z
    .string()
    .startsWith("/")
    .optional()
    .meta({ description: 'The path that the upstream is asked for: "/v2/users/{id}"' }),
  stripPrefix: z.string().startsWith("/").optional(),
  addPrefix: z.string().startsWith("/").optional(),
  requestHeaders: headerChanges.optional(),
  responseHeaders: headerChanges.optional(),

  rateLimit: oneOrMore(name).optional().meta({ description: "Names under `rateLimits`" }),
  concurrency: concurrency.optional(),
  allow: z.array(network).optional().meta({ description: "Networks of clients that may; all others get 403" }),
  deny: z.array(network).optional().meta({ description: "Networks of clients that get 403" }),
  bodyMax: size.optional(),
  timeout: period.optional().meta({ description: "For a request with all its tries, instead of the upstream's total" }),
  upgrade: z.boolean().default(true).meta({ description: "Lets WebSockets and other upgrades through. Default true" }),
  connect: z.boolean().default(false).meta({ description: "Lets CONNECT through to the upstream. Default false" }),
  log: z.boolean().default(true),
});
