export { H1_ERRORS, H1Error, type H1ErrorCode } from "./errors.ts";
export type { ServerConnection } from "./server/connection.ts";
export { type Clock, type H1Counters, H1Server, type H1ServerOptions } from "./server/server.ts";
