// problem.ts — what is wrong with a configuration, where, and what would be right; and how that is shown.

/** A step into the configuration: a name or an index. */
export type PathStep = string | number;

export interface Problem {
  /** Where in the configuration: ["routes", 1, "upstream"]. */
  readonly path: readonly PathStep[];
  /** It is the name at that path that is wrong, not its value. */
  readonly atName?: boolean;
  /** What is wrong, and what would be right. A sentence without its full stop. */
  readonly message: string;
}

/** A piece of the text: line and column begin at 1. */
export interface Span {
  readonly line: number;
  readonly column: number;
  /** In characters, within the line; at least 1. */
  readonly length: number;
}

/** A problem with its place in a file. */
export interface PlacedProblem extends Problem {
  readonly file: string;
  /** Null where the configuration has no text (an object, a program). */
  readonly span: Span | null;
  /** The line of the text. */
  readonly source: string | null;
}

/** `routes[1].upstream`; a name that is no identifier in quotes. */
export const showPath = (path: readonly PathStep[]): string => {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
};

/** All of them, as a person reads them: place, what is wrong, the line with a caret under it. */
export const showProblems = (problems: readonly PlacedProblem[]): string => problems.map(showProblem).join("\n");

const showProblem = ({ file, span, source, path, message }: PlacedProblem): string => {
  const where = showPath(path);
  const at = span === null ? file : `${file}:${span.line}:${span.column}`;
  const head = `${at}: ${where === "" ? "" : `${where}: `}${message}\n`;
  if (span === null || source === null) return head;
  const number = String(span.line);
  // A tab counts as one column; kept in the second line, it moves the caret as it moved the text.
  const indent = source.slice(0, span.column - 1).replace(/[^\t]/g, " ");
  const { from, line } = clip(source, span);
  const margin = " ".repeat(number.length);
  return `${head}  ${number} | ${line}\n  ${margin} | ${indent.slice(from)}${"^".repeat(Math.max(1, Math.min(span.length, line.length - indent.length + from)))}\n`;
};

/** Lines longer than this are shown from near the problem. */
const LINE_WIDTH_MAX = 160;

const clip = (source: string, span: Span): { from: number; line: string } => {
  if (source.length <= LINE_WIDTH_MAX) return { from: 0, line: source };
  const from = Math.max(0, Math.min(span.column - 40, source.length - LINE_WIDTH_MAX));
  return { from, line: source.slice(from, from + LINE_WIDTH_MAX) };
};

/** A configuration that cannot be used: every problem of it at once. */
export class ConfigError extends Error {
  readonly code = "ERR_CONFIG_INVALID";
  readonly problems: readonly PlacedProblem[];

  constructor(problems: readonly PlacedProblem[]) {
    super(showProblems(problems).trimEnd());
    this.name = "ConfigError";
    this.problems = problems;
  }
}
