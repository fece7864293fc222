// units.ts — durations, sizes and rates as people write them: "250ms", "5s", "64KiB", "100/s".

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};
const PERIOD_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** The longest duration: what a timer takes. */
export const DURATION_MS_MAX = 2_147_483_647;

/** Milliseconds of "5s" or of a number of milliseconds; null for what is neither. */
export const parseDuration = (given: string | number): number | null => {
  const ms = typeof given === "number" ? given : scaled(given, DURATION_MS);
  return ms !== null && Number.isInteger(ms) && ms >= 0 && ms <= DURATION_MS_MAX ? ms : null;
};

/** Bytes of "64KiB" or of a number of bytes; null for what is neither. */
export const parseSize = (given: string | number): number | null => {
  const bytes = typeof given === "number" ? given : scaled(given, SIZE_BYTES);
  return bytes !== null && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null;
};

/** Tokens per second of "100/s", "20/m"; and how many they are per period, the burst where none is given. */
export const parseRate = (text: string): { readonly perSecond: number; readonly count: number } | null => {
  const match = /^(\d+)\s*\/\s*(s|m|h|d)$/.exec(text.trim());
  if (match === null || Number(match[1]) < 1) return null;
  return { perSecond: Number(match[1]) / PERIOD_SECONDS[match[2]], count: Number(match[1]) };
};

const scaled = (text: string, units: Readonly<Record<string, number>>): number | null => {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  if (match === null || !Object.hasOwn(units, match[2])) return null;
  // 1.1 * 1000 is not 1100 in binary.
  return Math.round(Number(match[1]) * units[match[2]] * 1e6) / 1e6;
};
