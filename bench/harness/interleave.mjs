// The heart of the method: per case all servers are up, and each round visits them one after the other (A B C, A B C), so that
// what the machine does to one it does to its neighbours in the same round.

import { percore } from "../peers/percore.mjs";
import { LOAD_CPU } from "./machine.mjs";
import { measure } from "./measure.mjs";
import { checkAnswers } from "./probe.mjs";
import { startServer } from "./servers.mjs";

/** Seconds of load before a server's first window: compilers of JavaScript need more than tables and caches do. */
const FIRST_WARMUP = { javascript: 4, native: 0.7 };
/** Seconds before each later window: the new connections get going. */
const NEXT_WARMUP = 0.3;

/**
 * @typedef {object} Cell one implementation in one case
 * @property {string} case @property {string} impl
 * @property {(import("./measure.mjs").Round & { round: number })[]} rounds
 * @property {string[]} failures
 */

/**
 * Measures one case.
 *
 * @param {object} options
 * @param {import("./cases.mjs").Case} options.one
 * @param {import("./servers.mjs").Found[]} options.peers
 * @param {string} options.generator @param {number} options.rounds @param {number} options.seconds
 * @param {boolean} options.restart @param {boolean} options.quick
 * @param {(event: object) => void} options.onProgress
 * @returns {Promise<Cell[]>}
 */
export const measureCase = async (options) => {
  const { one, peers, rounds, restart, onProgress } = options;
  const cells = peers.map((peer) => ({ case: one.name, impl: peer.name, rounds: [], failures: [] }));
  const servers = new Map();
  const origin = one.upstream === undefined ? undefined : await startOrigin();
  const upstream = origin && { port: origin.port, protocol: one.upstream.protocol };
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [index, peer] of peers.entries()) {
        const cell = cells[index];
        if (cell.failures.length > 0) continue;
        onProgress({ kind: "window", one, peer, round });
        try {
          const fresh = !servers.has(peer.name);
          if (fresh) servers.set(peer.name, await startChecked(peer, one, upstream));
          const { group, port } = servers.get(peer.name);
          const figures = await measure({ ...options, group, port, warmup: warmupOf(peer, fresh, options) });
          cell.rounds.push({ round, ...figures });
          onProgress({ kind: "figures", one, peer, round, figures });
          if (figures.requests === 0) throw new Error("not one request was answered");
          if (figures.errors > 0)
            cell.failures.push(`round ${round}: ${figures.errors} errors in ${figures.requests} requests`);
        } catch (error) {
          cell.failures.push(error.message);
          onProgress({ kind: "failure", one, peer, round, error });
        }
        if (restart) {
          await servers.get(peer.name)?.stop();
          servers.delete(peer.name);
        }
      }
    }
  } finally {
    await Promise.all([...servers.values(), ...(origin ? [origin] : [])].map((server) => server.stop()));
  }
  return cells;
};

/** What the proxies are in front of: ours, beside the load. */
const startOrigin = () => startServer({ ...percore[0], binary: process.execPath }, { cpus: String(LOAD_CPU) });

const startChecked = async (peer, one, upstream) => {
  const server = await startServer(peer, { wire: one.wire, upstream });
  try {
    await checkAnswers(server.port, one);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
};

const warmupOf = (peer, fresh, { quick }) => {
  if (!fresh) return NEXT_WARMUP;
  return FIRST_WARMUP[peer.javascript ? "javascript" : "native"] * (quick ? 0.25 : 1);
};
