// All that is measured, in the order in which a round visits it.
import { bun } from "./bun.mjs";
import { caddy } from "./caddy.mjs";
import { envoy, monoio, uws } from "./external.mjs";
import { fastify } from "./fastify.mjs";
import { floorEpoll, floorUring } from "./floors.mjs";
import { h2o } from "./h2o.mjs";
import { haproxy } from "./haproxy.mjs";
import { hyper } from "./hyper.mjs";
import { nghttpd } from "./nghttpd.mjs";
import { nginx } from "./nginx.mjs";
import { nodeHttp } from "./node-http.mjs";
import { percore, percoreBefore } from "./percore.mjs";
import { proxies } from "./proxies.mjs";

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
 * @typedef {import("../harness/cases.mjs").Wire & { cert?: string, key?: string }} StartWire files in PEM where `tls`
 * @typedef {{ binary: string, port: number, scratch: string, workers: number, www: string, wire: StartWire,
 *   upstream?: { port: number, protocol: "h1" | "h2" } }} StartOptions
 */

const PEERS = {
  h1: [floorUring, floorEpoll, nginx, haproxy, caddy, hyper, envoy, monoio, uws, bun, nodeHttp, fastify],
  h2: [nginx, haproxy, caddy, nghttpd, h2o, hyper, envoy, nodeHttp],
  tls: [nginx, haproxy, caddy, nodeHttp],
};

/**
 * @param {"h1" | "h2" | "tls" | "proxy"} kind
 * @param {string | undefined} before another checkout of ours to compare with
 * @returns {Peer[]}
 */
export const peersOf = (kind, before) =>
  kind === "proxy" ? proxies : [...percore, ...(before === undefined ? [] : percoreBefore(before)), ...PEERS[kind]];
