// issues.ts — what the schema has found, as problems that say what would be right.
import { nearest } from "percore";
import type { z } from "zod";
import type { PathStep, Problem } from "./problem.ts";
import { jsonSchema } from "./schema.ts";

type Issue = z.core.$ZodIssue;

/** Problems of everything the schema has found in `value`. */
export const problemsOf = (issues: readonly Issue[], value: unknown): Problem[] =>
  issues.flatMap((issue) => problemOf(issue, [], value));

const problemOf = (issue: Issue, base: readonly PathStep[], value: unknown): Problem[] => {
  const path = [...base, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownName(path, key));
    case "invalid_union":
      return unionProblems(issue, path, value);
    case "invalid_type":
      return [{ path, message: typeMessage(issue, valueAt(value, path)) }];
    case "invalid_value":
      return [{ path, message: choiceMessage(issue.values.map(String), valueAt(value, path)) }];
    case "invalid_key":
      return [{ path, atName: true, message: issue.issues[0]?.message ?? "is no name that could stand here" }];
    case "too_small":
      return [{ path, message: `must be ${boundText(issue.origin, "at least", Number(issue.minimum))}` }];
    case "too_big":
      return [{ path, message: `must be ${boundText(issue.origin, "at most", Number(issue.maximum))}` }];
    case "invalid_format":
      return [{ path, message: formatMessage(issue) }];
    default:
      return [{ path, message: issue.message }];
  }
};

const unknownName = (path: readonly PathStep[], key: string): Problem => {
  const known = namesAt(path);
  const meant = nearest(key, known);
  const hint = meant === null ? listOf(known) : `did you mean "${meant}"?`;
  return { path: [...path, key], atName: true, message: `there is no such name here; ${hint}` };
};

const listOf = (known: readonly string[]): string =>
  known.length === 0 ? "there is none" : `there are ${known.join(", ")}`;

/** Of the forms a value may have, the one it is nearest to: the same kind of value, and then the fewest complaints. */
const unionProblems = (
  issue: Extract<Issue, { code: "invalid_union" }>,
  path: readonly PathStep[],
  value: unknown,
): Problem[] => {
  const branches = issue.errors.filter((errors) => !errors.some((one) => isOfOtherKind(one)));
  if (branches.length > 0) {
    const best = branches.reduce((one, other) => (weightOf(other) < weightOf(one) ? other : one));
    return best.flatMap((inner) => problemOf(inner, path, value));
  }
  if (issue.message !== "Invalid input") return [{ path, message: issue.message }];
  const words = issue.errors.flatMap((errors) => errors.flatMap((one) => wordsOf(one)));
  const wanted = [...new Set(issue.errors.flatMap((errors) => errors.map((one) => wantedBy(one))))].filter(Boolean);
  const given = valueAt(value, path);
  const meant = typeof given === "string" ? nearest(given, words) : null;
  const hint = meant === null ? "" : `; did you mean "${meant}"?`;
  return [{ path, message: `must be ${wanted.join(", or ")}${hint}` }];
};

/** The branch wants another kind of value altogether. */
const isOfOtherKind = (issue: Issue): boolean =>
  issue.path.length === 0 &&
  (issue.code === "invalid_type" ||
    issue.code === "invalid_value" ||
    (issue.code === "invalid_union" && issue.errors.every((errors) => errors.some((one) => isOfOtherKind(one)))));

const weightOf = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1), 0);

const wordsOf = (issue: Issue): string[] => {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return issue.code === "invalid_union" ? issue.errors.flatMap((errors) => errors.flatMap((one) => wordsOf(one))) : [];
};

const wantedBy = (issue: Issue): string => {
  if (issue.code === "invalid_type") return TYPE_NAMES[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return choices(issue.values.map(String));
  if (issue.code !== "invalid_union") return issue.message.replace(/^must be /, "");
  if (issue.message !== "Invalid input") return issue.message.replace(/^must be /, "");
  return [...new Set(issue.errors.flatMap((errors) => errors.map((one) => wantedBy(one))))].join(", or ");
};

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "names with values",
  record: "names with values",
};

const typeMessage = (issue: Extract<Issue, { code: "invalid_type" }>, given: unknown): string => {
  if (given === undefined) return "is missing";
  // Schemas with a sentence of their own say it better.
  if (issue.message.startsWith("must be")) return issue.message;
  const wanted = TYPE_NAMES[issue.expected] ?? issue.expected;
  return `must be ${wanted}, not ${kindOf(given)}`;
};

const kindOf = (value: unknown): string => {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "names with values";
  return typeof value === "string" ? `the string ${JSON.stringify(value)}` : String(value);
};

const choices = (words: readonly string[]): string =>
  words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words.join("");

const choiceMessage = (words: readonly string[], given: unknown): string => {
  const meant = typeof given === "string" ? nearest(given, words) : null;
  return `must be ${choices(words)}${meant === null ? "" : `; did you mean "${meant}"?`}`;
};

const boundText = (origin: string, words: string, bound: number): string => {
  if (origin === "string") return `${words} ${bound} character${bound === 1 ? "" : "s"} long`;
  return origin === "array" ? `a list of ${words} ${bound}` : `${words} ${bound}`;
};

const formatMessage = (issue: Extract<Issue, { code: "invalid_format" }>): string => {
  if (issue.format === "starts_with") return `must begin with "${(issue as unknown as { prefix: string }).prefix}"`;
  return issue.message.startsWith("must be")
    ? issue.message
    : `must be of the form ${String(issue.pattern ?? issue.format)}`;
};

export const valueAt = (value: unknown, path: readonly PathStep[]): unknown => {
  let part = value;
  for (const step of path) part = (part as Record<PathStep, unknown> | null | undefined)?.[step];
  return part;
};

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

let schema: SchemaNode | null = null;

/** The names that the schema has at a place. */
const namesAt = (path: readonly PathStep[]): string[] => {
  schema ??= jsonSchema() as SchemaNode;
  let nodes: SchemaNode[] = formsOf(schema);
  for (const step of path) nodes = nodes.flatMap((node) => childrenOf(node, step)).flatMap((child) => formsOf(child));
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))].filter((key) => key !== "$schema");
};

const formsOf = (node: SchemaNode): SchemaNode[] => [node, ...(node.anyOf ?? []).flatMap((one) => formsOf(one))];

const childrenOf = (node: SchemaNode, step: PathStep): SchemaNode[] => {
  if (typeof step === "number") return node.items === undefined ? [] : [node.items];
  const property = node.properties?.[step];
  if (property !== undefined) return [property];
  return typeof node.additionalProperties === "object" ? [node.additionalProperties] : [];
};
