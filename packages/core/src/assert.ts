// assert.ts — programmer errors. Kept in production; only a connection's outermost frame may catch one.

export class AssertionError extends Error {
  readonly code = "ERR_ASSERTION";
  override readonly name = "AssertionError";
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the branch that a closed union has no member left for. */
export const unreachable = (what: string): never => {
  throw new AssertionError(`unreachable: ${what}`);
};
