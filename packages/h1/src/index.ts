export { createH1Client, type H1ClientOptions } from "./client/client.ts";
export { H1_ERRORS, H1Error, type H1ErrorCode, H1ResponseError } from "./errors.ts";
export type { ServerConnection } from "./server/connection.ts";
export { type H1Counters, H1Server, type H1ServerOptions } from "./server/server.ts";
