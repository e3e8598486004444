/** Durations in policies and case files, in nanoseconds. */
import { maximumSigned } from "../../linux/word.ts";

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  min: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

export const durationForm = 'a number and a unit: "50ms", "1s", "10min" (ns, us, ms, s, min, h)';

/** Parses "30s" to nanoseconds; undefined if it is not a duration or exceeds 2^63 − 1 ns (292 years). */
export function parseDuration(text: string): bigint | undefined {
  const found = /^(\d{1,19})(ns|us|ms|s|min|h)$/.exec(text);
  if (found === null) return undefined;
  const nanoseconds = BigInt(found[1]!) * units[found[2]!]!;
  return nanoseconds <= maximumSigned ? nanoseconds : undefined;
}
