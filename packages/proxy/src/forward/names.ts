// names.ts — addresses of host names, looked up again when their time is over; the old ones stand in for a resolver that fails.
import { lookup, resolve4, resolve6 } from "node:dns/promises";
import { isIP } from "node:net";

export interface Resolved {
  readonly addresses: readonly string[];
  /** How long they are good for, seconds; null where nobody says. */
  readonly ttlS: number | null;
}

export type Resolve = (name: string) => Promise<Resolved>;

/** The hosts file where it has the name; else A and AAAA with their times to live. */
export const systemResolve: Resolve = async (name) => {
  if (!name.includes(".") || name.endsWith(".localhost")) return lookUp(name);
  const [v4, v6] = await Promise.allSettled([resolve4(name, { ttl: true }), resolve6(name, { ttl: true })]);
  const records = [v4, v6].flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  // Names of the hosts file, of mDNS and the like are not in the DNS.
  if (records.length === 0) return lookUp(name);
  return { addresses: records.map(({ address }) => address), ttlS: Math.min(...records.map(({ ttl }) => ttl)) };
};

const lookUp = async (name: string): Promise<Resolved> => ({
  addresses: (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address),
  ttlS: null,
});

export interface NameOptions {
  readonly ttlMinMs: number;
  readonly ttlMaxMs: number;
  readonly resolve: Resolve;
  readonly now: () => number;
}

/** One name and what it stands for now. */
export class HostName {
  readonly #name: string;
  readonly #options: NameOptions;
  #addresses: readonly string[];
  #until: number;
  #asking: Promise<void> | null = null;
  #turn = 0;
  /** Called when the addresses have changed. */
  onChange: (() => void) | null = null;

  constructor(name: string, options: NameOptions) {
    this.#name = name;
    this.#options = options;
    const isAddress = isIP(name) !== 0;
    this.#addresses = isAddress ? [name] : [];
    this.#until = isAddress ? Number.POSITIVE_INFINITY : 0;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /**
   * The addresses in turn, another one first each time. Those that are out of date are used while new ones are asked for:
   * nobody waits but for the first.
   * @throws what the resolver gives, where there never were any.
   */
  async next(): Promise<readonly string[]> {
    if (this.#options.now() >= this.#until) {
      this.#asking ??= this.#ask();
      if (this.#addresses.length === 0) await this.#asking;
      else this.#asking.catch(() => undefined);
    }
    const first = this.#turn % this.#addresses.length;
    this.#turn += 1;
    return [...this.#addresses.slice(first), ...this.#addresses.slice(0, first)];
  }

  async #ask(): Promise<void> {
    const { resolve, ttlMinMs, ttlMaxMs, now } = this.#options;
    try {
      const { addresses, ttlS } = await resolve(this.#name);
      if (addresses.length === 0) throw new Error(`${this.#name} has no address`);
      const changed = this.#addresses.length > 0 && addresses.toString() !== this.#addresses.toString();
      this.#addresses = addresses;
      this.#until = now() + Math.min(ttlMaxMs, Math.max(ttlMinMs, (ttlS ?? ttlMaxMs / 1000) * 1000));
      if (changed) this.onChange?.();
    } catch (error) {
      this.#until = now() + ttlMinMs;
      throw error;
    } finally {
      this.#asking = null;
    }
  }
}
