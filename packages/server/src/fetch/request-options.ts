// request-options.ts — the members of RequestInit that say how a browser should fetch. A server only carries them, with
// the standard's checks, so that a request made for somebody else arrives there whole.

export interface RequestOptions {
  readonly cache: Native["cache"];
  readonly credentials: Native["credentials"];
  readonly integrity: string;
  readonly keepalive: boolean;
  readonly mode: Native["mode"];
  readonly redirect: Native["redirect"];
  readonly referrer: string;
  readonly referrerPolicy: Native["referrerPolicy"];
}

type Native = globalThis.Request;

export const DEFAULT_OPTIONS: RequestOptions = Object.freeze({
  cache: "default",
  credentials: "same-origin",
  integrity: "",
  keepalive: false,
  mode: "cors",
  redirect: "follow",
  referrer: "about:client",
  referrerPolicy: "",
});

const WORDS = {
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  credentials: ["omit", "same-origin", "include"],
  mode: ["cors", "no-cors", "same-origin", "navigate"],
  redirect: ["follow", "error", "manual"],
  referrerPolicy: [
    "",
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
  ],
} as const;

/**
 * Options of a new request: what `init` says, else what the request it is made from says.
 *
 * @throws {TypeError} where a word is none of the standard's.
 */
export const readOptions = (
  init: Partial<RequestOptions> & { window?: unknown },
  from: Partial<RequestOptions>,
): RequestOptions => {
  if (init.window !== undefined && init.window !== null) throw new TypeError("Request: window can only be null");
  const mode = word("mode", init.mode) ?? from.mode ?? DEFAULT_OPTIONS.mode;
  if (init.mode === "navigate") throw new TypeError(`Request: mode cannot be "navigate"`);
  const cache = word("cache", init.cache) ?? from.cache ?? DEFAULT_OPTIONS.cache;
  if (cache === "only-if-cached" && mode !== "same-origin") {
    throw new TypeError(`Request: cache "only-if-cached" needs mode "same-origin"`);
  }
  return {
    cache,
    credentials: word("credentials", init.credentials) ?? from.credentials ?? DEFAULT_OPTIONS.credentials,
    integrity: init.integrity === undefined ? (from.integrity ?? "") : `${init.integrity}`,
    keepalive: init.keepalive === undefined ? from.keepalive === true : Boolean(init.keepalive),
    mode,
    redirect: word("redirect", init.redirect) ?? from.redirect ?? DEFAULT_OPTIONS.redirect,
    referrer: init.referrer === undefined ? (from.referrer ?? DEFAULT_OPTIONS.referrer) : referrerOf(init.referrer),
    referrerPolicy: word("referrerPolicy", init.referrerPolicy) ?? from.referrerPolicy ?? "",
  };
};

const word = <Name extends keyof typeof WORDS>(
  name: Name,
  value: unknown,
): (typeof WORDS)[Name][number] | undefined => {
  if (value === undefined) return undefined;
  const words: readonly string[] = WORDS[name];
  const text = `${value as string}`;
  if (!words.includes(text)) throw new TypeError(`Request: ${name} cannot be ${JSON.stringify(text)}`);
  return text as (typeof WORDS)[Name][number];
};

const referrerOf = (referrer: string): string => {
  const text = `${referrer}`;
  if (text === "" || text === "about:client") return text;
  try {
    return new URL(text).href;
  } catch (cause) {
    throw new TypeError(`Request: referrer ${JSON.stringify(text)} is not an absolute URL`, { cause });
  }
};

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const UPPER = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);
const FORBIDDEN = new Set(["CONNECT", "TRACE", "TRACK"]);

/** Fetch "normalize a method". @throws {TypeError} where it is no token, or CONNECT, TRACE or TRACK. */
export const normalMethod = (method: unknown): string => {
  const text = `${method as string}`;
  if (!TOKEN.test(text)) throw new TypeError(`Request: ${JSON.stringify(text)} is not a method`);
  const upper = text.toUpperCase();
  if (FORBIDDEN.has(upper)) throw new TypeError(`Request: method ${upper} cannot be fetched`);
  return UPPER.has(upper) ? upper : text;
};
