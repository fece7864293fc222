// priority.ts — RFC 9218: urgency 0 (first) to 7, and whether a response is of use in parts.

export const URGENCY_DEFAULT = 3;
export const URGENCIES = 8;

export interface Priority {
  readonly urgency: number;
  /** True also where the client said nothing: who does not say that order matters gets his share at once. */
  readonly incremental: boolean;
}

export const PRIORITY_UNSAID: Priority = Object.freeze({ urgency: URGENCY_DEFAULT, incremental: true });

/** Reads a priority field value: a dictionary of which only `u` and `i` count; what is wrong is as if it were not there. */
export const readPriority = (text: string): Priority => {
  let urgency = URGENCY_DEFAULT;
  let incremental = false;
  for (const part of text.split(",")) {
    const member = part.trim().split(";")[0].trim();
    if (/^u=[0-7]$/.test(member)) urgency = Number(member[2]);
    else if (member === "i" || member === "i=?1") incremental = true;
    else if (member === "i=?0") incremental = false;
  }
  return { urgency, incremental };
};
