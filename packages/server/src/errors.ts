// errors.ts — every code of this package with its meaning.
import { CodedError } from "@percore/core";

export const SERVER_ERRORS = {
  ERR_OPTION_INVALID: "An option of serve() is unknown, has a wrong value, or contradicts another.",
  ERR_FILE_NOT_FOUND: "The file of a response does not exist, or is no regular file. Answered with 404.",
  ERR_RESPONSE_INVALID: "A handler gave something that is no Response. Answered with 500.",
  ERR_SERVER_CLOSED: "The server has been closed.",
} as const;

export type ServerErrorCode = keyof typeof SERVER_ERRORS;

export class ServerError extends CodedError<ServerErrorCode> {}
