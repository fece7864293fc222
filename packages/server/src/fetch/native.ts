// native.ts — our objects as Node's own, for code that looks at the private fields of those.
import { Headers } from "./headers.ts";
import { NativeHeaders, NativeRequest, NativeResponse } from "./native-classes.ts";
import { isOwnRequest, type Request } from "./request.ts";
import { isOwnResponse, type Response } from "./response.ts";

/**
 * Gives an object of Node's own class that says and does the same, for `fetch()` and everything else that takes only
 * those. The body moves: ours counts as read afterwards. Objects that are Node's own are given back as they are.
 */
export function toNative(request: Request | globalThis.Request): globalThis.Request;
export function toNative(response: Response | globalThis.Response): globalThis.Response;
export function toNative(headers: Headers | globalThis.Headers): globalThis.Headers;
export function toNative(object: unknown): unknown {
  if (isOwnRequest(object)) return nativeRequest(object);
  if (isOwnResponse(object)) return nativeResponse(object);
  if (object instanceof Headers) return new NativeHeaders([...object]);
  return object;
}

const nativeRequest = (request: Request): globalThis.Request => {
  const {
    method,
    url,
    headers,
    signal,
    cache,
    credentials,
    integrity,
    keepalive,
    mode,
    redirect,
    referrer,
    referrerPolicy,
  } = request;
  const { body } = request;
  return new NativeRequest(url, {
    method,
    headers: [...headers],
    signal,
    ...(body === null ? {} : { body, duplex: "half" }),
    ...{ cache, credentials, integrity, keepalive, mode, redirect, referrer, referrerPolicy },
  } as globalThis.RequestInit);
};

const nativeResponse = (response: Response): globalThis.Response => {
  const { status, statusText, headers, body } = response;
  if (response.type === "error") return NativeResponse.error();
  return new NativeResponse(body, { status, statusText, headers: [...headers] });
};
