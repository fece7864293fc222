// upstream-server.ts — one server of an upstream, as one worker knows it: whether it may be used, and its connections.
import type { EjectionPlan, ServerOverride, ServerPlan, ServerState, ServerStatus } from "../plan.ts";
import type { Candidate } from "./balancer.ts";
import type { HostName } from "./names.ts";
import type { ServerPool } from "./server-pool.ts";

export class UpstreamServer implements Candidate {
  plan: ServerPlan;
  readonly pool: ServerPool;
  readonly name: HostName | null;
  /** What a person has said. */
  override: ServerOverride = "auto";
  /** Of the active checks; servers begin healthy. */
  healthy = true;
  active = 0;
  #weight: number | null = null;
  #requests = 0;
  #failures = 0;
  #failuresInRow = 0;
  #ejections = 0;
  #ejectedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(plan: ServerPlan, pool: ServerPool, name: HostName | null) {
    this.plan = plan;
    this.pool = pool;
    this.name = name;
  }

  get text(): string {
    return this.plan.text;
  }

  /** The configuration's, or what a person has set. */
  get weight(): number {
    return this.#weight ?? this.plan.weight;
  }

  setWeight(weight: number): void {
    this.#weight = weight;
  }

  /** By checks, failures and people, it may get requests. */
  isUsable(nowMs: number): boolean {
    if (this.override !== "auto") return this.override === "up";
    return this.healthy && this.#ejectedUntilMs <= nowMs;
  }

  /** Nobody has taken it out by hand: in a panic it is used whatever the checks say. */
  get isOffered(): boolean {
    return this.override === "auto" || this.override === "up";
  }

  isEjected(nowMs: number): boolean {
    return this.#ejectedUntilMs > nowMs;
  }

  began(): void {
    this.active += 1;
    this.#requests += 1;
  }

  ended(): void {
    this.active -= 1;
  }

  succeeded(): void {
    this.#failuresInRow = 0;
    if (this.#ejections > 0) this.#ejections -= 1;
  }

  /** @returns whether it has failed so often in a row that it should be ejected. */
  failed(plan: EjectionPlan | null): boolean {
    this.#failures += 1;
    this.#failuresInRow += 1;
    return plan !== null && this.#failuresInRow >= plan.failures;
  }

  /** Takes it out for a while, longer with each time in a row. */
  eject(plan: EjectionPlan, nowMs: number): void {
    this.#ejections += 1;
    this.#failuresInRow = 0;
    this.#ejectedUntilMs = nowMs + Math.min(plan.timeMaxMs, plan.timeMs * this.#ejections);
  }

  state(nowMs: number): ServerState {
    if (this.override === "drain") return "draining";
    if (this.override === "down") return "down";
    if (this.override === "up") return "up";
    if (!this.healthy) return "down";
    return this.isEjected(nowMs) ? "ejected" : "up";
  }

  status(nowMs: number): ServerStatus {
    const { address } = this.plan;
    return {
      text: this.text,
      addresses: this.name?.addresses ?? [address.kind === "unix" ? address.path : address.host],
      state: this.state(nowMs),
      override: this.override,
      weight: this.weight,
      active: this.active,
      connections: this.pool.connections,
      idle: this.pool.idle,
      requests: this.#requests,
      failures: this.#failures,
    };
  }
}
