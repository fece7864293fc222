// networks.ts — sets of addresses: single ones and CIDR ranges, for allow and deny lists and for whom to trust.
import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Addresses whose verdict is remembered. */
const REMEMBERED_MAX = 4_096;

export class Networks {
  readonly #list = new BlockList();
  readonly #known = new Map<string, boolean>();
  readonly size: number;

  /** @throws {RangeError} for text that networkError() finds something wrong with. */
  constructor(ranges: readonly string[]) {
    this.size = ranges.length;
    for (const range of ranges) {
      const network = parseNetwork(range);
      if (typeof network === "string") throw new RangeError(`${JSON.stringify(range)}: ${network}`);
      this.#list.addSubnet(network.address, network.bits, network.family);
    }
  }

  /** Whether an address lies in one of them. IPv4 in IPv6 ("::ffff:10.0.0.1") counts as IPv4; what is no address never does. */
  has(address: string): boolean {
    if (this.size === 0) return false;
    let inside = this.#known.get(address);
    if (inside === undefined) {
      inside = this.#look(address);
      if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
      this.#known.set(address, inside);
    }
    return inside;
  }

  #look(address: string): boolean {
    const plain = unmapped(address);
    if (isIPv4(plain)) return this.#list.check(plain, "ipv4");
    return isIPv6(plain) && this.#list.check(plain, "ipv6");
  }
}

/** "::ffff:192.0.2.1" as "192.0.2.1"; anything else as it is. */
export const unmapped = (address: string): string =>
  /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

/** What is wrong with a text that should be an address or a range; null for nothing. */
export const networkError = (text: string): string | null => {
  const network = parseNetwork(text);
  return typeof network === "string" ? network : null;
};

const parseNetwork = (text: string): Network | string => {
  const [address, prefix, ...rest] = text.split("/");
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) && !address.includes("%") ? "ipv6" : null;
  if (family === null || rest.length > 0) return 'an address or a range like "10.0.0.0/8" or "2001:db8::/32"';
  const bitsMax = family === "ipv4" ? 32 : 128;
  const bits = prefix === undefined ? bitsMax : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  return bits >= 0 && bits <= bitsMax
    ? { address, bits, family }
    : `a range whose prefix is a number from 0 to ${bitsMax}`;
};
