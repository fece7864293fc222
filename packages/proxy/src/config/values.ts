// values.ts — the small parts of the configuration's schema: durations, sizes, names, networks.
import { isToken } from "@percore/http";
import { z } from "zod";
import { networkError } from "../limits/networks.ts";
import { parseDuration, parseRate, parseSize } from "./units.ts";

/** Says what is wrong with a value that has the right type; null for nothing. */
type Judge = (value: string) => string | null;

const DURATION = 'a duration such as "250ms", "5s" or "1m"';
const SIZE = 'a size such as "64KiB", or a number of bytes';

/** Milliseconds, of "5s" or a number. */
export const duration = z
  .union([z.string(), z.number()], { error: `must be ${DURATION}` })
  .transform((given, context) => {
    const ms = parseDuration(given);
    if (ms !== null) return ms;
    context.addIssue({ code: "custom", message: `must be ${DURATION}` });
    return z.NEVER;
  });

/** A duration that is not nothing. */
export const period = duration.refine((ms) => ms > 0, { error: "must be longer than nothing" });

/** Bytes, of "64KiB" or a number. */
export const size = z.union([z.string(), z.number()], { error: `must be ${SIZE}` }).transform((given, context) => {
  const bytes = parseSize(given);
  if (bytes !== null) return bytes;
  context.addIssue({ code: "custom", message: `must be ${SIZE}` });
  return z.NEVER;
});

/** A string that a judge has nothing against. */
export const text = (judge: Judge): z.ZodString =>
  z.string().superRefine((value, context) => {
    const wrong = judge(value);
    if (wrong !== null) context.addIssue({ code: "custom", message: wrong });
  });

export const network = text((value) => {
  const wrong = networkError(value);
  return wrong === null ? null : `must be ${wrong}`;
});

/** As text: the burst of a limit depends on the unit it was written in. */
export const rate = text((value) =>
  parseRate(value) === null ? 'must be a rate such as "100/s", "20/m", "1000/h" or "5/d"' : null,
);

/** Names of upstreams, limits and routes: they stand in logs, metrics and header fields. */
export const NAME_PATTERN = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
export const name = z.string().regex(NAME_PATTERN, {
  error: "must be a name: a letter, then letters, digits, - and _, 64 at most",
});

export const fieldName = text((value) => (isToken(value) ? null : "must be the name of a header field"));

export const count = z.int().min(0);
export const positive = z.int().min(1);
export const status = z.int().min(200).max(599);
export const percent = z.number().min(0).max(100);

/** One of something, or several in a list. */
export const oneOrMore = <Item extends z.ZodType>(item: Item): z.ZodUnion<[Item, z.ZodArray<Item>]> =>
  z.union([item, z.array(item).min(1)]);

export const toList = <Item>(given: Item | readonly Item[]): readonly Item[] =>
  Array.isArray(given) ? (given as readonly Item[]) : [given as Item];
