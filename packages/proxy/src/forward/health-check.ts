// health-check.ts — asks one server again and again whether it is well.
import { WheelEntry } from "@percore/core";
import type { ClientConnection, Clock, Fields } from "@percore/http";
import type { HealthPlan } from "../plan.ts";
import type { Connect } from "./connector.ts";
import type { UpstreamServer } from "./upstream-server.ts";

export interface HealthCheckOptions {
  readonly clock: Clock;
  readonly plan: HealthPlan;
  readonly connect: Connect;
  /** Host of the check's request. */
  readonly host: string;
  readonly scheme: "http" | "https";
  /** 0..1; checks of several workers and servers begin at different times. */
  readonly random: () => number;
}

export class HealthCheck {
  readonly #server: UpstreamServer;
  readonly #options: HealthCheckOptions;
  readonly #next: WheelEntry;
  /** Results of the same kind in a row. */
  #inRow = 0;
  #lastGood = true;
  #closed = false;
  #connection: ClientConnection | null = null;

  constructor(server: UpstreamServer, options: HealthCheckOptions) {
    this.#server = server;
    this.#options = options;
    this.#next = new WheelEntry(() => this.#check());
    const { clock, plan, random } = options;
    clock.wheel.set(this.#next, clock.now + Math.max(1, plan.intervalMs * random()));
  }

  close(): void {
    this.#closed = true;
    this.#options.clock.wheel.remove(this.#next);
    this.#connection?.close();
  }

  #check(): void {
    const { clock, plan, connect } = this.#options;
    const late = new WheelEntry(() => settle(false));
    let settled = false;
    const settle = (good: boolean): void => {
      if (settled) return;
      settled = true;
      clock.wheel.remove(late);
      this.#connection?.close();
      this.#connection = null;
      this.#judge(good);
    };
    clock.wheel.set(late, clock.now + plan.timeoutMs);
    connect(null)
      .then(({ connection }) => {
        // Too late, or closed meanwhile.
        if (settled || this.#closed) connection.close();
        else {
          this.#connection = connection;
          this.#ask(connection, settle);
        }
      })
      // Of asking too: a connection that its server has closed at once takes no request, and says so by throwing.
      .catch(() => settle(false));
  }

  #ask(connection: ClientConnection, settle: (good: boolean) => void): void {
    const { plan, host, scheme } = this.#options;
    if (plan.path === null) {
      settle(true);
      return;
    }
    connection.request(
      {
        method: "GET",
        scheme,
        authority: plan.host ?? host,
        path: plan.path,
        fields: ["user-agent", "percore-health"],
        upgrade: null,
        bodyLength: 0,
      },
      {
        onInform: () => undefined,
        onHead: (status: number, _fields: Fields) => settle(plan.statuses.has(status)),
        onBody: (lease) => lease.release(),
        onBodyEnd: () => undefined,
        onBodyError: () => undefined,
        onTunnel: (_status, _fields, stream) => stream.reset(),
        onDrain: () => undefined,
        onFinish: () => settle(false),
      },
    );
  }

  #judge(good: boolean): void {
    if (this.#closed) return;
    const { clock, plan } = this.#options;
    this.#inRow = good === this.#lastGood ? this.#inRow + 1 : 1;
    this.#lastGood = good;
    if (good && this.#inRow >= plan.healthyAfter) this.#server.healthy = true;
    if (!good && this.#inRow >= plan.unhealthyAfter) this.#server.healthy = false;
    clock.wheel.set(this.#next, clock.now + plan.intervalMs);
  }
}
