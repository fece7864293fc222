// messages.ts — good messages: fields, bodies, trailers, in all the ways that RFC 9113 allows.
import { Buffer } from "node:buffer";
import type { Choice } from "./choice.ts";
import type { Line } from "./reference-hpack.ts";

const NAMES = [
  "accept",
  "x-a",
  "x-b",
  "user-agent",
  "cache-control",
  "x-a",
  "~!#$%&'*+-.^_`|",
  "x-long-name-of-a-field",
];
const VALUES = ["", "a", "b", "gzip, deflate", "a value with spaces", "\xe4\xff", "0123456789".repeat(9), "tab\there"];

export const someFields = (choice: Choice, most = 6): Line[] =>
  Array.from({ length: choice.number(most + 1) }, (): Line => [choice.one(NAMES), choice.one(VALUES)]);

export const someTrailers = (choice: Choice): Line[] | null => (choice.rarely(3) ? someFields(choice, 3) : null);

/** Bodies that are empty, small, and larger than every window's first size. */
export const someBody = (choice: Choice): Buffer =>
  Buffer.alloc(choice.one([0, 0, 1, 5, 100, 100, 3000, 3000, 16_384, 20_000, 90_000]), 0x61 + choice.number(20));

export const lines = (list: readonly Line[]): string[] => list.map(([name, value]) => `${name}: ${value}`);

/** One message as its sender goes on with it. */
export type Step =
  | { readonly kind: "headers"; readonly list: readonly Line[]; readonly end: boolean }
  | { readonly kind: "data"; readonly bytes: Buffer; readonly end: boolean }
  | { readonly kind: "reset" };

/** A message's steps: interim heads, its head, its body in parts, its end in one of three ways. */
export const stepsOf = (
  choice: Choice,
  heads: readonly (readonly Line[])[],
  body: Buffer,
  trailers: readonly Line[] | null,
): Step[] => {
  const last = heads.length - 1;
  const endsWithHead = body.length === 0 && trailers === null && !choice.rarely(3);
  const steps: Step[] = heads.map((list, at) => ({ kind: "headers", list, end: at === last && endsWithHead }));
  if (endsWithHead) return steps;
  let at = 0;
  while (at < body.length) {
    const size = Math.min(body.length - at, 1 + choice.number(choice.one([20, 3000, 16_384])));
    at += size;
    const end = at === body.length && trailers === null && !choice.rarely(4);
    steps.push({ kind: "data", bytes: body.subarray(at - size, at), end });
    if (end) return steps;
    if (choice.rarely(8)) steps.push({ kind: "data", bytes: Buffer.alloc(0), end: false });
  }
  if (trailers !== null) steps.push({ kind: "headers", list: trailers, end: true });
  else steps.push({ kind: "data", bytes: Buffer.alloc(0), end: true });
  return steps;
};
