// route-limits.ts — what a route lets through: networks, rates and requests in flight, checked in this order.
import { type FieldList, NO_FIELDS } from "@percore/http";
import type { KeyPlan, Reason } from "../plan.ts";
import type { FlightTable, Release } from "./flight-table.ts";
import type { Networks } from "./networks.ts";
import { policyField, rateFields, refusedFields } from "./rate-fields.ts";
import type { Rate, RateTable, Taken } from "./rate-table.ts";

export interface NamedRate {
  readonly name: string;
  readonly rate: Rate;
  readonly by: KeyPlan;
}

export interface RouteLimitsPlan {
  /** Null: everybody. */
  readonly allow: Networks | null;
  readonly deny: Networks | null;
  readonly rates: readonly NamedRate[];
  readonly concurrency: { readonly max: number; readonly by: KeyPlan } | null;
}

/** The tables of this worker. */
export interface LimitTables {
  readonly rates: RateTable;
  readonly flights: FlightTable;
  /** Milliseconds of a clock that all workers share. */
  readonly sharedMs: () => number;
}

/** What is let through, with fields for its answer and a place to give back; or why it is not. */
export type Verdict =
  | { readonly ok: true; readonly fields: FieldList; readonly release: Release | null }
  | { readonly ok: false; readonly status: 403 | 429; readonly reason: Reason; readonly fields: FieldList };

const PASSED: Verdict = Object.freeze({ ok: true, fields: NO_FIELDS, release: null });

/** Gives what a key plan stands for in the request at hand. */
export type KeyOf = (by: KeyPlan) => string;

export class RouteLimits {
  readonly #plan: RouteLimitsPlan;
  readonly #route: string;
  readonly #tables: LimitTables;
  readonly #policies: readonly string[];

  constructor(route: string, plan: RouteLimitsPlan, tables: LimitTables) {
    this.#route = route;
    this.#plan = plan;
    this.#tables = tables;
    this.#policies = plan.rates.map(({ name, rate }) => policyField(name, rate));
  }

  /** Nothing is limited: the check may be left out. */
  get empty(): boolean {
    const { allow, deny, rates, concurrency } = this.#plan;
    return allow === null && deny === null && rates.length === 0 && concurrency === null;
  }

  check(client: string, keyOf: KeyOf): Verdict {
    const { allow, deny, concurrency } = this.#plan;
    if (deny?.has(client) || (allow !== null && !allow.has(client))) {
      return { ok: false, status: 403, reason: "PA", fields: NO_FIELDS };
    }
    const limited = this.#takeRates(keyOf);
    if (!limited.ok || concurrency === null) return limited;
    const release = this.#tables.flights.enter(`${this.#route}\0${keyOf(concurrency.by)}`, concurrency.max);
    if (release === null) return { ok: false, status: 429, reason: "PC", fields: ["retry-after", "1"] };
    return { ok: true, fields: limited.fields, release };
  }

  /** The first limit that is passed refuses; what the ones before it gave is gone, as that of any refused request. */
  #takeRates(keyOf: KeyOf): Verdict {
    const { rates } = this.#plan;
    if (rates.length === 0) return PASSED;
    let tightest: { at: number; taken: Taken } | null = null;
    for (const [at, { name, rate, by }] of rates.entries()) {
      const taken = this.#tables.rates.take(`${name}\0${keyOf(by)}`, rate, this.#tables.sharedMs());
      if (!taken.allowed) {
        return { ok: false, status: 429, reason: "PR", fields: refusedFields(name, this.#policies[at], taken) };
      }
      if (tightest === null || taken.remaining < tightest.taken.remaining) tightest = { at, taken };
    }
    const { at, taken } = tightest as { at: number; taken: Taken };
    return { ok: true, fields: rateFields(rates[at].name, this.#policies[at], taken), release: null };
  }
}
