// upstream.ts — several servers that answer for one name: which of them is asked, who waits, and how often is tried again.
import { isDeepStrictEqual } from "node:util";
import { WheelEntry } from "@percore/core";
import type { Clock } from "@percore/http";
import type { ServerOverride, ServerPlan, UpstreamPlan, UpstreamStatus } from "../plan.ts";
import { type Choose, makeBalancer } from "./balancer.ts";
import { type ConnectorOptions, makeConnect } from "./connector.ts";
import { HealthCheck } from "./health-check.ts";
import { HostName, type Resolve } from "./names.ts";
import { RetryBudget } from "./retry-budget.ts";
import { ServerPool } from "./server-pool.ts";
import { UpstreamServer } from "./upstream-server.ts";

export interface UpstreamOptions extends ConnectorOptions {
  readonly resolve: Resolve;
  /** 0..1. */
  readonly random: () => number;
}

/** Waits until the upstream has room for one request more. */
export interface Turn {
  onTurn(): void;
  onTurnLate(): void;
}

export class Upstream {
  plan: UpstreamPlan;
  readonly budget: RetryBudget = new RetryBudget();
  active = 0;
  #servers: UpstreamServer[] = [];
  #checks: HealthCheck[] = [];
  #choose: Choose;
  readonly #options: UpstreamOptions;
  /** First come, first served; each with its deadline. */
  readonly #turns = new Map<Turn, WheelEntry>();

  constructor(plan: UpstreamPlan, options: UpstreamOptions) {
    this.plan = plan;
    this.#options = options;
    this.#choose = makeBalancer(plan.balance, options.random);
    this.#servers = plan.servers.map((server) => this.#makeServer(server));
    this.#startChecks();
  }

  get #clock(): Clock {
    return this.#options.clock;
  }

  /** Goes over to another plan; servers that connect as before keep their connections, counts and states. */
  apply(plan: UpstreamPlan): void {
    if (isDeepStrictEqual(plan, this.plan)) return;
    const sameWay = isDeepStrictEqual(connectionPart(plan), connectionPart(this.plan));
    const before = new Map(this.#servers.map((server) => [server.text, server]));
    this.plan = plan;
    this.#servers = plan.servers.map((server) => {
      const known = sameWay ? before.get(server.text) : undefined;
      if (known === undefined) return this.#makeServer(server);
      before.delete(server.text);
      known.plan = server;
      return known;
    });
    for (const gone of before.values()) gone.pool.close();
    this.#choose = makeBalancer(plan.balance, this.#options.random);
    for (const check of this.#checks) check.close();
    this.#startChecks();
  }

  /**
   * Takes a place among the requests under way; where there is none, waits for one.
   * @returns "taken", "waiting", or "full" where nobody more may wait.
   */
  enter(turn: Turn): "taken" | "waiting" | "full" {
    const { requestsMax, pendingMax, pendingTimeoutMs } = this.plan.limits;
    if (requestsMax === null || this.active < requestsMax) {
      this.active += 1;
      return "taken";
    }
    if (this.#turns.size >= pendingMax) return "full";
    const late = new WheelEntry(() => {
      this.#turns.delete(turn);
      turn.onTurnLate();
    });
    this.#turns.set(turn, late);
    this.#clock.wheel.set(late, this.#clock.now + pendingTimeoutMs);
    return "waiting";
  }

  /** Gives a place back; the one who has waited longest gets it. */
  leave(): void {
    this.active -= 1;
    for (const [turn, late] of this.#turns) {
      const { requestsMax } = this.plan.limits;
      if (requestsMax !== null && this.active >= requestsMax) return;
      this.#turns.delete(turn);
      this.#clock.wheel.remove(late);
      this.active += 1;
      turn.onTurn();
    }
  }

  /** Who waits no longer wants to. */
  cancel(turn: Turn): void {
    const late = this.#turns.get(turn);
    if (late === undefined) return;
    this.#turns.delete(turn);
    this.#clock.wheel.remove(late);
  }

  /** Requests that wait: for their turn, or for a connection. */
  get pending(): number {
    return this.#turns.size + this.#servers.reduce((sum, { pool }) => sum + pool.waiting, 0);
  }

  /**
   * The server for a request; null where none can be used.
   * @param tried servers that have failed it: taken again only where there is no other.
   */
  pick(tried: readonly UpstreamServer[], key: () => string): UpstreamServer | null {
    const { now } = this.#clock;
    const servers = this.#servers;
    // The usual case, without making a list.
    if (servers.length === 1) return servers[0].isUsable(now) || this.#panics(now) ? servers[0] : null;
    let usable = servers.filter((server) => server.isUsable(now));
    if (this.#panics(now)) usable = servers.filter(({ isOffered }) => isOffered);
    const untried = tried.length === 0 ? usable : usable.filter((server) => !tried.includes(server));
    const candidates = untried.length > 0 ? untried : usable;
    return candidates.length === 0 ? null : this.#choose(candidates, key);
  }

  /** A server has failed a request, or what counts as that. */
  failed(server: UpstreamServer): void {
    const { ejection } = this.plan;
    if (!server.failed(ejection) || ejection === null) return;
    const { now } = this.#clock;
    const ejected = this.#servers.filter((other) => other.isEjected(now)).length;
    const allowed = Math.max(1, Math.floor((this.#servers.length * ejection.ejectedPercentMax) / 100));
    if (ejected < allowed && !server.isEjected(now)) server.eject(ejection, now);
  }

  /** So few servers can be used that they would be overrun: all are, whatever the checks say. */
  #panics(now: number): boolean {
    const { ejection } = this.plan;
    if (ejection === null) return false;
    let offered = 0;
    let usable = 0;
    for (const server of this.#servers) {
      if (!server.isOffered) continue;
      offered += 1;
      if (server.isUsable(now)) usable += 1;
    }
    return offered > 0 && (usable * 100) / offered < ejection.panicPercent;
  }

  status(): UpstreamStatus {
    const { now } = this.#clock;
    return {
      name: this.plan.name,
      active: this.active,
      pending: this.pending,
      panic: this.#panics(now),
      servers: this.#servers.map((server) => server.status(now)),
    };
  }

  adjust(text: string, override: ServerOverride | null, weight: number | null): boolean {
    const server = this.#servers.find((one) => one.text === text);
    if (server === undefined) return false;
    if (override !== null) server.override = override;
    if (weight !== null) server.setWeight(weight);
    return true;
  }

  close(): void {
    for (const check of this.#checks) check.close();
    for (const { pool } of this.#servers) pool.close();
  }

  #makeServer(plan: ServerPlan): UpstreamServer {
    const { clock, resolve } = this.#options;
    const { address } = plan;
    const { pool, limits, proxyProtocol, dns } = this.plan;
    const name = address.kind === "tcp" ? new HostName(address.host, { ...dns, resolve, now: () => clock.now }) : null;
    const connections = new ServerPool({
      clock,
      plan: pool,
      connectionsMax: limits.connectionsMax,
      connect: makeConnect(this.plan, plan, name, this.#options),
      perClient: proxyProtocol !== null,
    });
    const server = new UpstreamServer(plan, connections, name);
    // Connections to addresses that the name no longer stands for take no more requests.
    if (name !== null) name.onChange = () => connections.retire((one) => name.addresses.includes(one));
    return server;
  }

  #startChecks(): void {
    const { health } = this.plan;
    this.#checks = [];
    for (const server of this.#servers) {
      if (health === null) {
        server.healthy = true;
        continue;
      }
      const { address } = server.plan;
      const isTls = address.tls || this.plan.tls !== null;
      this.#checks.push(
        new HealthCheck(server, {
          clock: this.#clock,
          plan: health,
          connect: makeConnect(this.plan, server.plan, server.name, this.#options),
          host: authorityOf(server.plan),
          scheme: isTls ? "https" : "http",
          random: this.#options.random,
        }),
      );
    }
  }
}

/** What of a plan a connection is made by. Two plans alike in it can share connections. */
const connectionPart = ({ protocol, tls, proxyProtocol, pool, limits, timeouts, dns }: UpstreamPlan): object => ({
  protocol,
  tls,
  proxyProtocol,
  pool,
  connectionsMax: limits.connectionsMax,
  responseHeadBytesMax: limits.responseHeadBytesMax,
  timeouts: { ...timeouts, totalMs: 0 },
  dns,
});

/** A server as Host has it: without the port that its scheme implies. */
export const authorityOf = ({ address }: ServerPlan): string => {
  if (address.kind === "unix") return "localhost";
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return address.port === (address.tls ? 443 : 80) ? host : `${host}:${address.port}`;
};
