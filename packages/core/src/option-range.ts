// option-range.ts — numbers given as options: a wrong one is named at once, not found out about under load.
import { CoreError } from "./errors.ts";

/** @throws {CoreError} ERR_OPTION_INVALID unless `value` is a whole number in the range, or left out. */
export const checkRange = (name: string, value: number | undefined, least: number, most: number): void => {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new CoreError("ERR_OPTION_INVALID", `${name} is ${value}; it may be a whole number from ${least} to ${most}`);
};

/** The same for a power of two. */
export const checkPowerOfTwo = (name: string, value: number | undefined, least: number, most: number): void => {
  checkRange(name, value, least, most);
  if (value === undefined || (value & (value - 1)) === 0) return;
  throw new CoreError("ERR_OPTION_INVALID", `${name} is ${value}; it has to be a power of two`);
};
