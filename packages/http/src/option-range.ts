// option-range.ts — refuses an option outside its range by name.
import { HttpError } from "./errors.ts";

/**
 * @param min smallest value allowed, and `max` the largest
 * @throws {HttpError} ERR_OPTION_INVALID naming the option and its range.
 */
export const checkRange = (name: string, value: number, min: number, max: number): void => {
  if (value >= min && value <= max) return;
  throw new HttpError("ERR_OPTION_INVALID", `${name} is ${value}, must be ${min}..${max}`);
};
