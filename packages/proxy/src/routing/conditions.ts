// conditions.ts — what a route asks of a request beside host and path: scheme, method, header fields, query.
import type { Fields } from "@percore/http";

/** What a value must be like. */
export type ValueTest =
  | { readonly kind: "present" }
  | { readonly kind: "absent" }
  | { readonly kind: "equals"; readonly value: string }
  | { readonly kind: "prefix"; readonly value: string }
  | { readonly kind: "suffix"; readonly value: string }
  | { readonly kind: "contains"; readonly value: string }
  | { readonly kind: "one-of"; readonly values: ReadonlySet<string> };

export interface NamedTest {
  /** Of a header field: in lower case. Of a query parameter: as it is. */
  readonly name: string;
  readonly test: ValueTest;
}

export interface Conditions {
  readonly scheme: "http" | "https" | null;
  /** Null for all of them. GET stands for HEAD too. */
  readonly methods: ReadonlySet<string> | null;
  readonly headers: readonly NamedTest[];
  readonly query: readonly NamedTest[];
}

/** Of a request, what routes look at. `path` and `query` as normalizeTarget gives them. */
export interface RouteRequest {
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly fields: Pick<Fields, "get">;
}

export const NO_CONDITIONS: Conditions = Object.freeze({ scheme: null, methods: null, headers: [], query: [] });

export const hold = (conditions: Conditions, request: RouteRequest): boolean => {
  if (conditions.scheme !== null && conditions.scheme !== request.scheme) return false;
  const { methods, headers, query } = conditions;
  if (methods !== null && !methods.has(request.method) && !(request.method === "HEAD" && methods.has("GET"))) {
    return false;
  }
  for (const { name, test } of headers) if (!passes(test, request.fields.get(name))) return false;
  if (query.length === 0) return true;
  const parameters = new URLSearchParams(request.query);
  for (const { name, test } of query) if (!passes(test, parameters.get(name) ?? undefined)) return false;
  return true;
};

export const passes = (test: ValueTest, value: string | undefined): boolean => {
  if (value === undefined) return test.kind === "absent";
  switch (test.kind) {
    case "present":
      return true;
    case "absent":
      return false;
    case "equals":
      return value === test.value;
    case "prefix":
      return value.startsWith(test.value);
    case "suffix":
      return value.endsWith(test.value);
    case "contains":
      return value.includes(test.value);
    case "one-of":
      return test.values.has(value);
  }
};

/** Negative where `one` is the more specific: scheme and method first, then more header fields, then more of the query. */
export const compareConditions = (one: Conditions, other: Conditions): number =>
  Number(other.scheme !== null) - Number(one.scheme !== null) ||
  Number(other.methods !== null) - Number(one.methods !== null) ||
  other.headers.length - one.headers.length ||
  other.query.length - one.query.length;
