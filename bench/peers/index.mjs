// All that is measured, in the order in which a round visits it.
import { bun } from "./bun.mjs";
import { caddy } from "./caddy.mjs";
import { envoy, monoio, uws } from "./external.mjs";
import { fastify } from "./fastify.mjs";
import { floorEpoll, floorUring } from "./floors.mjs";
import { haproxy } from "./haproxy.mjs";
import { hyper } from "./hyper.mjs";
import { nginx } from "./nginx.mjs";
import { nodeHttp } from "./node-http.mjs";
import { percore, percoreBefore } from "./percore.mjs";

/**
 * @typedef {object} Peer
 * @property {string} name @property {string} label
 * @property {"ours" | "floor" | "server" | "runtime"} kind
 * @property {boolean} [javascript] needs a long warm-up
 * @property {() => Found | Promise<Found>} find
 * @property {(one: import("../harness/cases.mjs").Case) => string | undefined} refuses why it cannot answer a case
 * @property {(options: StartOptions) => { command: string[], env?: Record<string, string>, cwd?: string }} start
 *
 * @typedef {{ binary: string, version: string } | { absent: string }} Found
 * @typedef {{ binary: string, port: number, scratch: string, workers: number, www: string }} StartOptions
 */

/** @returns {Peer[]} @param {string | undefined} before another checkout of ours to compare with */
export const allPeers = (before) => [
  ...percore,
  ...(before === undefined ? [] : percoreBefore(before)),
  floorUring,
  floorEpoll,
  nginx,
  haproxy,
  caddy,
  hyper,
  envoy,
  monoio,
  uws,
  bun,
  nodeHttp,
  fastify,
];
