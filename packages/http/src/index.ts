export { Callbacks } from "./callbacks.ts";
export type { ClientConnection, ClientExchange, ClientRequest, ResponseReceiver } from "./client.ts";
export {
  type ClientLimits,
  type ClientTimeouts,
  DEFAULT_CLIENT_LIMITS,
  DEFAULT_CLIENT_TIMEOUTS,
} from "./client-limits.ts";
export type { Clock } from "./clock.ts";
export { ConnectionSet, type ServerCounters, zeroCounters } from "./connection-set.ts";
export { DATE_BYTES, DateCache } from "./date.ts";
export { type Context, captureContext, dispatch, runIsolated } from "./dispatch.ts";
export { ClientError, HTTP_ERRORS, HttpError, type HttpErrorCode, type Processed } from "./errors.ts";
export type { Body, BodyReceiver, ConnectionInfo, Exchange, Handler, HttpVersion } from "./exchange.ts";
export {
  checkField,
  equalsLower,
  isFieldValue,
  isToken,
  listHas,
  TOKEN_TABLE,
  VALUE_TABLE,
} from "./field-syntax.ts";
export { type FieldList, type Fields, NO_FIELDS } from "./fields.ts";
export { type BodyOwner, IncomingBody } from "./incoming-body.ts";
export { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type HttpLimits, type HttpTimeouts } from "./limits.ts";
export { checkRange } from "./option-range.ts";
export {
  checkAnnounced,
  checkBegun,
  checkFinalStatus,
  checkFresh,
  checkInterimStatus,
  lengthError,
  RESPONSE_ABORTED,
  RESPONSE_BEGUN,
  RESPONSE_ENDED,
  RESPONSE_FRESH,
  RESPONSE_REFUSED,
  wholeLength,
} from "./response-state.ts";
export { hasNoContent, reasonOf } from "./status.ts";
