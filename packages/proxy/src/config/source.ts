// source.ts — a configuration as a value, with the places its parts were written at.
import { readFileSync } from "node:fs";
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
import type { PathStep, PlacedProblem, Problem, Span } from "./problem.ts";

/** A value and where to look for its parts. */
export interface ConfigSource {
  /** How the configuration is called in messages: a path as the user gave it. */
  readonly file: string;
  /** Folder that relative paths in it start from. */
  readonly folder: string;
  readonly value: unknown;
  /** Places a problem in the text. */
  place(problem: Problem): PlacedProblem;
}

/** A configuration that was made by a program. */
export const valueSource = (value: unknown, file: string, folder: string): ConfigSource => ({
  file,
  folder,
  value,
  place: (problem) => ({ ...problem, file, span: null, source: null }),
});

export interface TextSource extends ConfigSource {
  /** What is wrong with the text as YAML or JSON. */
  readonly syntax: readonly PlacedProblem[];
  /** The scalar at the path was written without quotes: `${WORKERS}` may become a number there. */
  isPlain(path: readonly PathStep[]): boolean;
}

/**
 * Reads YAML 1.2, of which JSON is a part.
 * @throws what readFileSync gives.
 */
export const readTextSource = (path: string, shown: string, folder: string): TextSource =>
  textSource(readFileSync(path, "utf8"), shown, folder);

export const textSource = (text: string, file: string, folder: string): TextSource => {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true });
  const lines = text.split(/\r?\n/);
  const spanOf = (start: number, end: number): Span => {
    const { line, col } = lineCounter.linePos(Math.min(start, text.length));
    const row = lines[line - 1] ?? "";
    const length = Math.max(1, Math.min(end - start, row.length - col + 1));
    return { line, column: col, length };
  };
  const placed = (problem: Problem, range: readonly [number, number]): PlacedProblem => {
    const span = spanOf(range[0], range[1]);
    return { ...problem, file, span, source: lines[span.line - 1] ?? "" };
  };
  const syntax = document.errors.map((error) =>
    placed({ path: [], message: error.code === "DUPLICATE_KEY" ? "this name is there already" : tidy(error.message) }, [
      error.pos[0],
      Math.max(error.pos[1], error.pos[0] + 1),
    ]),
  );
  const root = document.contents;
  return {
    file,
    folder,
    syntax,
    value: syntax.length > 0 ? null : (document.toJS() as unknown),
    isPlain: (path) => {
      const node = nodeAt(document, root, path);
      return isScalar(node) && node.type === "PLAIN";
    },
    place: (problem) => placed(problem, rangeOf(document, root, problem)),
  };
};

/** The library's sentences end in what it would like to show below them. */
const tidy = (message: string): string => message.replace(/[.:]?\s*$/, "").replace(/\s*\n[\s\S]*$/, "");

type Document = ReturnType<typeof parseDocument>;
type MaybeNode = Node | ParsedNode | null | undefined;

const resolved = (document: Document, node: MaybeNode): MaybeNode =>
  isAlias(node) ? (node.resolve(document) as MaybeNode) : node;

const nodeAt = (document: Document, root: MaybeNode, path: readonly PathStep[]): MaybeNode => {
  let node = resolved(document, root);
  for (const step of path) node = resolved(document, childOf(node, step));
  return node;
};

const childOf = (node: MaybeNode, step: PathStep): MaybeNode => {
  if (isMap(node)) return pairOf(node, step)?.value as MaybeNode;
  if (isSeq(node)) return node.items[Number(step)] as MaybeNode;
  return null;
};

const pairOf = (node: MaybeNode, step: PathStep): { key: unknown; value: unknown } | undefined =>
  isMap(node)
    ? node.items.find((pair) => String(isScalar(pair.key) ? pair.key.value : pair.key) === String(step))
    : undefined;

/** The place of a problem: its value or name, or of what is missing the nearest thing around it that is there. */
const rangeOf = (document: Document, root: MaybeNode, { path, atName }: Problem): [number, number] => {
  let node = resolved(document, root);
  let range: [number, number] = node?.range ? [node.range[0], node.range[0] + 1] : [0, 1];
  for (const [at, step] of path.entries()) {
    const last = at === path.length - 1;
    const pair = pairOf(node, step);
    const child = childOf(node, step);
    if (pair === undefined && !isNode(child)) return range;
    const key = pair?.key;
    if (isNode(key) && key.range) range = [key.range[0], key.range[1]];
    if (last && atName === true) return range;
    if (isNode(child) && child.range) {
      // A map or list as a whole is shown by its name, which is one line; in a list by its beginning.
      if (isScalar(child) || isAlias(child)) range = [child.range[0], child.range[1]];
      else if (pair === undefined) range = [child.range[0], child.range[0] + 1];
      if (isScalar(child) && child.value === null && child.range[0] === child.range[1] && isNode(key) && key.range) {
        range = [key.range[0], key.range[1]];
      }
    }
    node = resolved(document, child);
  }
  return range;
};
