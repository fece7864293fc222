// methods.ts — the methods llhttp knows, by its numbers, and which of them are HTTP's.

const NAMES: readonly string[] = [
  "DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND",
  "UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK",
  "SOURCE PRI DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH QUERY",
]
  .join(" ")
  .split(" ");

export const METHOD_GET = 1;
export const METHOD_HEAD = 2;
export const METHOD_CONNECT = 5;
export const METHOD_OPTIONS = 6;
/** The first of those that belong to ICE and RTSP; QUERY, the last, is HTTP's again. */
const METHOD_SOURCE = 33;
const METHOD_QUERY = 46;

/** RFC 9110 §9.2.1, and the registry: a request by one of these asks for nothing to be changed. */
const SAFE: readonly boolean[] = NAMES.map((name) =>
  ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "SEARCH", "REPORT", "QUERY"].includes(name),
);

export const isSafe = (method: number): boolean => SAFE[method];

/** First letters of methods that are all safe. What begins otherwise may or may not be. */
const SAFE_INITIALS: Uint8Array = new Uint8Array(256);
for (const initial of "GHOTQ") SAFE_INITIALS[initial.charCodeAt(0)] = 1;

/** Whether a request that begins with this byte is certainly safe; says no for a few that are. */
export const beginsSafe = (byte: number): boolean => SAFE_INITIALS[byte] === 1;

export const methodName = (method: number): string => NAMES[method];

export const isHttpMethod = (method: number): boolean => method < METHOD_SOURCE || method === METHOD_QUERY;
