// preconditions.ts — may this representation be sent, and which part of it (RFC 9110 §13 and §14). The fields are read
// by the parsers of npm `fresh` and `range-parser`; this file puts them into the order of §13.2.2.
import type { Fields } from "@percore/http";
import fresh from "fresh";
import rangeParser from "range-parser";

/** Parts a client may ask for at once; a longer list is ignored and the whole file is sent (RFC 9110 §14.2). */
export const RANGES_MAX = 8;

/** What a representation says of itself. */
export interface Validators {
  readonly etag: string | null;
  /** Milliseconds of the last change, in whole seconds as the field has them; -1 where it is not told. */
  readonly lastModifiedMs: number;
  readonly lastModified: string | null;
}

export interface ByteRange {
  readonly start: number;
  /** Last byte, inclusive. */
  readonly end: number;
}

export type Verdict =
  | { readonly kind: "whole" }
  | { readonly kind: "parts"; readonly ranges: readonly ByteRange[] }
  | { readonly kind: "not-modified" }
  | { readonly kind: "failed" }
  | { readonly kind: "unsatisfiable" };

const WHOLE: Verdict = Object.freeze({ kind: "whole" });
const NOT_MODIFIED: Verdict = Object.freeze({ kind: "not-modified" });
const FAILED: Verdict = Object.freeze({ kind: "failed" });
const UNSATISFIABLE: Verdict = Object.freeze({ kind: "unsatisfiable" });

/** Decides what a GET or HEAD gets. `ranges` false: the whole or nothing. */
export const judge = (fields: Fields, size: number, validators: Validators, ranges: boolean): Verdict => {
  const ifMatch = fields.get("if-match");
  if (ifMatch !== undefined) {
    if (!matchesStrongly(ifMatch, validators.etag)) return FAILED;
  } else {
    const unmodified = fields.get("if-unmodified-since");
    if (unmodified !== undefined && isLater(validators.lastModifiedMs, unmodified)) return FAILED;
  }
  if (isFresh(fields, validators)) return NOT_MODIFIED;
  const range = ranges ? fields.get("range") : undefined;
  if (range === undefined || !allowsRange(fields.get("if-range"), validators)) return WHOLE;
  return cut(size, range);
};

const isFresh = (fields: Fields, validators: Validators): boolean => {
  const noneMatch = fields.get("if-none-match");
  const modifiedSince = fields.get("if-modified-since");
  if (noneMatch === undefined && modifiedSince === undefined) return false;
  // Without Cache-Control: a client that forces a reload leaves the conditions out by itself, and RFC 9110 knows no
  // other reason to answer a met condition with the whole.
  return fresh(
    { "if-none-match": noneMatch, "if-modified-since": modifiedSince },
    { etag: validators.etag ?? undefined, "last-modified": validators.lastModified ?? undefined },
  );
};

/** If-Match compares strongly: weak tags never match (RFC 9110 §13.1.1). */
const matchesStrongly = (list: string, etag: string | null): boolean => {
  if (list.trim() === "*") return true;
  if (etag === null || etag.startsWith("W/")) return false;
  return list.split(",").some((tag) => tag.trim() === etag);
};

const isLater = (timeMs: number, date: string): boolean => {
  const since = Date.parse(date);
  return timeMs >= 0 && !Number.isNaN(since) && timeMs > since;
};

/** If-Range: the tag must be the same and strong, or the date exactly the one we give (RFC 9110 §13.1.5). */
const allowsRange = (ifRange: string | undefined, validators: Validators): boolean => {
  if (ifRange === undefined) return true;
  const value = ifRange.trim();
  if (value.startsWith('"') || value.startsWith("W/")) return matchesStrongly(value, validators.etag);
  return validators.lastModifiedMs >= 0 && Date.parse(value) === validators.lastModifiedMs;
};

const cut = (size: number, range: string): Verdict => {
  if (!/^bytes=/i.test(range)) return WHOLE;
  let commas = 0;
  for (let at = range.indexOf(","); at >= 0; at = range.indexOf(",", at + 1)) commas += 1;
  if (commas >= RANGES_MAX) return WHOLE;
  const ranges = rangeParser(size, wholeSuffixes(size, range), { combine: true });
  if (ranges === -1) return UNSATISFIABLE;
  if (ranges === -2) return WHOLE;
  return { kind: "parts", ranges };
};

/** A suffix longer than the file means all of it (RFC 9110 §14.1.2); the parser takes it for unsatisfiable. */
const wholeSuffixes = (size: number, range: string): string =>
  range.replace(/([=,][ \t]*)-(\d+)/g, (part, before: string, suffix: string) =>
    Number(suffix) > size ? `${before}-${size}` : part,
  );
