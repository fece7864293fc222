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
 */

const define = (name, title, options) => ({
  name,
  title,
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
export const CASES = [
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

export const caseNamed = (name) => CASES.find((one) => one.name === name);

/** Writes each case's request (for the generator) and the files that are served. @returns the request's path by case name */
export const writeInputs = () => {
  mkdirSync(`${CACHE}requests`, { recursive: true });
  mkdirSync(`${WWW}file`, { recursive: true });
  for (const [size, bytes] of Object.entries(SIZES)) writeFileSync(`${WWW}file/${size}`, filled(bytes));
  for (const one of CASES) writeFileSync(requestFile(one), one.request);
};

export const requestFile = (one) => `${CACHE}requests/${one.name}`;
