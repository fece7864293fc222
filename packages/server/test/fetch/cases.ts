// cases.ts — the Fetch standard's rules as rows: each runs against any set of classes, ours or Node's own.
import type { Headers } from "../../src/fetch/headers.ts";
import type { Request } from "../../src/fetch/request.ts";
import type { Response } from "../../src/fetch/response.ts";

export interface FetchClasses {
  readonly Headers: typeof Headers;
  readonly Request: typeof Request;
  readonly Response: typeof Response;
}

export interface Case {
  readonly name: string;
  /** Throws, or rejects, where the rule does not hold. */
  readonly run: (classes: FetchClasses) => unknown;
}

export const equal = (actual: unknown, expected: unknown): void => {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`got ${left}, expected ${right}`);
};

export const throws = (kind: new (...args: never[]) => Error, run: () => unknown): void => {
  try {
    run();
  } catch (error) {
    if (error instanceof kind) return;
    throw new Error(`threw ${String(error)}, expected a ${kind.name}`);
  }
  throw new Error(`threw nothing, expected a ${kind.name}`);
};

export const rejects = async (kind: new (...args: never[]) => Error, run: () => Promise<unknown>): Promise<void> => {
  try {
    await run();
  } catch (error) {
    if (error instanceof kind) return;
    throw new Error(`rejected with ${String(error)}, expected a ${kind.name}`);
  }
  throw new Error(`resolved, expected a ${kind.name}`);
};

export const streamOfText = (...parts: string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });

/** True where a getter gives the same object each time. */
export const sameTwice = (get: () => unknown): boolean => {
  const [first, second] = [get(), get()];
  return first === second;
};
