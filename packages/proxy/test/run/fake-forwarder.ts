// fake-forwarder.ts — stands for the forwarder: answers with what it was told, and notes the orders.
import type { Exchange } from "@percore/http";
import type { Forwarder, ForwardOrder, ProxyPlan, ServerOverride, UpstreamStatus } from "../../src/plan.ts";
import { changeFields } from "../../src/routing/field-changes.ts";

export class FakeForwarder implements Forwarder {
  plan: ProxyPlan;
  readonly orders: ForwardOrder[] = [];
  readonly adjusted: unknown[] = [];
  /** Called instead of answering. */
  answer: ((exchange: Exchange, order: ForwardOrder) => void) | null = null;
  closed = false;

  constructor(plan: ProxyPlan) {
    this.plan = plan;
  }

  forward(exchange: Exchange, order: ForwardOrder): void {
    this.orders.push(order);
    if (this.answer !== null) {
      this.answer(exchange, order);
      return;
    }
    const { record } = order;
    record.upstream = order.upstream;
    record.server = this.plan.upstreams.get(order.upstream)?.servers[0].text ?? "?";
    record.tries = 1;
    record.status = 200;
    record.queuedMs = 0;
    record.connectedMs = 1;
    record.firstByteMs = 3;
    const body = JSON.stringify({
      upstream: order.upstream,
      target: order.target,
      client: order.client,
      extra: order.extra,
      fields: changeFields(order.route.requestFields, ["x-theirs", "1"], order),
    });
    record.sent = body.length;
    exchange.respond(
      200,
      changeFields(order.route.responseFields, ["server", "app", ...order.answerExtra], order),
      body,
    );
    order.done();
  }

  apply(plan: ProxyPlan): void {
    this.plan = plan;
  }

  status(): readonly UpstreamStatus[] {
    return [...this.plan.upstreams.values()].map(({ name, servers }) => ({
      name,
      active: 1,
      pending: 0,
      panic: false,
      servers: servers.map(({ text, weight }) => ({
        text,
        addresses: ["192.0.2.1:80"],
        state: "up",
        override: "auto",
        weight,
        active: 1,
        connections: 2,
        idle: 1,
        requests: 10,
        failures: 0,
      })),
    }));
  }

  adjust(upstream: string, server: string, override: ServerOverride | null, weight: number | null): boolean {
    this.adjusted.push([upstream, server, override, weight]);
    return this.plan.upstreams.get(upstream)?.servers.some(({ text }) => text === server) ?? false;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
