/** A comparison for the loops of random tests. */
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";

/** vitest's comparison takes ten times as long as Node's, and its message must exist in advance: both are for a difference. */
export function expectEqual(actual: unknown, expected: unknown, message?: () => string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, message?.()).toEqual(expected);
}
