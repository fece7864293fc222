// balancer.ts — which of several servers gets a request.
import type { BalancePlan } from "../plan.ts";

/** What of a server decides. */
export interface Candidate {
  readonly text: string;
  readonly weight: number;
  /** Requests under way to it from this worker. */
  readonly active: number;
}

/** Chooses one of at least one. */
export type Choose = <Server extends Candidate>(servers: readonly Server[], key: () => string) => Server;

/** @param random 0..1. */
export const makeBalancer = (plan: BalancePlan, random: () => number): Choose => {
  switch (plan.kind) {
    case "round-robin":
      return smoothRoundRobin();
    case "least-requests":
      return leastRequests();
    case "power-of-two":
      return powerOfTwo(random);
    case "hash":
      return boundedHash(plan.loadMax);
  }
};

/** Weighted turns, spread evenly: of weights 5, 1 and 1 the first is not taken five times in a row (as nginx does it). */
const smoothRoundRobin = (): Choose => {
  const credits = new Map<string, number>();
  return (servers) => {
    if (servers.length === 1) return servers[0];
    let total = 0;
    let best = servers[0];
    let bestCredit = Number.NEGATIVE_INFINITY;
    for (const server of servers) {
      const credit = (credits.get(server.text) ?? 0) + server.weight;
      credits.set(server.text, credit);
      total += server.weight;
      if (credit > bestCredit) {
        best = server;
        bestCredit = credit;
      }
    }
    credits.set(best.text, bestCredit - total);
    return best;
  };
};

/** Load that a server would have with one request more, for its weight. */
const loadOf = ({ active, weight }: Candidate): number => (active + 1) / weight;

/** Of several with the least load each in turn. */
const leastRequests = (): Choose => {
  let turn = 0;
  return (servers) => {
    let least = Number.POSITIVE_INFINITY;
    for (const server of servers) least = Math.min(least, loadOf(server));
    const equal = servers.filter((server) => loadOf(server) === least);
    turn += 1;
    return equal[turn % equal.length];
  };
};

/** The less loaded of two drawn by weight: nearly as good as asking all, and workers do not run for the same one. */
const powerOfTwo =
  (random: () => number): Choose =>
  (servers) => {
    if (servers.length === 1) return servers[0];
    const one = draw(servers, random());
    const others = servers.filter((server) => server !== one);
    const other = draw(others, random());
    return loadOf(other) < loadOf(one) ? other : one;
  };

const draw = <Server extends Candidate>(servers: readonly Server[], drawn: number): Server => {
  let rest = drawn * servers.reduce((sum, { weight }) => sum + weight, 0);
  for (const server of servers) {
    rest -= server.weight;
    if (rest < 0) return server;
  }
  return servers[servers.length - 1];
};

/**
 * Consistent by rendezvous hashing: of every server a score for the key, the highest takes it; a server that comes or goes
 * moves its own keys only. With bounded load: one above its share of the mean is passed over for the next.
 */
const boundedHash =
  (loadMax: number): Choose =>
  (servers, key) => {
    const text = key();
    const active = servers.reduce((sum, server) => sum + server.active, 0) + 1;
    const weights = servers.reduce((sum, server) => sum + server.weight, 0);
    const ranked = servers
      .map((server) => ({ server, score: scoreOf(server, text) }))
      .sort((one, other) => other.score - one.score);
    const free = ranked.find(
      ({ server }) => server.active + 1 <= Math.ceil((loadMax * active * server.weight) / weights),
    );
    return (free ?? ranked[0]).server;
  };

/** −weight / ln(h), h in 0..1: weights become shares (weighted rendezvous). */
const scoreOf = ({ text, weight }: Candidate, key: string): number => {
  const hash = (fnv1a(`${text}\0${key}`) + 0.5) / 4_294_967_296;
  return -weight / Math.log(hash);
};

/** 32-bit FNV-1a with a finish that spreads its low bits upwards. */
const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};
