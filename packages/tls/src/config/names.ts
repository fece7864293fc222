// names.ts — which of several certificates answers for a server name (RFC 6066 §3, RFC 9525 §6.3).

/** The DNS names of a certificate: lower case, wildcards with their "*.". */
export const namesOf = (subjectAltName: string | undefined): string[] => {
  const names: string[] = [];
  // "DNS:a.example, DNS:*.b.example, IP Address:::1"; names that hold a comma or a quote come as JSON strings.
  for (const match of (subjectAltName ?? "").matchAll(/(?:^|, )DNS:("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const text = match[1].startsWith('"') ? (JSON.parse(match[1]) as string) : match[1];
    if (isServerName(text.startsWith("*.") ? text.slice(2) : text)) names.push(text.toLowerCase());
  }
  return names;
};

/** A name as the extension may carry it: labels of letters, digits, hyphens and underscores; no address, no final dot. */
export const isServerName = (name: string): boolean =>
  name.length <= 253 &&
  /^(?!\d+(?:\.\d+){3}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(
    name,
  );

/** Exact names first, then the wildcard one label up. */
export class NameTable<Entry> {
  readonly #exact = new Map<string, Entry>();
  /** By what follows the "*": ".example.com". */
  readonly #wildcards = new Map<string, Entry>();

  get size(): number {
    return this.#exact.size + this.#wildcards.size;
  }

  /** The first entry of a name stays: earlier ones are more deliberate. */
  add(name: string, entry: Entry): void {
    const lower = name.toLowerCase();
    const table = lower.startsWith("*.") ? this.#wildcards : this.#exact;
    const key = lower.startsWith("*.") ? lower.slice(1) : lower;
    if (!table.has(key)) table.set(key, entry);
  }

  /** @param name as the client sent it; "" where it sent none. */
  find(name: string): Entry | null {
    const lower = name.toLowerCase();
    const exact = this.#exact.get(lower);
    if (exact !== undefined) return exact;
    const dot = lower.indexOf(".");
    return dot <= 0 ? null : (this.#wildcards.get(lower.slice(dot)) ?? null);
  }
}
