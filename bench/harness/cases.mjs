// The cases: one request each, how many connections send it, and what must come back.
import { mkdirSync, writeFileSync } from "node:fs";
import { CACHE, WWW } from "./paths.mjs";

const SIZES = { "1k": 1024, "64k": 65_536, "1m": 1_048_576 };

/** Every request carries what the usual load generators send, so that a parser has three fields to read. */
const get = (path, extra = "") =>
  Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\nUser-Agent: bench\r\n${extra}\r\n`);

const post = (path, body) =>
  Buffer.concat([
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  ]);

/** Not one repeated byte, so that an echo that mixes up its chunks is seen. */
const pattern = (size) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => 97 + ((i * 7 + (i >> 8)) % 26)));

const HELLO = Buffer.from("Hello, World!");
const filled = (size) => Buffer.alloc(size, "x");

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {string} title
 * @property {string} path
 * @property {Buffer} request one request, as sent
 * @property {Buffer} body what must come back
 * @property {number} connections
 * @property {number} pipeline requests sent at once on each connection
 * @property {"keep-alive" | "churn"} mode
 * @property {"memory" | "file" | "echo"} from
 * @property {Wire} wire
 * @property {"h2load" | "handshakes"} [generator] where it is not the one that the command line chooses
 * @property {number} [streams] HTTP/2 streams at a time on each connection
 * @property {[string, string][]} [fields] further fields of each request
 * @property {Uint8Array} [upload] body of each request
 * @property {{ protocol: "h1" | "h2" }} [upstream] the implementation is a proxy, and speaks this to the origin behind it
 * @property {boolean} [resume] each handshake resumes the session before
 *
 * @typedef {{ protocol: "h1" | "h2", tls: boolean, key?: "ec" | "rsa" }} Wire
 */

const CLEAR_H1 = { protocol: "h1", tls: false };

const define = (name, title, options) => ({
  name,
  title,
  wire: CLEAR_H1,
  path: "/",
  body: HELLO,
  connections: 64,
  pipeline: 1,
  mode: "keep-alive",
  from: "memory",
  ...options,
  request: options.request ?? get(options.path ?? "/"),
});

/** @type {Case[]} */
export const H1_CASES = [
  define("hello-1", "hello, 1 connection", { connections: 1 }),
  define("hello-64", "hello, 64 connections", {}),
  define("hello-256", "hello, 256 connections", { connections: 256 }),
  define("pipelined-16", "hello, 64 connections, pipelined 16", { pipeline: 16 }),
  ...Object.entries(SIZES).map(([size, bytes]) =>
    define(`memory-${size}`, `${size} from memory`, {
      path: `/${size}`,
      body: filled(bytes),
      connections: fitting(bytes),
    }),
  ),
  ...Object.entries(SIZES).map(([size, bytes]) =>
    define(`file-${size}`, `${size} from a file`, {
      path: `/file/${size}`,
      body: filled(bytes),
      connections: fitting(bytes),
      from: "file",
    }),
  ),
  ...["1k", "64k"].map((size) => {
    const body = pattern(SIZES[size]);
    return define(`echo-${size}`, `POST echo ${size}`, {
      path: "/echo",
      body,
      request: post("/echo", body),
      from: "echo",
    });
  }),
  define("churn", "a connection per request", {
    request: get("/", "Connection: close\r\n"),
    connections: 32,
    mode: "churn",
  }),
];

function fitting(bytes) {
  return bytes >= 1_000_000 ? 16 : 64;
}

const h2 = (name, title, options) =>
  define(name, title, {
    wire: { protocol: "h2", tls: false },
    generator: "h2load",
    connections: 1,
    streams: 32,
    ...options,
  });

/** As many fields as a browser sends, with values that no static table has. */
const MANY_FIELDS = Array.from({ length: 20 }, (_, at) => [`x-field-${at}`, `value ${at} ${"abcdefgh".repeat(4)}`]);

/** @type {Case[]} */
export const H2_CASES = [
  h2("h2-hello-m1", "hello, 64 connections, 1 stream each", { connections: 64, streams: 1 }),
  h2("h2-hello-m32", "hello, 8 connections, 32 streams each", { connections: 8 }),
  h2("h2-fields", "hello with 20 further fields, 8 connections, 32 streams each", {
    connections: 8,
    fields: MANY_FIELDS,
  }),
  h2("h2-memory-1k", "1k from memory, 8 connections, 32 streams each", {
    connections: 8,
    path: "/1k",
    body: filled(1024),
  }),
  h2("h2-memory-64k", "64k from memory, 8 connections, 8 streams each", {
    connections: 8,
    streams: 8,
    path: "/64k",
    body: filled(65_536),
  }),
  h2("h2-echo-1k", "POST echo 1k, 8 connections, 32 streams each", {
    connections: 8,
    path: "/echo",
    body: pattern(1024),
    upload: pattern(1024),
    from: "echo",
  }),
];

const overTls = (name, title, protocol, options) =>
  define(name, title, { wire: { protocol, tls: true, key: "ec" }, generator: "h2load", streams: 1, ...options });

/** @type {Case[]} */
export const TLS_CASES = [
  overTls("tls-hello-64", "h1 over TLS 1.3: hello, 64 connections", "h1", {}),
  overTls("tls-h2-hello", "h2 over TLS 1.3: hello, 8 connections, 32 streams each", "h2", {
    connections: 8,
    streams: 32,
  }),
  overTls("tls-memory-64k", "h1 over TLS 1.3: 64k from memory", "h1", { path: "/64k", body: filled(65_536) }),
  overTls("tls-memory-1m", "h1 over TLS 1.3: 1m from memory", "h1", {
    path: "/1m",
    body: filled(1_048_576),
    connections: 16,
  }),
  ...["ec", "rsa"].map((key) =>
    overTls(`handshake-${key}`, `full handshakes, ${key === "ec" ? "ECDSA P-256" : "RSA-2048"}`, "h1", {
      wire: { protocol: "h1", tls: true, key },
      generator: "handshakes",
    }),
  ),
  overTls("handshake-resumed", "resumed handshakes, ECDSA P-256", "h1", { generator: "handshakes", resume: true }),
];

const TO_H1 = { protocol: "h1" };

/** A request through a proxy: `upstream` is what the proxy speaks to the origin. */
const through = (name, title, options) =>
  define(name, title, { generator: "h2load", streams: 1, upstream: TO_H1, ...options });

const H2_FRONT = { wire: { protocol: "h2", tls: true, key: "ec" }, connections: 8, streams: 32 };

/** @type {Case[]} */
export const PROXY_CASES = [
  through("proxy-hello-1", "h1 → h1: hello, 1 connection", { connections: 1 }),
  through("proxy-hello-64", "h1 → h1: hello, 64 connections", {}),
  through("proxy-hello-256", "h1 → h1: hello, 256 connections", { connections: 256 }),
  through("proxy-hello-1000", "h1 → h1: hello, 1,000 connections", { connections: 1000 }),
  through("proxy-tls-hello", "h1 TLS → h1: hello, 64 connections", { wire: { protocol: "h1", tls: true, key: "ec" } }),
  through("proxy-h2-hello", "h2 TLS → h1: hello, 8 connections, 32 streams each", H2_FRONT),
  through("proxy-h2-h2-hello", "h2 TLS → h2: hello, 8 connections, 32 streams each", {
    ...H2_FRONT,
    upstream: { protocol: "h2" },
  }),
  ...Object.entries(SIZES).map(([size, bytes]) =>
    through(`proxy-${size}`, `h1 → h1: ${size}`, {
      path: `/${size}`,
      body: filled(bytes),
      connections: fitting(bytes),
    }),
  ),
  through("proxy-echo-64k", "h1 → h1: POST echo 64k", {
    path: "/echo",
    body: pattern(65_536),
    upload: pattern(65_536),
    from: "echo",
  }),
];

const ALL_CASES = [...H1_CASES, ...H2_CASES, ...TLS_CASES, ...PROXY_CASES];

export const caseNamed = (name) => ALL_CASES.find((one) => one.name === name);

/** Writes each case's request (for the generator) and the files that are served. @returns the request's path by case name */
export const writeInputs = () => {
  mkdirSync(`${CACHE}requests`, { recursive: true });
  mkdirSync(`${WWW}file`, { recursive: true });
  for (const [size, bytes] of Object.entries(SIZES)) writeFileSync(`${WWW}file/${size}`, filled(bytes));
  for (const one of H1_CASES) writeFileSync(requestFile(one), one.request);
};

export const requestFile = (one) => `${CACHE}requests/${one.name}`;
