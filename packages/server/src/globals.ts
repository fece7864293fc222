// globals.ts — `import "percore/globals"`: our Request, Response and Headers become the global ones, and the global
// fetch() takes ours. For programs and libraries that say `new Response()` without importing it.
import { Headers } from "./fetch/headers.ts";
import { toNative } from "./fetch/native.ts";
import { nativeFetch } from "./fetch/native-classes.ts";
import { isOwnRequest, Request } from "./fetch/request.ts";
import { Response } from "./fetch/response.ts";

/** Node's fetch, but for requests of ours, which are handed over as Node's own. */
const fetchAny = async (input: unknown, init?: unknown): Promise<globalThis.Response> => {
  const native = isOwnRequest(input) ? toNative(input) : (input as string);
  return nativeFetch(native, withNativeHeaders(init) as globalThis.RequestInit);
};

const withNativeHeaders = (init: unknown): unknown => {
  const headers = (init as { headers?: unknown } | null | undefined)?.headers;
  return headers instanceof Headers ? { ...(init as object), headers: [...headers] } : init;
};

const install = (name: string, value: unknown): void => {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false });
};

install("Request", Request);
install("Response", Response);
install("Headers", Headers);
install("fetch", fetchAny);
