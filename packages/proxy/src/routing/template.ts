// template.ts — texts with names in braces, "/v2/users/{id}": taken apart once, filled in per request.

/** Gives what stands for a name: a request. */
export interface Filler {
  fill(name: string): string;
}

export interface Template {
  /** Literal, name, literal, name, …, literal. */
  readonly parts: readonly string[];
}

const REFERENCE = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export const parseTemplate = (text: string): Template => ({ parts: text.split(REFERENCE) });

/** The names a text uses. */
export const templateNames = (text: string): string[] => [...text.matchAll(REFERENCE)].map((match) => match[1]);

export const fillTemplate = ({ parts }: Template, filler: Filler): string => {
  let text = parts[0];
  for (let at = 1; at < parts.length; at += 2) text += filler.fill(parts[at]) + parts[at + 1];
  return text;
};
