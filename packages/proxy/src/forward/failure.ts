// failure.ts — what went wrong with an upstream, as a reason for the log, a status for the client, and a condition for retries.
import { ClientError } from "@percore/http";
import type { Reason, RetryCondition } from "../plan.ts";

export interface Failure {
  readonly reason: Reason;
  readonly status: 502 | 503 | 504;
  /** Null: no retry helps. */
  readonly condition: RetryCondition | null;
  /** The server cannot have acted on the request. */
  readonly unsent: boolean;
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? "");

/** Before there was a connection. */
export const connectFailure = (error: unknown): Failure => {
  const late = /TIMEOUT|ETIMEDOUT/.test(codeOf(error));
  return late
    ? { reason: "sC", status: 504, condition: "connect", unsent: true }
    : { reason: "SC", status: 502, condition: "connect", unsent: true };
};

/** On a connection, before the answer's head. */
export const requestFailure = (error: unknown): Failure => {
  const unsent = error instanceof ClientError && error.processed === "no";
  switch (codeOf(error)) {
    case "ERR_RESPONSE_TIMEOUT":
    case "ERR_SEND_TIMEOUT":
      return { reason: "sH", status: 504, condition: "timeout", unsent };
    case "ERR_RESPONSE_INVALID":
      return { reason: "PP", status: 502, condition: null, unsent };
    default:
      return { reason: "SH", status: 502, condition: "reset", unsent };
  }
};

/** Within the answer's body. */
export const bodyFailureReason = (error: unknown): Reason => {
  switch (codeOf(error)) {
    case "ERR_RESPONSE_TIMEOUT":
      return "sD";
    case "ERR_RESPONSE_INVALID":
      return "PP";
    default:
      return "SD";
  }
};
