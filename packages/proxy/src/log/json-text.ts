// json-text.ts — strings and times as JSON has them, for the one line a request costs.

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON forbids
const NEEDS_ESCAPE = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;

/** A JSON string. What a client sent cannot end a line, start a terminal's escape sequence or break the JSON. */
export const jsonString = (text: string): string => {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, escapeUnit);
};

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

let second = Number.NaN;
let prefix = "";

/** "2026-11-24T09:00:00.123Z" of milliseconds since 1970. All of a second share their beginning. */
export const isoTime = (ms: number): string => {
  const whole = Math.floor(ms / 1000);
  if (whole !== second) {
    second = whole;
    prefix = new Date(whole * 1000).toISOString().slice(0, 20);
  }
  const rest = Math.floor(ms) - whole * 1000;
  return `${prefix}${rest < 10 ? "00" : rest < 100 ? "0" : ""}${rest}Z`;
};

/** Milliseconds with at most three digits behind the point; -1 for a phase that was not reached. */
export const jsonMs = (ms: number): string => (ms < 0 ? "-1" : String(Math.round(ms * 1000) / 1000));
