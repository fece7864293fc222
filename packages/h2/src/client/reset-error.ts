// reset-error.ts — the error of a request whose stream the server reset, with the code that it gave.
import { ClientError } from "@percore/http";
import { ErrorCode } from "../errors.ts";

/** The server reset the stream (RFC 9113 §5.4.2). REFUSED_STREAM says that it has done nothing for it (§8.7). */
export class H2ResetError extends ClientError {
  /** RFC 9113 §7; servers may send codes that are not listed there. */
  readonly reason: number;

  constructor(reason: number) {
    const processed = reason === ErrorCode.REFUSED_STREAM ? "no" : "maybe";
    super("ERR_CONNECTION_CLOSED", `the server reset the stream (${nameOf(reason)})`, processed);
    this.reason = reason;
  }
}

const nameOf = (reason: number): string => {
  for (const [name, code] of Object.entries(ErrorCode)) if (code === reason) return name;
  return `code ${reason}`;
};
