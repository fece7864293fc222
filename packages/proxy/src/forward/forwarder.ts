// forwarder.ts — carries a plan out in one worker: its upstreams, and the requests that are under way to them.
import type { Exchange } from "@percore/http";
import type { Forwarder, ForwardOrder, ProxyPlan, ServerOverride, UpstreamStatus } from "../plan.ts";
import { Transfer, type TransferOptions } from "./transfer.ts";
import { Upstream, type UpstreamOptions } from "./upstream.ts";

export class UpstreamForwarder implements Forwarder {
  readonly #options: UpstreamOptions;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #transfers = new Set<Transfer>();
  #transferOptions: TransferOptions;
  #whenIdle: (() => void) | null = null;

  constructor(plan: ProxyPlan, options: UpstreamOptions) {
    this.#options = options;
    this.#transferOptions = this.#optionsOf(plan);
    this.apply(plan);
  }

  forward(exchange: Exchange, order: ForwardOrder): void {
    // The table and the plan are of one configuration, so it is there.
    const upstream = this.#upstreams.get(order.upstream) as Upstream;
    const transfer = new Transfer(exchange, order, upstream, this.#transferOptions);
    this.#transfers.add(transfer);
    transfer.start();
  }

  apply(plan: ProxyPlan): void {
    this.#transferOptions = this.#optionsOf(plan);
    for (const [name, upstream] of plan.upstreams) {
      const known = this.#upstreams.get(name);
      if (known === undefined) this.#upstreams.set(name, new Upstream(upstream, this.#options));
      else known.apply(upstream);
    }
    for (const [name, upstream] of this.#upstreams) {
      if (plan.upstreams.has(name)) continue;
      upstream.close();
      this.#upstreams.delete(name);
    }
  }

  status(): readonly UpstreamStatus[] {
    return [...this.#upstreams.values()].map((upstream) => upstream.status());
  }

  adjust(upstream: string, server: string, override: ServerOverride | null, weight: number | null): boolean {
    return this.#upstreams.get(upstream)?.adjust(server, override, weight) ?? false;
  }

  /** Requests under way when it is called are given up: whoever drains has waited for them before. */
  async close(): Promise<void> {
    for (const transfer of [...this.#transfers]) transfer.abort();
    for (const upstream of this.#upstreams.values()) upstream.close();
    if (this.#transfers.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
  }

  #optionsOf({ forwarded }: ProxyPlan): TransferOptions {
    return {
      clock: this.#options.clock,
      forwarded,
      find: (name) => this.#upstreams.get(name),
      report: this.#options.report,
      over: (transfer) => {
        this.#transfers.delete(transfer);
        if (this.#transfers.size === 0) this.#whenIdle?.();
      },
    };
  }
}
