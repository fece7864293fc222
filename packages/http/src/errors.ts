// errors.ts — every code of this package with its meaning, and the class that carries them.
import { CodedError } from "@percore/core";

/** Codes of operating errors of exchanges, whatever the protocol. Decide by `code`; the message may change. */
export const HTTP_ERRORS = {
  ERR_BODY_LENGTH: "More or fewer body bytes were given than content-length announced.",
  ERR_BODY_RECEIVED: "The request body has a receiver already.",
  ERR_CLIENT_LEFT: "The client closed or reset the connection (or stream) before the exchange was complete.",
  ERR_CONNECTION_BUSY: "The connection can start no further request now; see ClientConnection.available.",
  ERR_CONNECTION_CLOSED: "The server closed or reset the connection (or stream) before the response was complete.",
  ERR_EXCHANGE_ABANDONED: "The exchange was given up by its own side (abort, or the handler failed midway).",
  ERR_EXCHANGE_CLOSED: "The exchange is complete or aborted; nothing can be sent on it any more.",
  ERR_FIELD_INVALID: "A field name is no token, or a value has a character no field value may have.",
  ERR_HANDLER_TIMEOUT: "The handler did not complete the response within timeouts.handlerMs.",
  ERR_HEAD_GONE:
    "A head was read after it was gone: a request's after a synchronous handler had returned (read it or call retain() before), a response's after onFinish.",
  ERR_NO_TUNNEL: "The request asked for no tunnel, or its response has been started.",
  ERR_OPTION_INVALID: "An option has a value outside its range.",
  ERR_RECEIVE_TIMEOUT:
    "The request body paused for longer than timeouts.receiveMs, or came slower than timeouts.bodyRateMin.",
  ERR_REQUEST_HEAD_TOO_LARGE: "The head of a request to send is larger than one block of the arena.",
  ERR_REQUEST_INVALID: "The rest of the request broke the protocol's rules.",
  ERR_REQUEST_TOO_LARGE: "The request body is larger than limits.bodyBytesMax.",
  ERR_RESPONSE_HEAD_TOO_LARGE: "The response head is larger than one block of the arena.",
  ERR_RESPONSE_INVALID: "The server's response broke the protocol's rules or a limit.",
  ERR_RESPONSE_NOT_STARTED: "Body bytes were given before begin().",
  ERR_RESPONSE_STARTED: "A final response was given before.",
  ERR_RESPONSE_TIMEOUT:
    "The server's response head did not come within timeouts.responseMs, or its body paused for longer than timeouts.receiveMs.",
  ERR_SEND_TIMEOUT: "The peer took no byte for longer than timeouts.sendMs.",
  ERR_STATUS_INVALID: "A status that cannot be sent there: interim ones go by inform(), final ones are 200..999.",
} as const;

export type HttpErrorCode = keyof typeof HTTP_ERRORS;

/** An operating error of an exchange: `code` is API, `message` is not. */
export class HttpError extends CodedError<HttpErrorCode> {}

/** How much of a failed request its server can have acted on; decides what may be sent again (RFC 9110 §9.2.2, RFC 9113 §8.7). */
export type Processed =
  /** Certainly not at all: nothing was sent, REFUSED_STREAM, or a GOAWAY below the stream. Any request may be sent again. */
  | "no"
  /** Not known. Only an idempotent request may be sent again. */
  | "maybe";

/** Why a request of a client failed. */
export class ClientError extends HttpError {
  readonly processed: Processed;

  constructor(code: HttpErrorCode, message: string, processed: Processed, options?: ErrorOptions) {
    super(code, message, options);
    this.processed = processed;
  }
}
