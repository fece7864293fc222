// request-url.ts — the absolute URL of an incoming request, and the same string again for the next one that asks for it.
import type { Exchange } from "@percore/http";

interface Known {
  readonly scheme: string;
  authority: string;
  path: string;
  readonly url: string;
}

/** URLs remembered, a power of two. One per hash: the newest stays. */
const SLOTS = 256;
/** A URL above this length is made each time. */
const REMEMBERED_CHARS_MAX = 256;

const slots: (Known | undefined)[] = new Array(SLOTS).fill(undefined);

/** Origin-form targets become absolute by the authority the client named. CONNECT has no path: its URL is the authority's. */
export const urlOf = (exchange: Exchange): string => {
  const { scheme, authority, path } = exchange;
  const size = path.length;
  const slot =
    (size * 31 + path.charCodeAt(size - 1) * 7 + path.charCodeAt(size >> 1) + authority.length) & (SLOTS - 1);
  const known = slots[slot];
  if (known !== undefined && known.path === path && known.authority === authority && known.scheme === scheme) {
    // A head that came before brings the same string objects each time; they are compared by identity from here on.
    known.authority = authority;
    known.path = path;
    return known.url;
  }
  const url = makeUrl(scheme, authority, path);
  if (url.length <= REMEMBERED_CHARS_MAX) slots[slot] = { scheme, authority, path, url };
  return url;
};

const makeUrl = (scheme: string, authority: string, path: string): string => {
  const text = `${scheme}://${authority === "" ? "localhost" : authority}${path.charCodeAt(0) === 0x2f ? path : "/"}`;
  // The common case needs no parser: it would give the same string back.
  return PLAIN_URL.test(text) ? text : normalUrl(text);
};

/**
 * Lower-case host (no punycode to check) or dotted IPv4, port that is no default, path and query of characters that stay
 * as they are, no empty or dot segments.
 */
const PLAIN_URL =
  /^https?:\/\/(?![^/]*xn--)(?:(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})|[a-z0-9](?:[a-z0-9-]*\.)*[a-z][a-z0-9-]*|[a-z])(?::(?!0|80\/|443\/)\d{2,4})?(?:\/(?!\.)[\w~!$&()*+,;=:@-][\w~!$&()*+,;=:@.-]*)*\/?(?:\?[\w~!$&()*+,;=:@/?%.-]*)?$/;

const normalUrl = (text: string): string => {
  try {
    return new URL(text).href;
  } catch {
    return text;
  }
};
