export type { Body, BodyReceiver, ConnectionInfo, Exchange, Handler, HttpVersion } from "./exchange.ts";
export { type FieldList, type Fields, NO_FIELDS } from "./fields.ts";
export { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type HttpLimits, type HttpTimeouts } from "./limits.ts";
