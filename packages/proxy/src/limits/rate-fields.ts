// rate-fields.ts — what a client is told of its limit: RateLimit-Policy and RateLimit of the IETF draft "RateLimit header
// fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10), and Retry-After (RFC 9110 §10.2.3).
import type { FieldList } from "@percore/http";
import type { Rate, Taken } from "./rate-table.ts";

/** The policy as a structured field: quota and window, in whole seconds, in which an empty bucket fills. */
export const policyField = (name: string, rate: Rate): string => {
  const window = Math.max(1, Math.ceil(rate.burst / rate.perSecond));
  return `${quoted(name)};q=${rate.burst};w=${window}`;
};

/** For an answer that a limit let through. */
export const rateFields = (name: string, policy: string, taken: Taken): FieldList => [
  "ratelimit-policy",
  policy,
  "ratelimit",
  `${quoted(name)};r=${taken.remaining};t=${seconds(taken.resetMs)}`,
];

/** For the 429 of a limit. */
export const refusedFields = (name: string, policy: string, taken: Taken): FieldList => [
  ...rateFields(name, policy, taken),
  "retry-after",
  String(Math.max(1, seconds(taken.retryAfterMs))),
];

const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** A structured field's string (RFC 8941 §3.3.3); names of limits have letters, digits, "-" and "_" only. */
const quoted = (name: string): string => `"${name}"`;
