// host.ts — host names as routes and requests have them: without port, in lower case.

/**
 * The host of an authority: lower case, without port and without the root's trailing dot. "[::1]:80" gives "[::1]".
 */
export const hostOf = (authority: string): string => {
  let end = authority.length;
  if (authority.charCodeAt(0) === OPEN_BRACKET) {
    const close = authority.indexOf("]");
    if (close > 0) end = close + 1;
  } else {
    const colon = authority.indexOf(":");
    if (colon >= 0) end = colon;
  }
  if (end > 1 && authority.charCodeAt(end - 1) === DOT) end -= 1;
  return authority.slice(0, end).toLowerCase();
};

const OPEN_BRACKET = 0x5b;
const DOT = 0x2e;

export type HostPattern =
  /** Every host, also none. */
  | { readonly kind: "any" }
  | { readonly kind: "exact"; readonly host: string }
  /** Every name below `suffix`, which begins with a dot; not the name itself. */
  | { readonly kind: "wildcard"; readonly suffix: string };

/** Reads "example.com", "*.example.com" or "*"; a string that says what is wrong otherwise. */
export const parseHostPattern = (text: string): HostPattern | string => {
  if (text === "*") return { kind: "any" };
  if (/^\[[0-9A-Fa-f:.]+\]$/.test(text)) return { kind: "exact", host: text.toLowerCase() };
  if (/:\d+$/.test(text)) return "a host is matched without its port: leave the port out";
  if (text.includes(":")) return "this is no host name: it has no scheme, and IPv6 addresses stand in brackets";
  const wildcard = text.startsWith("*.");
  const name = hostOf(wildcard ? text.slice(2) : text);
  if (name.includes("*")) return 'a wildcard stands for the first labels only: "*.example.com"';
  if (!/^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(name) || name.length > 253) return "this is no host name";
  return wildcard ? { kind: "wildcard", suffix: `.${name}` } : { kind: "exact", host: name };
};
