export { type DemoOptions, demo } from "./demo.ts";
export { SERVER_ERRORS, ServerError, type ServerErrorCode } from "./errors.ts";
export {
  type ConnectHandler,
  type ErrorHandler,
  type FetchHandler,
  PROTOCOL_MARK,
} from "./fetch/adapter.ts";
export type { BodyInit } from "./fetch/body-source.ts";
export { FALL_THROUGH, type RequestPriority, ServerContext, type SocketAddress } from "./fetch/context.ts";
export { Headers, type HeadersInit } from "./fetch/headers.ts";
export { toNative } from "./fetch/native.ts";
export { NotNativeError } from "./fetch/native-classes.ts";
export { Request, type RequestInit } from "./fetch/request.ts";
export { RequestAbortedError } from "./fetch/request-signal.ts";
export { Response, type ResponseInit } from "./fetch/response.ts";
export { sendStreamed as sendResponse } from "./fetch/send.ts";
export { Tunnel } from "./fetch/tunnel.ts";
export { type ContentCoding, FileBody, type FileOptions, file } from "./files/file-body.ts";
export { type HttpsRedirectOptions, httpsRedirect } from "./https-redirect.ts";
export { nearest } from "./nearest.ts";
export type { HandlerObject, ServeOptions } from "./options.ts";
export { serve } from "./serve.ts";
export { Server } from "./server.ts";
export type { ServerStats } from "./server-stats.ts";
export type { TlsInfo } from "./tls-info.ts";
